// Sends a request and tells of the answer while it comes in. Same origin; without a key the sign-in's cookie serves.
import { type Filled, headersOf, urlOf } from './request.ts';

export interface Answer {
  status: number;
  statusText: string;
  contentType: string;
  /** So far; of an answer that is no text, bytes in hexadecimal. */
  text: string;
  bytes: number;
  /** From sending to now, or to the end. */
  milliseconds: number;
  done: boolean;
}

const isText = (contentType: string) => /json|^text\/|event-stream$|ndjson/.test(contentType);

/** Most characters that are kept: the page is for looking, not for storing. */
const mostCharacters = 500_000;

/**
 * @param onChange called with what there is, whenever there is more
 * @throws whatever fetch throws; AbortError when stopped
 */
export async function send(
  filled: Filled,
  key: string,
  signal: AbortSignal,
  onChange: (answer: Answer) => void,
): Promise<void> {
  const startedMs = performance.now();
  const { route, body, fields } = filled;
  const headers = { ...headersOf(filled), ...(key === '' ? {} : { 'x-api-key': key }) };
  const answer = await fetch(urlOf(filled), { method: route.method, headers, body: bodyOf(), signal });
  const contentType = answer.headers.get('content-type') ?? '';
  const now: Answer = {
    status: answer.status,
    statusText: answer.statusText,
    contentType,
    text: '',
    bytes: 0,
    milliseconds: 0,
    done: false,
  };
  const tell = (more: Partial<Answer> = {}) => {
    Object.assign(now, more, { milliseconds: performance.now() - startedMs });
    onChange({ ...now });
  };
  tell();
  const decoder = new TextDecoder();
  const reader = answer.body?.getReader();
  for (;;) {
    const part = await reader?.read();
    if (!part || part.done) break;
    const text = isText(contentType) ? decoder.decode(part.value, { stream: true }) : hexOf(part.value);
    tell({ text: (now.text + text).slice(0, mostCharacters), bytes: now.bytes + part.value.byteLength });
  }
  tell({ text: shown(now.text, contentType), done: true });

  function bodyOf(): BodyInit | undefined {
    if (route.sample !== undefined) return body;
    if (route.form.length === 0) return undefined;
    const form = new FormData();
    for (const { name } of route.form) form.append(name, fields[name] ?? '');
    return form;
  }
}

/** One JSON value is laid out; anything else stays as it came. */
function shown(text: string, contentType: string): string {
  if (!contentType.startsWith('application/json')) return text;
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

const hexOf = (bytes: Uint8Array) => `${Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(' ')}\n`;
