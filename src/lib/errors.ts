// Every error a caller can meet. One class, one table of codes; `wire/*` renders it in each protocol's shape,
// the CLI prints message and hint. docs/errors.md is kept equal to this table by a test.

interface ErrorKind {
  /** HTTP status a server answers with. */
  status: number;
  /** Whether the same request may succeed later, unchanged. */
  retryable: boolean;
  /** One line for docs/errors.md. */
  meaning: string;
}

const kind = (status: number, retryable: boolean, meaning: string): ErrorKind => ({ status, retryable, meaning });

export const errorKinds = {
  // what the caller sent
  invalid_request: kind(400, false, 'A field is missing, of the wrong type, or out of range; the message names it.'),
  invalid_json: kind(400, false, 'The request body is not valid JSON.'),
  unsupported: kind(400, false, 'The request is well formed but asks for something this model or server does not do.'),
  context_exceeded: kind(400, false, 'The prompt is longer than the context of the model.'),
  unauthorized: kind(401, false, 'No key, or a key that is not known here.'),
  signature_invalid: kind(
    403,
    false,
    'The signature of a request (SigV4) does not fit it, its credential or the time.',
  ),
  forbidden: kind(403, false, 'The key is known but may not do this.'),
  not_found: kind(404, false, 'No such path or object.'),
  model_not_found: kind(404, false, 'No model of that name is here.'),
  method_not_allowed: kind(405, false, 'The path exists, with another method.'),
  payload_too_large: kind(413, false, 'The request body is larger than the server accepts.'),
  quota_exceeded: kind(400, false, 'A key keeps as many files, or bytes in files, as it may.'),
  rate_limited: kind(429, true, 'Too many requests for this key. Nothing limits keys yet, so no request meets it.'),
  cancelled: kind(499, false, 'The caller went away or cancelled.'),
  // the server and its model processes
  internal: kind(500, false, 'A bug in Freehold; the log has the details.'),
  model_failed: kind(500, false, 'The native library could not load or run the model.'),
  model_process_lost: kind(503, true, 'The process that ran the model died; it is being restarted.'),
  overloaded: kind(
    529,
    true,
    'The queue of the model is full, or too many large requests are being read; wait as long as `retry-after` says.',
  ),
  does_not_fit: kind(507, false, 'The model needs more memory than the device has free.'),
  shutting_down: kind(503, true, 'The server is stopping.'),
  // files, libraries and downloads
  gguf_invalid: kind(422, false, 'The file is not a valid GGUF; the message says which field is wrong.'),
  tokenizer_invalid: kind(
    422,
    false,
    'A tokenizer.json is damaged or of another program; the message says what is wrong.',
  ),
  file_not_found: kind(404, false, 'No such file.'),
  name_taken: kind(409, false, 'Something of that name, or in that folder, is here already.'),
  in_use: kind(409, true, 'Another process works on the same model or run; try again when it is done.'),
  file_io: kind(500, false, 'The operating system refused a read or a write.'),
  disk_full: kind(507, false, 'There is not enough free disk space.'),
  download_failed: kind(
    502,
    true,
    'A download broke off or its source answered with an error; it resumes where it stopped.',
  ),
  checksum_mismatch: kind(502, false, 'A downloaded file is not the one that was promised.'),
  source_refused: kind(403, false, 'A source of a model asks for a token or a licence, or does not know the model.'),
  source_unreachable: kind(502, true, 'None of the sources of a model could be reached.'),
  graph_invalid: kind(500, false, 'A tensor graph was written down wrongly: shapes or types that do not go together.'),
  data_invalid: kind(422, false, 'A text or pool to train on is empty, binary or broken; the message says where.'),
  run_invalid: kind(422, false, 'The settings of a training run are not valid, or were changed by hand.'),
  training_diverged: kind(
    500,
    false,
    'The loss of a training run exploded or is no number; the last good checkpoint is there.',
  ),
  run_failed: kind(500, false, 'The process of a training run could not be started; its log says more.'),
  native_library_missing: kind(500, false, 'The ggml and llama libraries were not found.'),
  native_library_untrusted: kind(500, false, 'A native library is not the one this release was tested with.'),
  native_disposed: kind(500, false, 'A native handle was used after it was disposed.'),
  store_newer: kind(500, false, 'The database was written by a newer release of Freehold.'),
  // starting up
  config_invalid: kind(400, false, 'A flag, an environment variable or the configuration file holds a bad value.'),
  unsafe_bind: kind(400, false, 'Refused to listen beyond this machine with authentication off.'),
  port_in_use: kind(500, false, 'Another program listens on that port.'),
  usage: kind(400, false, 'The command line is wrong.'),
} satisfies Record<string, ErrorKind>;

export type ErrorCode = keyof typeof errorKinds;

export interface ErrorDetails {
  /** What the reader should do now; one or two sentences. */
  hint?: string;
  /** The error underneath; logged, never shown to a remote caller. */
  cause?: unknown;
  /** How long to wait before trying again, in milliseconds. Only with retryable codes. */
  retryAfterMs?: number;
  /** Name of the request field at fault, as the caller spelled it, e.g. `messages.0.role`. */
  field?: string;
  /** Length of the prompt, at least, and of the context. Only with context_exceeded. */
  tokens?: PromptTokens;
}

export interface PromptTokens {
  prompt: number;
  context: number;
}

/** The one error type that crosses rooms. `message` says what was given and what was expected; `hint` what to do. */
export class FreeholdError extends Error {
  override readonly name = 'FreeholdError';
  readonly code: ErrorCode;
  readonly status: number;
  readonly retryable: boolean;
  readonly hint: string | undefined;
  readonly retryAfterMs: number | undefined;
  readonly field: string | undefined;
  readonly tokens: PromptTokens | undefined;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    const { status, retryable } = errorKinds[code];
    this.code = code;
    this.status = status;
    this.retryable = retryable;
    this.hint = details.hint;
    this.retryAfterMs = details.retryAfterMs;
    this.field = details.field;
    this.tokens = details.tokens;
  }
}

/** What crosses a process boundary in place of a FreeholdError. */
export interface ErrorRecord {
  code: ErrorCode;
  message: string;
  hint?: string;
  retryAfterMs?: number;
  field?: string;
  tokens?: PromptTokens;
}

export function toErrorRecord(error: unknown): ErrorRecord {
  const known = asFreeholdError(error);
  const record: ErrorRecord = { code: known.code, message: known.message };
  if (known.hint !== undefined) record.hint = known.hint;
  if (known.retryAfterMs !== undefined) record.retryAfterMs = known.retryAfterMs;
  if (known.field !== undefined) record.field = known.field;
  if (known.tokens !== undefined) record.tokens = known.tokens;
  return record;
}

export function fromErrorRecord(record: ErrorRecord): FreeholdError {
  return new FreeholdError(record.code, record.message, record);
}

/** Leaves a FreeholdError as it is; anything else becomes `internal` with the original as cause. */
export function asFreeholdError(error: unknown): FreeholdError {
  if (error instanceof FreeholdError) return error;
  return new FreeholdError('internal', 'Something went wrong inside Freehold.', {
    cause: error,
    hint: 'The log has the details; please report it.',
  });
}

/** For whoever still waits for a request that its caller, or the server, ended. */
export function cancelled(): FreeholdError {
  return new FreeholdError('cancelled', 'The request was cancelled.');
}

/** For what cannot happen unless Freehold has a bug. Never for input. */
export function invariant(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`invariant broken: ${message}`);
}
