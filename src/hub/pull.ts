// Pulls a model by reference.
import type { Config } from '../lib/config.ts';
import { FreeholdError } from '../lib/errors.ts';
import type { LocalModel, PullProgress } from './types.ts';

export interface PullOptions {
  config: Config;
  signal?: AbortSignal;
  /** Pull even where the model seems not to fit into memory. */
  force?: boolean;
  onProgress?: (progress: PullProgress) => void;
}
export async function pullModel(reference: string, _options: PullOptions): Promise<LocalModel> {
  throw new FreeholdError('unsupported', `Pulling ${reference} is not built yet.`);
}
