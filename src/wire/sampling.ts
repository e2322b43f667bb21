// The sampling settings that both protocols spell alike, as canonical ones. Pure; ranges are each protocol's schema.
import type { Sampling } from '../lib/text-model.ts';

/** Larger counts mean the same to any model: no limit. */
export const largestCount = 2 ** 31 - 1;

/** As a validated request has them; what is absent or null stays the engine's to choose. */
export interface GivenSampling {
  temperature?: number | null | undefined;
  top_p?: number | null | undefined;
  top_k?: number | null | undefined;
  min_p?: number | null | undefined;
  /** Any whole number; its lower 32 bits count. */
  seed?: number | null | undefined;
}

export function samplingOf(given: GivenSampling): Sampling {
  const sampling: Sampling = {};
  if (typeof given.temperature === 'number') sampling.temperature = given.temperature;
  if (typeof given.top_p === 'number') sampling.topP = given.top_p;
  if (typeof given.top_k === 'number') sampling.topK = Math.min(given.top_k, largestCount);
  if (typeof given.min_p === 'number') sampling.minP = given.min_p;
  if (typeof given.seed === 'number') sampling.seed = Number(BigInt.asUintN(32, BigInt(given.seed)));
  return sampling;
}
