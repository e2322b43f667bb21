// Learns merges: again and again the pair of neighbouring tokens that occurs most often becomes a token. Only pairs whose
// count changed are looked at: places of every pair are kept in lists, counts in a heap that is put right when it is asked
// (as in Sennrich et al., 2016, section 3.2, and every implementation since). Ties go to the smaller left id, then the
// smaller right one, so that neither the order of the text nor the number of threads decides anything.
import { byteLetters } from '../byte-letters.ts';
import type { PieceCounts } from './count-pieces.ts';
import { createPairIndex } from './pair-index.ts';

export interface LearnedMerges {
  /** Ids of left and right of each merge. */
  merges: Int32Array;
  /** Spelling of each new token, in byte letters; its id is 256 + its place. */
  merged: string[];
}

export interface LearnOptions {
  /** Tokens to make beside the 256 bytes. */
  tokens: number;
  /** A pair that occurs less often is not merged. */
  minCount: number;
}

/**
 * Learns until there are `tokens` tokens, or no pair occurs `minCount` times.
 * @yields tokens made so far, now and then, so that the caller can do something else
 */
export function* learnMerges(
  pieces: PieceCounts,
  { tokens, minCount }: LearnOptions,
): Generator<number, LearnedMerges, void> {
  const symbols = Int32Array.from(pieces.bytes);
  const next = new Int32Array(symbols.length);
  const before = new Int32Array(symbols.length);
  const pieceOf = new Int32Array(symbols.length);
  const index = createPairIndex(symbols.length);
  const { counts } = pieces;

  for (let piece = 0; piece < counts.length; piece++) {
    const start = pieces.starts[piece] as number;
    const end = pieces.starts[piece + 1] as number;
    for (let at = start; at < end; at++) {
      before[at] = at > start ? at - 1 : -1;
      next[at] = at + 1 < end ? at + 1 : -1;
      pieceOf[at] = piece;
      if (at > start) {
        index.add(symbols[at - 1] as number, symbols[at] as number, counts[piece] as number, at - 1);
      }
    }
  }
  index.settle();

  const spellings = [...byteLetters];
  const idOf = new Map(spellings.map((spelling, id) => [spelling, id]));
  const merges: number[] = [];
  let work = 0;
  while (spellings.length < 256 + tokens) {
    const pair = index.mostFrequent(minCount);
    if (pair < 0) break;
    const left = index.left(pair);
    const right = index.right(pair);
    const spelling = (spellings[left] as string) + (spellings[right] as string);
    // two merges can spell the same token: a+bc and ab+c
    let merged = idOf.get(spelling);
    if (merged === undefined) {
      merged = spellings.length;
      spellings.push(spelling);
      idOf.set(spelling, merged);
    }
    merges.push(left, right);
    const places = index.takePlaces(pair);
    for (let k = 0; k < places.length; k++) {
      const at = places[k] as number;
      const behind = next[at] as number;
      // the place is remembered from when the pair stood there
      if (symbols[at] !== left || behind < 0 || symbols[behind] !== right) continue;
      const times = counts[pieceOf[at] as number] as number;
      const previous = before[at] as number;
      const following = next[behind] as number;
      index.remove(left, right, times);
      symbols[at] = merged;
      symbols[behind] = -1;
      next[at] = following;
      if (following >= 0) {
        before[following] = at;
        const symbol = symbols[following] as number;
        index.remove(right, symbol, times);
        index.add(merged, symbol, times, at);
      }
      if (previous >= 0) {
        const symbol = symbols[previous] as number;
        index.remove(symbol, left, times);
        index.add(symbol, merged, times, previous);
      }
    }
    index.settle();
    work += places.length + 64;
    if (work > 1 << 16) {
      work = 0;
      yield spellings.length - 256;
    }
  }
  return { merges: Int32Array.from(merges), merged: spellings.slice(256) };
}
