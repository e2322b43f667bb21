import { describe, expect, it } from 'vitest';
import { parameterCount } from '../../models/costs.ts';
import { derive } from '../../models/dial.ts';
import type { RunPlan } from '../../train/plan.ts';
import { createStyle } from '../output.ts';
import { displayWidth } from '../text.ts';
import { planReport } from './plan-report.ts';

const plain = createStyle(false);
const recipe = derive(4, { vocab: 1024, context: 256 }, { bytes: 1_115_394 });

const plan: RunPlan = {
  settings: {
    version: 1,
    name: 'shakespeare',
    createdAt: '',
    seed: 7,
    recipe,
    data: { sources: ['/a\u001b[2J.txt'], tokenizer: { kind: 'bpe', vocab: 1024 }, validation: 0.05, order: 'packed' },
    optimizer: { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, momentum: 0.95, clip: 0 },
    memory: {
      rowsPerPass: 2,
      recompute: true,
      computeType: 'f32',
      lossChunk: 1,
      keepAttention: false,
      attentionChunk: 0,
    },
    validation: { everySteps: 1, mostTokens: 1 },
    samples: { everySteps: 0, prompt: '', tokens: 1, temperature: 1 },
    checkpoints: { everySteps: 0, everyMinutes: 5, keepLast: 2, keepBest: true },
    device: 'cpu',
    threads: 1,
  },
  corpus: {
    files: 2,
    documents: 1,
    bytes: 1_115_394,
    emptyFiles: ['x'],
    convertedFiles: [],
    tokens: 446_000,
    exact: false,
  },
  parameters: parameterCount(recipe.model),
  memory: { parameters: 13e6, optimizer: 26e6, activations: 123e6, process: 250e6, total: 412e6, free: 18e9 },
  tokens: recipe.tokens,
  epochs: 3.96,
  flops: 5.43e12,
  measured: {
    device: 'CPU',
    tokensPerSecond: 41_234,
    flopsPerSecond: 52e9,
    gemmFlopsPerSecond: 83e9,
    etaSeconds: 200,
  },
};

describe('the plan of a run', () => {
  it('says what it is, what it needs and how long it takes', () => {
    const { lines, warnings } = planReport(plan, [], plain);
    const text = lines.join('\n');
    expect(text).toMatch(/^shakespeare\n/);
    expect(text).toMatch(/Model +qwen3, .* M parameters: 4 layers, width 256, 4 heads/);
    expect(text).toMatch(/Text +\/a\[2J\.txt/);
    expect(text).toMatch(/Corpus +1\.1 MB, 2 files, 1 document, about 446 k tokens; 1 empty file left out/);
    expect(text).toContain(
      '412 MB of 18.0 GB free: parameters 13.0 MB, optimizer 26.0 MB, a step 123 MB, the rest 250 MB',
    );
    expect(text).toContain('5.4 TFLOP');
    expect(text).toContain('41.2 k tokens/s on CPU, measured: 52.0 GFLOP/s, 63 % of the 83.0 GFLOP/s');
    expect(text).toContain('about 3 min 20 s');
    expect(text).not.toContain('\u001b');
    expect(warnings).toEqual([]);
  });

  it('says what speaks against it', () => {
    const tight = { ...plan, epochs: 12, memory: { ...plan.memory, total: 17e9 } };
    const { warnings } = planReport(tight, ['other', 'third'], plain);
    expect(warnings).toHaveLength(3);
    expect(warnings.join('\n')).toMatch(/other, third are .*slower[\s\S]*12\.0 times[\s\S]*most of the memory/);
  });

  it('is wrapped to the terminal, values under themselves', () => {
    const { lines } = planReport(plan, [], plain, 80);
    for (const line of lines) expect(displayWidth(line)).toBeLessThanOrEqual(80);
    expect(lines.join('\n')).toMatch(/ {2}Memory {6}\S.*\n {14}\S/);
  });

  it('does without a measurement', () => {
    const { measured: _, ...unmeasured } = plan;
    expect(planReport(unmeasured, [], plain).lines.join('\n')).not.toContain('Speed');
  });
});
