// The models on this machine.
import type { Config } from '../lib/config.ts';
import { FreeholdError } from '../lib/errors.ts';
import type { LocalModel } from './types.ts';

export async function listLocalModels(_config: Config): Promise<LocalModel[]> {
  return [];
}
export async function findLocalModel(_name: string, _config: Config): Promise<LocalModel | undefined> {
  return undefined;
}
export async function removeLocalModel(name: string, _config: Config): Promise<void> {
  throw new FreeholdError('model_not_found', `There is no model "${name}" here.`);
}
