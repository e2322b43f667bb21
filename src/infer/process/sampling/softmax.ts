// Sums of exponentials over a whole row of logits, one cheap exponential a token: e^-x is a table's entry for the
// 64th part of a nat below x, times a quadratic for the rest. Each is right to 1e-7 of itself, where an f32 logit of 10
// is known to 5e-7. The sums are kept by 64th parts of a nat below the best logit, so that a share of the whole is found
// without sorting. Tokens more than 40 nats below the best (4e-18 of its probability) are left out.
import type { Candidates } from './candidates.ts';

/** How far below the best logit tokens count, in nats. */
export const depthNats = 40;
const stepsPerNat = 64;
const steps = depthNats * stepsPerNat;

// e^(d / 64) for d in -1..0 is about scale * (1 + linear * d + quadratic * d^2): Taylor's series at -1/2
const middle = Math.exp(-0.5 / stepsPerNat);
const scale = middle * (1 + 0.5 / stepsPerNat + 0.125 / stepsPerNat ** 2);
const linear = (middle * (1 / stepsPerNat + 0.5 / stepsPerNat ** 2)) / scale;
const quadratic = (middle * 0.5) / stepsPerNat ** 2 / scale;

/** For each step its power of e, then the sum of the exponentials in it: both in one line of the processor's cache. */
const table = new Float64Array(2 * steps);
for (let step = 0; step < steps; step++) table[2 * step] = scale * Math.exp(-step / stepsPerNat);
const sumOf = (step: number) => table[2 * step + 1] as number;

/**
 * Sums e^((logit - best) / temperature) over the row; the functions below ask about the last row summed.
 * @param logits (V) f32
 * @param best the largest of them, finite
 * @param temperature > 0
 */
export function sumExponentials(logits: Float32Array, best: number, temperature = 1): number {
  for (let step = 0; step < steps; step++) table[2 * step + 1] = 0;
  fillSums(logits, best, stepsPerNat / temperature);
  let total = 0;
  for (let step = steps - 1; step >= 0; step--) total += sumOf(step);
  return total;
}

function fillSums(logits: Float32Array, best: number, perNat: number): void {
  const top = best * perNat;
  for (let token = 0; token < logits.length; token++) {
    const x = top - (logits[token] as number) * perNat;
    if (!(x < steps)) continue;
    const step = x | 0;
    const d = step - x;
    const at = 2 * step;
    table[at + 1] = (table[at + 1] as number) + (table[at] as number) * (1 + d * (linear + d * quadratic));
  }
}

/**
 * How far below the best, in nats, a token drawn at temperature 1 is to be expected. A pass of its own: added to the one
 * above, it makes that more than twice as slow.
 */
export function meanDepth(logits: Float32Array, best: number, total: number): number {
  return sumDepths(logits, best * stepsPerNat) / total / stepsPerNat;
}

function sumDepths(logits: Float32Array, top: number): number {
  let sum = 0;
  for (let token = 0; token < logits.length; token++) {
    const x = top - (logits[token] as number) * stepsPerNat;
    if (!(x < steps)) continue;
    const step = x | 0;
    const d = step - x;
    sum += x * (table[2 * step] as number) * (1 + d * (linear + d * quadratic));
  }
  return sum;
}

/**
 * Finds the step in which the likeliest tokens reach a sum.
 * @returns the step, and the exponentials of the steps before it
 */
export function stepOfSum(sum: number): { step: number; before: number } {
  let before = 0;
  let last = { step: 0, before: 0 };
  for (let step = 0; step < steps; step++) {
    const here = sumOf(step);
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
    while (low - 1 >= Math.max(0, middle - distance)) held += sumOf(--low);
    while (high + 1 <= Math.min(steps, middle + distance)) held += sumOf(high++);
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
  into.count = keepStep(logits, best, stepsPerNat / temperature, step, into);
}

function keepStep(logits: Float32Array, best: number, perNat: number, step: number, into: Candidates): number {
  const top = best * perNat;
  let kept = 0;
  for (let token = 0; token < logits.length; token++) {
    const logit = logits[token] as number;
    const x = top - logit * perNat;
    if (!(x >= step && x < step + 1)) continue;
    into.tokens[kept] = token;
    into.logits[kept++] = logit;
  }
  return kept;
}
