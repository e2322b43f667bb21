// When a request's work is no longer wanted: its caller has gone, or the server ends. One signal for both.
import type { AppContext, Services } from './context.ts';
import { whenStopping } from './stopping.ts';

/** What ends with a request. */
export interface CallerAbort {
  /** Aborted when the connection closes before the answer is complete, or the server ends. */
  abort: AbortController;
  /** Stops listening; called when the work has ended, however it did. */
  done(): void;
}

export function abortWithCaller(c: AppContext, services: Services): CallerAbort {
  const abort = new AbortController();
  const stop = () => abort.abort();
  const outgoing = c.env?.outgoing;
  // the request's own signal would be one more controller for each request
  const gone = outgoing ? undefined : c.req.raw.signal;
  if (outgoing?.destroyed || gone?.aborted) stop();
  outgoing?.once('close', stop);
  gone?.addEventListener('abort', stop, { once: true });
  const stay = services.stopping && whenStopping(services.stopping, stop);
  return {
    abort,
    done() {
      outgoing?.off('close', stop);
      gone?.removeEventListener('abort', stop);
      stay?.();
    },
  };
}
