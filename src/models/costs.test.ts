import { describe, expect, it } from 'vitest';
import { flopsPerToken, multipliedParameters, parameterCount } from './costs.ts';
import type { ModelConfig } from './model.ts';

/** Qwen3 0.6B, whose card says 0.6B parameters, 0.44B of them without embeddings. */
const qwen3Small: ModelConfig = {
  architecture: 'qwen3',
  vocab: 151_936,
  context: 32_768,
  layers: 28,
  width: 1024,
  heads: 16,
  kvHeads: 8,
  headSize: 128,
  feedForward: 3072,
  ropeBase: 1e6,
  epsilon: 1e-6,
  tied: true,
};

describe('parameters', () => {
  it('are as many as a published model of that shape has', () => {
    const { total, embedding, matrix, norm, head } = parameterCount(qwen3Small);
    expect(total).toBe(596_049_920);
    expect(total - embedding).toBe(440_467_456);
    expect(matrix + embedding + norm + head).toBe(total);
    expect(parameterCount({ ...qwen3Small, tied: false }).total - total).toBe(151_936 * 1024);
  });
});

describe('arithmetic', () => {
  it('is six operations for each parameter that multiplies, and more where a context is long', () => {
    const multiplied = multipliedParameters(qwen3Small);
    expect(multiplied).toBe(multipliedParameters({ ...qwen3Small, tied: false }));
    expect(flopsPerToken(qwen3Small, 1) / multiplied).toBeCloseTo(6, 2);
    // scores and sums: 2 products x 2 operations x 3 passes, for each of half the context's keys in every head and layer
    const attention = flopsPerToken(qwen3Small, 4096) - 6 * multiplied;
    expect(attention).toBe(2 * 2 * 3 * 2048 * 28 * 16 * 128);
  });
});
