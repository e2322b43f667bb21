// Where a text may be cut into parts that are encoded one by one, so that the ids are those of the whole: behind a letter,
// before what is no letter. There every pre-tokenizer ends a piece, whatever stands further on.
import { characterAt, letter } from './characters.ts';

/** Parts are about so large, in bytes: enough for a thread to be worth asking. */
const partBytes = 1 << 20;

/**
 * The last place at or before `to`, and behind `from`, where a text may be cut; -1 where there is none.
 * @param end where the text ends
 */
export function cutBefore(bytes: Uint8Array, from: number, to: number, end: number): number {
  for (let at = to; at > from; at--) {
    if (isContinuation(bytes[at]) || (characterAt(bytes, at, end) & letter) !== 0) continue;
    if (endsInLetter(bytes, at)) return at;
  }
  return -1;
}

function endsInLetter(bytes: Uint8Array, end: number): boolean {
  let at = end - 1;
  while (at > 0 && at > end - 4 && isContinuation(bytes[at])) at -= 1;
  const character = characterAt(bytes, at, end);
  return (character & letter) !== 0 && at + (character >> 8) === end;
}

const isContinuation = (byte: number | undefined) => byte !== undefined && (byte & 0xc0) === 0x80;

/**
 * Parts of a text whose ids, one behind the other, are those of the text. A text without letters, or of letters only, is
 * one part.
 */
export function* partsOf(bytes: Uint8Array, sizeBytes = partBytes): Generator<Uint8Array> {
  let from = 0;
  let searched = 0;
  for (let to = sizeBytes; to < bytes.length; to += sizeBytes) {
    const cut = cutBefore(bytes, Math.max(from, searched), to, bytes.length);
    searched = to;
    if (cut < 0) continue;
    yield bytes.subarray(from, cut);
    from = cut;
  }
  if (from < bytes.length) yield bytes.subarray(from);
}
