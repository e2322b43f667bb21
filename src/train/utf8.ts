// Where text stops being text: the first byte that is not UTF-8, and bytes that no text holds. Knows bytes only.
import { isUtf8 } from 'node:buffer';

export interface ByteFault {
  /** Offset of the first byte at fault. */
  at: number;
  kind: 'zero-byte' | 'control-bytes' | 'not-utf8';
}

/** Share of control bytes from which on a piece is no text. */
const mostControls = 0.02;

/**
 * What is wrong with bytes that should be whole UTF-8 text: nothing, a zero byte, many control bytes (tabs, line ends, form
 * feeds and escapes aside), or bytes that are not UTF-8 (RFC 3629).
 */
export function faultOf(bytes: Uint8Array): ByteFault | undefined {
  const zero = bytes.indexOf(0);
  if (zero >= 0) return { at: zero, kind: 'zero-byte' };
  let controls = 0;
  let firstControl = -1;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at] as number;
    if (byte >= 0x20 || (byte >= 0x09 && byte <= 0x0d) || byte === 0x1b) continue;
    if (controls++ === 0) firstControl = at;
  }
  if (controls > Math.max(8, bytes.length * mostControls)) return { at: firstControl, kind: 'control-bytes' };
  return isUtf8(bytes) ? undefined : { at: firstInvalid(bytes), kind: 'not-utf8' };
}

/** Offset of the first byte of the first sequence that is not UTF-8; the length where all is. */
export function firstInvalid(bytes: Uint8Array): number {
  let at = 0;
  while (at < bytes.length) {
    const length = sequenceLength(bytes, at);
    if (length === 0) return at;
    at += length;
  }
  return at;
}

/** The last offset at or before `end` that is not inside a sequence, looking at four bytes at most. */
export function boundaryBefore(bytes: Uint8Array, end: number): number {
  for (let at = end; at > Math.max(0, end - 4); at--) {
    if (at === bytes.length ? endsWhole(bytes, at) : !isContinuation(bytes[at])) return at;
  }
  return end;
}

function endsWhole(bytes: Uint8Array, end: number): boolean {
  for (let at = end - 1; at >= Math.max(0, end - 4); at--) {
    if (!isContinuation(bytes[at])) return at + expectedLength(bytes[at] as number) <= end;
  }
  return true;
}

const isContinuation = (byte: number | undefined): boolean => byte !== undefined && (byte & 0xc0) === 0x80;

const expectedLength = (first: number): number => (first < 0xc0 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4);

/** Bytes of the sequence that begins here; 0 where none does. */
function sequenceLength(bytes: Uint8Array, at: number): number {
  const first = bytes[at] as number;
  if (first < 0x80) return 1;
  if (first < 0xc2 || first > 0xf4) return 0;
  const length = expectedLength(first);
  for (let index = 1; index < length; index++) if (!isContinuation(bytes[at + index])) return 0;
  const second = bytes[at + 1] as number;
  // overlong forms, surrogates, and what lies beyond U+10FFFF
  const wrong =
    (first === 0xe0 && second < 0xa0) ||
    (first === 0xed && second > 0x9f) ||
    (first === 0xf0 && second < 0x90) ||
    (first === 0xf4 && second > 0x8f);
  return wrong ? 0 : length;
}
