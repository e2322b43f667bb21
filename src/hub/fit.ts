// "Will it fit?": memory a model needs against what is free.
import type { GgufFile } from '../formats/gguf/types.ts';
import { FreeholdError } from '../lib/errors.ts';
import type { AvailableMemory, FitReport, MemoryEstimate } from './types.ts';

export interface LoadShape {
  /** Of each sequence. */
  contextTokens: number;
  sequences: number;
}
export interface FitOptions extends LoadShape {
  /** Default: the host's. Give the device's own when the model goes to a GPU. */
  memory?: AvailableMemory;
}
export function estimateMemory(_gguf: GgufFile, _shape: LoadShape): MemoryEstimate {
  throw new FreeholdError('unsupported', 'not built yet');
}
export function availableMemory(): AvailableMemory {
  return { totalBytes: 0, freeBytes: 0 };
}
export function checkFit(_gguf: GgufFile, _options: FitOptions): FitReport {
  throw new FreeholdError('unsupported', 'not built yet');
}
/** @throws FreeholdError does_not_fit unless `force` */
export function requireFit(_gguf: GgufFile, _options: FitOptions & { name: string; force?: boolean }): FitReport {
  throw new FreeholdError('unsupported', 'not built yet');
}
