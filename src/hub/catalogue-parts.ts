// Shorthands for the catalogue files.
import type { ModelSource, ModelVariant } from './types.ts';

export const MB = 1e6;
export const GB = 1e9;

export const hub = (repo: string, file: string): ModelSource => ({ type: 'hub', repo, file });
/** A variant whose size was read from its source. */
export const seen = (quantisation: string, sizeBytes: number, ...sources: ModelSource[]): ModelVariant => ({
  quantisation,
  sizeBytes: Math.round(sizeBytes),
  sources,
});
/** A variant whose size is computed. */
export const computed = (quantisation: string, sizeBytes: number, ...sources: ModelSource[]): ModelVariant => ({
  quantisation,
  sizeBytes: Math.round(sizeBytes),
  approximate: true,
  sources,
});
/** Bytes per token of an f16 cache. */
export const kv = (layers: number, keyValueHeads: number, headSize: number): number =>
  layers * keyValueHeads * headSize * 4;
