// Makes a file that Freehold itself wrote a model of this machine, under a name of its own: what is made again under that
// name takes the place of what it was. Knows the folder of models, not how the file came to be.
import { stat } from 'node:fs/promises';
import path from 'node:path';
import type { Config } from '../lib/config.ts';
import { FreeholdError } from '../lib/errors.ts';
import { makeFolder } from './disk.ts';
import { placesFor } from './install.ts';
import { tryLock } from './lock.ts';
import { lockPath, modelsFolder, readManifests, writeManifest } from './manifest.ts';
import { findUsableModel } from './models.ts';
import { toModelName } from './names.ts';
import type { LocalModel } from './types.ts';

export interface MadeModel {
  /** Lower case, perhaps with `:type` behind it. */
  name: string;
  /** What it was made from, e.g. `run:shakespeare`: only a model of the same origin is replaced. */
  source: string;
  /** Where the file is to lie; default: in the folder of models, where `freehold rm` deletes it. */
  file?: string;
}

/**
 * @param write writes the file, whole or not at all, over one that is there
 * @throws FreeholdError invalid_request for a name that cannot be one, or a file that is there and was not made by us; name_taken
 *   when another model has the name; in_use; what `write` throws
 */
export async function registerMade(
  config: Pick<Config, 'home' | 'defaultModel'>,
  made: MadeModel,
  write: (file: string) => Promise<void>,
): Promise<LocalModel> {
  const { name, source } = made;
  const parts = name.split(':');
  if (parts.length > 2 || parts.some((part) => part === '' || toModelName(part) !== part)) {
    throw new FreeholdError('invalid_request', `"${name}" cannot be the name of a model.`, {
      field: 'name',
      hint: 'Take small letters, digits, ".", "_" and "-", a letter or digit first.',
    });
  }
  const folder = modelsFolder(config);
  await makeFolder(folder);
  const release = await tryLock(lockPath(folder, name));
  if (!release) throw new FreeholdError('in_use', `Another process makes or pulls a model called ${name}.`);
  try {
    const before = (await readManifests(folder)).manifests.find((each) => each.name === name);
    const taken = before ? before.source !== source : (await findUsableModel(name, config))?.name === name;
    if (taken) {
      throw new FreeholdError('name_taken', `There is a model "${name}" already.`, {
        field: 'name',
        hint: `Choose another with --name, or remove that one: freehold rm ${name}`,
      });
    }
    const own = placesFor(name, 1, folder)[0] as string;
    const file = made.file === undefined ? own : path.resolve(made.file);
    const ours = before?.files.some((each) => path.resolve(folder, each) === file) ?? false;
    if (!ours && (await stat(file).catch(() => undefined))) {
      throw new FreeholdError('invalid_request', `${file} is there already.`, {
        hint: 'Name another file, or delete it.',
      });
    }
    await write(file);
    await writeManifest(folder, {
      version: 1,
      name,
      origin: file === own ? 'freehold' : 'file',
      files: [file === own ? path.basename(own) : file],
      source,
      addedAt: new Date().toISOString(),
    });
  } finally {
    await release();
  }
  const found = await findUsableModel(name, config);
  if (found) return found;
  throw new FreeholdError('file_io', `The model ${name} was written and is not there any more.`);
}
