import { describe, expect, it } from 'vitest';
import { tinyConfig } from '../../test/support/decoder-forward.ts';
import { initialise } from './initialise.ts';
import { type ParameterSpec, parametersOf } from './model.ts';

const normal: ParameterSpec = {
  name: 'a',
  shape: [200, 301],
  init: { kind: 'normal', deviation: 0.5 },
  role: 'matrix',
};

function moments(values: Float32Array): { mean: number; deviation: number; beyondTwo: number } {
  const mean = values.reduce((sum, x) => sum + x, 0) / values.length;
  const deviation = Math.sqrt(values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / values.length);
  const beyondTwo = values.filter((x) => Math.abs(x - mean) > 2 * deviation).length / values.length;
  return { mean, deviation, beyondTwo };
}

describe('initialise', () => {
  it('draws from the normal distribution that is asked for', () => {
    const { mean, deviation, beyondTwo } = moments(initialise(normal, 1));
    expect(Math.abs(mean)).toBeLessThan(0.01);
    expect(deviation).toBeCloseTo(0.5, 2);
    expect(beyondTwo).toBeCloseTo(0.0455, 2);
  });

  it('gives the same values for the same seed and name, whatever else there is, and others otherwise', () => {
    expect(initialise(normal, 1)).toEqual(initialise({ ...normal, role: 'embedding' }, 1));
    const correlation = (a: Float32Array, b: Float32Array) =>
      a.reduce((sum, x, i) => sum + x * (b[i] as number), 0) / a.length;
    for (const other of [initialise(normal, 2), initialise({ ...normal, name: 'b' }, 1)])
      expect(Math.abs(correlation(initialise(normal, 1), other))).toBeLessThan(0.01);
  });

  it('is the same on every machine', () => {
    const first = initialise({ ...normal, shape: [4] }, 42);
    expect([...first].map((x) => x.toFixed(6))).toEqual(['-0.005311', '-0.759517', '-0.242675', '-0.486018']);
  });

  it('lets every layer pass on what it gets at first, and gives a uniform guess', () => {
    for (const spec of parametersOf({ ...tinyConfig, width: 64, vocab: 300 })) {
      const { deviation, mean } = moments(initialise(spec, 3));
      if (/attn_output|ffn_down/.test(spec.name)) expect(deviation).toBe(0);
      else if (spec.role === 'matrix') expect(Math.abs(deviation * 8 - 1)).toBeLessThan(0.15);
      else if (spec.role === 'norm') expect([mean, deviation]).toEqual([1, 0]);
      else if (spec.role === 'head') expect(deviation).toBeCloseTo(0.001, 4);
      else expect(deviation).toBeCloseTo(1, 1);
    }
  });
});
