// Every pair of neighbouring tokens: how often it occurs, where, and which occurs most often. Counts are exact at any time;
// the heap holds a count for every pair that is at least the true one, and is put right at its top.
import { hashPair } from '../merge-ranks.ts';

export interface PairIndex {
  /** The pair stands at a place in a piece that occurs so many times. */
  add(left: number, right: number, times: number, place: number): void;
  /** It does no longer. Its place is left in the list. */
  remove(left: number, right: number, times: number): void;
  /** To be called between changes and `mostFrequent`. */
  settle(): void;
  /** The pair that occurs most often, if at least `minCount` times; -1 where there is none. */
  mostFrequent(minCount: number): number;
  left(pair: number): number;
  right(pair: number): number;
  /** Places where the pair was added, some of them stale; in ascending order for a token beside itself. Empties the list. */
  takePlaces(pair: number): Int32Array;
}

/** @param expectedPlaces symbols of the text */
export function createPairIndex(expectedPlaces: number): PairIndex {
  let capacity = 1 << 14;
  let pairs = 0;
  let lefts = new Int32Array(capacity);
  let rights = new Int32Array(capacity);
  let counts = new Float64Array(capacity);
  /** Last place in the list of each pair, -1 for none; a list is read backwards. */
  let tails = new Int32Array(capacity);
  /** Places in the list of each pair. */
  let lengths = new Int32Array(capacity);
  /** Whether the count rose since `settle`. */
  let risen = new Uint8Array(capacity);
  /** Pair + 1, or 0. */
  let slots = new Int32Array(capacity * 2);

  let places = new Int32Array(Math.max(expectedPlaces, 1024));
  let previousPlaces = new Int32Array(places.length);
  let placeCount = 0;
  let freePlace = -1;

  let heapPairs = new Int32Array(capacity);
  let heapCounts = new Float64Array(capacity);
  let heapSize = 0;
  let changed = new Int32Array(1024);
  let changedCount = 0;

  function find(left: number, right: number): number {
    const mask = slots.length - 1;
    for (let slot = hashPair(left, right) & mask; ; slot = (slot + 1) & mask) {
      const pair = (slots[slot] as number) - 1;
      if (pair < 0) return -1;
      if (lefts[pair] === left && rights[pair] === right) return pair;
    }
  }

  function create(left: number, right: number): number {
    if (pairs === capacity) grow();
    const pair = pairs++;
    lefts[pair] = left;
    rights[pair] = right;
    tails[pair] = -1;
    place(pair);
    return pair;
  }

  function place(pair: number): void {
    const mask = slots.length - 1;
    let slot = hashPair(lefts[pair] as number, rights[pair] as number) & mask;
    while (slots[slot] !== 0) slot = (slot + 1) & mask;
    slots[slot] = pair + 1;
  }

  function grow(): void {
    capacity *= 2;
    lefts = larger(lefts, capacity);
    rights = larger(rights, capacity);
    tails = larger(tails, capacity);
    lengths = larger(lengths, capacity);
    const moreCounts = new Float64Array(capacity);
    moreCounts.set(counts);
    counts = moreCounts;
    const moreRisen = new Uint8Array(capacity);
    moreRisen.set(risen);
    risen = moreRisen;
    slots = new Int32Array(capacity * 2);
    for (let pair = 0; pair < pairs; pair++) place(pair);
  }

  /** Whether one entry of the heap comes before another. */
  function isBefore(count: number, pair: number, otherCount: number, other: number): boolean {
    if (count !== otherCount) return count > otherCount;
    const left = lefts[pair] as number;
    const otherLeft = lefts[other] as number;
    if (left !== otherLeft) return left < otherLeft;
    return (rights[pair] as number) < (rights[other] as number);
  }

  function push(pair: number, count: number): void {
    if (heapSize === heapPairs.length) {
      heapPairs = larger(heapPairs, heapSize * 2);
      const moreCounts = new Float64Array(heapSize * 2);
      moreCounts.set(heapCounts);
      heapCounts = moreCounts;
    }
    let at = heapSize++;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const abovePair = heapPairs[parent] as number;
      const aboveCount = heapCounts[parent] as number;
      if (!isBefore(count, pair, aboveCount, abovePair)) break;
      heapPairs[at] = abovePair;
      heapCounts[at] = aboveCount;
      at = parent;
    }
    heapPairs[at] = pair;
    heapCounts[at] = count;
  }

  function pop(): void {
    heapSize -= 1;
    const pair = heapPairs[heapSize] as number;
    const count = heapCounts[heapSize] as number;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heapSize) break;
      const second = child + 1;
      if (
        second < heapSize &&
        isBefore(
          heapCounts[second] as number,
          heapPairs[second] as number,
          heapCounts[child] as number,
          heapPairs[child] as number,
        )
      ) {
        child = second;
      }
      const childPair = heapPairs[child] as number;
      const childCount = heapCounts[child] as number;
      if (!isBefore(childCount, childPair, count, pair)) break;
      heapPairs[at] = childPair;
      heapCounts[at] = childCount;
      at = child;
    }
    heapPairs[at] = pair;
    heapCounts[at] = count;
  }

  function remember(pair: number, at: number): void {
    let entry = freePlace;
    if (entry >= 0) freePlace = previousPlaces[entry] as number;
    else {
      if (placeCount === places.length) {
        places = larger(places, placeCount * 2);
        previousPlaces = larger(previousPlaces, placeCount * 2);
      }
      entry = placeCount++;
    }
    places[entry] = at;
    previousPlaces[entry] = tails[pair] as number;
    tails[pair] = entry;
    lengths[pair] = (lengths[pair] as number) + 1;
  }

  return {
    add(left, right, times, at) {
      let pair = find(left, right);
      if (pair < 0) pair = create(left, right);
      counts[pair] = (counts[pair] as number) + times;
      remember(pair, at);
      if (risen[pair] === 1) return;
      risen[pair] = 1;
      if (changedCount === changed.length) changed = larger(changed, changedCount * 2);
      changed[changedCount++] = pair;
    },
    remove(left, right, times) {
      const pair = find(left, right);
      counts[pair] = (counts[pair] as number) - times;
    },
    settle() {
      for (let k = 0; k < changedCount; k++) {
        const pair = changed[k] as number;
        risen[pair] = 0;
        if ((counts[pair] as number) > 0) push(pair, counts[pair] as number);
      }
      changedCount = 0;
    },
    mostFrequent(minCount) {
      while (heapSize > 0) {
        const pair = heapPairs[0] as number;
        const said = heapCounts[0] as number;
        const count = counts[pair] as number;
        pop();
        if (said === count && count > 0) return count >= minCount ? pair : -1;
        if (said > count && count > 0) push(pair, count);
      }
      return -1;
    },
    left: (pair) => lefts[pair] as number,
    right: (pair) => rights[pair] as number,
    takePlaces(pair) {
      const taken = new Int32Array(lengths[pair] as number);
      let entry = tails[pair] as number;
      for (let at = taken.length - 1; at >= 0; at--) {
        taken[at] = places[entry] as number;
        const previous = previousPlaces[entry] as number;
        previousPlaces[entry] = freePlace;
        freePlace = entry;
        entry = previous;
      }
      tails[pair] = -1;
      lengths[pair] = 0;
      // aaa is (aa)a: in a run the order decides
      return lefts[pair] === rights[pair] ? taken.sort() : taken;
    },
  };
}

function larger(array: Int32Array<ArrayBuffer>, length: number): Int32Array<ArrayBuffer> {
  const copy = new Int32Array(length);
  copy.set(array);
  return copy;
}
