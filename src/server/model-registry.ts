// Which models are loaded: a name becomes a running model on first use, and the least recently used one makes room.
// Knows how to load only through what it is given (`open`, `find`), so tests need no model and no hub.
import type { LocalModelState, LocalTextModel } from '../infer/client.ts';

/** A loaded or loading model, as `/health` and `freehold` show it. */
export interface ModelStatus {
  name: string;
  state: LocalModelState;
  pid: number | undefined;
}

export interface ModelRegistry {
  /**
   * The running model of that name, loaded now if it is not. `default` is `config.defaultModel`.
   * @throws FreeholdError model_not_found, file_not_found, does_not_fit, gguf_invalid, model_failed, …
   */
  get(name: string): Promise<LocalTextModel>;
  /** Loads a model before the first request asks for it. */
  preload(name: string): Promise<void>;
  /** Models that are loaded or being loaded. */
  status(): ModelStatus[];
  /** Ends every model process. */
  close(): Promise<void>;
}
