// States of a real context, cut, joined and moved: what goes on from them must go on as if nothing had happened.
import path from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadNative, type Native } from './ffi.ts';
import { moveKvState, readKvState, rowsOfState, sliceRows, stateOfRows } from './kv-state.ts';
import { Batch, Context, Model } from './llama.ts';

const file = path.join(import.meta.dirname, '../../test/fixtures/tiny.gguf');
/** Tokens of the sequence that moves; no meaning. */
const prompt = Array.from({ length: 45 }, (_, i) => 10 + ((i * i * 31 + 17 * i) % 300));
let native: Native;
let model: Model;
let batch: Batch;
/** Contexts by their number of sequences. */
const contexts = new Map<number, Context>();

beforeAll(async () => {
  native = loadNative({ device: 'cpu' });
  model = await Model.load(native, { file });
  batch = new Batch(native, 64);
  for (const sequences of [1, 3, 8]) {
    contexts.set(sequences, await Context.create(native, model, { contextTokens: 64, sequences, threads: 1 }));
  }
});

afterAll(() => {
  batch.dispose();
  model.dispose();
});

const contextOf = (sequences: number) => contexts.get(sequences) as Context;

/** Logits after the last of the tokens, which begin at a position. */
function decode(context: Context, sequence: number, tokens: readonly number[], from: number): Float32Array {
  batch.clear();
  tokens.forEach((token, i) => void batch.add(token, from + i, sequence, i === tokens.length - 1));
  context.decodeNow(batch);
  return context.logits(0).slice();
}

/** The prompt, computed in a sequence; its neighbours hold something else. */
function fill(context: Context, sequence: number): void {
  for (let other = 0; other < context.sequences; other++) context.removeSequence(other);
  decode(context, sequence, prompt, 0);
  for (const other of [sequence - 1, sequence + 1]) {
    if (other >= 0 && other < context.sequences) decode(context, other, [300, 20, 150, 7, 99], 0);
  }
}

/** How the sequence goes on from what it holds: two more tokens, which it forgets again. */
function goOn(context: Context, sequence: number, held: number): Float32Array[] {
  const logits = [77, 210].map((token, i) => decode(context, sequence, [token], held + i));
  context.removeSequence(sequence, held);
  return logits;
}

function allRows(state: Uint8Array): Uint8Array {
  const { layout, count } = readKvState(state)!;
  return rowsOfState(layout, count, state, 0, count).bytes;
}

const same = (a: Uint8Array, b: Uint8Array) => Buffer.compare(a, b) === 0;

/** The same bytes with nothing behind them. */
const exactly = (state: Uint8Array) => Uint8Array.from(state);

describe('a state', () => {
  const places: [number, number][] = [
    [1, 0],
    [3, 0],
    [3, 1],
    [3, 2],
    [8, 0],
    [8, 7],
  ];
  const moves = places.flatMap((from) => places.map((to) => [...from, ...to] as const));

  it.each(moves)('of %i sequences, number %i, goes on among %i as number %i', (sequences, sequence, among, place) => {
    const from = contextOf(sequences);
    const to = contextOf(among);
    fill(from, sequence);
    const wanted = goOn(from, sequence, prompt.length);
    const state = from.readSequence(sequence);
    const own = exactly(state);
    for (const source of [exactly(state), state]) {
      const moved = moveKvState(source, among) as Uint8Array;
      // what has room behind it moves in place
      if (source === state) expect(moved.buffer).toBe(state.buffer);
      expect(readKvState(moved)).toEqual(readKvState(own));
      expect(same(allRows(moved), allRows(own))).toBe(true);
      fill(to, place);
      to.removeSequence(place);
      expect(to.writeSequence(place, moved)).toBe(true);
      expect(goOn(to, place, prompt.length)).toEqual(wanted);
    }
  });

  it('that does not fit a context is refused, and the sequence is empty', () => {
    fill(contextOf(1), 0);
    const state = contextOf(1).readSequence(0);
    fill(contextOf(3), 1);
    expect(contextOf(3).writeSequence(1, state)).toBe(false);
    const empty = goOn(contextOf(3), 1, 0);
    contextOf(3).removeSequence(1);
    expect(goOn(contextOf(3), 1, 0)).toEqual(empty);
  });

  it('of nothing cannot be moved', () => {
    contextOf(3).removeSequence(0);
    const state = contextOf(3).readSequence(0);
    expect(readKvState(state)).toBeUndefined();
    expect(moveKvState(state, 1)).toBeUndefined();
  });
});

describe('a state cut into pieces', () => {
  const cuts = fc.uniqueArray(fc.integer({ min: 1, max: prompt.length - 1 }), { maxLength: 5 });

  it('is the same when they are joined, however it is cut', () => {
    fill(contextOf(3), 2);
    const state = exactly(contextOf(3).readSequence(2));
    const { layout, count } = readKvState(state)!;
    expect(count).toBe(prompt.length);
    const whole = rowsOfState(layout, count, state, 0, count);
    fc.assert(
      fc.property(cuts, fc.constantFrom(1, 3, 8), fc.boolean(), (places, sequences, twice) => {
        const bounds = [0, ...places.sort((a, b) => a - b), count];
        const pieces = bounds.slice(1).map((to, i) => {
          const from = bounds[i] as number;
          return twice ? sliceRows(layout, whole, from, to) : rowsOfState(layout, count, state, from, to);
        });
        const joined = stateOfRows(layout, pieces, count, sequences);
        expect(readKvState(joined)).toEqual({ layout, count });
        expect(same(allRows(joined), whole.bytes)).toBe(true);
      }),
    );
  });

  it('goes on from its first tokens as the sequence does that forgot the others', () => {
    const [from, to] = [contextOf(3), contextOf(8)];
    fill(from, 1);
    const state = exactly(from.readSequence(1));
    const { layout, count } = readKvState(state)!;
    const buffer = new Uint8Array(2 * state.length).fill(255);
    for (const kept of [44, 31, 30, 12, 1]) {
      from.removeSequence(1, kept);
      const wanted = goOn(from, 1, kept);
      // the last piece holds more than is wanted
      const pieces = [
        rowsOfState(layout, count, state, 0, 12),
        rowsOfState(layout, count, state, 12, 30),
        rowsOfState(layout, count, state, 30, count),
      ];
      expect(to.writeSequence(5, stateOfRows(layout, pieces, kept, to.sequences, buffer))).toBe(true);
      expect(goOn(to, 5, kept)).toEqual(wanted);
    }
  });
});

describe('a state of a model with two caches', () => {
  /** Row `i` of a plane holds the plane's number and its own. */
  const planesOf = [
    [2, 3],
    [4, 4, 1, 1],
  ];
  const row = (cache: number, plane: number, size: number, i: number) => Array(size).fill(50 * cache + 10 * plane + i);

  /** As libllama writes it, with the cells in one of several sequences. */
  function stateIn(sequences: number, sequence: number, count: number): Uint8Array {
    const u32 = (value: number) => [...new Uint8Array(Uint32Array.of(value).buffer)];
    const each = Array.from({ length: count }, (_, i) => i);
    const bytes = [...u32(7), ...u32(sequence)];
    planesOf.forEach((sizes, cache) => {
      bytes.push(...u32(sequences));
      for (let before = 0; before < sequence; before++) bytes.push(...u32(0));
      bytes.push(...u32(count), ...each.flatMap((i) => [...u32(i), ...u32(1), ...u32(sequence)]));
      bytes.push(...u32(0), ...u32(sizes.length / 2));
      sizes.forEach((size, plane) => {
        bytes.push(...u32(1), ...u32(size), ...u32(0), ...each.flatMap((i) => row(cache, plane, size, i)));
      });
      for (let after = sequence + 1; after < sequences; after++) bytes.push(...u32(0));
    });
    return Uint8Array.from(bytes);
  }

  it('is cut, joined and moved alike', () => {
    for (const [sequences, sequence] of [
      [1, 0],
      [4, 2],
      [4, 0],
      [4, 3],
    ] as const) {
      const state = stateIn(sequences, sequence, 5);
      const { layout, count } = readKvState(state)!;
      expect([count, layout.tokenBytes]).toEqual([5, 15]);
      const middle = rowsOfState(layout, count, state, 1, 3).bytes;
      const wanted = planesOf.flatMap((sizes, cache) =>
        sizes.flatMap((size, plane) => [1, 2].flatMap((i) => row(cache, plane, size, i))),
      );
      expect([...middle]).toEqual(wanted);
      expect(sliceRows(layout, rowsOfState(layout, count, state, 0, 4), 1, 3).bytes).toEqual(middle);
      for (const among of [1, 3, 4]) {
        expect(exactly(moveKvState(state, among) as Uint8Array)).toEqual(stateIn(among, 0, 5).fill(0, 4, 8));
      }
    }
  });
});

describe('bytes that are no state of a context', () => {
  it('are told from one, and nothing is thrown', () => {
    fill(contextOf(3), 1);
    const state = exactly(contextOf(3).readSequence(1));
    const cells = 8 + 4 + 4 * 2;
    const planes = cells + 12 * prompt.length + 8;
    fc.assert(
      fc.property(fc.nat({ max: state.length - 1 }), (length) => {
        expect(readKvState(state.subarray(0, length))).toBeUndefined();
        expect(moveKvState(state.slice(0, length), 8)).toBeUndefined();
      }),
    );
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 64 }), (more) => {
        expect(readKvState(Uint8Array.from([...state, ...more]))).toBeUndefined();
      }),
    );
    // sequences and cells, position and count of each cell, layers, size of a row; and what follows the last row
    const checked = fc.oneof(
      fc.integer({ min: 8, max: cells - 1 }),
      fc.integer({ min: cells, max: planes - 9 }).filter((at) => (at - cells) % 12 < 8),
      fc.integer({ min: planes - 8, max: planes - 1 }),
      fc.integer({ min: planes + 4, max: planes + 11 }),
      fc.integer({ min: state.length - 4, max: state.length - 1 }),
    );
    fc.assert(
      fc.property(checked, fc.integer({ min: 1, max: 255 }), (at, change) => {
        const damaged = exactly(state);
        damaged[at] = (damaged[at] as number) ^ change;
        expect(readKvState(damaged)).toBeUndefined();
        expect(moveKvState(damaged, 8)).toBeUndefined();
      }),
      { numRuns: 500 },
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        expect(readKvState(bytes)).toBeUndefined();
        expect(moveKvState(bytes, 3)).toBeUndefined();
      }),
    );
  });
});
