// Picks the next token from a row of logits: top-k, top-p, min-p, then temperature, as llama.cpp orders them.
// One pass over the vocabulary; knows nothing of models or text.
import { FreeholdError } from '../../lib/errors.ts';
import type { Random } from '../../lib/random.ts';
import type { Sampling } from '../../lib/text-model.ts';

export type SamplingSettings = Required<Omit<Sampling, 'seed'>>;

/** What fields that a request leaves out become. */
export const samplingDefaults: SamplingSettings = { temperature: 0.7, topK: 40, topP: 0.95, minP: 0.05 };

/** Candidates below the best by more than this many nats (1e-11 of its probability) are never drawn when top-k is off. */
const tailNats = 25;

/**
 * @param logits (V) f32; read only
 * @returns a token, 0..V-1
 * @throws FreeholdError model_failed when no logit is a number
 */
export function sampleToken(logits: Float32Array, settings: SamplingSettings, random: Random): number {
  if (settings.temperature <= 0 || settings.topK === 1) return argmax(logits);
  const candidates =
    settings.topK > 0 && settings.topK < logits.length ? topCandidates(logits, settings.topK) : tailCandidates(logits);
  return draw(candidates, settings, random);
}

/** Index of the largest logit. @throws FreeholdError model_failed when none is a number */
export function argmax(logits: Float32Array): number {
  let best = -1;
  let bestLogit = -Infinity;
  for (let token = 0; token < logits.length; token++) {
    const logit = logits[token] as number;
    if (logit > bestLogit) {
      bestLogit = logit;
      best = token;
    }
  }
  if (best < 0) throw noNumber();
  return best;
}

/** Candidates in falling order of logit. */
interface Candidates {
  tokens: Int32Array;
  logits: Float64Array;
  count: number;
}

/** The k largest logits: a sorted window that a token enters only by beating its last. */
function topCandidates(logits: Float32Array, k: number): Candidates {
  const tokens = new Int32Array(k);
  const values = new Float64Array(k).fill(-Infinity);
  let count = 0;
  let floor = -Infinity;
  for (let token = 0; token < logits.length; token++) {
    const logit = logits[token] as number;
    if (!(logit > floor)) continue;
    let at = count < k ? count++ : k - 1;
    while (at > 0 && (values[at - 1] as number) < logit) {
      values[at] = values[at - 1] as number;
      tokens[at] = tokens[at - 1] as number;
      at -= 1;
    }
    values[at] = logit;
    tokens[at] = token;
    if (count === k) floor = values[k - 1] as number;
  }
  if (count === 0) throw noNumber();
  return { tokens, logits: values, count };
}

/** Every token within `tailNats` of the best, sorted. */
function tailCandidates(logits: Float32Array): Candidates {
  const floor = (logits[argmax(logits)] as number) - tailNats;
  const kept: number[] = [];
  for (let token = 0; token < logits.length; token++) if ((logits[token] as number) >= floor) kept.push(token);
  kept.sort((a, b) => (logits[b] as number) - (logits[a] as number));
  return {
    tokens: Int32Array.from(kept),
    logits: Float64Array.from(kept, (token) => logits[token] as number),
    count: kept.length,
  };
}

function draw({ tokens, logits, count }: Candidates, settings: SamplingSettings, random: Random): number {
  const best = logits[0] as number;
  // an infinite best logit leaves no distribution to draw from
  if (!Number.isFinite(best)) return tokens[0] as number;
  const { topP, minP, temperature } = settings;
  if (topP < 1) {
    let total = 0;
    for (let i = 0; i < count; i++) total += Math.exp((logits[i] as number) - best);
    let sum = 0;
    for (let i = 0; i < count; i++) {
      sum += Math.exp((logits[i] as number) - best);
      if (sum >= topP * total) {
        count = i + 1;
        break;
      }
    }
  }
  if (minP > 0) {
    const floor = best + Math.log(minP);
    while (count > 1 && (logits[count - 1] as number) < floor) count -= 1;
  }
  let total = 0;
  for (let i = 0; i < count; i++) total += Math.exp(((logits[i] as number) - best) / temperature);
  let left = random.next() * total;
  for (let i = 0; i < count; i++) {
    left -= Math.exp(((logits[i] as number) - best) / temperature);
    if (left < 0) return tokens[i] as number;
  }
  return tokens[count - 1] as number;
}

function noNumber(): FreeholdError {
  return new FreeholdError('model_failed', 'The model computed no valid probabilities; its weights may be damaged.', {
    hint: 'Remove the model and pull it again.',
  });
}
