import { describe, expect, it } from 'vitest';
import type { MetricsLine } from '../../train/metrics.ts';
import { createStyle } from '../output.ts';
import { paintedWidth } from '../text.ts';
import { bestOf, type LiveRun, liveView, logLine } from './live-view.ts';

const plain = createStyle(false);

const measured = (step: number, more: Partial<MetricsLine> = {}): MetricsLine => ({
  step,
  tokens: step * 1024,
  loss: 1.5 + 3 * Math.exp(-step / 100),
  learningRate: 0.02,
  gradientNorm: 1,
  tokensPerSecond: 41_234,
  flopsPerSecond: 1e11,
  gemmShare: 0.712,
  memoryBytes: 212e6,
  elapsedSeconds: step / 50,
  at: '2026-01-01T00:00:00.000Z',
  ...more,
});

const metrics = Array.from({ length: 120 }, (_, index) =>
  measured(
    index + 1,
    (index + 1) % 40 === 0 ? { validationLoss: 2 - index / 200, bitsPerByte: 2.5 - index / 200 } : {},
  ),
);

const run: LiveRun = {
  name: 'shakespeare-d4',
  state: 'running',
  progress: { phase: 'training', step: 120, steps: 2000, tokens: 120 * 1024, etaSeconds: 200 },
  history: {
    metrics,
    samples: [{ step: 100, prompt: 'ROMEO:', text: '\nWhat say\u001b[31m you?\u0007\n'.repeat(20), at: '' }],
  },
};

describe('the view of a run', () => {
  it('shows how far it is, what it measures, and what it writes', () => {
    const view = liveView(run, { columns: 100, rows: 40 }, plain).join('\n');
    expect(view).toMatch(/^shakespeare-d4 {2}━.*6 % {2}step 120 of 2,000 · 3 min 20 s left\n/);
    expect(view).toMatch(/[\u2801-\u28ff]{10}/);
    expect(view).toContain('41.2 k tokens/s · 71 % of GEMM');
    expect(view).toMatch(/Validation +1\.405 at step 120/);
    expect(view).toMatch(/Bits per byte +1\.905 · best 1\.905/);
    expect(view).toContain('212 MB');
    expect(view).toContain('Sample at step 100\n  ROMEO:');
  });

  it.each([
    [40, 10],
    [60, 16],
    [80, 24],
    [100, 30],
    [200, 60],
    [20, 5],
    [10, 1],
  ])('fits a screen of %i columns and %i rows, and no text drives the terminal', (columns, rows) => {
    for (const each of [run, { ...run, progress: undefined, history: { metrics: [], samples: [] } }]) {
      for (const style of [plain, createStyle(true)]) {
        const view = liveView(each, { columns, rows }, style);
        expect(view.length).toBeLessThanOrEqual(rows);
        // figures are not cut: below 50 columns a terminal wraps them
        if (columns >= 50) for (const line of view) expect(paintedWidth(line)).toBeLessThanOrEqual(columns);
        expect(view.join('').replace(/\u001b\[(1|2|22|31|36|39)m/g, '')).not.toMatch(/[\u0000-\u001f]/);
      }
    }
  });

  it('gives up the sample first and then the curve when the screen is low', () => {
    const rows = (count: number) => liveView(run, { columns: 80, rows: count }, plain).join('\n');
    expect(rows(14)).not.toContain('Sample');
    expect(rows(14)).toMatch(/[\u2801-\u28ff]/);
    expect(rows(8)).not.toMatch(/[\u2801-\u28ff]/);
    expect(rows(8)).toContain('41.2 k tokens/s');
  });

  it('says what the run does before it trains, and that it obeys', () => {
    const view = (change: Partial<LiveRun>) =>
      liveView({ ...run, ...change }, { columns: 80, rows: 24 }, plain).join('\n');
    const early = { history: { metrics: [], samples: [] } };
    expect(view({ ...early, progress: { phase: 'learning the tokenizer', step: 0, steps: 0, tokens: 0 } })).toContain(
      'learning the tokenizer',
    );
    expect(view({ requested: 'pause' })).toContain('Pausing after this step');
    expect(view({ state: 'paused' })).not.toContain('left');
  });

  it('in a log is one line', () => {
    expect(logLine(run)).toBe(
      'shakespeare-d4: step 120 of 2,000, loss 2.404, validation 1.405, 1.905 bits per byte, 41.2 k tokens/s, 71 % of GEMM, 212 MB, 3 min 20 s left',
    );
    expect(logLine({ ...run, history: { metrics: [], samples: [] } })).toBe('shakespeare-d4: training');
  });

  it('knows the best validation, not the last', () => {
    const history = {
      samples: [],
      metrics: [1.9, 1.5, 1.7].map((bits, step) => measured(step, { validationLoss: bits, bitsPerByte: bits })),
    };
    expect(bestOf(history)).toEqual({ step: 1, bitsPerByte: 1.5, validationLoss: 1.5 });
    expect(bestOf({ metrics: [measured(1)], samples: [] })).toBeUndefined();
  });
});
