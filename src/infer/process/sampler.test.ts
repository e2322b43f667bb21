import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createRandom } from '../../lib/random.ts';
import { argmax, type SamplingSettings, sampleToken, samplingDefaults } from './sampler.ts';

const open: SamplingSettings = { temperature: 1, topK: 0, topP: 1, minP: 0 };
const logitsOf = (probabilities: number[]) => Float32Array.from(probabilities, (p) => Math.log(p));

/** How often each token is drawn. */
function frequencies(logits: Float32Array, settings: SamplingSettings, draws = 20_000): number[] {
  const random = createRandom(7);
  const counts = new Array<number>(logits.length).fill(0);
  for (let i = 0; i < draws; i++) counts[sampleToken(logits, settings, random)]! += 1;
  return counts.map((count) => count / draws);
}

const finiteLogits = fc
  .array(fc.float({ min: -30, max: 30, noNaN: true }), { minLength: 1, maxLength: 300 })
  .map((values) => Float32Array.from(values));

describe('sampleToken', () => {
  it('takes the likeliest token at temperature 0 and at top-k 1', () => {
    fc.assert(
      fc.property(finiteLogits, fc.nat(), (logits, seed) => {
        const best = Math.max(...logits);
        for (const settings of [
          { ...open, temperature: 0 },
          { ...open, topK: 1 },
        ]) {
          expect(logits[sampleToken(logits, settings, createRandom(seed))]).toBe(best);
        }
      }),
    );
  });

  it('draws tokens as often as they are likely', () => {
    const drawn = frequencies(logitsOf([0.5, 0.3, 0.15, 0.05]), open);
    for (const [token, p] of [0.5, 0.3, 0.15, 0.05].entries()) expect(drawn[token]).toBeCloseTo(p, 1);
  });

  it('never draws outside the k largest logits', () => {
    fc.assert(
      fc.property(finiteLogits, fc.integer({ min: 1, max: 50 }), fc.nat(), (logits, topK, seed) => {
        const floor = [...logits].sort((a, b) => b - a)[Math.min(topK, logits.length) - 1] as number;
        expect(logits[sampleToken(logits, { ...open, topK }, createRandom(seed))]).toBeGreaterThanOrEqual(floor);
      }),
    );
  });

  it('draws with top-k off what it draws with a top-k that only drops the hopeless', () => {
    const logits = Float32Array.from({ length: 400 }, (_, token) => -0.5 * ((token * 37) % 400));
    const settings = { ...open, temperature: 0.8, topP: 0.9 };
    for (let seed = 0; seed < 500; seed++) {
      expect(sampleToken(logits, { ...settings, topK: 200 }, createRandom(seed))).toBe(
        sampleToken(logits, settings, createRandom(seed)),
      );
    }
  });

  it('keeps the least set of tokens that reaches top-p', () => {
    const drawn = frequencies(logitsOf([0.5, 0.3, 0.15, 0.05]), { ...open, topP: 0.75 });
    expect(drawn[2]).toBe(0);
    expect(drawn[3]).toBe(0);
    expect(drawn[1]).toBeCloseTo(0.3 / 0.8, 1);
  });

  it('drops tokens below min-p times the best', () => {
    const drawn = frequencies(logitsOf([0.5, 0.3, 0.15, 0.05]), { ...open, minP: 0.2 });
    expect(drawn[3]).toBe(0);
    expect(drawn[2]).toBeGreaterThan(0);
  });

  it('flattens with a high temperature and sharpens with a low one', () => {
    const logits = logitsOf([0.7, 0.3]);
    expect(frequencies(logits, { ...open, temperature: 100 })[1]).toBeCloseTo(0.5, 1);
    expect(frequencies(logits, { ...open, temperature: 0.1 })[1]).toBeLessThan(0.01);
  });

  it('repeats itself with the same seed', () => {
    const logits = logitsOf([0.3, 0.3, 0.2, 0.2]);
    const run = (seed: number) => {
      const random = createRandom(seed);
      return Array.from({ length: 40 }, () => sampleToken(logits, samplingDefaults, random)).join();
    };
    expect(run(5)).toBe(run(5));
    expect(run(5)).not.toBe(run(6));
  });

  it('survives infinities and extreme settings', () => {
    expect(sampleToken(Float32Array.of(1, Number.POSITIVE_INFINITY, 2), open, createRandom(1))).toBe(1);
    expect(sampleToken(Float32Array.of(Number.NEGATIVE_INFINITY, 3), open, createRandom(1))).toBe(1);
    expect([0, 1]).toContain(
      sampleToken(Float32Array.of(1, 2), { temperature: 1e30, topK: 1e9, topP: 1e-30, minP: 1 }, createRandom(1)),
    );
    expect(sampleToken(Float32Array.of(Number.NaN, 3, Number.NaN), { ...open, topK: 2 }, createRandom(1))).toBe(1);
  });

  it('refuses a row without numbers', () => {
    const row = new Float32Array(8).fill(Number.NaN);
    for (const settings of [open, { ...open, topK: 3 }, { ...open, temperature: 0 }]) {
      expect(() => sampleToken(row, settings, createRandom(1))).toThrow(
        expect.objectContaining({ code: 'model_failed' }),
      );
    }
    expect(() => argmax(row)).toThrow(/no valid probabilities/);
  });
});
