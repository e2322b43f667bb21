// Errors as Ollama words them: `{"error":"…"}`.
import type { FreeholdError } from '../../lib/errors.ts';
import { type ErrorAnswer, errorText, retryHeaders } from '../errors.ts';

export function ollamaError(error: FreeholdError): ErrorAnswer {
  // 529 is Anthropic's own
  const status = error.status === 529 ? 503 : error.status;
  return { status, headers: retryHeaders(error), body: { error: errorText(error) } };
}
