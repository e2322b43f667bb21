// Errors as Amazon Bedrock words them: a status, the header `x-amzn-errortype` and `{"message"}`; in mid-stream, a frame
// that holds an exception.
import type { FreeholdError } from '../../lib/errors.ts';
import { type ErrorAnswer, errorText, retryHeaders } from '../errors.ts';
import { encodeFrame } from './event-stream.ts';
import { frameHeaders } from './frames.ts';

interface BedrockException {
  name: string;
  status: number;
}

const exception = (name: string, status: number): BedrockException => ({ name: `${name}Exception`, status });

/** The vendor's exception for an error. Its SDKs try again by these names and statuses, not by our headers. */
function exceptionOf({ code, status, retryable }: FreeholdError): BedrockException {
  switch (code) {
    case 'unauthorized':
      return exception('UnrecognizedClient', 403);
    case 'signature_invalid':
      return exception('InvalidSignature', 403);
    case 'overloaded':
    case 'rate_limited':
      return exception('Throttling', 429);
    case 'model_process_lost':
      return exception('ModelNotReady', 429);
    case 'shutting_down':
      return exception('ServiceUnavailable', 503);
    case 'method_not_allowed':
      return exception('UnknownOperation', 405);
    case 'internal':
      return exception('InternalServer', 500);
    default:
  }
  if (status === 403) return exception('AccessDenied', 403);
  if (status === 404) return exception('ResourceNotFound', 404);
  if (status === 504) return exception('ModelTimeout', 408);
  if (status < 500 && status !== 422) return exception('Validation', status);
  // what no second try would change must not look like a moment's weakness
  return retryable ? exception('ServiceUnavailable', 503) : exception('ModelError', 424);
}

/** Programs written for the vendor look for these words to know that they must shorten a conversation. */
const messageOf = (error: FreeholdError): string =>
  error.code === 'context_exceeded' ? `Input is too long for requested model. ${errorText(error)}` : errorText(error);

export function bedrockError(error: FreeholdError, requestId: string): ErrorAnswer {
  const { name, status } = exceptionOf(error);
  return {
    status,
    headers: { ...retryHeaders(error), 'x-amzn-errortype': name, 'x-amzn-requestid': requestId },
    body: { message: messageOf(error) },
  };
}

/** The exceptions that a stream may end with. */
const inStreams = new Set(
  ['InternalServer', 'Validation', 'Throttling', 'ServiceUnavailable'].map((name) => `${name}Exception`),
);

/** What ends a stream that already began. */
export function exceptionFrame(error: FreeholdError): Uint8Array {
  const { name } = exceptionOf(error);
  const type = inStreams.has(name) ? name : 'ModelStreamErrorException';
  const headers = frameHeaders('exception', `${type.charAt(0).toLowerCase()}${type.slice(1)}`);
  return encodeFrame(headers, Buffer.from(JSON.stringify({ message: messageOf(error) })));
}
