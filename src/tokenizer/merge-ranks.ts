// Which two tokens merge, how early, and to what: a hash table from a pair of ids to the rank of its merge.

/** Rank of a pair that does not merge: later than all. */
export const noRank = 0x7fff_ffff;

export interface MergeRanks {
  /** Rank of the merge of two tokens, or `noRank`. */
  rankOf(left: number, right: number): number;
  /** Token that each merge makes, by rank. */
  results: Int32Array;
}

/**
 * @param merges ids of left and right in order; of a pair named twice the first counts
 * @param results token that each merge makes
 */
export function createMergeRanks(merges: Int32Array, results: Int32Array): MergeRanks {
  const count = merges.length / 2;
  const capacity = 2 ** Math.ceil(Math.log2(Math.max(count * 2, 16)));
  const mask = capacity - 1;
  // left, right, rank; four apart, so that an entry does not lie across two cache lines
  const table = new Int32Array(capacity * 4).fill(-1);
  for (let rank = 0; rank < count; rank++) {
    const left = merges[rank * 2] as number;
    const right = merges[rank * 2 + 1] as number;
    let slot = hashPair(left, right) & mask;
    while (table[slot * 4] !== -1 && !(table[slot * 4] === left && table[slot * 4 + 1] === right)) {
      slot = (slot + 1) & mask;
    }
    if (table[slot * 4] === left) continue;
    table[slot * 4] = left;
    table[slot * 4 + 1] = right;
    table[slot * 4 + 2] = rank;
  }
  return {
    results,
    rankOf(left, right) {
      for (let slot = hashPair(left, right) & mask; ; slot = (slot + 1) & mask) {
        const at = slot * 4;
        const found = table[at] as number;
        if (found === left && table[at + 1] === right) return table[at + 2] as number;
        if (found === -1) return noRank;
      }
    },
  };
}

/** 32 bits of hash of two ids. */
export function hashPair(left: number, right: number): number {
  let hash = Math.imul(left, 0x9e3779b1) ^ Math.imul(right + 0x7f4a7c15, 0x85ebca77);
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  return hash ^ (hash >>> 13);
}
