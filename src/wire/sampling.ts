// The settings of sampling that both protocols spell alike: what a request may hold, and what becomes of it. Beyond the
// vendors' own, the names are those that clients of llama-server and vLLM send. Pure.
import { z } from 'zod';
import type { FreeholdError } from '../lib/errors.ts';
import type { DrySampling, Sampling } from '../lib/text-model.ts';
import { fieldError, type PathStyle } from './validate.ts';

/** Larger counts mean the same to any model: no limit. */
export const largestCount = 2 ** 31 - 1;

/** Most tokens a request may bias. */
const mostBiases = 1024;

const share = z.number().min(0).max(1).nullish();
const penalty = z.number().min(-2).max(2).nullish();
const factor = z.number().min(0.01).max(100).nullish();
/** Tokens to look back on; -1: all of them. */
const window = z.int().min(-1).nullish();

/** Fields of a request's zod schema, all optional; `temperature` has each protocol's own range. */
export const samplingFields = {
  top_p: share,
  top_k: z.int().min(0).nullish(),
  min_p: share,
  typical_p: share,
  top_n_sigma: z.number().min(-1).nullish(),
  repetition_penalty: factor,
  repeat_penalty: factor,
  repeat_last_n: window,
  presence_penalty: penalty,
  frequency_penalty: penalty,
  dry_multiplier: z.number().min(0).max(1000).nullish(),
  dry_base: z.number().min(1).max(1000).nullish(),
  dry_allowed_length: z.int().min(1).nullish(),
  dry_penalty_last_n: window,
  dry_sequence_breakers: z.array(z.string().min(1).max(100)).max(64).nullish(),
  logit_bias: z.record(z.string(), z.number().min(-100).max(100)).nullish(),
  seed: z.int().nullish(),
  ignore_eos: z.boolean().nullish(),
};

const fields = z.object({ temperature: z.number().nullish(), ...samplingFields });

/** As a validated request has them; what is absent or null stays the engine's to choose. */
export type GivenSampling = z.output<typeof fields>;

/**
 * @param style how the protocol spells the path of a field
 * @throws FreeholdError invalid_request, naming the field, for settings that contradict each other and for biases of
 *   what cannot be a token, or too many of them
 */
export function samplingOf(given: GivenSampling, style: PathStyle): Sampling {
  const sampling: Sampling = {};
  const set = <Field extends keyof Sampling>(field: Field, value: Sampling[Field] | null) => {
    if (value !== null && value !== undefined) sampling[field] = value;
  };
  set('temperature', given.temperature);
  set('topP', given.top_p);
  set('topK', atMostLargest(given.top_k));
  set('minP', given.min_p);
  set('typicalP', given.typical_p);
  // llama-server's way to turn it off is -1
  set('topNSigma', typeof given.top_n_sigma === 'number' ? Math.max(0, given.top_n_sigma) : undefined);
  set('repetitionPenalty', repetitionPenalty(given, style));
  set('penaltyWindow', atMostLargest(given.repeat_last_n));
  set('presencePenalty', given.presence_penalty);
  set('frequencyPenalty', given.frequency_penalty);
  set('dry', dryOf(given, style));
  set('logitBias', logitBiasOf(given.logit_bias, style));
  // any whole number; its lower 32 bits count
  if (typeof given.seed === 'number') sampling.seed = Number(BigInt.asUintN(32, BigInt(given.seed)));
  return sampling;
}

const atMostLargest = (count: number | null | undefined) =>
  typeof count === 'number' ? Math.min(count, largestCount) : undefined;

/** One setting with two names. */
function repetitionPenalty(given: GivenSampling, style: PathStyle): number | null | undefined {
  const { repetition_penalty: ours, repeat_penalty: theirs } = given;
  if (typeof ours === 'number' && typeof theirs === 'number' && ours !== theirs) {
    throw invalid('repeat_penalty', `Contradicts repetition_penalty, which is ${ours}`, style, 'Send one of the two.');
  }
  return ours ?? theirs;
}

function dryOf(given: GivenSampling, style: PathStyle): DrySampling | undefined {
  const rest = {
    ...(typeof given.dry_base === 'number' && { base: given.dry_base }),
    ...(typeof given.dry_allowed_length === 'number' && { allowedLength: given.dry_allowed_length }),
    ...(typeof given.dry_penalty_last_n === 'number' && { penaltyWindow: given.dry_penalty_last_n }),
    ...(given.dry_sequence_breakers && { sequenceBreakers: given.dry_sequence_breakers }),
  };
  if (typeof given.dry_multiplier === 'number') return { multiplier: given.dry_multiplier, ...rest };
  if (Object.keys(rest).length === 0) return undefined;
  throw invalid('dry_multiplier', 'Field required where other dry_ fields are set', style, 'Send 0 to turn DRY off.');
}

function logitBiasOf(given: GivenSampling['logit_bias'], style: PathStyle): Record<number, number> | undefined {
  const tokens = Object.keys(given ?? {});
  if (!given || tokens.length === 0) return undefined;
  if (tokens.length > mostBiases) {
    throw invalid('logit_bias', `At most ${mostBiases} tokens can be biased, but ${tokens.length} were given`, style);
  }
  const wrong = tokens.find((token) => !/^(?:0|[1-9][0-9]{0,9})$/.test(token) || Number(token) > largestCount);
  if (wrong !== undefined) {
    const shown = JSON.stringify(wrong.length > 40 ? `${wrong.slice(0, 40)}…` : wrong);
    throw invalid('logit_bias', `Keys are token ids, whole numbers of this model, but ${shown} was given`, style);
  }
  return given as Record<number, number>;
}

function invalid(field: string, message: string, style: PathStyle, hint?: string): FreeholdError {
  return fieldError('invalid_request', [field], `${message}.`, style, hint);
}
