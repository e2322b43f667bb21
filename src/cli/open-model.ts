// From a name to a running model without a server: finds it, asks whether it fits, opens it.
import path from 'node:path';
import type { LocalTextModel } from '../infer/client.ts';
import type { Config } from '../lib/config.ts';
import type { Logger } from '../lib/log.ts';
import { unknownModel } from './unknown-model.ts';

export interface OpenOptions {
  /** Conversations at the same time; a chat needs one. */
  sequences: number;
  logger?: Logger;
}

/**
 * Opens a model that is here. `default` is `config.defaultModel`.
 * @throws FreeholdError model_not_found (the hint says how to get it), does_not_fit unless `config.force`,
 * unsupported (no chat model), gguf_invalid, model_failed, …
 */
export async function openByName(name: string, config: Config, options: OpenOptions): Promise<LocalTextModel> {
  const wanted = name === 'default' ? config.defaultModel : name;
  const [{ findLocalModel }, { modelMemory }, { planLoad }, { openLocalModel }, { loadOptions }] = await Promise.all([
    import('../hub/models.ts'),
    import('./device-memory.ts'),
    import('../hub/plan.ts'),
    import('../infer/client.ts'),
    import('../infer/load-options.ts'),
  ]);
  const local = await findLocalModel(wanted, config, { paths: true });
  if (!local) throw await unknownModel(wanted);
  // a model given as a file is called by the file's name
  const model = { ...local, name: path.isAbsolute(local.name) ? path.basename(local.name, '.gguf') : local.name };
  const memory = await modelMemory(config);
  const shape = await planLoad(model, config, {
    kind: 'chat',
    sequences: options.sequences,
    ...(memory ? { memory } : {}),
  });
  return openLocalModel(loadOptions(model, shape, config), options.logger);
}
