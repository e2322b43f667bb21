// How the end of the server looks from outside: every request it cuts short ends with one error, the server's own.
import { type ErrorCode, FreeholdError } from '../lib/errors.ts';

/** What a request is told that comes too late, or that the end of the server cuts short. */
export const serverStopping = (): FreeholdError =>
  new FreeholdError('shutting_down', 'The server is stopping.', { hint: 'Try again in a moment.' });

/** Errors that a request meets only because its model or its caller goes: an event, not a fault. */
export const isExpectedEnd = (code: ErrorCode | undefined): boolean => code === 'shutting_down' || code === 'cancelled';

const waiting = new WeakMap<AbortSignal, Set<() => void>>();

/**
 * Has something called when the server ends; at once where it has. The signal gets one listener for all: it looks through
 * its listeners whenever one comes or goes, and there may be as many as there are streams.
 * @returns takes it back
 */
export function whenStopping(stopping: AbortSignal, listener: () => void): () => void {
  if (stopping.aborted) {
    listener();
    return () => {};
  }
  const all = waiting.get(stopping) ?? new Set();
  if (!waiting.has(stopping)) {
    waiting.set(stopping, all);
    const tellAll = () => {
      for (const each of [...all]) each();
    };
    stopping.addEventListener('abort', tellAll, { once: true });
  }
  all.add(listener);
  return () => all.delete(listener);
}

/** How many wait for the end of the server; for tests. */
export const waitingForStop = (stopping: AbortSignal): number => waiting.get(stopping)?.size ?? 0;
