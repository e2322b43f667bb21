// Sums of exponentials over a whole row of logits, one cheap exponential a token: e^-x is a table's entry for the
// 64th part of a nat below x, times a quadratic for the rest. Each is right to 1e-7 of itself, where an f32 logit of 10
// is known to 5e-7. The sums are kept by 64th parts of a nat below the best logit, so that a share of the whole is found
// without sorting. Tokens more than 40 nats below the best (4e-18 of its probability) are left out.
import type { Candidates } from './candidates.ts';
import { tokensFrom } from './top-k.ts';

/** How far below the best logit tokens count, in nats. */
export const depthNats = 40;
const stepsPerNat = 64;
const steps = depthNats * stepsPerNat;

// e^(d / 64) for d in -1..0 is about scale * (1 + linear * d + quadratic * d^2): Taylor's series at -1/2
const middle = Math.exp(-0.5 / stepsPerNat);
const scale = middle * (1 + 0.5 / stepsPerNat + 0.125 / stepsPerNat ** 2);
const linear = (middle * (1 / stepsPerNat + 0.5 / stepsPerNat ** 2)) / scale;
const quadratic = (middle * 0.5) / stepsPerNat ** 2 / scale;
const powers = Float64Array.from({ length: steps }, (_, step) => scale * Math.exp(-step / stepsPerNat));

const sums = new Float64Array(steps);

/** What was summed over a row. */
export interface Exponentials {
  /** Sum of e^((logit - best) / temperature). */
  total: number;
  /** How far below the best, in nats over the temperature, a token drawn is to be expected. */
  meanDepth: number;
}

/**
 * Sums over the row; the functions below ask about the last row summed.
 * @param logits (V) f32
 * @param best the largest of them, finite
 * @param temperature > 0
 */
export function sumExponentials(logits: Float32Array, best: number, temperature = 1): Exponentials {
  sums.fill(0);
  const perNat = stepsPerNat / temperature;
  const top = best * perNat;
  let moment = 0;
  for (let token = 0; token < logits.length; token++) {
    const x = top - (logits[token] as number) * perNat;
    if (x < steps) {
      const step = x | 0;
      const d = step - x;
      const exponential = (powers[step] as number) * (1 + d * (linear + d * quadratic));
      sums[step] = (sums[step] as number) + exponential;
      moment += exponential * x;
    }
  }
  let total = 0;
  for (let step = steps - 1; step >= 0; step--) total += sums[step] as number;
  return { total, meanDepth: moment / total / stepsPerNat };
}

/**
 * Finds the step in which the likeliest tokens reach a sum.
 * @returns the step, and the exponentials of the steps before it
 */
export function stepOfSum(sum: number): { step: number; before: number } {
  let before = 0;
  let last = { step: 0, before: 0 };
  for (let step = 0; step < steps; step++) {
    const here = sums[step] as number;
    if (here === 0) continue;
    last = { step, before };
    before += here;
    if (before >= sum) break;
  }
  return last;
}

/** How many nats below the best a step begins, at temperature 1. */
export function natsOfStep(step: number): number {
  return step / stepsPerNat;
}

/**
 * How far from a depth tokens may lie for those that near to hold a sum, and at least one token; at temperature 1.
 * @returns nats, at most a few steps more than would do
 */
export function natsAround(depth: number, sum: number): number {
  const middle = depth * stepsPerNat;
  let held = 0;
  let [low, high] = [Math.ceil(middle), Math.ceil(middle)];
  for (let distance = 1; distance <= steps; distance++) {
    // steps that lie in the distance as a whole
    while (low - 1 >= Math.max(0, middle - distance)) held += sums[--low] as number;
    while (high + 1 <= Math.min(steps, middle + distance)) held += sums[high++] as number;
    if (held > 0 && held >= sum) return distance / stepsPerNat;
  }
  return depthNats;
}

/** The tokens of one step, in the order of the row; `best` and `temperature` as they were summed with. */
export function tokensOfStep(
  logits: Float32Array,
  best: number,
  temperature: number,
  step: number,
  into: Candidates,
): void {
  const perNat = stepsPerNat / temperature;
  const top = best * perNat;
  tokensFrom(logits, best - (step + 1.001) / perNat, into);
  let count = 0;
  for (let i = 0; i < into.count; i++) {
    const logit = into.logits[i] as number;
    const x = top - logit * perNat;
    if (!(x >= step && x < step + 1)) continue;
    into.tokens[count] = into.tokens[i] as number;
    into.logits[count++] = logit;
  }
  into.count = count;
}
