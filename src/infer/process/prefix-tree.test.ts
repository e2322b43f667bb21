// The tree beside a plain list of what was put into it. Rows here are not keys and values, but say whose they are: a
// token and its position.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { KvRows } from '../../native/kv-state.ts';
import { PrefixTree } from './prefix-tree.ts';
import { commonPrefix } from './slots.ts';

const rowBytes = 2;

function rowsFor(tokens: readonly number[], from: number): KvRows {
  const bytes = Uint8Array.from(tokens.slice(from).flatMap((token, i) => [token, from + i]));
  return { count: tokens.length - from, bytes };
}

const slice = (rows: KvRows, from: number, to: number): KvRows => ({
  count: to - from,
  bytes: rows.bytes.slice(from * rowBytes, to * rowBytes),
});

/** @param limit most tokens */
const treeOf = (limit: number) => new PrefixTree(limit * rowBytes, slice);

/** @returns from which token on rows were asked for */
function insert(tree: PrefixTree, scope: string, tokens: readonly number[]): number | undefined {
  const asked: number[] = [];
  tree.insert(scope, tokens, (from) => {
    asked.push(from);
    return rowsFor(tokens, from);
  });
  expect(asked.length).toBeLessThanOrEqual(1);
  return asked[0];
}

/** How much of the tokens is held, after a look at the rows: they are those of the tokens. */
function match(tree: PrefixTree, scope: string, tokens: readonly number[]): number {
  const { length, pieces } = tree.match(scope, tokens);
  const bytes = pieces.flatMap((rows) => [...rows.bytes]);
  expect(bytes.slice(0, length * rowBytes)).toEqual([...rowsFor(tokens.slice(0, length), 0).bytes]);
  expect(pieces.slice(0, -1).reduce((sum, { count }) => sum + count, 0)).toBeLessThanOrEqual(length);
  return length;
}

interface Entry {
  scope: string;
  tokens: number[];
}

const entry = fc.record({
  scope: fc.constantFrom('a', 'b'),
  tokens: fc.array(fc.integer({ min: 0, max: 2 }), { minLength: 1, maxLength: 12 }),
});
const entries = fc.array(entry, { minLength: 1, maxLength: 25 });

/** Most tokens from the first on that the list holds in the scope. */
const longestIn = (list: readonly Entry[], { scope, tokens }: Entry) =>
  Math.max(0, ...list.filter((other) => other.scope === scope).map((other) => commonPrefix(other.tokens, tokens)));

/** Tokens the tree holds, by asking for everything that was ever put into it. */
function heldTokens(tree: PrefixTree, list: readonly Entry[]): number {
  const held = new Set<string>();
  for (const { scope, tokens } of list) {
    const length = tree.matchLength(scope, tokens);
    for (let n = 1; n <= length; n++) held.add(`${scope} ${tokens.slice(0, n)}`);
  }
  return held.size;
}

describe('a tree with room for all', () => {
  it('finds the longest prefix that anything in the same scope begins with, and its rows', () => {
    fc.assert(
      fc.property(entries, entries, (list, asked) => {
        const tree = treeOf(10_000);
        list.forEach(({ scope, tokens }, i) => {
          const known = longestIn(list.slice(0, i), { scope, tokens });
          expect(tree.matchLength(scope, tokens)).toBe(known);
          // only what is new is read
          expect(insert(tree, scope, tokens)).toBe(known < tokens.length ? known : undefined);
        });
        for (const one of [...list, ...asked]) {
          expect(match(tree, one.scope, one.tokens)).toBe(longestIn(list, one));
        }
      }),
    );
  });

  it('holds what sequences share once', () => {
    fc.assert(
      fc.property(entries, (list) => {
        const tree = treeOf(10_000);
        for (const { scope, tokens } of list) insert(tree, scope, tokens);
        expect(tree.bytes).toBe(rowBytes * heldTokens(tree, list));
      }),
    );
  });

  it('has nothing for a scope that put nothing in', () => {
    const tree = treeOf(100);
    insert(tree, 'a', [1, 2, 3]);
    expect(match(tree, 'b', [1, 2, 3])).toBe(0);
    insert(tree, 'b', [1, 2]);
    expect(match(tree, 'b', [1, 2, 3])).toBe(2);
  });
});

describe('a tree with little room', () => {
  it('never holds more, counts what it holds, and gives out only rows of the tokens asked for', () => {
    fc.assert(
      fc.property(entries, fc.integer({ min: 0, max: 40 }), fc.boolean(), (list, limit, used) => {
        const tree = treeOf(limit);
        list.forEach((one, i) => {
          insert(tree, one.scope, one.tokens);
          expect(tree.bytes).toBeLessThanOrEqual(limit * rowBytes);
          expect(tree.bytes).toBe(rowBytes * heldTokens(tree, list.slice(0, i + 1)));
          const earlier = list[i >> 1] as Entry;
          if (used) expect(match(tree, earlier.scope, earlier.tokens)).toBeLessThanOrEqual(longestIn(list, earlier));
        });
      }),
      { numRuns: 300 },
    );
  });

  it('holds what was put in last, if there is room for it alone', () => {
    fc.assert(
      fc.property(entries, (list) => {
        const tree = treeOf(12);
        for (const { scope, tokens } of list) {
          insert(tree, scope, tokens);
          expect(match(tree, scope, tokens)).toBe(tokens.length);
        }
      }),
    );
  });

  it('lets go first of what was used least recently', () => {
    const tree = treeOf(9);
    insert(tree, 'a', [1, 1, 1]);
    insert(tree, 'a', [2, 2, 2]);
    insert(tree, 'b', [3, 3, 3]);
    expect(match(tree, 'a', [1, 1, 1])).toBe(3);
    insert(tree, 'b', [4, 4, 4]);
    expect([
      tree.matchLength('a', [1, 1, 1]),
      tree.matchLength('a', [2, 2, 2]),
      tree.matchLength('b', [3, 3, 3]),
    ]).toEqual([3, 0, 3]);
    insert(tree, 'a', [5]);
    expect([tree.matchLength('a', [1, 1, 1]), tree.matchLength('b', [3, 3, 3])]).toEqual([3, 0]);
  });

  it('takes a look at how much is held for no use', () => {
    const tree = treeOf(6);
    insert(tree, 'a', [1, 1, 1]);
    insert(tree, 'a', [2, 2, 2]);
    tree.matchLength('a', [1, 1, 1]);
    insert(tree, 'a', [3, 3, 3]);
    expect([tree.matchLength('a', [1, 1, 1]), tree.matchLength('a', [2, 2, 2])]).toEqual([0, 3]);
  });

  it('keeps a beginning that others go on from when one of them goes', () => {
    const tree = treeOf(8);
    insert(tree, 'a', [1, 2, 3, 4]);
    insert(tree, 'a', [1, 2, 5, 6]);
    insert(tree, 'b', [7, 7, 7, 7]);
    expect([tree.matchLength('a', [1, 2, 3, 4]), tree.matchLength('a', [1, 2, 5, 6])]).toEqual([2, 4]);
  });

  it('gives nothing up for what is larger than all its room', () => {
    const tree = treeOf(8);
    insert(tree, 'a', [1, 2, 3]);
    insert(tree, 'b', [4, 5, 6]);
    insert(tree, 'b', [9, 9, 9, 9, 9, 9, 9, 9, 9]);
    insert(tree, 'a', [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    insert(tree, 'a', [1, 2, 4, 4, 5, 6, 7, 8, 9]);
    expect([tree.matchLength('a', [1, 2, 3]), tree.matchLength('b', [4, 5, 6])]).toEqual([3, 3]);
    expect(tree.bytes).toBe(6 * rowBytes);
  });
});
