// Merges the bytes of one piece into tokens: of all pairs that merge, always the one of the lowest rank, and of these the
// leftmost, as libllama does it. Short pieces are searched through for each merge; in long ones a heap holds what may
// merge, so that time grows as n log n.
import type { MergeRanks } from './merge-ranks.ts';
import { noRank } from './merge-ranks.ts';

/** Pieces up to so many bytes are merged without a heap. */
const shortPiece = 48;
/** Places in a piece are below this; a heap's key is rank * this + place, exact in a double. */
const placesInKey = 2 ** 21;

export interface PieceMerger {
  /**
   * Tokens of `bytes[from..to)`, which is one piece of at most 2^20 bytes.
   * @returns how many; they lie in `ids` until the next call
   */
  merge(bytes: Uint8Array, from: number, to: number): number;
  readonly ids: Int32Array;
}

/** @param byteIds token of each byte */
export function createPieceMerger(byteIds: Int32Array, { rankOf, results }: MergeRanks): PieceMerger {
  let ids = new Int32Array(shortPiece);
  const ranks = new Int32Array(shortPiece);

  function mergeShort(bytes: Uint8Array, from: number, to: number): number {
    let count = to - from;
    for (let at = 0; at < count; at++) ids[at] = byteIds[bytes[from + at] as number] as number;
    for (let at = 0; at + 1 < count; at++) ranks[at] = rankOf(ids[at] as number, ids[at + 1] as number);
    for (;;) {
      let best = noRank;
      let place = 0;
      for (let at = 0; at + 1 < count; at++) {
        const rank = ranks[at] as number;
        if (rank < best) {
          best = rank;
          place = at;
        }
      }
      if (best === noRank) return count;
      ids[place] = results[best] as number;
      count -= 1;
      for (let at = place + 1; at < count; at++) {
        ids[at] = ids[at + 1] as number;
        ranks[at] = ranks[at + 1] as number;
      }
      if (place > 0) ranks[place - 1] = rankOf(ids[place - 1] as number, ids[place] as number);
      ranks[place] = place + 1 < count ? rankOf(ids[place] as number, ids[place + 1] as number) : noRank;
    }
  }

  function mergeLong(bytes: Uint8Array, from: number, to: number): number {
    const length = to - from;
    if (ids.length < length) ids = new Int32Array(length);
    const symbols = ids;
    const next = new Int32Array(length);
    const before = new Int32Array(length);
    const heap = createKeyHeap(length);
    for (let at = 0; at < length; at++) {
      symbols[at] = byteIds[bytes[from + at] as number] as number;
      next[at] = at + 1;
      before[at] = at - 1;
    }
    const add = (left: number, right: number) => {
      if (left < 0 || right >= length) return;
      const rank = rankOf(symbols[left] as number, symbols[right] as number);
      if (rank !== noRank) heap.push(rank * placesInKey + left);
    };
    for (let at = 0; at + 1 < length; at++) add(at, at + 1);
    for (let key = heap.pop(); key >= 0; key = heap.pop()) {
      const rank = Math.floor(key / placesInKey);
      const left = key - rank * placesInKey;
      const right = next[left] as number;
      // what stood there may have merged otherwise meanwhile
      if (symbols[left] === -1 || right >= length) continue;
      if (rankOf(symbols[left] as number, symbols[right] as number) !== rank) continue;
      symbols[left] = results[rank] as number;
      symbols[right] = -1;
      const behind = next[right] as number;
      next[left] = behind;
      if (behind < length) before[behind] = left;
      add(before[left] as number, left);
      add(left, behind);
    }
    let count = 0;
    for (let at = 0; at < length; at = next[at] as number) ids[count++] = symbols[at] as number;
    return count;
  }

  return {
    get ids() {
      return ids;
    },
    merge: (bytes, from, to) => (to - from <= shortPiece ? mergeShort(bytes, from, to) : mergeLong(bytes, from, to)),
  };
}

interface KeyHeap {
  push(key: number): void;
  /** The smallest, or -1. */
  pop(): number;
}

function createKeyHeap(capacity: number): KeyHeap {
  let keys = new Float64Array(Math.max(capacity, 16));
  let size = 0;
  return {
    push(key) {
      if (size === keys.length) {
        const larger = new Float64Array(keys.length * 2);
        larger.set(keys);
        keys = larger;
      }
      let at = size++;
      while (at > 0) {
        const parent = (at - 1) >> 1;
        const above = keys[parent] as number;
        if (above <= key) break;
        keys[at] = above;
        at = parent;
      }
      keys[at] = key;
    },
    pop() {
      if (size === 0) return -1;
      const top = keys[0] as number;
      const last = keys[--size] as number;
      let at = 0;
      for (;;) {
        let child = 2 * at + 1;
        if (child >= size) break;
        if (child + 1 < size && (keys[child + 1] as number) < (keys[child] as number)) child += 1;
        const below = keys[child] as number;
        if (below >= last) break;
        keys[at] = below;
        at = child;
      }
      keys[at] = last;
      return top;
    },
  };
}
