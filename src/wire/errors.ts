// What the error answers of all protocols share: which headers say whether and when to try again, and what a remote
// caller may read. Bodies are each protocol's own (anthropic/errors.ts, openai/errors.ts).
import type { FreeholdError } from '../lib/errors.ts';

/** An error answer, ready to be sent. */
export interface ErrorAnswer {
  status: number;
  headers: Record<string, string>;
  body: unknown;
}

/** Message and hint as one text. */
export function errorText(error: FreeholdError): string {
  return error.hint === undefined ? error.message : `${error.message} ${error.hint}`;
}

/**
 * Headers both vendors' SDKs obey: `x-should-retry` always, `retry-after` (whole seconds, at least 1) and
 * `retry-after-ms` when the same request may succeed later.
 */
export function retryHeaders(error: FreeholdError): Record<string, string> {
  if (!error.retryable) return { 'x-should-retry': 'false' };
  const waitMs = Math.max(1, Math.ceil(error.retryAfterMs ?? 1000));
  return {
    'x-should-retry': 'true',
    'retry-after': String(Math.max(1, Math.ceil(waitMs / 1000))),
    'retry-after-ms': String(waitMs),
  };
}
