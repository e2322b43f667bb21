// How often each piece of text occurs: the only thing that training needs to know of a text.
import { PieceTable } from '../piece-table.ts';
import { maxPieceBytes, type PreTokenizerName, preTokenizer } from '../pre-tokenizers.ts';

/** Pieces one behind the other, and how often each occurs. */
export interface PieceCounts {
  bytes: Uint8Array;
  /** Where each piece begins in `bytes`, and behind the last where it ends: one more than there are pieces. */
  starts: Int32Array;
  counts: Float64Array;
}

export interface PieceCounter {
  /** Counts the pieces of a text, or of a part of one that was cut where a piece ends. */
  add(bytes: Uint8Array): void;
  /** Adds what another has counted. */
  addCounts(counts: PieceCounts): void;
  counts(): PieceCounts;
}

export function createPieceCounter(preTokenizerName: PreTokenizerName): PieceCounter {
  const { scan } = preTokenizer(preTokenizerName);
  const table = new PieceTable(1 << 14);
  let counts = new Float64Array(1 << 14);

  const count = (bytes: Uint8Array, from: number, to: number, times: number) => {
    const entry = table.intern(bytes, from, to);
    if (entry >= counts.length) {
      const larger = new Float64Array(counts.length * 2);
      larger.set(counts);
      counts = larger;
    }
    counts[entry] = (counts[entry] as number) + times;
  };

  return {
    add(bytes) {
      for (let at = 0; at < bytes.length; ) {
        const end = scan(bytes, at, Math.min(bytes.length, at + maxPieceBytes));
        count(bytes, at, end, 1);
        at = end;
      }
    },
    addCounts(other) {
      for (let entry = 0; entry < other.counts.length; entry++) {
        count(
          other.bytes,
          other.starts[entry] as number,
          other.starts[entry + 1] as number,
          other.counts[entry] as number,
        );
      }
    },
    counts: () => ({
      bytes: table.bytes.slice(0, table.sizeBytes),
      starts: table.starts.slice(0, table.size + 1),
      counts: counts.slice(0, table.size),
    }),
  };
}
