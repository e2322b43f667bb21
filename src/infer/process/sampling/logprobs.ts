// Natural logarithms of the probabilities the model gave: log-softmax of a row of logits, for the few tokens reported.
import type { TokenLogprob } from '../../../lib/text-model.ts';
import type { Candidates } from './candidates.ts';
import { sumExponentials } from './softmax.ts';

/** Log probability of a token, and of the likeliest ones in falling order; tokens of probability 0 are not among these. */
export interface Logprobs {
  logprob: number;
  top: TokenLogprob[];
}

/**
 * @param logits (V) f32, as the model computed them
 * @param token whose logit is a number above -Infinity
 * @param count how many of the likeliest to report
 * @param likeliest at least `count` and at least one of the largest logits, sorted
 */
export function logprobsOf(logits: Float32Array, token: number, count: number, likeliest: Candidates): Logprobs {
  const best = likeliest.logits[0] as number;
  const logprob = best === Number.POSITIVE_INFINITY ? amongInfinite(logits) : among(logits, best);
  const top: TokenLogprob[] = [];
  for (let i = 0; i < Math.min(count, likeliest.count); i++) {
    const value = logprob(likeliest.logits[i] as number);
    if (value > -Infinity) top.push({ token: likeliest.tokens[i] as number, logprob: value });
  }
  return { logprob: logprob(logits[token] as number), top };
}

function among(logits: Float32Array, best: number): (logit: number) => number {
  const logTotal = Math.log(sumExponentials(logits, best));
  return (logit) => Math.min(0, logit - best - logTotal);
}

/** Infinite logits share the whole probability. */
function amongInfinite(logits: Float32Array): (logit: number) => number {
  let infinite = 0;
  for (const logit of logits) if (logit === Number.POSITIVE_INFINITY) infinite += 1;
  return (logit) => (logit === Number.POSITIVE_INFINITY ? -Math.log(infinite) : -Infinity);
}
