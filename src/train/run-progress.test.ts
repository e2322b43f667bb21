import { describe, expect, it } from 'vitest';
import type { MetricsLine } from './metrics.ts';
import { createProgress } from './run-progress.ts';

const line = (step: number, more: Partial<MetricsLine> = {}): MetricsLine => ({
  step,
  tokens: step * 100,
  loss: 2,
  learningRate: 1,
  gradientNorm: 1,
  tokensPerSecond: 50,
  flopsPerSecond: 1,
  memoryBytes: 7,
  elapsedSeconds: step * 2,
  at: '',
  ...more,
});

describe('the progress of a run', () => {
  it('says in words what it does before it trains', () => {
    const track = createProgress(10);
    expect(track({ type: 'phase', phase: 'tokens', share: 0.256 })).toMatchObject({
      phase: 'turning the texts into tokens, 25 %',
      step: 0,
      steps: 10,
    });
    expect(track({ type: 'phase', phase: 'training', share: 0.5 }).phase).toBe('training');
  });

  it('keeps the last validation beside later steps, and the best', () => {
    const track = createProgress(10);
    track({ type: 'metrics', line: line(1, { bitsPerByte: 1.5 }), steps: 10 });
    track({ type: 'metrics', line: line(2, { bitsPerByte: 1.8 }), steps: 10 });
    expect(track({ type: 'metrics', line: line(3), steps: 10 })).toMatchObject({
      step: 3,
      bitsPerByte: 1.8,
      bestBitsPerByte: 1.5,
    });
  });

  it('tells the time that is left from how long the last steps took, all that happens between them included', () => {
    const track = createProgress(10);
    expect(track({ type: 'metrics', line: line(1), steps: 10 }).etaSeconds).toBeUndefined();
    expect(track({ type: 'metrics', line: line(2), steps: 10 }).etaSeconds).toBe(16);
    expect(track({ type: 'metrics', line: line(4, { elapsedSeconds: 14 }), steps: 10 }).etaSeconds).toBe(24);
  });

  it('of a run that goes on begins where it was, but for what was left', () => {
    const track = createProgress(10, { phase: 'training', step: 7, steps: 10, tokens: 700, loss: 3, etaSeconds: 9 });
    expect(track({ type: 'phase', phase: 'planning', share: 0 })).toEqual({
      phase: 'setting up',
      step: 7,
      steps: 10,
      tokens: 700,
      loss: 3,
    });
    expect(track({ type: 'resumed', step: 5, checkpoint: 'step-5' })).toMatchObject({ step: 5, checkpoint: 5 });
  });
});
