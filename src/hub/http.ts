// HTTP for the hub and for plain URLs: fails fast where nothing can be reached, tells why in words, sends the token
// to the hub alone, and goes along a redirect only where the address given may lead (redirects.ts).
import net from 'node:net';
import type { Config } from '../lib/config.ts';
import { FreeholdError } from '../lib/errors.ts';
import { isLoopback } from '../lib/loopback.ts';
import { formatBytes } from '../lib/units.ts';
import { isRedirect, redirectTarget } from './redirects.ts';

/** How long things may take, in milliseconds. Tests shorten them. */
export interface Patience {
  /** Until a connection stands. */
  connectMs: number;
  /** Until the headers of an answer are here, and then between two pieces of its body. */
  silenceMs: number;
  /** Attempts in a row that bring nothing before giving up. */
  attempts: number;
  /** Before the second attempt; doubles each time. */
  retryMs: number;
}

export const defaultPatience: Patience = { connectMs: 5000, silenceMs: 30_000, attempts: 5, retryMs: 500 };

/** A failure to reach a host at all. Another source may still work. */
export class Unreachable extends Error {
  override readonly name = 'Unreachable';
}

/** A failure that the same request may not meet again: a broken connection, a busy server. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';
  /** How long the server asked to wait, in milliseconds. */
  readonly retryAfterMs: number | undefined;

  constructor(message: string, retryAfterMs?: number, cause?: unknown) {
    super(message, { cause });
    this.retryAfterMs = retryAfterMs;
  }
}

/**
 * Connects once and hangs up, so that a machine without a route learns it in `connectMs` and not after fetch's own,
 * longer limits.
 * @throws Unreachable with the reason
 */
export async function probe(url: URL, connectMs: number, signal?: AbortSignal): Promise<void> {
  signal?.throwIfAborted();
  const port = Number(url.port) || (url.protocol === 'http:' ? 80 : 443);
  const host = url.hostname.replace(/^\[|\]$/g, '');
  await new Promise<void>((resolve, reject) => {
    const socket = net.connect({ host, port, timeout: connectMs });
    const timer = setTimeout(() => fail(`no answer within ${connectMs / 1000} s`), connectMs);
    const abort = () => finish(() => reject(signal?.reason));
    const finish = (then: () => void) => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
      socket.destroy();
      then();
    };
    const fail = (reason: string) => finish(() => reject(new Unreachable(`${url.host}: ${reason}`)));
    signal?.addEventListener('abort', abort);
    socket.on('connect', () => finish(resolve));
    socket.on('error', (error: NodeJS.ErrnoException) => fail(inWords(error)));
  });
}

/** The reason of a network error for people: its code and what it means. */
export function inWords(error: unknown): string {
  const code = codeOf(error);
  const meaning: Record<string, string> = {
    ENOTFOUND: 'no such host, or no name server',
    EAI_AGAIN: 'no name server answers',
    ECONNREFUSED: 'connection refused',
    ECONNRESET: 'connection broken',
    ETIMEDOUT: 'no answer',
    EHOSTUNREACH: 'no route',
    ENETUNREACH: 'no network',
    UND_ERR_SOCKET: 'connection broken',
    UND_ERR_CONNECT_TIMEOUT: 'no answer',
    UND_ERR_RES_CONTENT_LENGTH_MISMATCH: 'connection broken',
  };
  if (code && meaning[code]) return `${meaning[code]} (${code})`;
  return code ?? (error instanceof Error ? error.message : String(error));
}

function codeOf(error: unknown): string | undefined {
  for (let at = error; at instanceof Error; at = at.cause) {
    if (at instanceof AggregateError && at.errors[0]) return codeOf(at.errors[0]);
    const code = (at as NodeJS.ErrnoException).code;
    if (typeof code === 'string') return code;
  }
  return undefined;
}

/** Whether nobody between here and there can read along. */
const isPrivateLine = (url: URL): boolean => url.protocol === 'https:' || isLoopback(url.hostname);

/** Headers for a URL: the token goes to the origin of the hub and nowhere else, and never over plain http to another machine. */
export function headersFor(url: URL, config: Pick<Config, 'hubEndpoint' | 'hubToken'>): Record<string, string> {
  const headers: Record<string, string> = { 'user-agent': 'freehold', 'accept-encoding': 'identity' };
  if (config.hubToken && isPrivateLine(url) && url.origin === new URL(config.hubEndpoint).origin) {
    headers.authorization = `Bearer ${config.hubToken}`;
  }
  return headers;
}

/** Most redirects in a row; hubs use two or three. */
const mostRedirects = 10;

/**
 * One GET, redirects included. The answer's body is unread; aborting `signal` ends it.
 * @param headers `authorization` is dropped at the first redirect to another origin
 * @throws Interrupted for broken connections, silence, 408, 429 and 5xx; FreeholdError for other refusals, and
 *   download_failed for a redirect to where none may lead
 */
export async function get(
  url: URL,
  headers: Record<string, string>,
  what: string,
  patience: Patience,
  signal: AbortSignal,
): Promise<Response> {
  const silence = new AbortController();
  const timer = setTimeout(() => silence.abort(), patience.silenceMs);
  let response: Response;
  try {
    const either = AbortSignal.any([signal, silence.signal]);
    response = await fetch(url, { headers, signal: either, redirect: 'manual' });
    let at = url;
    let sent = headers;
    for (let hops = 0; isRedirect(response); hops += 1) {
      await response.body?.cancel().catch(() => undefined);
      if (hops === mostRedirects) {
        throw new FreeholdError('download_failed', `${url.host} redirects more than ${mostRedirects} times.`, {
          hint: 'Check the address.',
        });
      }
      const next = await redirectTarget(url, at, response.headers.get('location') ?? '');
      if (next.origin !== at.origin) sent = withoutToken(sent);
      at = next;
      response = await fetch(at, { headers: sent, signal: either, redirect: 'manual' });
    }
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof FreeholdError) throw error;
    if (silence.signal.aborted) throw new Interrupted(`${url.host}: no answer for ${patience.silenceMs / 1000} s`);
    throw new Interrupted(`${url.host}: ${inWords(error)}`, undefined, error);
  } finally {
    clearTimeout(timer);
  }
  if (response.ok || response.status === 416) return response;
  await response.body?.cancel().catch(() => undefined);
  throw refusal(response, url, what);
}

/** The next piece of a body; undefined at its end. @throws Interrupted for silence and broken connections; the signal's reason */
export async function readSome(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  url: URL,
  patience: Patience,
  signal: AbortSignal,
): Promise<Uint8Array | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const silence = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Interrupted(`${url.host} sent nothing for ${patience.silenceMs / 1000} s`)),
      patience.silenceMs,
    );
  });
  try {
    const { done, value } = await Promise.race([reader.read(), silence]);
    return done ? undefined : value;
  } catch (error) {
    signal.throwIfAborted();
    throw error instanceof Interrupted ? error : new Interrupted(`${url.host}: connection broken`, undefined, error);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * A whole body as text.
 * @param mostBytes no honest answer is longer
 * @throws Interrupted; FreeholdError download_failed for a longer one; the signal's reason
 */
export async function readText(
  response: Response,
  url: URL,
  mostBytes: number,
  patience: Patience,
  signal: AbortSignal,
): Promise<string> {
  const reader = response.body?.getReader();
  if (!reader) return '';
  const pieces: Uint8Array[] = [];
  let length = 0;
  try {
    for (;;) {
      const piece = await readSome(reader, url, patience, signal);
      if (!piece) return Buffer.concat(pieces).toString('utf8');
      length += piece.length;
      if (length > mostBytes) {
        throw new FreeholdError('download_failed', `${url.host} answered with more than ${formatBytes(mostBytes)}.`, {
          hint: 'Check the address: that is more than a list of files takes.',
        });
      }
      pieces.push(piece);
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

function withoutToken({ authorization: _, ...rest }: Record<string, string>): Record<string, string> {
  return rest;
}

function refusal(response: Response, url: URL, what: string): Error {
  const { status } = response;
  const said = `${url.host} answered ${status}${response.statusText ? ` ${response.statusText}` : ''}`;
  if (status === 408 || status === 429 || status >= 500) {
    const seconds = Number(response.headers.get('retry-after') ?? Number.NaN);
    return new Interrupted(said, Number.isFinite(seconds) ? Math.min(seconds, 60) * 1000 : undefined);
  }
  if (status === 401 || status === 403) {
    return new FreeholdError('source_refused', `${said} for ${what}: it is private, gated, or does not exist.`, {
      hint: isPrivateLine(url)
        ? 'If it exists, accept its licence on the hub and set FREEHOLD_HUB_TOKEN to a token that may read it.'
        : 'A token is sent over https only: name the hub by an https address in FREEHOLD_HUB_ENDPOINT.',
    });
  }
  if (status === 404 || status === 410) {
    return new FreeholdError('model_not_found', `${said}: there is no ${what}.`, {
      hint: 'Check the spelling; `freehold pull --help` shows the forms there are.',
    });
  }
  return new FreeholdError('download_failed', `${said} for ${what}.`, { hint: 'Check the address.' });
}
