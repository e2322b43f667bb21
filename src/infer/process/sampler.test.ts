import { describe, expect, it } from 'vitest';
import { filterOf, open, points, samplerAt } from '../../../test/support/sampling.ts';
import { createRandom } from '../../lib/random.ts';
import type { Sampling } from '../../lib/text-model.ts';
import { createSampler } from './sampler.ts';

const logitsOf = (probabilities: number[]) => Float32Array.from(probabilities, (p) => Math.log(p));

function pick(logits: Float32Array, sampling: Sampling, seed = 1): number {
  return createSampler({ ...sampling, seed }, { vocabularySize: logits.length }).sample(logits).token;
}

/** How often each token is drawn. */
function frequencies(logits: Float32Array, sampling: Sampling, draws = 20_000): number[] {
  const sampler = createSampler({ ...sampling, seed: 7 }, { vocabularySize: logits.length });
  const counts = new Array<number>(logits.length).fill(0);
  for (let i = 0; i < draws; i++) counts[sampler.sample(logits).token]! += 1;
  return counts.map((count) => count / draws);
}

describe('sample', () => {
  it('takes the likeliest token at temperature 0 and at top-k 1', () => {
    const logits = Float32Array.of(1, 5, 5, -2);
    for (const sampling of [{ temperature: 0 }, { topK: 1 }]) expect(pick(logits, sampling)).toBe(1);
  });

  it('draws tokens as often as they are likely', () => {
    const drawn = frequencies(logitsOf([0.5, 0.3, 0.15, 0.05]), open);
    for (const [token, p] of [0.5, 0.3, 0.15, 0.05].entries()) expect(drawn[token]).toBeCloseTo(p, 1);
  });

  it('keeps the likeliest tokens in the order of their ids where logits are equal', () => {
    for (const size of [40, 500]) {
      for (const topK of [3, 30, 200]) {
        const equal = new Float32Array(size).fill(2.5);
        const drawn = new Set(points.map((point) => samplerAt(point, { ...open, topK }, size).sample(equal).token));
        expect(Math.max(...drawn)).toBe(Math.min(topK, size) - 1);
        expect(Math.min(...drawn)).toBe(0);
      }
    }
  });

  it('finds the likeliest tokens of a large vocabulary wherever they are', () => {
    const random = createRandom(3);
    for (const shift of [0, -50]) {
      const logits = Float32Array.from({ length: 20_011 }, () => random.next() * 20 + shift);
      const order = [...logits.keys()].sort((a, b) => logits[b]! - logits[a]! || a - b);
      for (const topK of [1, 40, 64, 65, 1000]) {
        const lastOfK = samplerAt(1 - 2 ** -32, { temperature: 1e6, topK, topP: 1, minP: 0 }, logits.length);
        expect(lastOfK.sample(logits).token).toBe(order[topK - 1]);
      }
    }
  });

  it('draws with top-k off what it draws with a top-k that only drops the hopeless', () => {
    const logits = Float32Array.from({ length: 400 }, (_, token) => -0.5 * ((token * 37) % 400));
    for (const settings of [
      { ...open, temperature: 0.8, topP: 0.9 },
      { ...open, temperature: 1.3 },
      { ...open, minP: 0.01 },
      { ...open, typicalP: 0.7 },
    ]) {
      for (let seed = 0; seed < 300; seed++) {
        expect(pick(logits, { ...settings, topK: 200 }, seed)).toBe(pick(logits, settings, seed));
      }
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

  it('leaves out, by typical-p, the token that says too little as well as those that say too much', () => {
    // entropy 1.14 nats; surprises 0.60, 1.90, 1.90, 1.90, 6.91: the three in the middle are no nearer than the first
    const logits = logitsOf([0.549, 0.15, 0.15, 0.15, 0.001]);
    expect(frequencies(logits, { ...open, typicalP: 0.5 }, 500)).toEqual([1, 0, 0, 0, 0]);
    // entropy 1.68; surprises 1.20, 1.61, 1.61, 1.61, 2.66: the likeliest is farther from it
    const flat = logitsOf([0.3, 0.2, 0.2, 0.2, 0.07]);
    const drawn = frequencies(flat, { ...open, typicalP: 0.55 }, 2000);
    expect(drawn[0]).toBe(0);
    expect(drawn[4]).toBe(0);
    expect(drawn[1]).toBeCloseTo(1 / 3, 1);
  });

  it('keeps a token when a filter would leave none', () => {
    const logits = Float32Array.of(1, 3, 2.9, -1);
    for (const topK of [0, 3]) {
      for (const [setting, left] of [
        [{ topP: 0 }, [1]],
        [{ minP: 1 }, [1]],
        [{ topNSigma: 1e-9 }, [1]],
        [{ typicalP: 0 }, [1, 2]],
        [{ typicalP: 0, topP: 0, minP: 1 }, [1, 2]],
      ] as [Sampling, number[]][]) {
        for (let seed = 0; seed < 20; seed++) {
          expect(left).toContain(pick(logits, { ...open, topK, temperature: 4, ...setting }, seed));
        }
      }
    }
  });

  it('finds the most typical token though likelier ones lie farther off', () => {
    // one token at depth 0, ten at depth 1: 0.79 nats below the best is expected
    const logits = Float32Array.of(1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
    for (const topK of [0, 10]) expect(pick(logits, { ...open, topK, typicalP: 0 })).toBe(1);
  });

  it('drops tokens so many standard deviations below the best', () => {
    // mean 1, standard deviation 1.73
    const logits = Float32Array.of(4, 0, 0, 0);
    expect(frequencies(logits, { ...open, topNSigma: 2 }, 500)).toEqual([1, 0, 0, 0]);
    expect(frequencies(logits, { ...open, temperature: 5, topNSigma: 2.4 }, 500)[3]).toBeGreaterThan(0);
  });

  it('flattens with a high temperature and sharpens with a low one', () => {
    const logits = logitsOf([0.7, 0.3]);
    expect(frequencies(logits, { ...open, temperature: 100 })[1]).toBeCloseTo(0.5, 1);
    expect(frequencies(logits, { ...open, temperature: 0.1 })[1]).toBeLessThan(0.01);
  });

  it('repeats itself with the same seed', () => {
    const logits = logitsOf([0.3, 0.3, 0.2, 0.2]);
    const run = (sampling: Sampling) => {
      const sampler = createSampler(sampling, { vocabularySize: 4 });
      return Array.from({ length: 40 }, () => sampler.sample(logits).token).join();
    };
    for (const topK of [0, 3]) {
      expect(run({ topK, seed: 5 })).toBe(run({ topK, seed: 5 }));
      expect(run({ topK, seed: 5 })).not.toBe(run({ topK, seed: 6 }));
    }
    expect(run({})).not.toBe(run({}));
  });

  it('survives infinities and extreme settings', () => {
    for (const topK of [0, 2]) {
      expect(pick(Float32Array.of(1, Number.POSITIVE_INFINITY, 2), { ...open, topK })).toBe(1);
      expect(pick(Float32Array.of(1, 3e38, -3e38), { ...open, topK, typicalP: 0.9 })).toBe(1);
    }
    expect(pick(Float32Array.of(-Infinity, 3), open)).toBe(1);
    expect(pick(Float32Array.of(Number.NaN, 3, Number.NaN), { ...open, topK: 2 })).toBe(1);
    const tiny = { temperature: Number.MIN_VALUE, topP: 1, minP: 0 };
    for (const topK of [0, 2]) expect(pick(Float32Array.of(1, 2, 1.5), { ...tiny, topK })).toBe(1);
    const extreme = { temperature: 1e30, topK: 1e9, topP: 1e-30, minP: 1 };
    expect([0, 1]).toContain(pick(Float32Array.of(1, 2), extreme));
  });

  it('refuses a row without numbers', () => {
    const row = new Float32Array(8).fill(Number.NaN);
    for (const sampling of [open, { topK: 3 }, { temperature: 0 }, { ...open, topP: 0.5 }, { logprobs: 2 }]) {
      expect(() => pick(row, sampling)).toThrow(expect.objectContaining({ code: 'model_failed' }));
    }
  });

  it('reads a row that begins anywhere in a buffer', () => {
    const buffer = Float32Array.of(9, 9, 9, 1, 2, 8, 3, 9, 9);
    expect(pick(buffer.subarray(3, 7), { temperature: 0 })).toBe(2);
  });
});

describe('sample, with settings that touch single tokens', () => {
  const rising = Float32Array.from({ length: 100 }, (_, token) => token / 10);

  it('never draws a token with a bias of -100, and always one with 100', () => {
    for (const sampling of [{ temperature: 0 }, { topK: 5 }, { topK: 80 }, open]) {
      const banned = Object.fromEntries([95, 96, 97, 98, 99].map((token) => [token, -100]));
      const drawn = new Set<number>();
      for (let seed = 0; seed < 100; seed++) drawn.add(pick(rising, { ...sampling, logitBias: banned }, seed));
      expect(Math.max(...drawn)).toBeLessThan(95);
      expect(pick(rising, { ...sampling, logitBias: { 3: 100 } })).toBe(3);
    }
    expect(pick(rising, { temperature: 0, logitBias: { 99: -100 } })).toBe(98);
  });

  it('lets a bias decide between near tokens, and by id between equal ones', () => {
    const logits = Float32Array.of(1, 2, 2.5, 0);
    expect(pick(logits, { temperature: 0, logitBias: { 0: 1.75 } })).toBe(0);
    expect(pick(logits, { temperature: 0, logitBias: { 0: 1.5 } })).toBe(0);
    expect(pick(logits, { temperature: 0, logitBias: { 3: 2.5 } })).toBe(2);
  });

  it('measures the deviation of the logits after they were touched', () => {
    // with the ban: mean 1, deviation 1; without it the deviation is 49
    const logits = Float32Array.of(2, 0, 2, 0, -120);
    for (const topK of [0, 4]) {
      const sampling = { ...open, topK, temperature: 50, topNSigma: 1.5, logitBias: { 4: -100 } };
      const drawn = new Set(Array.from({ length: 60 }, (_, seed) => pick(logits, sampling, seed)));
      expect([...drawn].sort()).toEqual([0, 2]);
    }
  });

  it('draws all the same when every token is banned', () => {
    const logitBias = { 0: -100, 1: -100, 2: -100 };
    for (const sampling of [{ temperature: 0 }, { topK: 2 }, open]) {
      expect(pick(Float32Array.of(-9, 5, -9), { ...sampling, logitBias })).toBe(1);
    }
  });

  it('moves a greedy answer on when penalties pass the next token', () => {
    const answer = (sampling: Sampling, steps: number) => {
      const sampler = createSampler({ temperature: 0, ...sampling }, { vocabularySize: 4 });
      return Array.from({ length: steps }, () => {
        const { token } = sampler.sample(Float32Array.of(3, 2.8, 1, -1));
        sampler.accept(token);
        return token;
      });
    };
    expect(answer({}, 3)).toEqual([0, 0, 0]);
    // 3 - 0.5 is below 2.8, 2.8 - 0.5 is below 2.5
    expect(answer({ presencePenalty: 0.5 }, 3)).toEqual([0, 1, 0]);
    // 3, 2.8, then 3 - 0.3 over 2.8 - 0.3, 2.5 over 2.4
    expect(answer({ frequencyPenalty: 0.3 }, 4)).toEqual([0, 1, 0, 1]);
    // 3 / 1.5 = 2 is below 2.8, and 2.8 / 1.5 = 1.87 below that
    expect(answer({ repetitionPenalty: 1.5 }, 3)).toEqual([0, 1, 0]);
    expect(answer({ repetitionPenalty: 1.5, penaltyWindow: 1 }, 4)).toEqual([0, 1, 0, 1]);
    expect(answer({ repetitionPenalty: 1.5, penaltyWindow: 0 }, 2)).toEqual([0, 0]);
  });

  it('does not count a token that nobody accepted', () => {
    const sampler = createSampler({ temperature: 0, presencePenalty: 2 }, { vocabularySize: 2 });
    for (let i = 0; i < 3; i++) expect(sampler.sample(Float32Array.of(2, 1)).token).toBe(0);
  });

  it('refuses settings that are out of range, by name', () => {
    for (const [sampling, field] of [
      [{ topP: 1.5 }, 'topP'],
      [{ temperature: Number.NaN }, 'temperature'],
      [{ topK: 1.5 }, 'topK'],
      [{ repetitionPenalty: 0 }, 'repetitionPenalty'],
      [{ logprobs: 21 }, 'logprobs'],
      [{ logitBias: { 4: 1 } }, 'logit_bias'],
      [{ logitBias: { 1: 101 } }, 'logit_bias'],
      [{ dry: { multiplier: 1, allowedLength: 0 } }, 'dry.allowedLength'],
    ] as [Sampling, string][]) {
      expect(() => createSampler(sampling, { vocabularySize: 4 })).toThrow(
        expect.objectContaining({ code: 'invalid_request', field }),
      );
    }
  });
});

describe('sample, with a filter', () => {
  const falling = Float32Array.from({ length: 2000 }, (_, token) => -token / 100);

  it('asks about one token when that one is allowed', () => {
    const filter = filterOf((token) => token < 100);
    createSampler({ seed: 1 }, { vocabularySize: 2000 }).sample(falling, filter);
    expect(filter.masked).toEqual([]);
  });

  it('masks the k likeliest, then some more, then all', () => {
    const first = (allowed: (token: number) => boolean, sampling: Sampling) => {
      const filter = filterOf(allowed);
      const { token } = createSampler({ ...sampling, seed: 1 }, { vocabularySize: 2000 }).sample(falling, filter);
      return { token, masked: filter.masked };
    };
    expect(first((token) => token === 39, { topK: 40 })).toEqual({ token: 39, masked: [40] });
    expect(first((token) => token === 40, { topK: 40 })).toEqual({ token: 40, masked: [40, 512] });
    expect(first((token) => token === 1999, { topK: 40 })).toEqual({ token: 1999, masked: [40, 512, 2000] });
    expect(first((token) => token === 5, { temperature: 0 })).toEqual({ token: 5, masked: [512] });
    expect(first((token) => token === 1999, { topK: 0 })).toEqual({ token: 1999, masked: [2000] });
  });

  it('takes the likeliest allowed token when greedy', () => {
    const sampler = createSampler({ temperature: 0 }, { vocabularySize: 2000 });
    expect(
      sampler.sample(
        falling,
        filterOf((token) => token % 700 === 699),
      ).token,
    ).toBe(699);
  });

  it('lets the filter outrank a ban, and a ban everything else', () => {
    const only5and6 = () => filterOf((token) => token === 5 || token === 6);
    for (const topK of [0, 1, 40]) {
      const run = (logitBias: Record<number, number>) =>
        createSampler({ topK, logitBias }, { vocabularySize: 2000 }).sample(falling, only5and6()).token;
      expect(run({ 5: -100 })).toBe(6);
      expect([5, 6]).toContain(run({ 5: -100, 6: -100 }));
    }
  });

  it('says so when no allowed token has a probability', () => {
    const row = Float32Array.of(1, -Infinity, Number.NaN);
    for (const topK of [0, 1, 2]) {
      expect(() =>
        createSampler({ topK }, { vocabularySize: 3 }).sample(
          row,
          filterOf((token) => token > 0),
        ),
      ).toThrow(expect.objectContaining({ code: 'model_failed' }));
    }
  });
});
