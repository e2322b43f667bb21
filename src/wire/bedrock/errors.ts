// Errors as Amazon Bedrock words them: a status, the header `x-amzn-errortype` and `{"message"}`.
import type { FreeholdError } from '../../lib/errors.ts';
import { type ErrorAnswer, errorText, retryHeaders } from '../errors.ts';

/** The vendor's exceptions, by status. */
export function exceptionName(status: number): string {
  switch (status) {
    case 401:
    case 403:
      return 'AccessDeniedException';
    case 404:
      return 'ResourceNotFoundException';
    case 429:
      return 'ThrottlingException';
    case 503:
    case 529:
      return 'ServiceUnavailableException';
    case 504:
      return 'ModelTimeoutException';
    default:
      return status >= 500 ? 'InternalServerException' : 'ValidationException';
  }
}

export function bedrockError(error: FreeholdError): ErrorAnswer {
  // 529 is Anthropic's own, and the vendor says 403 to whoever it does not know
  const status = error.status === 529 ? 503 : error.status === 401 ? 403 : error.status;
  return {
    status,
    headers: { ...retryHeaders(error), 'x-amzn-errortype': exceptionName(error.status) },
    body: { message: errorText(error) },
  };
}
