import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createCandidates, sortFalling } from './candidates.ts';
import { enterAlso, insertionWindow, roomForTop, selectTop, tokensFrom } from './top-k.ts';

const anyLogit = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: -50_000, max: 50_000 }).map((value) => value / 1000) },
  { weight: 3, arbitrary: fc.integer({ min: -2, max: 2 }) },
  { weight: 1, arbitrary: fc.constantFrom(Number.NaN, -Infinity, Infinity, -0, 1e-44, -1e-44, 3.4e38, -3.4e38) },
);
const anyRow = fc
  .array(anyLogit, { minLength: 1, maxLength: 900, size: 'max' })
  .map((values) => Float32Array.from(values));

/** Tokens of a row in falling order of logit, by a sort of all. */
function sorted(logits: Float32Array, among: (logit: number, token: number) => boolean = () => true): number[] {
  return [...logits.keys()]
    .filter((token) => logits[token]! > -Infinity && among(logits[token]!, token))
    .sort((a, b) => (logits[a] === logits[b] ? a - b : logits[b]! - logits[a]!));
}

const list = ({ tokens, count }: { tokens: Int32Array; count: number }) => [...tokens.subarray(0, count)];

describe('selectTop', () => {
  it('finds what a sort of the whole row puts first', () => {
    fc.assert(
      fc.property(anyRow, fc.integer({ min: 1, max: 900 }), fc.boolean(), (logits, size, small) => {
        const k = Math.min(small ? 1 + (size % 80) : size, logits.length);
        const into = createCandidates(roomForTop(k, logits.length));
        selectTop(logits, k, into);
        expect(list(into)).toEqual(sorted(logits).slice(0, k));
        expect(list(into).every((token, i) => logits[token] === into.logits[i])).toBe(true);
      }),
      { numRuns: 200 },
    );
  });

  it('leaves tokens out and takes their changed logits in', () => {
    const changes = fc.array(fc.tuple(fc.nat(), anyLogit), { maxLength: 40 });
    fc.assert(
      fc.property(anyRow, fc.integer({ min: 1, max: insertionWindow }), changes, (logits, size, pairs) => {
        const k = Math.min(size, logits.length);
        const row = logits.slice();
        const skip = new Uint8Array(row.length);
        const others = createCandidates(row.length);
        for (const [at, logit] of pairs) {
          const token = at % row.length;
          if (skip[token]) continue;
          skip[token] = 1;
          row[token] = logit;
          others.tokens[others.count] = token;
          others.logits[others.count++] = logit;
        }
        const into = createCandidates(roomForTop(k, row.length));
        selectTop(logits, k, into, skip);
        enterAlso(into, k, others);
        expect(list(into)).toEqual(sorted(row).slice(0, k));
      }),
      { numRuns: 200 },
    );
  });
});

describe('tokensFrom', () => {
  it('finds the logits at the floor and above, in the order of the row', () => {
    fc.assert(
      fc.property(anyRow, anyLogit, fc.nat(), (logits, value, at) => {
        for (const floor of [value, logits[at % logits.length]!, value + 1e-9]) {
          if (Number.isNaN(floor)) continue;
          const into = createCandidates(logits.length);
          tokensFrom(logits, floor, into);
          expect(list(into)).toEqual(sorted(logits, (logit) => logit >= floor).sort((a, b) => a - b));
        }
      }),
    );
  });
});

describe('sortFalling', () => {
  it('sorts few and many alike: by falling logit, then by token', () => {
    fc.assert(
      fc.property(anyRow, (logits) => {
        const tokens = [...logits.keys()].filter((token) => !Number.isNaN(logits[token]));
        const candidates = createCandidates(logits.length);
        candidates.tokens.set(tokens);
        candidates.logits.set(tokens.map((token) => logits[token]!));
        candidates.count = tokens.length;
        sortFalling(candidates);
        const falling = (a: number, b: number) => (logits[a] === logits[b] ? a - b : logits[b]! > logits[a]! ? 1 : -1);
        expect(list(candidates)).toEqual(tokens.sort(falling));
      }),
    );
  });
});
