// Which adapters a model can answer with, for the list of models: told from the headers of both files, and remembered
// as long as neither changes.
import { stat } from 'node:fs/promises';
import { checkAdapter } from '../formats/gguf/adapter.ts';
import { readGguf } from '../formats/gguf/read.ts';
import { readModelHeader } from '../hub/describe.ts';
import type { LocalModel } from '../hub/types.ts';

export interface AdaptersThatFit {
  /** Names of the adapters that fit a model; a file that cannot be read fits none. */
  of(model: Pick<LocalModel, 'file' | 'kind'>): Promise<string[]>;
}

/** @param files name to path of a GGUF */
export function createAdaptersThatFit(files: Readonly<Record<string, string>>): AdaptersThatFit {
  const known = new Map<string, Promise<boolean>>();
  const stamp = async (file: string) => {
    const { size, mtimeMs } = await stat(file);
    return `${file}:${size}:${mtimeMs}`;
  };
  const fits = async (adapter: string, model: string) => {
    const key = `${await stamp(adapter)}\n${await stamp(model)}`;
    const before = known.get(key);
    if (before !== undefined) return before;
    const found = Promise.all([readGguf(adapter, { maxArrayLength: 0 }), readModelHeader(model)]).then((headers) => {
      checkAdapter(...headers, adapter);
      return true;
    });
    // what does not fit is a no; whoever asks for it by name is told why
    const answer = found.catch(() => false);
    if (known.size > 1000) known.clear();
    known.set(key, answer);
    return answer;
  };
  return {
    async of({ file, kind }) {
      if (kind !== 'chat') return [];
      const names: string[] = [];
      for (const [name, adapter] of Object.entries(files)) {
        if (await fits(adapter, file).catch(() => false)) names.push(name);
      }
      return names;
    },
  };
}
