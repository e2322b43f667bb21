// What the requests of Ollama's API share: names of models, `options`, `format`, `think`. Pure. Options that
// only tell how a model is loaded (`num_ctx`, `num_gpu` …) are the operator's to choose here and are accepted and left
// alone; those that would change the answer and are not done here are refused by name.
import { z } from 'zod';
import type { FreeholdError } from '../../lib/errors.ts';
import type { GenerateRequest } from '../../lib/text-model.ts';
import type { GivenSchema } from '../response-schema.ts';
import { largestCount, samplingOf } from '../sampling.ts';
import { fieldError } from '../validate.ts';

/** How Ollama's own messages spell the path of a field. */
export const style = 'dots';

export const modelField = z.string().min(1).max(500);

/**
 * The name to look for: Ollama writes a name without a tag as `NAME:latest`, and lists it so.
 * @returns the name without `:latest`
 */
export const wantedModel = (name: string): string => name.replace(/(?<=.):latest$/i, '');

const share = z.number().min(0).max(1).nullish();
const penalty = z.number().min(-2).max(2).nullish();

/** What a request may set of sampling and length; what is left out is the engine's to choose, as in every protocol. */
export const optionsSchema = z
  .looseObject({
    /** Most tokens of the answer; -1 and -2, and 0: as many as fit. */
    num_predict: z.int().min(-2).nullish(),
    /** -1: another one each time. */
    seed: z.int().nullish(),
    temperature: z.number().min(0).max(100).nullish(),
    top_k: z.int().nullish(),
    top_p: share,
    min_p: share,
    typical_p: share,
    repeat_last_n: z.int().min(-1).nullish(),
    repeat_penalty: z.number().min(0.01).max(100).nullish(),
    presence_penalty: penalty,
    frequency_penalty: penalty,
    stop: z.union([z.string(), z.array(z.string().min(1)).max(64)]).nullish(),
    mirostat: z.int().nullish(),
    tfs_z: z.number().nullish(),
  })
  .nullish();

export type GivenOptions = z.output<typeof optionsSchema>;

/**
 * Puts the options into the request.
 * @throws FreeholdError unsupported, naming the option
 */
export function applyOptions(request: GenerateRequest, given: GivenOptions): void {
  const options = given ?? {};
  if (options.mirostat) throw unsupported(['options', 'mirostat'], 'Not supported', 'Leave it out, or send 0.');
  if (typeof options.tfs_z === 'number' && options.tfs_z !== 1) {
    throw unsupported(['options', 'tfs_z'], 'Not supported', 'Leave it out, or send 1.');
  }
  request.sampling = samplingOf(
    {
      temperature: options.temperature,
      top_p: options.top_p,
      top_k: typeof options.top_k === 'number' ? Math.max(0, options.top_k) : undefined,
      min_p: options.min_p,
      typical_p: options.typical_p,
      repeat_penalty: options.repeat_penalty,
      repeat_last_n: options.repeat_last_n,
      presence_penalty: options.presence_penalty,
      frequency_penalty: options.frequency_penalty,
      seed: options.seed === -1 ? undefined : options.seed,
    },
    style,
  );
  const most = options.num_predict ?? 0;
  if (most > 0) request.maxTokens = Math.min(most, largestCount);
  const stop = typeof options.stop === 'string' ? [options.stop] : (options.stop ?? []);
  const stops = stop.filter((text) => text !== '');
  if (stops.length > 0) request.stop = stops;
}

/** `json`, a JSON schema, or nothing. */
export const formatSchema = z.union([z.enum(['', 'json']), z.record(z.string(), z.unknown())]).nullish();

/** The schema the answer is to satisfy, if any. */
export function formatOf(format: z.output<typeof formatSchema>): GivenSchema | undefined {
  if (format === 'json') return { schema: { type: 'object' }, path: ['format'] };
  return typeof format === 'object' && format !== null ? { schema: format, path: ['format'] } : undefined;
}

export const thinkSchema = z.union([z.boolean(), z.enum(['low', 'medium', 'high', 'max'])]).nullish();

/** Most tokens of thoughts for each level, as for the other protocols; `max` and `true` set no bound. */
const levels: Record<string, number> = { low: 1024, medium: 4096, high: 16_384 };

/** Whether to think; undefined leaves it to the model's template. */
export function thinkingOf(think: z.output<typeof thinkSchema>): GenerateRequest['thinking'] {
  if (think === undefined || think === null) return undefined;
  if (think === false) return { type: 'disabled' };
  const budgetTokens = levels[String(think)];
  return { type: 'enabled', ...(budgetTokens === undefined ? {} : { budgetTokens }) };
}

export const logprobFields = { logprobs: z.boolean().nullish(), top_logprobs: z.int().min(0).max(20).nullish() };

/** How many of the likeliest tokens to tell of each; undefined: none, and no log probabilities. */
export function logprobsOf(given: { logprobs?: boolean | null; top_logprobs?: number | null }): number | undefined {
  if (given.logprobs) return given.top_logprobs ?? 0;
  if (!given.top_logprobs) return undefined;
  throw fieldError('invalid_request', ['top_logprobs'], 'Needs logprobs to be true.', style);
}

export function unsupported(path: (string | number)[], message: string, hint: string): FreeholdError {
  return fieldError('unsupported', path, `${message}.`, style, hint);
}
