import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PromptLookup } from './prompt-lookup.ts';

/** Where the latest earlier run equal to the last n tokens ends; -1: nowhere. */
function latestEqualRun(tokens: number[], n: number): number {
  for (let end = tokens.length - 2; end >= n - 1; end--) {
    if (Array.from({ length: n }, (_, i) => tokens[end - i] === tokens.at(-1 - i)).every(Boolean)) return end;
  }
  return -1;
}

/** What is guessed to follow, by looking at every earlier place: the longest match wins, then the latest. */
function search(tokens: number[], most: number): { tokens: number[]; grade: number } | undefined {
  for (let n = 4; n >= 2; n--) {
    const end = latestEqualRun(tokens, n);
    if (end < 0) continue;
    const text = [...tokens];
    for (let i = 0; i < most; i++) text.push(text[end + 1 + i] as number);
    return { tokens: text.slice(tokens.length), grade: n - 2 };
  }
  return undefined;
}

function guess(lookup: PromptLookup, id: number, most: number) {
  const draft = lookup.propose([{ id, most }]).get(id);
  return draft && { tokens: Array.from(draft.tokens), grade: draft.grade };
}

describe('PromptLookup', () => {
  it('proposes what followed the longest match, the latest of them', () => {
    const lookup = new PromptLookup();
    lookup.begin(1, [1, 2, 3, 4, 50, 51, 52, 9, 3, 4, 60, 61, 62, 9, 2, 3, 4]);
    // 2 3 4 stood before 50; 3 4 alone also before 60
    expect(guess(lookup, 1, 3)).toEqual({ tokens: [50, 51, 52], grade: 1 });
    lookup.accept(1, [60]);
    expect(guess(lookup, 1, 2)).toEqual({ tokens: [61, 62], grade: 1 });
    lookup.accept(1, [7]);
    expect(guess(lookup, 1, 2)).toBeUndefined();
  });

  it('goes on with a repetition for as long as is wanted', () => {
    const lookup = new PromptLookup();
    lookup.begin(1, [5, 6, 7, 5, 6, 7]);
    expect(guess(lookup, 1, 8)).toEqual({ tokens: [5, 6, 7, 5, 6, 7, 5, 6], grade: 1 });
    lookup.begin(2, [8, 8, 8]);
    expect(guess(lookup, 2, 4)).toEqual({ tokens: [8, 8, 8, 8], grade: 0 });
  });

  it('keeps sequences apart', () => {
    const lookup = new PromptLookup();
    lookup.begin(1, [1, 2, 3, 1, 2]);
    lookup.begin(2, [1, 2, 4, 1, 2]);
    const drafts = lookup.propose([
      { id: 1, most: 1 },
      { id: 2, most: 1 },
    ]);
    expect([...drafts].map(([id, { tokens }]) => [id, tokens[0]])).toEqual([
      [1, 3],
      [2, 4],
    ]);
    lookup.end(1);
    lookup.end(1);
    expect(guess(lookup, 2, 1)).toEqual({ tokens: [4], grade: 0 });
  });

  it('finds what a search through all of the text finds', () => {
    const text = fc
      .constantFrom(2, 3, 12)
      .chain((letters) => fc.array(fc.nat({ max: letters - 1 }), { minLength: 0, maxLength: 300 }));
    fc.assert(
      fc.property(text, fc.nat({ max: 300 }), fc.integer({ min: 1, max: 9 }), (tokens, promptLength, most) => {
        const lookup = new PromptLookup();
        lookup.begin(1, tokens.slice(0, promptLength));
        for (let length = Math.min(promptLength, tokens.length); length <= tokens.length; length++) {
          expect(guess(lookup, 1, most)).toEqual(search(tokens.slice(0, length), most));
          lookup.accept(1, tokens.slice(length, length + 1));
        }
      }),
    );
  });

  it('looks back as far as its window at least, and not twice as far', () => {
    const window = 32;
    const lookup = new PromptLookup({ window });
    const tokens: number[] = [];
    const distances: number[] = [];
    lookup.begin(1, []);
    const add = (token: number) => {
      tokens.push(token);
      lookup.accept(1, [token]);
    };
    for (let i = 0; i < 500; i++) {
      add(1000 + i);
      if (i < 100) continue;
      // a pair that stood together some tokens ago
      const distance = 3 + (i % 97);
      const pair = tokens.slice(-distance, -distance + 2);
      for (const token of pair) add(token);
      const found = guess(lookup, 1, 1);
      if (found) distances.push(tokens.length - latestEqualRun(tokens, found.grade + 2));
      else expect(tokens.length - latestEqualRun(tokens, 2)).toBeGreaterThan(window);
    }
    expect(Math.max(...distances)).toBeLessThanOrEqual(2 * window);
    expect(Math.max(...distances)).toBeGreaterThan(window);
  });
});
