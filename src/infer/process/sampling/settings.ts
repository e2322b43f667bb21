// Sampling settings as the sampler uses them: what a request leaves out is filled in, what is out of range refused.
// The protocols refuse such values first, with the names their callers know; only here is the vocabulary known.
import { FreeholdError } from '../../../lib/errors.ts';
import type { DrySampling, Sampling } from '../../../lib/text-model.ts';

export interface SamplingSettings extends Required<Omit<Sampling, 'seed' | 'dry' | 'logitBias' | 'logprobs'>> {
  /** Absent: off. */
  dry: Required<DrySampling> | undefined;
  logitBias: { token: number; bias: number }[];
  /** Absent: not reported. */
  logprobs: number | undefined;
}

/** What fields that a request leaves out become. */
export const samplingDefaults: SamplingSettings = {
  temperature: 0.7,
  topK: 40,
  topP: 0.95,
  minP: 0.05,
  typicalP: 1,
  topNSigma: 0,
  repetitionPenalty: 1,
  penaltyWindow: 64,
  presencePenalty: 0,
  frequencyPenalty: 0,
  dry: undefined,
  logitBias: [],
  logprobs: undefined,
};

export const dryDefaults: Required<Omit<DrySampling, 'multiplier'>> = {
  base: 1.75,
  allowedLength: 2,
  penaltyWindow: 1024,
  sequenceBreakers: ['\n', ':', '"', '*'],
};

/** A bias of this much bans the token. */
export const banBias = -100;

interface Range {
  from: number;
  to: number;
  whole?: boolean;
}

const share: Range = { from: 0, to: 1 };
const ranges = {
  temperature: { from: 0, to: Number.MAX_VALUE },
  topK: { from: 0, to: Number.MAX_SAFE_INTEGER, whole: true },
  topP: share,
  minP: share,
  typicalP: share,
  topNSigma: { from: 0, to: Number.MAX_VALUE },
  repetitionPenalty: { from: 0.01, to: 100 },
  penaltyWindow: { from: -1, to: Number.MAX_SAFE_INTEGER, whole: true },
  presencePenalty: { from: -2, to: 2 },
  frequencyPenalty: { from: -2, to: 2 },
  logprobs: { from: 0, to: 20, whole: true },
  seed: { from: 0, to: 2 ** 32 - 1, whole: true },
} satisfies { [field in keyof Sampling]: Range };

const dryRanges = {
  multiplier: { from: 0, to: 1000 },
  base: { from: 1, to: 1000 },
  allowedLength: { from: 1, to: Number.MAX_SAFE_INTEGER, whole: true },
  penaltyWindow: ranges.penaltyWindow,
} satisfies { [field in keyof DrySampling]: Range };

/**
 * @param vocabularySize token ids of `logitBias` are below it
 * @throws FreeholdError invalid_request naming the field that is out of range
 */
export function resolveSampling(sampling: Sampling, vocabularySize: number): SamplingSettings {
  for (const [field, range] of Object.entries(ranges)) check(field, sampling[field as keyof typeof ranges], range);
  const { seed: _, dry, logitBias, ...given } = withoutUndefined(sampling);
  return {
    ...samplingDefaults,
    ...given,
    dry: dry && dry.multiplier > 0 ? resolveDry(dry) : undefined,
    logitBias: Object.entries(logitBias ?? {}).map(([key, bias]) => {
      const token = Number(key);
      check('logit_bias', bias, { from: -100, to: 100 });
      if (!Number.isInteger(token) || token < 0 || token >= vocabularySize) {
        throw new FreeholdError(
          'invalid_request',
          `logit_bias names the token ${key}; this model has 0 to ${vocabularySize - 1}.`,
          {
            field: 'logit_bias',
          },
        );
      }
      return { token, bias };
    }),
  };
}

function resolveDry(dry: DrySampling): Required<DrySampling> {
  for (const [field, range] of Object.entries(dryRanges)) {
    check(`dry.${field}`, dry[field as keyof typeof dryRanges], range);
  }
  return { ...dryDefaults, ...withoutUndefined(dry) };
}

function check(field: string, value: number | undefined, { from, to, whole }: Range): void {
  if (value === undefined || (value >= from && value <= to && (!whole || Number.isInteger(value)))) return;
  const limits = to >= Number.MAX_SAFE_INTEGER ? `${from} or more` : `${from} to ${to}`;
  throw new FreeholdError(
    'invalid_request',
    `${field} is ${value}; it must be ${whole ? 'a whole number, ' : ''}${limits}.`,
    {
      field,
    },
  );
}

function withoutUndefined<T extends object>(value: T): T {
  return Object.fromEntries(Object.entries(value).filter(([, field]) => field !== undefined)) as T;
}
