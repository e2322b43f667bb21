// The LoRA adapters a model was loaded with: name -> file, checked in TypeScript and loaded when first asked for, kept
// from then on. Knows no requests; the engine asks for an adapter by name and gives it to its context.
import { checkAdapter } from '../../formats/gguf/adapter.ts';
import { readGguf } from '../../formats/gguf/read.ts';
import type { GgufFile } from '../../formats/gguf/types.ts';
import { FreeholdError } from '../../lib/errors.ts';
import { nearestNames } from '../../lib/nearest-names.ts';
import { LoraAdapter } from '../../native/adapters.ts';
import type { Native } from '../../native/ffi.ts';
import type { Model } from '../../native/llama.ts';

export interface Adapters {
  /** Every name that may be asked for. */
  readonly names: readonly string[];
  /**
   * The adapter of that name, loaded now if it is not. A load waits for the decode that runs.
   * @throws FreeholdError invalid_request naming those there are, gguf_invalid, unsupported, file_not_found, model_failed
   */
  get(name: string): Promise<LoraAdapter>;
}

/** What an adapter must fit: the header of the model, the tensors of all its parts. */
export type AdaptedModel = Pick<GgufFile, 'metadata' | 'tensors'>;

/** @param files name to path of a GGUF */
export function createAdapters(
  native: Native,
  model: Model,
  header: AdaptedModel,
  files: Readonly<Record<string, string>>,
): Adapters {
  const names = Object.keys(files);
  const loads = new Map<string, Promise<LoraAdapter>>();
  const load = async (file: string) => {
    checkAdapter(await readGguf(file, { maxArrayLength: 0 }), header, file);
    return LoraAdapter.load(native, model, file);
  };
  return {
    names,
    get(name) {
      const known = loads.get(name);
      if (known) return known;
      const file = Object.hasOwn(files, name) ? files[name] : undefined;
      if (file === undefined) return Promise.reject(unknownAdapter(name, names));
      const loading = load(file);
      loads.set(name, loading);
      // a file may be mended: the next request tries again
      loading.catch(() => loads.delete(name));
      return loading;
    },
  };
}

function unknownAdapter(name: string, names: readonly string[]): FreeholdError {
  const near = nearestNames(name, names);
  const mean = near.length > 0 ? `Did you mean ${near.join(' or ')}? ` : '';
  const hint =
    names.length > 0
      ? `${mean}Adapters of this model: ${names.join(', ')}.`
      : 'It was loaded without any; start the server with --adapters NAME=FILE.';
  return new FreeholdError('invalid_request', `There is no adapter "${name.slice(0, 100)}" here.`, {
    hint,
    field: 'adapter',
  });
}
