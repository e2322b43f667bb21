import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { emptyBatch, fillRows, packedSource, windowSource } from './batches.ts';
import { firstFitDecreasing, mayMix, packRows } from './packing.ts';
import type { TokenPool } from './pool.ts';
import { type Spans, splitValidation, tokensOf } from './validation-split.ts';

const spansOf = (lengths: readonly number[]): Spans => {
  const starts = lengths.map((_, index) => lengths.slice(0, index).reduce((sum, length) => sum + length, 0));
  return { starts: Float64Array.from(starts), lengths: Uint32Array.from(lengths) };
};

/** Token n of the pool is n, so that a row shows where it is from. */
function countingPool(lengths: readonly number[]): TokenPool {
  const tokens = lengths.reduce((sum, length) => sum + length, 0);
  return {
    manifest: {} as TokenPool['manifest'],
    tokens,
    documents: Uint32Array.from(lengths),
    read(offset, into) {
      for (let index = 0; index < into.length; index++) into[index] = offset + index;
    },
    close() {},
  };
}

const lengths = fc.array(fc.integer({ min: 2, max: 70 }), { minLength: 1, maxLength: 40 });
const context = fc.integer({ min: 1, max: 16 });

describe('packed rows', () => {
  it('have every token as a target exactly once, the first of each document aside', () => {
    fc.assert(
      fc.property(lengths, context, fc.nat(), (documents, context, phase) => {
        const rows = packRows(spansOf(documents), { context, phase: (span) => (phase + span) % context });
        const seen: number[] = [];
        for (let row = 0; row < rows.count; row++) {
          const segments = rows.segments(row);
          expect(segments.reduce((sum, { targets }) => sum + targets, 0)).toBeLessThanOrEqual(context);
          for (const { start, targets } of segments) for (let i = 1; i <= targets; i++) seen.push(start + i);
          if (!mayMix(spansOf(documents), context)) expect(segments.length).toBe(1);
        }
        const firsts = new Set(spansOf(documents).starts);
        const all = Array.from({ length: documents.reduce((a, b) => a + b, 0) }, (_, token) => token);
        expect(seen.sort((a, b) => a - b)).toEqual(all.filter((token) => !firsts.has(token)));
        expect(rows.targets).toBe(seen.length);
        expect(rows.utilisation).toBeCloseTo(seen.length / (rows.count * context), 12);
      }),
      { numRuns: 200 },
    );
  });

  it('of one long document follow each other', () => {
    const rows = packRows(spansOf([1001]), { context: 10 });
    expect(rows.count).toBe(100);
    expect(Array.from({ length: 100 }, (_, row) => rows.segments(row))).toEqual(
      Array.from({ length: 100 }, (_, row) => [{ start: 10 * row, targets: 10 }]),
    );
  });

  it('are nearly full for documents of many lengths', () => {
    const documents = Array.from({ length: 5000 }, (_, index) => 2 + ((index * 7919) % 400));
    const rows = packRows(spansOf(documents), { context: 512 });
    expect(rows.utilisation).toBeGreaterThan(0.99);
    expect(rows.mixed).toBe(true);
  });
});

it('first-fit-decreasing takes the first bin with room, as a plain search does', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 20 }), { maxLength: 60 }), (sizes) => {
      const bins: { left: number; of: number[] }[] = [];
      const order = [...sizes.keys()].sort((a, b) => sizes[b]! - sizes[a]! || a - b);
      for (const index of order) {
        const bin = bins.find(({ left }) => left >= sizes[index]!) ?? { left: 20, of: [] };
        if (bin.of.length === 0) bins.push(bin);
        bin.left -= sizes[index]!;
        bin.of.push(index);
      }
      expect(firstFitDecreasing(sizes, 20)).toEqual(bins.map(({ of }) => of));
    }),
  );
});

describe('batches', () => {
  it('give targets one place behind, and documents apart', () => {
    fc.assert(
      fc.property(lengths, fc.integer({ min: 2, max: 12 }), (documents, context) => {
        const pool = countingPool(documents);
        const rows = packRows(spansOf(documents), { context });
        const batch = emptyBatch(3, context);
        fillRows(batch, pool, rows, [...Array(Math.min(3, rows.count)).keys()]);
        const documentOf = (token: number) => spansOf(documents).starts.findLastIndex((start) => start <= token);
        let count = 0;
        for (let place = 0; place < batch.tokens.length; place++) {
          if (batch.documents[place] === -1) continue;
          count += 1;
          expect(batch.targets[place]).toBe(batch.tokens[place]! + 1);
          expect(documentOf(batch.targets[place]!)).toBe(documentOf(batch.tokens[place]!));
        }
        expect(batch.count).toBe(count);
      }),
      { numRuns: 50 },
    );
  });

  it('show every target once an epoch, in another order the next, and go on from any position', () => {
    const documents = [50, 7, 23, 90, 4];
    const options = { context: 8, rows: 1, seed: 5 };
    const source = packedSource(countingPool(documents), spansOf(documents), options);
    const take = (from: { epoch: number; row: number }, of = source) => {
      const batch = emptyBatch(1, 8);
      const next = of.fill(batch, from);
      return { next, ids: [...batch.targets].filter((_, place) => batch.documents[place] !== -1) };
    };
    const epochs: number[][] = [];
    const firstOfRow: { epoch: number; row: number }[] = [];
    let position = { epoch: 0, row: 0 };
    const rows: number[][] = [];
    for (let step = 0; step < 60; step++) {
      firstOfRow.push(position);
      const { next, ids } = take(position);
      // a row belongs to the epoch it comes from: `next` names it, one row on
      epochs[next.epoch] = [...(epochs[next.epoch] ?? []), ...ids];
      rows.push(ids);
      position = next;
    }
    const sorted = (ids: number[]) => [...ids].sort((a, b) => a - b);
    expect(epochs[0]).toHaveLength(source.epochTargets);
    expect(sorted(epochs[0]!)).toEqual(sorted(epochs[1]!));
    expect(epochs[0]).not.toEqual(epochs[1]);
    const again = packedSource(countingPool(documents), spansOf(documents), options);
    for (const step of [59, 3, 31]) expect(take(firstOfRow[step]!, again).ids).toEqual(rows[step]);
  });

  it('draw windows inside documents, each place in its turn, from any position', () => {
    const documents = [9, 30, 3];
    const source = windowSource(countingPool(documents), spansOf(documents), { context: 8, rows: 4, seed: 1 });
    const starts = new Map<number, number>();
    for (let row = 0; row < 4000; row += 4) {
      const batch = emptyBatch(4, 8);
      expect(source.fill(batch, { epoch: 0, row })).toEqual({ epoch: 0, row: row + 4 });
      expect(batch.count).toBe(32);
      for (let index = 0; index < 4; index++) {
        const start = batch.tokens[index * 8]!;
        starts.set(start, (starts.get(start) ?? 0) + 1);
      }
    }
    expect([...starts.keys()].sort((a, b) => a - b)).toEqual([0, ...Array.from({ length: 22 }, (_, i) => 9 + i)]);
    for (const count of starts.values()) expect(count).toBeGreaterThan(100);
  });

  it('refuse windows longer than every document', () => {
    expect(() => windowSource(countingPool([5]), spansOf([5]), { context: 8, rows: 1, seed: 1 })).toThrow(
      /longer than a window of 8/,
    );
  });
});

describe('what is held out', () => {
  it('is the end of each document where there are few', () => {
    const { training, validation } = splitValidation(Uint32Array.of(1000, 3000), { fraction: 0.1, context: 16 });
    expect([...training.starts, ...training.lengths]).toEqual([0, 1000, 900, 2700]);
    expect([...validation.starts, ...validation.lengths]).toEqual([900, 3700, 100, 300]);
  });

  it('is whole documents where there are many', () => {
    const documents = Uint32Array.from({ length: 1000 }, (_, index) => 20 + (index % 50));
    const { training, validation } = splitValidation(documents, { fraction: 0.05, context: 16 });
    expect(training.lengths.length + validation.lengths.length).toBe(1000);
    const total = tokensOf(training) + tokensOf(validation);
    expect(tokensOf(validation) / total).toBeCloseTo(0.05, 2);
    // spread over all of them
    expect(validation.starts[0]).toBeLessThan(total / 4);
    expect(validation.starts.at(-1)).toBeGreaterThan((total * 3) / 4);
  });

  it('is nothing when nothing is wanted, and a row at least otherwise', () => {
    expect(splitValidation(Uint32Array.of(1000), { fraction: 0, context: 16 }).validation.lengths.length).toBe(0);
    const { validation } = splitValidation(Uint32Array.of(1000), { fraction: 0.001, context: 16 });
    expect([...validation.lengths]).toEqual([17]);
  });

  it('leaves a row to train on, or says how much there is', () => {
    expect(() => splitValidation(Uint32Array.of(60), { fraction: 0.1, context: 64 })).toThrow(/one row takes 65/);
  });
});
