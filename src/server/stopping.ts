// How the end of the server looks from outside: every request it cuts short ends with one error, the server's own.
import { type ErrorCode, FreeholdError } from '../lib/errors.ts';

/** What a request is told that comes too late, or that the end of the server cuts short. */
export const serverStopping = (): FreeholdError =>
  new FreeholdError('shutting_down', 'The server is stopping.', { hint: 'Try again in a moment.' });

/** Errors that a request meets only because its model or its caller goes: an event, not a fault. */
export const isExpectedEnd = (code: ErrorCode | undefined): boolean => code === 'shutting_down' || code === 'cancelled';
