// A text model that runs in a process of its own on this machine: the contract that the server and the commands use.
// `client.ts` keeps it.
import type { TextModel } from '../lib/text-model.ts';
import type { EngineStats } from './protocol.ts';

/** `crashed`: it died too often without an answer, and is not started again before a cool-down has passed. */
export type LocalModelState = 'loading' | 'ready' | 'restarting' | 'crashed' | 'failed' | 'closed';

/** A model that runs in a supervised child process. Requests sent while it restarts wait for it. */
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
