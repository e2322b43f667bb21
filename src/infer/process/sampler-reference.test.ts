import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  anyBias,
  anyRow,
  anySampling,
  between,
  filterOf,
  open,
  points,
  reference,
  samplerAt,
  tokensAt,
} from '../../../test/support/sampling.ts';
import type { Sampling } from '../../lib/text-model.ts';
import { createSampler } from './sampler.ts';

// hundreds of rows of hundreds of tokens: seconds on a busy machine
const timeout = 60_000;

describe('sample, beside a reference', { timeout }, () => {
  it('draws what the reference draws, over any logits and settings', () => {
    fc.assert(
      fc.property(anyRow, anySampling, anyBias, (logits, given, bias) => {
        // the reference and the sampler sum the squares of huge logits in different orders
        const huge = logits.some((logit) => Math.abs(logit) > 1e4 && logit > -Infinity);
        const sampling = { ...given, topNSigma: huge ? 0 : given.topNSigma, logitBias: bias(logits.length) };
        const expected = reference(logits, sampling, () => true);
        if (expected.close) return;
        const before = logits.slice();
        for (const point of points) {
          const sampler = samplerAt(point, sampling, logits.length);
          if (expected.tokens.length === 0) expect(() => sampler.sample(logits)).toThrow(/no valid probabilities/);
          else expect(tokensAt(expected, point)).toContain(sampler.sample(logits).token);
        }
        expect(logits).toEqual(before);
      }),
      { numRuns: 200 },
    );
  });

  it('draws what is refused anew from the likeliest allowed tokens', () => {
    fc.assert(
      fc.property(anyRow, anySampling, anyBias, fc.integer({ min: 1, max: 9 }), (logits, given, bias, every) => {
        const sampling = { ...given, topNSigma: 0, logitBias: bias(logits.length) };
        const allowed = (token: number) => token % every === every - 1;
        const free = reference(logits, sampling, () => true);
        const k = sampling.temperature === 0 ? 1 : sampling.topK!;
        const sorted = reference(logits, { ...open, logitBias: sampling.logitBias }, () => true).tokens;
        const stages = k === 0 || k >= logits.length ? [] : [sorted.slice(0, k), sorted.slice(0, Math.max(512, k))];
        const stage = stages.find((tokens) => tokens.some(allowed));
        const bound = reference(logits, sampling, (token) => allowed(token) && (!stage || stage.includes(token)));
        if (free.close || bound.close || free.tokens.length === 0) return;
        for (const point of points) {
          const sampler = samplerAt(point, sampling, logits.length);
          const first = tokensAt(free, point);
          if (bound.tokens.length > 0) {
            const { token } = sampler.sample(logits, filterOf(allowed));
            expect([...first.filter(allowed), ...(first.every(allowed) ? [] : tokensAt(bound, point))]).toContain(
              token,
            );
          } else expect(() => sampler.sample(logits, filterOf(allowed))).toThrow(/required format allows/);
        }
      }),
      { numRuns: 200 },
    );
  });
});

describe('logprobs', { timeout }, () => {
  const logSoftmax = (logits: Float32Array) => {
    const best = Math.max(...logits);
    const logTotal = best + Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit - best), 0));
    return Array.from(logits, (logit) => logit - logTotal);
  };
  const finiteRow = fc
    .array(fc.oneof(between(-60, 60), between(-2, 2), fc.integer({ min: -2, max: 2 })), {
      minLength: 1,
      maxLength: 400,
    })
    .map((values) => Float32Array.from(values));

  it('are those of log-softmax, likeliest first, whatever is drawn and however', () => {
    fc.assert(
      fc.property(finiteRow, anySampling, anyBias, fc.integer({ min: 0, max: 20 }), (logits, given, bias, logprobs) => {
        const expected = logSoftmax(logits);
        const sampling = { ...given, logitBias: bias(logits.length), logprobs };
        const { token, logprob, top } = samplerAt(0.5, sampling, logits.length).sample(logits);
        expect(logprob).toBeCloseTo(expected[token]!, 5);
        expect(logprob).toBeLessThanOrEqual(0);
        const order = [...logits.keys()].sort((a, b) => logits[b]! - logits[a]! || a - b);
        expect(top!.map((entry) => entry.token)).toEqual(order.slice(0, logprobs));
        for (const entry of top!) expect(entry.logprob).toBeCloseTo(expected[entry.token]!, 5);
        expect(top!.reduce((sum, entry) => sum + Math.exp(entry.logprob), 0)).toBeLessThan(1 + 1e-6);
      }),
    );
  });

  it('stay the same with and without sampling settings, and with a filter', () => {
    const logits = Float32Array.of(1, 2, 3, 4);
    const of = (sampling: Sampling) =>
      createSampler({ ...sampling, logprobs: 2 }, { vocabularySize: 4 }).sample(
        logits,
        filterOf((token) => token === 1),
      );
    const plain = of({});
    expect(plain.token).toBe(1);
    expect(plain.top!.map(({ token }) => token)).toEqual([3, 2]);
    for (const sampling of [{ temperature: 0 }, { topK: 0 }, { logitBias: { 3: -100 } }, { topK: 2 }]) {
      expect(of(sampling)).toEqual(plain);
    }
  });

  it('name the likeliest tokens though the filter refused them', () => {
    const sampler = createSampler({ topK: 4, logprobs: 1 }, { vocabularySize: 6 });
    const { token, top } = sampler.sample(
      Float32Array.of(0, 1, 2, 3, 4, 5),
      filterOf((candidate) => candidate < 4),
    );
    expect(token).toBeLessThan(4);
    expect(top!.map((entry) => entry.token)).toEqual([5]);
  });

  it('leave out tokens that cannot come, and share a probability between infinite logits', () => {
    const masked = Float32Array.of(0, -Infinity, Number.NaN, 0);
    const some = createSampler({ logprobs: 5 }, { vocabularySize: 4 }).sample(masked);
    expect(some.top!.map(({ token }) => token)).toEqual([0, 3]);
    expect(some.logprob).toBeCloseTo(Math.log(0.5), 6);
    const infinite = Float32Array.of(0, Infinity, 5, Infinity);
    const { top } = createSampler({ logprobs: 4 }, { vocabularySize: 4 }).sample(infinite);
    expect(top!.map(({ token }) => token)).toEqual([1, 3]);
    expect(top![0]!.logprob).toBeCloseTo(Math.log(0.5), 6);
  });

  it('are absent unless asked for; 0 reports the token alone', () => {
    const logits = Float32Array.of(1, 2);
    expect(createSampler({ temperature: 0 }, { vocabularySize: 2 }).sample(logits)).toEqual({ token: 1 });
    const { top, logprob } = createSampler({ temperature: 0, logprobs: 0 }, { vocabularySize: 2 }).sample(logits);
    expect(top).toEqual([]);
    expect(logprob).toBeCloseTo(-0.31326, 4);
  });
});
