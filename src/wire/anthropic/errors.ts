// Errors as the Anthropic API words them: `{"type":"error","error":{type,message},"request_id"}`.
import type { FreeholdError } from '../../lib/errors.ts';
import { type ErrorAnswer, errorText, retryHeaders } from '../errors.ts';

/** The vendor's error types, by status. */
function errorType(status: number): string {
  switch (status) {
    case 401:
      return 'authentication_error';
    case 402:
      return 'billing_error';
    case 403:
      return 'permission_error';
    case 404:
      return 'not_found_error';
    case 413:
      return 'request_too_large';
    case 429:
      return 'rate_limit_error';
    case 504:
      return 'timeout_error';
    case 529:
      return 'overloaded_error';
    default:
      return status >= 500 ? 'api_error' : 'invalid_request_error';
  }
}

/** Programs written for the vendor look for these words, and the numbers, to know that they must shorten a conversation. */
function messageOf(error: FreeholdError): string {
  if (error.code !== 'context_exceeded') return errorText(error);
  if (!error.tokens) return `prompt is too long: ${errorText(error)}`;
  const { prompt, context } = error.tokens;
  return `prompt is too long: ${prompt} tokens > ${context} maximum${error.hint === undefined ? '' : `. ${error.hint}`}`;
}

/**
 * What the SDK's own loops read to go on by themselves: a refused `thread` makes its tool runner send whole conversations
 * from then on. Of some it makes errors of a class of their own.
 */
function detailsOf({ code, field }: FreeholdError): { details?: object } {
  if (code === 'quota_exceeded') return { details: { error_code: 'storage_quota_exceeded' } };
  if (code !== 'unsupported' || field !== 'thread') return {};
  return { details: { error_code: 'thread_unsupported_request', unsupported: [] } };
}

/** The body of an error, also sent as the data of an `error` event in mid-stream. */
export function anthropicErrorBody(error: FreeholdError, requestId: string): unknown {
  return {
    type: 'error',
    error: { type: errorType(error.status), message: messageOf(error), ...detailsOf(error) },
    request_id: requestId,
  };
}

export function anthropicError(error: FreeholdError, requestId: string): ErrorAnswer {
  return { status: error.status, headers: retryHeaders(error), body: anthropicErrorBody(error, requestId) };
}
