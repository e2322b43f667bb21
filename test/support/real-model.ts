// A real model for tests that need one: the file FREEHOLD_TEST_MODEL names, else the default model where it was pulled.
import { existsSync } from 'node:fs';
import { findLocalModel } from '../../src/hub/models.ts';
import { resolveConfig } from '../../src/lib/config.ts';

/** Path of a GGUF; undefined where there is none, then tests skip themselves (`needs a real model: …`). */
export async function realModelFile(): Promise<string | undefined> {
  const named = process.env.FREEHOLD_TEST_MODEL;
  if (named) return existsSync(named) ? named : undefined;
  const config = resolveConfig().values;
  return (await findLocalModel(config.defaultModel, config))?.file;
}
