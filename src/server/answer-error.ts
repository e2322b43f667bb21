// From any error to an HTTP answer in the caller's protocol. The log gets the whole error; the caller gets message and
// hint, without folders of this machine.
import { homedir } from 'node:os';
import path from 'node:path';
import { asFreeholdError, type ErrorCode, FreeholdError } from '../lib/errors.ts';
import { anthropicError } from '../wire/anthropic/errors.ts';
import { bedrockError } from '../wire/bedrock/errors.ts';
import type { ErrorAnswer } from '../wire/errors.ts';
import { ollamaError } from '../wire/ollama/errors.ts';
import { openaiError } from '../wire/openai/errors.ts';
import { type Protocol, protocolOfPath } from './api-paths.ts';
import type { AppContext, Services } from './context.ts';
import { isExpectedEnd, serverStopping } from './stopping.ts';

/** In whose protocol the request is answered: by its path, and by the `anthropic-version` header where two share one. */
export const protocolOf = (c: AppContext): Protocol => protocolOfPath(c.req.path, c.req.header('anthropic-version'));

function errorAnswer(protocol: Protocol, error: FreeholdError, requestId: string): ErrorAnswer {
  switch (protocol) {
    case 'anthropic':
      return anthropicError(error, requestId);
    case 'bedrock':
      return bedrockError(error, requestId);
    case 'ollama':
      return ollamaError(error);
    // what is ours alone speaks as most programs expect
    case 'openai':
    case 'ours':
      return openaiError(error);
    default:
      return protocol satisfies never;
  }
}

/** The answer to a request that failed before its answer began. */
export function answerError(c: AppContext, services: Services, thrown: unknown): Response {
  const error = publicError(thrown, services);
  c.var.facts.errorCode = error.code;
  const { status, headers, body } = errorAnswer(protocolOf(c), error, c.var.requestId);
  if (error.code === 'unauthorized') headers['www-authenticate'] = 'Bearer realm="freehold"';
  // the rest of a body that is not read must not be taken for the next request
  if (error.code === 'payload_too_large') headers.connection = 'close';
  for (const [name, value] of Object.entries(headers)) c.header(name, value);
  c.header('cache-control', 'no-store');
  return c.json(body as object, status as 400);
}

/** Errors whose messages are about files of this machine. */
const aboutFiles: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'gguf_invalid',
  'file_not_found',
  'file_io',
  'disk_full',
  'model_failed',
  'model_process_lost',
  'native_library_missing',
  'native_library_untrusted',
  'checksum_mismatch',
  'download_failed',
  'source_unreachable',
  'store_newer',
  'config_invalid',
]);

/** The error as a remote caller may see it; what is hidden goes to the log. */
export function publicError(thrown: unknown, services: Services): FreeholdError {
  const error = asFreeholdError(thrown);
  if (isExpectedEnd(error.code) || error.code === 'model_process_lost') {
    // whatever part of the server a request was in, it ends for one reason
    if (services.stopping?.aborted) return serverStopping();
    if (error.code !== 'model_process_lost') return error;
  }
  if (error.status >= 500 || error.cause !== undefined) services.logger.error({ err: thrown }, 'request failed');
  if (!aboutFiles.has(error.code)) return error;
  const clean = (text: string) => withoutFolders(text, services.config.home);
  return new FreeholdError(error.code, clean(error.message), {
    ...(error.hint === undefined ? {} : { hint: clean(error.hint) }),
    ...(error.field === undefined ? {} : { field: error.field }),
    ...(error.retryAfterMs === undefined ? {} : { retryAfterMs: error.retryAfterMs }),
  });
}

/** Leaves of each absolute path its last part. */
function withoutFolders(text: string, home: string): string {
  const known = [home, homedir()].filter((folder) => folder.length > 1);
  const shortened = known.reduce((rest, folder) => rest.replaceAll(folder + path.sep, `${path.sep}…${path.sep}`), text);
  return shortened
    .replace(/(?<![\w:/.])(?:\/[^\s/:"'`,;)]+)*\/(?=[^\s/:"'`,;)])/g, '')
    .replace(/[A-Za-z]:\\(?:[^\s\\"']+\\)*/g, '');
}
