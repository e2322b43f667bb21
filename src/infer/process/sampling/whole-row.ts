// The draw with top-k off: every token counts, yet only those are sorted that the other filters may keep, or, without
// filters, those near the drawn point of the distribution.
import type { Random } from '../../../lib/random.ts';
import { createCandidates, sortFalling } from './candidates.ts';
import { drawFrom } from './chain.ts';
import type { SamplingSettings } from './settings.ts';
import { depthNats, natsOfStep, stepOfSum, sumExponentials, tokensOfStep } from './softmax.ts';
import { selectTop } from './top-k.ts';

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
  if (typicalP === 1 && topP === 1 && minP === 0 && topNSigma === 0) {
    return drawUnfiltered(row, bestLogit, temperature, random);
  }
  let nats = depthNats * Math.max(1, temperature);
  let total: number | undefined;
  const deviation = topNSigma > 0 ? deviationOf(row) : undefined;
  if (deviation !== undefined) nats = Math.min(nats, topNSigma * deviation);
  else if (typicalP === 1 && topP < 1) {
    total = sumExponentials(row, bestLogit);
    nats = natsOfStep(stepOfSum(topP * total).step);
  }
  // min-p comes last: typical and top-p must see what it drops, unless the total is known without it
  if (minP > 0 && typicalP === 1 && (topP === 1 || total !== undefined)) nats = Math.min(nats, -Math.log(minP));
  keepWithin(row, bestLogit - nats);
  sortFalling(kept);
  return drawFrom(kept, settings, random, { total, deviation });
}

/** Standard deviation of the logits that are numbers above -Infinity. */
export function deviationOf(row: Float32Array): number {
  let count = 0;
  let sum = 0;
  let squares = 0;
  for (let token = 0; token < row.length; token++) {
    const logit = row[token] as number;
    if (!(logit > -Infinity)) continue;
    count += 1;
    sum += logit;
    squares += logit * logit;
  }
  return Math.sqrt(Math.max(0, squares / count - (sum / count) ** 2));
}

/** In the order of falling logits, as the filtered draw: only the tokens of the step where the point lies are sorted. */
function drawUnfiltered(row: Float32Array, bestLogit: number, temperature: number, random: Random): number {
  // below, differences of logits overflow; there it is the best one anyway
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

function keepWithin(row: Float32Array, floor: number): void {
  const { tokens, logits } = kept;
  let count = 0;
  for (let token = 0; token < row.length; token++) {
    const logit = row[token] as number;
    // an infinite floor lets nothing through that is no logit
    if (!(logit >= floor && logit > -Infinity)) continue;
    tokens[count] = token;
    logits[count++] = logit;
  }
  kept.count = count;
}
