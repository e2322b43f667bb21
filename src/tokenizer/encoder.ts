// Bytes of plain text to ids: cut into pieces, each piece merged once and then remembered, since most of a text is words
// that came before. Knows no special tokens.
import type { PieceMerger } from './merge-piece.ts';
import { PieceTable } from './piece-table.ts';
import { maxPieceBytes, type PieceScanner } from './pre-tokenizers.ts';
import { noToken } from './vocabulary.ts';

/** A piece longer than this is not remembered. */
const longestRemembered = 128;
/** What is remembered at most, in pieces and in bytes; then all of it is forgotten. */
const mostRemembered = 1 << 18;
const mostRememberedBytes = 1 << 22;

export interface Encoder {
  /** Ids of `bytes[from..to)`, appended to what `take` gives next. */
  encode(bytes: Uint8Array, from: number, to: number): void;
  /** One more id, as it is. */
  push(id: number): void;
  /** All ids since the last `take`, in an array of their own. */
  take(): Int32Array;
}

export interface EncoderParts {
  scan: PieceScanner;
  merger: PieceMerger;
  /** Pieces that are a token whatever the merges say, and the token of each; undefined where there is no such rule. */
  wholePieces: { table: PieceTable; ids: Int32Array } | undefined;
}

export function createEncoder({ scan, merger, wholePieces }: EncoderParts): Encoder {
  const pieces = new PieceTable(1 << 12);
  /** Where the ids of each remembered piece begin in `known`; the first id itself where there is one only, as -1 - id. */
  let places = new Int32Array(1 << 12);
  let known = new Int32Array(1 << 14);
  let knownCount = 0;
  let out = new Int32Array(1 << 12);
  let count = 0;

  const forget = () => {
    pieces.clear();
    knownCount = 0;
  };

  const reserve = (more: number) => {
    if (count + more > out.length) out = grown(out, count + more);
  };

  /** Ids of a piece behind those in `out`. */
  function work(bytes: Uint8Array, from: number, to: number): void {
    const whole = wholePieces ? wholePieces.table.find(bytes, from, to) : -1;
    if (wholePieces && whole >= 0) {
      reserve(1);
      out[count++] = wholePieces.ids[whole] as number;
      return;
    }
    const length = merger.merge(bytes, from, to);
    reserve(length);
    const ids = merger.ids;
    for (let at = 0; at < length; at++) {
      const id = ids[at] as number;
      if (id !== noToken) out[count++] = id;
    }
  }

  function remember(entry: number, from: number): void {
    if (entry >= places.length) places = grown(places, entry + 1);
    const length = count - from;
    if (length === 1) {
      places[entry] = -1 - (out[from] as number);
      return;
    }
    if (knownCount + length + 1 > known.length) known = grown(known, knownCount + length + 1);
    places[entry] = knownCount;
    known[knownCount++] = length;
    for (let at = from; at < count; at++) known[knownCount++] = out[at] as number;
  }

  return {
    encode(bytes, from, to) {
      for (let at = from; at < to; ) {
        const end = scan(bytes, at, Math.min(to, at + maxPieceBytes));
        if (end - at > longestRemembered) work(bytes, at, end);
        else {
          const size = pieces.size;
          const entry = pieces.intern(bytes, at, end);
          if (entry === size) {
            const begin = count;
            work(bytes, at, end);
            remember(entry, begin);
            if (pieces.size >= mostRemembered || pieces.sizeBytes >= mostRememberedBytes) forget();
          } else {
            const place = places[entry] as number;
            if (place < 0) {
              if (count === out.length) reserve(1);
              out[count++] = -1 - place;
            } else {
              const length = known[place] as number;
              reserve(length);
              for (let k = place + 1; k <= place + length; k++) out[count++] = known[k] as number;
            }
          }
        }
        at = end;
      }
    },
    push(id) {
      reserve(1);
      out[count++] = id;
    },
    take() {
      const ids = out.slice(0, count);
      count = 0;
      // a long text must not keep its memory for ever
      if (out.length > 1 << 22) out = new Int32Array(1 << 12);
      return ids;
    },
  };
}

function grown(array: Int32Array<ArrayBuffer>, atLeast: number): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(Math.max(atLeast, array.length * 2));
  larger.set(array);
  return larger;
}
