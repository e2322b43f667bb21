// Errors as the OpenAI API words them: `{"error":{message,type,param,code}}`.
import type { ErrorCode, FreeholdError } from '../../lib/errors.ts';
import { type ErrorAnswer, errorText, retryHeaders } from '../errors.ts';

/** Codes that programs written for OpenAI look at; all others are our own codes. */
const vendorCodes: Partial<Record<ErrorCode, string>> = {
  unauthorized: 'invalid_api_key',
  context_exceeded: 'context_length_exceeded',
  rate_limited: 'rate_limit_exceeded',
  unsupported: 'unsupported_parameter',
};

function errorType(status: number): string {
  if (status === 403) return 'permission_error';
  if (status === 429) return 'rate_limit_error';
  return status >= 500 ? 'server_error' : 'invalid_request_error';
}

/** The body of an error, also sent as a data line in mid-stream. */
export function openaiErrorBody(error: FreeholdError): unknown {
  return {
    error: {
      message: errorText(error),
      type: errorType(error.status),
      param: error.field ?? null,
      code: vendorCodes[error.code] ?? error.code,
    },
  };
}

export function openaiError(error: FreeholdError): ErrorAnswer {
  // 529 is Anthropic's own; OpenAI says 503 when its engine is overloaded
  const status = error.status === 529 ? 503 : error.status;
  return { status, headers: retryHeaders(error), body: openaiErrorBody(error) };
}
