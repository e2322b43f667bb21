// The filters that look at probabilities, and the draw: from sorted candidates to one token. Each filter keeps at least
// one. Of the row they know the candidates, and the few facts about the others that the caller gives.
import type { Random } from '../../../lib/random.ts';
import { type Candidates, createCandidates, sortFalling } from './candidates.ts';
import type { SamplingSettings } from './settings.ts';

/** What candidates do not tell of the row they come from. */
export interface RowFacts {
  /** Standard deviation of the row's logits; only for top-n-sigma. */
  deviation?: number | undefined;
  /** Of all tokens, where the candidates are only those that typical or top-p can keep. */
  whole?: Whole | undefined;
}

interface Whole {
  /** Sum of e^(logit - best). */
  total: number;
  /** How far below the best, in nats, a token drawn is to be expected; only for typical. */
  meanDepth?: number;
}

/**
 * @param candidates sorted, at least one; left as they are
 * @param random one number is taken
 */
export function drawFrom(candidates: Candidates, settings: SamplingSettings, random: Random, facts: RowFacts): number {
  const { topNSigma, typicalP, topP, minP, temperature } = settings;
  let { tokens, logits, count } = candidates;
  // an infinite logit leaves no distribution to draw from
  if (logits[0] === Number.POSITIVE_INFINITY) return tokens[0] as number;
  if (facts.deviation !== undefined) count = countAbove(logits, count, topNSigma * facts.deviation);
  let { whole } = facts;
  if (typicalP < 1) {
    ({ tokens, logits, count } = keepTypical(tokens, logits, count, typicalP, whole));
    whole = undefined;
  }
  if (topP < 1) count = countToShare(logits, count, topP, whole);
  if (minP > 0) count = countAbove(logits, count, -Math.log(minP));
  const weights = weigh(logits, count, temperature);
  let left = random.next() * sumOf(weights, count);
  for (let i = 0; i < count; i++) {
    left -= weights[i] as number;
    if (left < 0) return tokens[i] as number;
  }
  return tokens[count - 1] as number;
}

/** How many lie at most so many nats below the first. */
function countAbove(logits: Float32Array, count: number, nats: number): number {
  const floor = (logits[0] as number) - nats;
  while (count > 1 && (logits[count - 1] as number) < floor) count -= 1;
  return count;
}

/** How many, from the first on, reach a share of the whole. Default: of all that are given. */
function countToShare(logits: Float32Array, count: number, share: number, whole: Whole | undefined): number {
  const weights = weigh(logits, count, 1);
  const goal = share * (whole?.total ?? sumOf(weights, count));
  let sum = 0;
  for (let i = 0; i < count; i++) {
    sum += weights[i] as number;
    if (sum >= goal) return i + 1;
  }
  return count;
}

let byTypicality = createCandidates(0);
let typical = createCandidates(0);
let isTypical = new Uint8Array(0);

/**
 * Locally typical sampling (Meister et al., 2022): the candidates whose surprise is nearest to the expected one, until
 * they reach the share. Equally near ones by falling logit.
 * @returns them in falling order of logit
 */
function keepTypical(
  tokens: Int32Array,
  logits: Float32Array,
  count: number,
  share: number,
  whole: Whole | undefined,
): Candidates {
  if (typical.tokens.length < count) {
    byTypicality = createCandidates(2 * count);
    typical = createCandidates(2 * count);
    isTypical = new Uint8Array(2 * count);
  }
  const best = logits[0] as number;
  const weights = weigh(logits, count, 1);
  const total = whole?.total ?? sumOf(weights, count);
  const meanDepth = whole?.meanDepth ?? depthsOf(weights, logits, count) / total;
  // surprise is log(total) - (logit - best): its distance from the expected one is that of the depth
  for (let i = 0; i < count; i++) {
    byTypicality.tokens[i] = i;
    byTypicality.logits[i] = -Math.abs(best - (logits[i] as number) - meanDepth);
  }
  byTypicality.count = count;
  sortFalling(byTypicality);
  isTypical.fill(0, 0, count);
  let sum = 0;
  for (let i = 0; i < count && sum < share * total; i++) {
    const at = byTypicality.tokens[i] as number;
    isTypical[at] = 1;
    sum += weights[at] as number;
  }
  // a share of 0 keeps one
  isTypical[byTypicality.tokens[0] as number] = 1;
  typical.count = 0;
  for (let i = 0; i < count; i++) {
    if (isTypical[i] === 0) continue;
    typical.tokens[typical.count] = tokens[i] as number;
    typical.logits[typical.count++] = logits[i] as number;
  }
  return typical;
}

let weightsBuffer = new Float64Array(0);

/** e^((logit - best) / temperature) of each; in a buffer that the next call overwrites. */
function weigh(logits: Float32Array, count: number, temperature: number): Float64Array {
  if (weightsBuffer.length < count) weightsBuffer = new Float64Array(2 * count);
  const best = logits[0] as number;
  for (let i = 0; i < count; i++) weightsBuffer[i] = Math.exp(((logits[i] as number) - best) / temperature);
  return weightsBuffer;
}

function sumOf(weights: Float64Array, count: number): number {
  let sum = 0;
  for (let i = 0; i < count; i++) sum += weights[i] as number;
  return sum;
}

/** Depths below the best, each times its weight. */
function depthsOf(weights: Float64Array, logits: Float32Array, count: number): number {
  const best = logits[0] as number;
  let sum = 0;
  for (let i = 0; i < count; i++) sum += (weights[i] as number) * (best - (logits[i] as number));
  return sum;
}
