// `multipart/form-data` (RFC 7578, RFC 2046), read as it comes in: bytes in, parts out, and never more in memory than one
// chunk and a boundary. Pure; what becomes of a part is up to whoever feeds it.
import { FreeholdError } from '../lib/errors.ts';

/** What `feed` found, in order. The bytes of a part come in pieces of any size. */
export type MultipartEvent =
  | { type: 'part'; part: PartHeaders }
  | { type: 'data'; bytes: Uint8Array }
  | { type: 'part-end' };

export interface PartHeaders {
  /** Of the form's field. */
  name: string;
  /** As given, path and all; undefined for a field that is no file. */
  filename: string | undefined;
  /** The part's content type without parameters, in lower case. Default: undefined. */
  mediaType: string | undefined;
}

export interface MultipartReader {
  /** @throws FreeholdError invalid_request for what is no multipart body */
  feed(chunk: Uint8Array): MultipartEvent[];
  /** Call at the end of the body. @throws FreeholdError invalid_request when the last part was not complete */
  end(): void;
}

const mostHeaderBytes = 16 << 10;
const mostPreambleBytes = 64 << 10;

/**
 * The boundary in a `content-type` header.
 * @throws FreeholdError invalid_request when it is not `multipart/form-data` with a boundary of 1 to 70 characters
 */
export function boundaryOf(contentType: string | undefined): string {
  const [type = '', ...parameters] = (contentType ?? '').split(';');
  const given = parameters.map((each) => /^\s*boundary=(?:"([^"]*)"|([^\s"]*))\s*$/i.exec(each)).find(Boolean);
  const boundary = given?.[1] ?? given?.[2] ?? '';
  if (type.trim().toLowerCase() === 'multipart/form-data' && /^[0-9A-Za-z'()+_,./:=? -]{1,70}$/.test(boundary)) {
    if (!boundary.endsWith(' ')) return boundary;
  }
  throw broken('The body must be multipart/form-data with a boundary', 'content-type');
}

/** @param boundary as `boundaryOf` returns it */
export function createMultipartReader(boundary: string): MultipartReader {
  const delimiter = Buffer.from(`\r\n--${boundary}`, 'latin1');
  // the first boundary may stand at the very beginning, without a line end of its own before it
  let buffer: Buffer = Buffer.from('\r\n');
  let preambleBytes = 0;
  let state: 'preamble' | 'boundary' | 'headers' | 'data' | 'over' = 'preamble';

  /** One step on; false when more bytes are needed. */
  function step(events: MultipartEvent[]): boolean {
    switch (state) {
      case 'preamble':
      case 'data': {
        const at = buffer.indexOf(delimiter);
        // the end of the buffer may be the beginning of a delimiter
        const until = at >= 0 ? at : Math.max(0, buffer.length - delimiter.length + 1);
        if (state === 'preamble') {
          preambleBytes += until;
          if (preambleBytes > mostPreambleBytes) throw broken('The body does not begin with its boundary');
        } else if (until > 0) events.push({ type: 'data', bytes: buffer.subarray(0, until) });
        buffer = buffer.subarray(until);
        if (at < 0) return false;
        if (state === 'data') events.push({ type: 'part-end' });
        buffer = buffer.subarray(delimiter.length);
        state = 'boundary';
        return true;
      }
      case 'boundary': {
        if (buffer.length < 2) return false;
        if (buffer[0] === 0x2d && buffer[1] === 0x2d) {
          state = 'over';
          return true;
        }
        const end = buffer.indexOf('\r\n');
        const padding = buffer.subarray(0, end < 0 ? buffer.length : end);
        // blanks may follow a boundary on its line, nothing else
        if (padding.length > 100 || /[^ \t\r]/.test(padding.toString('latin1'))) {
          throw broken('A boundary is followed by something else than a line end');
        }
        if (end < 0) return false;
        // the line end stays: a part without headers has just one more
        buffer = buffer.subarray(end);
        state = 'headers';
        return true;
      }
      case 'headers': {
        const end = buffer.indexOf('\r\n\r\n');
        if (end > mostHeaderBytes || (end < 0 && buffer.length > mostHeaderBytes)) {
          throw broken('The headers of a part are too long');
        }
        if (end < 0) return false;
        events.push({ type: 'part', part: readHeaders(buffer.subarray(0, end)) });
        buffer = buffer.subarray(end + 4);
        state = 'data';
        return true;
      }
      case 'over':
        buffer = Buffer.alloc(0);
        return false;
      default:
        return state satisfies never;
    }
  }

  return {
    feed(chunk) {
      const events: MultipartEvent[] = [];
      const given = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
      buffer = buffer.length === 0 ? given : Buffer.concat([buffer, given]);
      while (step(events));
      return events;
    },
    end() {
      if (state !== 'over') throw broken('The body ends before its last boundary');
    },
  };
}

function readHeaders(bytes: Buffer): PartHeaders {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw broken('The headers of a part are not valid UTF-8');
  }
  const headers = new Map<string, string>();
  for (const line of text.split('\r\n')) {
    if (line === '') continue;
    const colon = line.indexOf(':');
    if (colon <= 0 || /[\r\n\0]/.test(line)) throw broken('A header of a part is malformed');
    headers.set(line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim());
  }
  const disposition = headers.get('content-disposition') ?? '';
  if (!/^form-data\s*(;|$)/i.test(disposition)) throw broken('A part has no content-disposition: form-data');
  const name = parameter(disposition, 'name');
  if (name === undefined) throw broken('A part has no name');
  const mediaType = headers.get('content-type')?.split(';')[0]?.trim().toLowerCase();
  return { name, filename: extendedName(disposition) ?? parameter(disposition, 'filename'), mediaType };
}

/** A parameter's value; browsers write quotes and line ends in it as %22, %0D and %0A, others put a backslash before them. */
function parameter(header: string, name: string): string | undefined {
  const found = new RegExp(`;\\s*${name}=(?:"((?:[^"\\\\]|\\\\.)*)"|([^\\s;"]*))`, 'i').exec(header);
  const quoted = found?.[1]
    ?.replace(/\\(["\\])/g, '$1')
    .replace(/%(22|0D|0A)/gi, (escaped) => decodeURIComponent(escaped));
  return quoted ?? found?.[2];
}

/** `filename*=UTF-8''…` (RFC 5987), which wins where it is there and well formed. */
function extendedName(header: string): string | undefined {
  const found = /;\s*filename\*=utf-8'[^']*'([^\s;]+)/i.exec(header)?.[1];
  try {
    return found === undefined ? undefined : decodeURIComponent(found);
  } catch {
    return undefined;
  }
}

const broken = (what: string, field?: string) =>
  new FreeholdError('invalid_request', `${what}.`, {
    hint: 'Send a form, as `curl -F file=@FILE` and the SDKs do.',
    ...(field === undefined ? {} : { field }),
  });
