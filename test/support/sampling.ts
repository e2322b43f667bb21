// For tests of sampling: rows of logits and settings of all kinds, a slow reference that is easily seen to be right, and
// samplers and filters whose choices a test knows beforehand.
import fc from 'fast-check';
import { createSampler, type Sampler, type TokenFilter } from '../../src/infer/process/sampler.ts';
import type { Sampling } from '../../src/lib/text-model.ts';

/** No filter at all. */
export const open: Sampling = { temperature: 1, topK: 0, topP: 1, minP: 0 };

/** A sampler that draws at this point of the distribution, 0..1, every time. */
export function samplerAt(point: number, sampling: Sampling, vocabularySize: number): Sampler {
  return createSampler(sampling, { vocabularySize, random: { next: () => point } });
}

/** A filter that allows some tokens, and how many it was asked to mask each time. */
export function filterOf(allowed: (token: number) => boolean): TokenFilter & { masked: number[] } {
  const masked: number[] = [];
  return {
    masked,
    allows: allowed,
    mask(tokens, logits, count) {
      masked.push(count);
      for (let i = 0; i < count; i++) if (!allowed(tokens[i]!)) logits[i] = -Infinity;
    },
  };
}

interface Chance {
  token: number;
  logit: number;
}

export interface Reference {
  /** Tokens that may be drawn, likeliest first, and their probabilities. */
  tokens: number[];
  probabilities: number[];
  /** A filter's cut lies within rounding of a token: either side is right. */
  close: boolean;
}

function softmax(logits: number[]): number[] {
  const best = Math.max(...logits);
  const weights = logits.map((logit) => Math.exp(logit - best));
  const total = weights.reduce((a, b) => a + b, 0);
  return weights.map((weight) => weight / total);
}

/** Plain arrays, one filter after the other, each as its paper has it. */
export function reference(logits: Float32Array, sampling: Sampling, allowed: (token: number) => boolean): Reference {
  const { temperature = 0.7, topK = 40, topP = 0.95, minP = 0.05, typicalP = 1, topNSigma = 0 } = sampling;
  const near = (a: number, b: number) => Math.abs(a - b) < 1e-5 * Math.max(1, Math.abs(b));
  let close = false;
  const changed = Array.from(logits, (logit, token) => {
    const bias = sampling.logitBias?.[token] ?? 0;
    return bias === -100 ? -Infinity : Math.fround(logit + bias);
  });
  const possible = (row: ArrayLike<number>): Chance[] =>
    Array.from(row, (logit, token) => ({ token, logit })).filter(
      ({ token, logit }) => logit > -Infinity && allowed(token),
    );
  let kept = possible(changed);
  if (kept.length === 0) kept = possible(logits);
  kept.sort((a, b) => b.logit - a.logit || a.token - b.token);
  const first = kept[0];
  if (!first) return { tokens: [], probabilities: [], close };
  if (temperature === 0 || first.logit === Infinity) return { tokens: [first.token], probabilities: [1], close };
  if (topNSigma > 0) {
    const all = kept.map(({ logit }) => logit);
    const mean = all.reduce((a, b) => a + b, 0) / all.length;
    const deviation = Math.sqrt(all.reduce((sum, logit) => sum + (logit - mean) ** 2, 0) / all.length);
    const floor = first.logit - topNSigma * deviation;
    close ||= kept.some(({ logit }) => logit !== first.logit && near(logit, floor));
    kept = kept.filter(({ logit }, i) => i === 0 || logit >= floor);
  }
  if (topK > 0) kept = kept.slice(0, topK);
  if (typicalP < 1) {
    const p = softmax(kept.map(({ logit }) => logit));
    const entropy = -p.reduce((sum, share) => sum + (share > 0 ? share * Math.log(share) : 0), 0);
    const best = first.logit;
    const total = kept.reduce((sum, { logit }) => sum + Math.exp(logit - best), 0);
    const ranked = kept.map(({ logit }, i) => ({ i, score: Math.abs(Math.log(total) - (logit - best) - entropy) }));
    ranked.sort((a, b) => a.score - b.score || a.i - b.i);
    const chosen = new Set<number>();
    let sum = 0;
    for (const { i } of ranked) {
      if (chosen.size > 0 && sum >= typicalP) break;
      chosen.add(i);
      sum += p[i]!;
      close ||= near(sum, typicalP);
    }
    const last = ranked[chosen.size - 1]!;
    const next = ranked[chosen.size];
    close ||= next !== undefined && near(next.score, last.score) && kept[next.i]!.logit !== kept[last.i]!.logit;
    kept = kept.filter((_, i) => chosen.has(i));
  }
  if (topP < 1) {
    const p = softmax(kept.map(({ logit }) => logit));
    let sum = 0;
    let count = 0;
    while (count < kept.length && (count === 0 || sum < topP)) {
      sum += p[count++]!;
      close ||= near(sum, topP);
    }
    kept = kept.slice(0, count);
  }
  if (minP > 0) {
    const floor = kept[0]!.logit + Math.log(minP);
    close ||= kept.some(({ logit }) => logit !== kept[0]!.logit && near(logit, floor));
    kept = kept.filter(({ logit }, i) => i === 0 || logit >= floor);
  }
  const probabilities = softmax(kept.map(({ logit }) => (logit - kept[0]!.logit) / temperature));
  return { tokens: kept.map(({ token }) => token), probabilities, close };
}

/** Tokens whose stretch of the distribution the point lies in; two where it is within rounding of a border. */
export function tokensAt({ tokens, probabilities }: Reference, point: number): number[] {
  let from = 0;
  return tokens.filter((_, i) => {
    const to = from + probabilities[i]!;
    const within = point > from - 1e-5 && point < to + 1e-5;
    from = to;
    return within;
  });
}

/** Evenly spread, which fast-check's own floats are not: most of them lie near 0. */
export const between = (from: number, to: number) =>
  fc.integer({ min: 1, max: 99_999 }).map((part) => from + ((to - from) * part) / 100_000);
const anyLogit = fc.oneof(
  { weight: 6, arbitrary: between(-30, 30) },
  { weight: 3, arbitrary: fc.integer({ min: -4, max: 4 }) },
  { weight: 1, arbitrary: fc.constantFrom(Number.NaN, -Infinity, -0, 3e38, -3e38, 1e-40) },
);
/** Rows with a few likely tokens, and flat ones where hundreds are. */
export const anyRow = fc
  .tuple(
    fc.array(anyLogit, { minLength: 1, maxLength: 700, size: 'max' }),
    fc.constantFrom(1, 0.2, 0.05),
    fc.constantFrom(0, 0, 0, -60, 60),
  )
  .map(([values, scale, shift]) => Float32Array.from(values, (value) => value * scale + shift));
const share = fc.oneof(fc.constant(1), fc.constant(1), between(0, 1), fc.double({ min: 0, max: 1, noNaN: true }));
export const anySampling: fc.Arbitrary<Sampling> = fc.record({
  temperature: fc.oneof(between(0.05, 4), between(0.05, 4), fc.constantFrom(0, 1)),
  topK: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 80 }), fc.integer({ min: 1, max: 900 })),
  topP: share,
  minP: fc.oneof(fc.constant(0), fc.constant(0), between(0, 1), between(0, 0.1)),
  typicalP: share,
  topNSigma: fc.oneof(fc.constant(0), fc.constant(0), between(0.1, 4)),
});
export const anyBias = fc
  .array(fc.tuple(fc.nat(), fc.constantFrom(-100, -100, -3.5, 0, 2, 100)), { maxLength: 6 })
  .map((pairs) => (size: number) => Object.fromEntries(pairs.map(([token, bias]) => [token % size, bias])));
/** Points of a distribution to draw at. */
export const points = [0, 1e-6, 0.1, 0.3, 0.5, 0.77, 0.9, 0.99, 0.999999, 1 - 2 ** -32];
