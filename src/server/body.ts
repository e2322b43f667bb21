// Reads a request's JSON body: bounded while it streams in, whatever its length claims, and refused with the position
// of the mistake when it is not JSON.
import { FreeholdError } from '../lib/errors.ts';
import { formatBytes } from '../lib/units.ts';
import type { BodyShare } from './body-budget.ts';
import { readChunks } from './body-chunks.ts';
import type { AppContext } from './context.ts';

/** A request of more values (numbers, strings, objects …) or deeper nesting than any honest one goes no further than here. */
const mostValues = 250_000;
const deepestNesting = 200;

/**
 * @param limitBytes most bytes of body
 * @throws FreeholdError payload_too_large, invalid_json, invalid_request, cancelled; overloaded while others send too much
 */
export async function readJson(c: AppContext, limitBytes: number): Promise<unknown> {
  requireUncompressed(c);
  const share = c.get('bodies').begin();
  try {
    return parseJson(await readBytes(c, limitBytes, share));
  } finally {
    share.end();
  }
}

/** @throws FreeholdError unsupported */
export function requireUncompressed(c: AppContext): void {
  const encoding = c.req.header('content-encoding');
  if (encoding === undefined || encoding.toLowerCase() === 'identity') return;
  const what = encoding.slice(0, 40);
  throw new FreeholdError('unsupported', `content-encoding: Bodies compressed with ${what} are not read.`, {
    hint: 'Send the body uncompressed.',
    field: 'content-encoding',
  });
}

/**
 * Reads the body to verify what was signed, and leaves it for whoever reads it next.
 * @throws FreeholdError as `readJson`, save what is about JSON
 */
export async function readBody(c: AppContext, limitBytes: number): Promise<Uint8Array> {
  const share = c.get('bodies').begin();
  try {
    const bytes = await readBytes(c, limitBytes, share);
    c.set('body', bytes);
    return bytes;
  } finally {
    share.end();
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** @throws FreeholdError invalid_json with the place of the mistake; invalid_request for more than any honest request holds */
export function parseJson(bytes: Uint8Array): unknown {
  let text: string;
  try {
    text = utf8.decode(bytes);
  } catch {
    throw new FreeholdError('invalid_json', 'The request body is not valid UTF-8.');
  }
  if (text.trim() === '') {
    throw new FreeholdError('invalid_json', 'The request body is empty.', { hint: 'Send a JSON object.' });
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new FreeholdError('invalid_json', `The request body is not valid JSON${position(error as Error, text)}.`, {
      hint: 'Send one JSON object, encoded as UTF-8.',
    });
  }
  requireModest(value);
  return value;
}

async function readBytes(c: AppContext, limitBytes: number, share: BodyShare): Promise<Uint8Array> {
  const tooLarge = () =>
    new FreeholdError(
      'payload_too_large',
      `The request body is larger than ${formatBytes(limitBytes)} (${limitBytes} bytes).`,
      {
        hint: 'Send less, or raise bodyLimitBytes (FREEHOLD_BODY_LIMIT_BYTES) where the server runs.',
      },
    );
  const announced = Number(c.req.header('content-length') ?? 0);
  if (announced > limitBytes) throw tooLarge();
  const chunks: Uint8Array[] = [];
  let length = 0;
  await readChunks(c, (chunk) => {
    length += chunk.byteLength;
    try {
      if (length > limitBytes) throw tooLarge();
      share.grow(length);
    } catch (refusal) {
      // the room is free before the rest has come
      share.end();
      chunks.length = 0;
      throw refusal;
    }
    chunks.push(chunk);
  });
  return chunks.length === 1 ? (chunks[0] as Uint8Array) : Buffer.concat(chunks);
}

/** ` at position 17 (line 2, column 3)`, from what V8 says; its message repeats the text, so it is not passed on. */
function position(error: Error, text: string): string {
  const found = /position (\d+)/.exec(error.message);
  const at = found ? Number(found[1]) : /end of JSON/i.test(error.message) ? text.length : undefined;
  if (at === undefined) return '';
  const before = text.slice(0, at);
  const line = before.split('\n').length;
  return ` at position ${at} (line ${line}, column ${at - before.lastIndexOf('\n')})`;
}

function requireModest(root: unknown): void {
  let count = 0;
  let level: unknown[] = [root];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > deepestNesting) {
      throw new FreeholdError('invalid_request', `The request is nested deeper than ${deepestNesting} levels.`);
    }
    const next: unknown[] = [];
    for (const value of level) {
      if (typeof value !== 'object' || value === null) continue;
      const inner: unknown[] = Array.isArray(value) ? value : Object.values(value);
      count += inner.length;
      if (count > mostValues) {
        throw new FreeholdError('invalid_request', `The request holds more than ${mostValues} values.`, {
          hint: 'Send fewer and longer messages.',
        });
      }
      for (const item of inner) if (typeof item === 'object' && item !== null) next.push(item);
    }
    level = next;
  }
}
