// What kind of character stands at a place in UTF-8 text: letter, number, space or other. The kinds are those of
// libllama's own Unicode table (unicode-ranges.ts), not of the JavaScript engine, whose Unicode version changes with
// Node: a tokenizer must cut the same text the same way for ever. Bytes that are no UTF-8 count as others, one by one.
import { letterRanges, numberRanges } from './unicode-ranges.ts';

/** Kinds as bits. A line break is a space too. */
export const letter = 1;
export const number = 2;
export const space = 4;
export const lineBreak = 8;
export const other = 16;

/** Everything that \s matches beyond ASCII, for libllama. */
const otherSpaces = [0x85, 0xa0, 0x1680, 0x2028, 0x2029, 0x202f, 0x205f, 0x3000];

const kinds = new Uint8Array(0x110000).fill(other);
fill(letterRanges, letter);
fill(numberRanges, number);
for (let code = 0x09; code <= 0x0d; code++) kinds[code] = space;
for (let code = 0x2000; code <= 0x200a; code++) kinds[code] = space;
for (const code of [0x20, ...otherSpaces]) kinds[code] = space;
kinds[0x0a] = space | lineBreak;
kinds[0x0d] = space | lineBreak;

/** Ranges are pairs of a gap and a length, in base 36. */
function fill(ranges: string, kind: number): void {
  let code = 0;
  const numbers = ranges.split(' ').map((digits) => Number.parseInt(digits, 36));
  for (let at = 0; at < numbers.length; at += 2) {
    code += numbers[at] as number;
    const end = code + (numbers[at + 1] as number);
    kinds.fill(kind, code, end);
    code = end;
  }
}

/** Kind of a code point; others beyond U+10FFFF too. */
export function kindOf(code: number): number {
  return code < 0x110000 ? (kinds[code] as number) : other;
}

/** Bits of `characterAt` below its length. */
export const lengthShift = 8;

/** Kind of the character that begins at a place, and its length in bytes shifted by `lengthShift`; 0 at the end. */
export function characterAt(bytes: Uint8Array, at: number, end: number): number {
  if (at >= end) return 0;
  const first = bytes[at] as number;
  if (first < 0x80) return (kinds[first] as number) | (1 << lengthShift);
  return beyondAscii(bytes, at, end, first);
}

const invalid = other | (1 << lengthShift);

function beyondAscii(bytes: Uint8Array, at: number, end: number, first: number): number {
  if (first < 0xc2) return invalid;
  const second = at + 1 < end ? (bytes[at + 1] as number) : 0;
  if ((second & 0xc0) !== 0x80) return invalid;
  if (first < 0xe0) return kindOf(((first & 0x1f) << 6) | (second & 0x3f)) | (2 << lengthShift);
  const third = at + 2 < end ? (bytes[at + 2] as number) : 0;
  if ((third & 0xc0) !== 0x80) return invalid;
  if (first < 0xf0) {
    return kindOf(((first & 0x0f) << 12) | ((second & 0x3f) << 6) | (third & 0x3f)) | (3 << lengthShift);
  }
  const fourth = at + 3 < end ? (bytes[at + 3] as number) : 0;
  if (first >= 0xf5 || (fourth & 0xc0) !== 0x80) return invalid;
  const code = ((first & 0x07) << 18) | ((second & 0x3f) << 12) | ((third & 0x3f) << 6) | (fourth & 0x3f);
  return kindOf(code) | (4 << lengthShift);
}

/** Where a run of characters of some kinds (bits in `mask`) ends. */
export function endOfRun(bytes: Uint8Array, at: number, end: number, mask: number): number {
  while (at < end) {
    const first = bytes[at] as number;
    if (first < 0x80) {
      if (((kinds[first] as number) & mask) === 0) return at;
      at += 1;
    } else {
      const character = beyondAscii(bytes, at, end, first);
      if ((character & mask) === 0) return at;
      at += character >> lengthShift;
    }
  }
  return end;
}
