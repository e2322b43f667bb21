// Starts a whole deployment: store, keys, models, HTTP. Composes; the parts are in the files beside it.
import type { Config } from '../lib/config.ts';
import type { Logger } from '../lib/log.ts';
import type { ModelRegistry } from './model-registry.ts';

/** A server that listens. */
export interface RunningServer {
  /** `http://host:port`, with a host a browser on this machine can open. */
  url: string;
  port: number;
  /** The first admin key; only on the first start, and only here: print it. */
  firstAdminKey?: string;
  /** The page's address with a sign-in token in its fragment, good once and for 24 hours. */
  signInUrl: string;
  models: ModelRegistry;
  /** Stops accepting, gives streams a moment to end, then closes models and store. */
  close(): Promise<void>;
}

/**
 * @param logger default: one by `config.logLevel`
 * @throws FreeholdError unsafe_bind, port_in_use, file_io, store_newer
 */
export async function startServer(_config: Config, _logger?: Logger): Promise<RunningServer> {
  throw new Error('written in the next commit');
}
