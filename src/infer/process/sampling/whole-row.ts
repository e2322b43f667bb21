// The draw with top-k off: every token counts, yet only those are sorted that the other filters may keep, or, without
// filters, those near the drawn point of the distribution.
import type { Random } from '../../../lib/random.ts';
import { createCandidates, sortFalling } from './candidates.ts';
import { drawFrom } from './chain.ts';
import type { SamplingSettings } from './settings.ts';
import { depthNats, meanDepth, natsAround, natsOfStep, stepOfSum, sumExponentials, tokensOfStep } from './softmax.ts';
import { selectTop, tokensFrom } from './top-k.ts';

const best = createCandidates(1);
let kept = createCandidates(0);

/**
 * @param row (V) f32; read only
 * @param random one number is taken
 * @returns -1 when no logit is a number above -Infinity
 */
export function drawFromRow(row: Float32Array, settings: SamplingSettings, random: Random): number {
  selectTop(row, 1, best);
  if (best.count === 0) return -1;
  const bestLogit = best.logits[0] as number;
  if (bestLogit === Number.POSITIVE_INFINITY) return best.tokens[0] as number;
  if (kept.tokens.length < row.length) kept = createCandidates(row.length);
  const { typicalP, topP, minP, topNSigma, temperature } = settings;
  if (topNSigma > 0) {
    const deviation = deviationOf(row);
    keepWithin(row, bestLogit, Math.min(topNSigma * deviation, depthNats * Math.max(1, temperature)));
    return drawFrom(kept, settings, random, { deviation });
  }
  if (typicalP === 1 && topP === 1) {
    if (minP === 0) return drawUnfiltered(row, bestLogit, temperature, random);
    keepWithin(row, bestLogit, -Math.log(minP));
    return drawFrom(kept, settings, random, {});
  }
  const total = sumExponentials(row, bestLogit);
  if (typicalP < 1) {
    const depth = meanDepth(row, bestLogit, total);
    keepWithin(row, bestLogit, depth + natsAround(depth, typicalP * total));
    return drawFrom(kept, settings, random, { whole: { total, meanDepth: depth } });
  }
  // what min-p drops still counts for top-p, by the total
  const end = natsOfStep(stepOfSum(topP * total).step + 1);
  keepWithin(row, bestLogit, minP > 0 ? Math.min(end, -Math.log(minP)) : end);
  return drawFrom(kept, settings, random, { whole: { total } });
}

/** Standard deviation of the logits that are numbers above -Infinity. */
export function deviationOf(row: Float32Array): number {
  const count = sumOfPowers(row, 0, 0);
  const mean = sumOfPowers(row, 0, 1) / count;
  return Math.sqrt(sumOfPowers(row, mean, 2) / count);
}

function sumOfPowers(row: Float32Array, centre: number, power: 0 | 1 | 2): number {
  let sum = 0;
  for (let token = 0; token < row.length; token++) {
    const logit = row[token] as number;
    if (!(logit > -Infinity)) continue;
    const distance = logit - centre;
    sum += power === 2 ? distance * distance : power === 1 ? distance : 1;
  }
  return sum;
}

/** In the order of falling logits, as the filtered draw: only the tokens of the step where the point lies are sorted. */
function drawUnfiltered(row: Float32Array, bestLogit: number, temperature: number, random: Random): number {
  // a smaller one would overflow, and draws the best token just the same
  temperature = Math.max(temperature, 1e-30);
  const point = random.next() * sumExponentials(row, bestLogit, temperature);
  const { step, before } = stepOfSum(point);
  tokensOfStep(row, bestLogit, temperature, step, kept);
  sortFalling(kept);
  let left = point - before;
  for (let i = 0; i < kept.count; i++) {
    left -= Math.exp(((kept.logits[i] as number) - bestLogit) / temperature);
    if (left < 0) return kept.tokens[i] as number;
  }
  return kept.tokens[kept.count - 1] as number;
}

/** Keeps the tokens at most so many nats below the best, sorted. */
function keepWithin(row: Float32Array, bestLogit: number, nats: number): void {
  tokensFrom(row, bestLogit - nats, kept);
  sortFalling(kept);
}
