// The server's side of a model process: spawns it, supervises it, and turns its messages into the TextModel contract.
// Knows no native code.
import type { Logger } from '../lib/log.ts';
import type { TextModel } from '../lib/text-model.ts';
import type { EngineStats, LoadOptions } from './protocol.ts';

export type LocalModelState = 'loading' | 'ready' | 'restarting' | 'failed' | 'closed';

/** A model that runs in a supervised child process. Requests sent while it loads or restarts wait for it. */
export interface LocalTextModel extends TextModel {
  readonly name: string;
  readonly state: LocalModelState;
  /** Process id of the model process, while there is one. */
  readonly pid: number | undefined;
  /** The last snapshot the process sent. */
  stats(): EngineStats;
  /** Device the weights are on, e.g. `CPU` or `CUDA0`. */
  readonly device: string;
  /** Ends the process; requests in flight fail with `shutting_down`. */
  close(): Promise<void>;
}

/**
 * Starts a model process and loads a GGUF in it.
 * @returns when the model is ready
 * @throws FreeholdError gguf_invalid, file_not_found, model_failed, native_library_missing, …
 */
export async function openLocalModel(_options: LoadOptions, _logger?: Logger): Promise<LocalTextModel> {
  throw new Error('written in the next commit');
}
