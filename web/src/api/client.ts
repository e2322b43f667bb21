// The page's only door to the server: session, models and streamed answers (POST /v1/messages in Anthropic's shape).
// Same origin, the session cookie authenticates. Every failure leaves here as an ApiError that can be shown to a person.
import { readSse } from './sse.ts';

export interface Session {
  /** Name of the key that signed in. */
  name: string;
  role: string;
}

export interface ModelInfo {
  id: string;
  /** What an alias such as `default` stands for now, when the server says so. */
  resolvesTo?: string;
  /** Tokens, prompt and answer together. */
  contextTokens?: number;
}

export interface Turn {
  role: 'user' | 'assistant';
  content: string;
}

export interface MessageRequest {
  model: string;
  messages: Turn[];
  /** Most tokens the answer may have. */
  maxTokens: number;
  system?: string;
  /** 0..1; absent: the server's default, 0.7. */
  temperature?: number;
}

export type AnswerEvent =
  | { type: 'start'; model?: string; inputTokens?: number }
  | { type: 'text-delta'; text: string }
  | { type: 'thinking-delta'; text: string }
  | {
      type: 'stop';
      reason: string;
      outputTokens?: number;
      model?: string;
      timeToFirstTokenMs?: number;
      tokensPerSecond?: number;
    };

/** What went wrong, in words for the person at the page. `status` is 0 when no answer came from the server at all. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly status: number;
  /** The server's error type, e.g. `overloaded_error`; `unreachable` or `interrupted` when made here. */
  readonly type: string;
  /** Whether the same request may succeed later. */
  readonly retryable: boolean;

  /** @param retryable default: by the type */
  constructor(status: number, type: string, message: string, retryable = retryableTypes.has(type)) {
    super(message);
    this.status = status;
    this.type = type;
    this.retryable = retryable;
  }
}

/** Signing in again is a way to succeed, too. */
const retryableTypes: ReadonlySet<string> = new Set([
  'unreachable',
  'interrupted',
  'api_error',
  'server_error',
  'overloaded_error',
  'rate_limit_error',
  'timeout_error',
  'authentication_error',
]);

/**
 * Reads the two error shapes the server speaks (Anthropic's and OpenAI's); anything else is described by its status.
 * @param shouldRetry the header `x-should-retry`; null where none came
 */
export function errorFromBody(status: number, body: string, shouldRetry: string | null = null): ApiError {
  const said = shouldRetry === null || status === 401 ? undefined : shouldRetry === 'true';
  try {
    const { error } = JSON.parse(body) as { error?: { type?: string; message?: string; hint?: string } };
    if (error?.message) {
      const hint = error.hint && !error.message.includes(error.hint) ? ` ${error.hint}` : '';
      return new ApiError(status, error.type ?? 'error', error.message + hint, said);
    }
  } catch {
    // not JSON: a proxy's page, or nothing
  }
  const explained = `The server answered with status ${status} and no explanation.`;
  return new ApiError(status, 'error', explained, said ?? status >= 500);
}

async function call(path: string, init: RequestInit = {}): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(path, { credentials: 'same-origin', ...init });
  } catch (cause) {
    if (init.signal?.aborted) throw cause;
    throw new ApiError(
      0,
      'unreachable',
      'Freehold does not answer. Is it still running? Start it again with: freehold up',
    );
  }
  if (!response.ok) {
    const body = await response.text().catch(() => '');
    throw errorFromBody(response.status, body, response.headers.get('x-should-retry'));
  }
  return response;
}

const post = (body: unknown): RequestInit => ({
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(body),
});

/** Who is signed in; undefined when nobody is. */
export async function getSession(): Promise<Session | undefined> {
  try {
    return (await (await call('/api/session')).json()) as Session;
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) return undefined;
    throw error;
  }
}

/** Exchanges a one-time sign-in token or an API key for a session cookie. Throws ApiError 401 when it is not known. */
export async function openSession(credential: { token: string } | { key: string }): Promise<void> {
  await call('/api/session', post(credential));
}

export async function closeSession(): Promise<void> {
  await call('/api/session', { method: 'DELETE' });
}

/** Chat models served here, `default` first, the rest by name. */
export async function listModels(): Promise<ModelInfo[]> {
  const { data } = (await (await call('/v1/models')).json()) as { data: Record<string, unknown>[] };
  return sortModels(data.flatMap(readModel));
}

function readModel(entry: Record<string, unknown>): ModelInfo[] {
  if (typeof entry.id !== 'string') return [];
  const own = (typeof entry.freehold === 'object' && entry.freehold !== null ? entry.freehold : {}) as Record<
    string,
    unknown
  >;
  if (typeof own.kind === 'string' && own.kind !== 'chat') return [];
  const info: ModelInfo = { id: entry.id };
  if (typeof own.model === 'string' && own.model !== entry.id) info.resolvesTo = own.model;
  if (typeof own.contextTokens === 'number') info.contextTokens = own.contextTokens;
  return [info];
}

export function sortModels(models: ModelInfo[]): ModelInfo[] {
  const rank = (model: ModelInfo) => (model.id === 'default' ? 0 : 1);
  return [...models].sort((a, b) => rank(a) - rank(b) || a.id.localeCompare(b.id));
}

/**
 * Asks for an answer and yields it as it is written; `stop` is always last.
 * @throws ApiError on a refusal, an error event, or a connection that ends before the answer does; the fetch's own AbortError after `signal` aborts
 */
export async function* streamMessage(request: MessageRequest, signal: AbortSignal): AsyncGenerator<AnswerEvent> {
  const { maxTokens, ...rest } = request;
  const init = post({ ...rest, max_tokens: maxTokens, stream: true });
  const response = await call('/v1/messages', {
    ...init,
    headers: { ...init.headers, 'anthropic-version': '2023-06-01' },
    signal,
  });
  if (!response.body) throw new ApiError(0, 'interrupted', 'The server sent no answer.');

  const answeredBy = response.headers.get('freehold-model') ?? undefined;
  let stopped = false;
  try {
    for await (const { data } of readSse(response.body)) {
      for (const event of readAnswerEvent(data)) {
        if (event.type === 'start' && answeredBy) event.model = answeredBy;
        if (event.type === 'stop') stopped = true;
        yield event;
      }
    }
  } catch (cause) {
    if (cause instanceof ApiError || signal.aborted) throw cause;
    stopped = false;
  }
  if (!stopped)
    throw new ApiError(0, 'interrupted', 'The connection to Freehold broke before the answer was complete.');
}

interface WireEvent {
  type?: string;
  message?: { model?: string; usage?: { input_tokens?: number } };
  delta?: { type?: string; text?: string; thinking?: string; stop_reason?: string };
  usage?: { output_tokens?: number };
  freehold?: { model?: string; timeToFirstTokenMs?: number; tokensPerSecond?: number };
  error?: { type?: string; message?: string };
}

/** One SSE data line of Anthropic's stream as this page's events; kinds it has no use for give none. Throws ApiError for an error event. */
export function readAnswerEvent(data: string): AnswerEvent[] {
  const wire = JSON.parse(data) as WireEvent;
  switch (wire.type) {
    case 'message_start':
      return [{ type: 'start', model: wire.message?.model, inputTokens: wire.message?.usage?.input_tokens }];
    case 'content_block_delta':
      if (wire.delta?.type === 'text_delta') return [{ type: 'text-delta', text: wire.delta.text ?? '' }];
      if (wire.delta?.type === 'thinking_delta') return [{ type: 'thinking-delta', text: wire.delta.thinking ?? '' }];
      return [];
    case 'message_delta': {
      const { model, timeToFirstTokenMs, tokensPerSecond } = wire.freehold ?? {};
      const outputTokens = wire.usage?.output_tokens;
      return [
        {
          type: 'stop',
          reason: wire.delta?.stop_reason ?? 'end_turn',
          outputTokens,
          model,
          timeToFirstTokenMs,
          tokensPerSecond,
        },
      ];
    }
    case 'error':
      throw errorFromBody(500, data);
    default:
      return [];
  }
}
