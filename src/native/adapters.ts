// LoRA adapters of libllama: low-rank additions to a model's weights (Hu et al. 2021), kept beside them and applied
// while a context computes. Knows nothing of names, files on disk or requests: `infer/process/adapters.ts` does.
import path from 'node:path';
import { FreeholdError, invariant } from '../lib/errors.ts';
import { callAsync, type Native } from './ffi.ts';
import { attachHandle, Handle, handleOf } from './handle.ts';

/** An adapter in memory, for one model. Disposing the model disposes it. */
export class LoraAdapter {
  readonly #handle: Handle;

  private constructor(handle: Handle) {
    this.#handle = attachHandle(this, handle);
  }

  /**
   * Loads an adapter on another thread. Waits until no context of the model decodes, and they wait for it: libllama
   * keeps a list of adapters in the model, which a decode may read.
   * @param model a Model
   * @param file path of a GGUF that was checked against it
   * @throws FreeholdError model_failed
   */
  static async load(native: Native, model: object, file: string): Promise<LoraAdapter> {
    const parent = handleOf(model);
    const pointer = await parent.whileAlone((owner) => callAsync(native.llama.llama_adapter_lora_init, owner, file));
    if (!pointer) {
      throw new FreeholdError('model_failed', `The native library could not load the adapter ${path.basename(file)}.`, {
        hint: 'The lines above in the log say why.',
      });
    }
    return new LoraAdapter(new Handle('adapter', pointer, (p) => native.llama.llama_adapter_lora_free(p), parent));
  }

  /** No context may use it any more. */
  dispose(): void {
    this.#handle.dispose();
  }
}

/** An adapter, and how strongly it counts. */
export interface ScaledAdapter {
  adapter: LoraAdapter;
  /** 1 is as trained, 0 is off. */
  scale: number;
}

/**
 * Sets the adapters of the decodes to come, all of them together added to the weights. Where they change, the next
 * decode plans its graph anew.
 * @param context a Context
 */
export function setAdapters(native: Native, context: object, adapters: readonly ScaledAdapter[]): void {
  const pointers = adapters.map(({ adapter }) => handleOf(adapter).pointer);
  const scales = Float32Array.from(adapters, ({ scale }) => scale);
  const status = native.llama.llama_set_adapters_lora(handleOf(context).pointer, pointers, pointers.length, scales);
  invariant(status === 0, 'adapters of the model are taken');
}
