import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { repeatsCarriedOn } from './repeats.ts';

const none = new Set<number>();
const repeats = (history: number[], shortest = 2, breakers: ReadonlySet<number> = none, window = 1000) =>
  Object.fromEntries(repeatsCarriedOn(history, window, shortest, breakers));

/** Compares what the text ends with, token by token, with what stands before each earlier place. */
function slowly(history: number[], window: number, shortest: number, breakers: ReadonlySet<number>) {
  const text = history.slice(Math.max(0, history.length - window));
  const found: Record<number, number> = {};
  for (let next = 1; next < text.length; next++) {
    const token = text[next]!;
    if (breakers.has(token)) continue;
    let length = 0;
    while (length < next) {
      const [mine, theirs] = [text[text.length - 1 - length], text[next - 1 - length]];
      if (mine === undefined || mine !== theirs || breakers.has(mine)) break;
      length += 1;
    }
    if (length >= shortest) found[token] = Math.max(length, found[token] ?? 0);
  }
  return found;
}

describe('repeatsCarriedOn', () => {
  it('finds the token that followed the last time', () => {
    expect(repeats([1, 2, 3, 9, 1, 2])).toEqual({ 3: 2 });
    expect(repeats([1, 2, 3, 9, 1, 2, 3])).toEqual({ 9: 3 });
    expect(repeats([1, 2, 3, 9, 2, 1])).toEqual({});
  });

  it('reports the longest repeat a token carries on, and each token that does', () => {
    // after "1 2" came 3, after "8 1 2" came 4, and 3 again after "2 only"
    expect(repeats([8, 1, 2, 4, 5, 1, 2, 3, 6, 2, 3, 8, 1, 2])).toEqual({ 4: 3, 3: 2 });
    expect(repeats([8, 1, 2, 4, 5, 1, 2, 3, 6, 2, 3, 8, 1, 2], 3)).toEqual({ 4: 3 });
    expect(repeats([8, 1, 2, 4, 5, 1, 2, 3, 6, 2, 7, 8, 1, 2], 1)).toEqual({ 4: 3, 3: 2, 7: 1 });
  });

  it('sees a repeat that overlaps itself', () => {
    expect(repeats([7, 7, 7, 7])).toEqual({ 7: 3 });
    expect(repeats([1, 2, 1, 2, 1])).toEqual({ 2: 3 });
  });

  it('stops at tokens that break sequences, and never names one', () => {
    const breakers = new Set([0]);
    expect(repeats([1, 2, 0, 3, 4, 5, 1, 2, 0, 3, 4], 2, breakers)).toEqual({ 5: 2 });
    expect(repeats([1, 2, 3, 0, 1, 2, 3], 2, breakers)).toEqual({});
    expect(repeats([3, 4, 5, 0, 4], 2, breakers)).toEqual({});
    expect(repeats([3, 4, 0], 1, breakers)).toEqual({});
  });

  it('looks no further back than the window', () => {
    expect(repeats([1, 2, 3, 9, 1, 2], 2, none, 5)).toEqual({});
    expect(repeats([1, 2, 3, 9, 1, 2], 2, none, 6)).toEqual({ 3: 2 });
    expect(repeats([1, 2, 3, 9, 1, 2], 1, none, 5)).toEqual({ 3: 1 });
    expect(repeats([1, 2, 1, 2], 1, none, 0)).toEqual({});
    expect(repeats([], 1)).toEqual({});
  });

  it('finds what a comparison token by token finds', () => {
    const history = fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 60 });
    const breakers = fc.constantFrom(none, new Set([0]), new Set([0, 3]));
    const window = fc.constantFrom(1000, 5, 17, Number.POSITIVE_INFINITY);
    fc.assert(
      fc.property(history, window, fc.integer({ min: 1, max: 5 }), breakers, (tokens, size, shortest, stops) => {
        expect(repeats(tokens, shortest, stops, size)).toEqual(slowly(tokens, size, shortest, stops));
      }),
      { numRuns: 1000 },
    );
  });
});
