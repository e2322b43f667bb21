// Frames of `application/vnd.amazon.eventstream`, big-endian: length, length of the headers, CRC32 of these eight bytes,
// headers, body, CRC32 of all before it. Knows the frames, and nothing of what they say. After the vendor's description:
// https://docs.aws.amazon.com/transcribe/latest/dg/streaming-setting-up.html#streaming-event-stream
import { crc32 } from 'node:zlib';
import { FreeholdError } from '../../lib/errors.ts';

/** The value of a header, of one of the ten types a frame may hold. */
export type HeaderValue =
  | { type: 'boolean'; value: boolean }
  /** Signed, of 8, 16 and 32 bits. */
  | { type: 'byte' | 'short' | 'integer'; value: number }
  /** Signed, of 64 bits. */
  | { type: 'long'; value: bigint }
  | { type: 'binary'; value: Uint8Array }
  | { type: 'string'; value: string }
  | { type: 'timestamp'; value: Date }
  /** 8-4-4-4-12 hexadecimal digits in lower case. */
  | { type: 'uuid'; value: string };

/** By name, in the order of the frame; a name has 1 to 255 bytes. */
export type FrameHeaders = ReadonlyMap<string, HeaderValue>;

export interface Frame {
  headers: FrameHeaders;
  body: Uint8Array;
}

/** Length, length of the headers, their CRC32; and the CRC32 at the end. */
const preludeBytes = 12;
const overheadBytes = preludeBytes + 4;
/** The most that the format allows. */
const mostHeaderBytes = 128 << 10;
const mostBodyBytes = 24 << 20;
const mostValueBytes = 32_767;

const tags = { byte: 2, short: 3, integer: 4, long: 5, binary: 6, string: 7, timestamp: 8, uuid: 9 } as const;

/**
 * The headers' part of a frame; to be kept where many frames have the same.
 * @throws FreeholdError invalid_request for names and values that do not fit
 */
export function encodeHeaders(headers: FrameHeaders): Uint8Array {
  const parts: Uint8Array[] = [];
  for (const [name, value] of headers) {
    const bytes = Buffer.from(name);
    if (bytes.length === 0 || bytes.length > 255) {
      throw damaged(`The name of a header must have 1 to 255 bytes, but ${bytes.length} were given`);
    }
    parts.push(Uint8Array.of(bytes.length), bytes, encodeValue(value));
  }
  const joined = Buffer.concat(parts);
  if (joined.length > mostHeaderBytes)
    throw damaged(`Headers have ${joined.length} bytes, more than ${mostHeaderBytes}`);
  return joined;
}

function encodeValue(header: HeaderValue): Uint8Array {
  const sized = (size: number, write: (bytes: Buffer) => void) => {
    const bytes = Buffer.alloc(1 + size);
    bytes[0] = header.type === 'boolean' ? 0 : tags[header.type];
    write(bytes);
    return bytes;
  };
  switch (header.type) {
    case 'boolean':
      return Uint8Array.of(header.value ? 0 : 1);
    case 'byte':
      return sized(1, (bytes) => bytes.writeInt8(header.value, 1));
    case 'short':
      return sized(2, (bytes) => bytes.writeInt16BE(header.value, 1));
    case 'integer':
      return sized(4, (bytes) => bytes.writeInt32BE(header.value, 1));
    case 'long':
      return sized(8, (bytes) => bytes.writeBigInt64BE(header.value, 1));
    case 'timestamp':
      return sized(8, (bytes) => bytes.writeBigInt64BE(BigInt(header.value.getTime()), 1));
    case 'binary':
    case 'string': {
      const value = typeof header.value === 'string' ? Buffer.from(header.value) : header.value;
      if (value.byteLength > mostValueBytes) {
        throw damaged(`The value of a header has ${value.byteLength} bytes, more than ${mostValueBytes}`);
      }
      return sized(2 + value.byteLength, (bytes) => {
        bytes.writeUInt16BE(value.byteLength, 1);
        bytes.set(value, 3);
      });
    }
    case 'uuid': {
      if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(header.value)) throw damaged('A UUID is not one');
      return sized(16, (bytes) => bytes.write(header.value.replaceAll('-', ''), 1, 'hex'));
    }
    default:
      return header satisfies never;
  }
}

/** @param headers as `encodeHeaders` made them */
export function encodeFrame(headers: Uint8Array, body: Uint8Array): Uint8Array {
  const length = overheadBytes + headers.byteLength + body.byteLength;
  const frame = Buffer.allocUnsafe(length);
  frame.writeUInt32BE(length, 0);
  frame.writeUInt32BE(headers.byteLength, 4);
  frame.writeUInt32BE(crc32(frame.subarray(0, 8)), 8);
  frame.set(headers, preludeBytes);
  frame.set(body, preludeBytes + headers.byteLength);
  frame.writeUInt32BE(crc32(frame.subarray(0, length - 4)), length - 4);
  return frame;
}

/**
 * Takes the whole frames off the front of a stream.
 * @returns the frames, and the bytes of the one that is not complete yet
 * @throws FreeholdError invalid_request for bytes that are no frame, or a damaged one
 */
export function decodeFrames(bytes: Uint8Array): { frames: Frame[]; rest: Uint8Array } {
  const frames: Frame[] = [];
  let rest = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  while (rest.length >= preludeBytes) {
    const { length } = readPrelude(rest);
    if (rest.length < length) break;
    frames.push(decodeFrame(rest.subarray(0, length)));
    rest = rest.subarray(length);
  }
  return { frames, rest };
}

/** Read before the rest has come: a damaged length would have the reader wait, or hold, for gigabytes. */
function readPrelude(bytes: Buffer): { length: number; headerLength: number } {
  const length = bytes.readUInt32BE(0);
  const headerLength = bytes.readUInt32BE(4);
  if (crc32(bytes.subarray(0, 8)) !== bytes.readUInt32BE(8)) throw damaged('The checksum of its first bytes is wrong');
  if (headerLength > mostHeaderBytes) throw damaged(`Its headers have ${headerLength} bytes`);
  if (length < overheadBytes + headerLength || length > overheadBytes + headerLength + mostBodyBytes) {
    throw damaged(`It has ${length} bytes, ${headerLength} of them headers`);
  }
  return { length, headerLength };
}

/**
 * @param bytes one frame, whole
 * @throws FreeholdError invalid_request for bytes that are no frame, or a damaged one
 */
export function decodeFrame(bytes: Uint8Array): Frame {
  const frame = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (frame.length < overheadBytes) throw damaged(`It has ${frame.length} bytes`);
  const { length, headerLength } = readPrelude(frame);
  if (length !== frame.length) throw damaged(`It says that it has ${length} bytes, and has ${frame.length}`);
  if (crc32(frame.subarray(0, length - 4)) !== frame.readUInt32BE(length - 4)) throw damaged('Its checksum is wrong');
  const bodyAt = preludeBytes + headerLength;
  return { headers: decodeHeaders(frame.subarray(preludeBytes, bodyAt)), body: frame.subarray(bodyAt, length - 4) };
}

function decodeHeaders(bytes: Buffer): FrameHeaders {
  const headers = new Map<string, HeaderValue>();
  let at = 0;
  const take = (count: number) => {
    if (at + count > bytes.length) throw damaged('A header goes on past the headers');
    const taken = bytes.subarray(at, at + count);
    at += count;
    return taken;
  };
  while (at < bytes.length) {
    const name = take(take(1).readUInt8()).toString();
    headers.set(name, decodeValue(take));
  }
  return headers;
}

function decodeValue(take: (count: number) => Buffer): HeaderValue {
  const tag = take(1).readUInt8();
  switch (tag) {
    case 0:
    case 1:
      return { type: 'boolean', value: tag === 0 };
    case tags.byte:
      return { type: 'byte', value: take(1).readInt8() };
    case tags.short:
      return { type: 'short', value: take(2).readInt16BE() };
    case tags.integer:
      return { type: 'integer', value: take(4).readInt32BE() };
    case tags.long:
      return { type: 'long', value: take(8).readBigInt64BE() };
    case tags.binary:
      return { type: 'binary', value: take(take(2).readUInt16BE()) };
    case tags.string:
      return { type: 'string', value: take(take(2).readUInt16BE()).toString() };
    case tags.timestamp:
      return { type: 'timestamp', value: new Date(Number(take(8).readBigInt64BE())) };
    case tags.uuid: {
      const hex = take(16).toString('hex');
      const groups = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)];
      return { type: 'uuid', value: groups.join('-') };
    }
    default:
      throw damaged(`A header has the unknown type ${tag}`);
  }
}

function damaged(what: string): FreeholdError {
  return new FreeholdError('invalid_request', `The frame of the event stream is damaged: ${what}.`);
}
