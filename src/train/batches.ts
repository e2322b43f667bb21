// Rows of tokens in the order in which a run sees them. Two ways: packed rows, every token once an epoch, in an order shuffled by
// the seed; or random windows, as nanoGPT draws them, which may see a token twice before another. A position says what comes next
// and depends on nothing else, so that a run that resumes sees the very same rows.
import { FreeholdError, invariant } from '../lib/errors.ts';
import { mayMix, packRows, type Rows } from './packing.ts';
import type { TokenPool } from './pool.ts';
import { randomAt, seedOf, shuffled } from './seeds.ts';
import type { Spans } from './validation-split.ts';

/** What comes next: a row of an epoch; of windows, epoch 0 and how many were drawn. */
export interface Position {
  epoch: number;
  row: number;
}

/** B rows of T places. */
export interface Batch {
  /** (B * T) ids that the model reads; 0 where there is none. */
  tokens: Int32Array;
  /** (B * T) ids that it should expect next. */
  targets: Int32Array;
  /** (B * T) number of the document within its row, -1 where there is none. */
  documents: Int32Array;
  /** How many places have a target. */
  count: number;
}

export interface BatchSource {
  /** Whether rows may hold several documents. */
  readonly mixed: boolean;
  /** Targets of an epoch; of windows, as many as there are tokens. */
  readonly epochTargets: number;
  /** Targets by places for them, 0 to 1, of the first epoch. */
  readonly utilisation: number;
  /** Fills a batch with the next rows. @returns where the next batch begins */
  fill(batch: Batch, position: Position): Position;
}

export function emptyBatch(rows: number, context: number): Batch {
  const places = rows * context;
  return {
    tokens: new Int32Array(places),
    targets: new Int32Array(places),
    documents: new Int32Array(places),
    count: 0,
  };
}

/** Packed rows, shuffled anew each epoch; long documents are cut at other places each epoch. */
export function packedSource(
  pool: TokenPool,
  spans: Spans,
  options: { context: number; rows: number; seed: number },
): BatchSource {
  const { context, seed } = options;
  const epochOf = (epoch: number) => {
    const rows = packRows(spans, {
      context,
      phase: (span) => seedOf(seed, 'phase', epoch, span) % context,
    });
    return { epoch, rows, order: shuffled(rows.count, randomAt(seed, 'order', epoch)) };
  };
  let current = epochOf(0);
  const { targets, utilisation } = current.rows;
  return {
    // of every epoch: one program serves all
    mixed: mayMix(spans, context),
    epochTargets: targets,
    utilisation,
    fill(batch, position) {
      let { epoch, row } = position;
      clear(batch);
      for (let place = 0; place < options.rows; place++) {
        if (current.epoch !== epoch) current = epochOf(epoch);
        if (row >= current.rows.count) {
          epoch += 1;
          row = 0;
          current = epochOf(epoch);
        }
        putRow(batch, place, pool, current.rows, current.order[row] as number);
        row += 1;
      }
      return { epoch, row };
    },
  };
}

/**
 * Windows of context + 1 tokens from random places, each place equally likely; none crosses a document's end.
 * @throws FreeholdError data_invalid where no document is that long
 */
export function windowSource(
  pool: TokenPool,
  spans: Spans,
  options: { context: number; rows: number; seed: number },
): BatchSource {
  const { context, seed } = options;
  const ends: number[] = [];
  let places = 0;
  for (const length of spans.lengths) {
    places += Math.max(0, length - context);
    ends.push(places);
  }
  if (places === 0)
    throw new FreeholdError('data_invalid', `No document is longer than a window of ${context} tokens.`, {
      hint: 'Use packed rows, or a shorter context.',
    });
  return {
    mixed: false,
    epochTargets: spans.lengths.reduce((sum, length) => sum + length, 0),
    utilisation: 1,
    fill(batch, { row }) {
      clear(batch);
      for (let index = 0; index < options.rows; index++) {
        const drawn = Math.floor(randomAt(seed, 'window', row + index).next() * places);
        const span = firstAbove(ends, drawn);
        const start = (spans.starts[span] as number) + drawn - (span === 0 ? 0 : (ends[span - 1] as number));
        putSegment(batch, index * context, pool, start, context, 0);
        batch.count += context;
      }
      return { epoch: 0, row: row + options.rows };
    },
  };
}

/** Rows in their own order, for validation; those beyond the last are empty. */
export function fillRows(batch: Batch, pool: TokenPool, rows: Rows, chosen: readonly number[]): void {
  clear(batch);
  for (const [place, row] of chosen.entries()) putRow(batch, place, pool, rows, row);
}

function clear(batch: Batch): void {
  batch.tokens.fill(0);
  batch.targets.fill(0);
  batch.documents.fill(-1);
  batch.count = 0;
}

function putRow(batch: Batch, place: number, pool: TokenPool, rows: Rows, row: number): void {
  let at = place * rows.context;
  for (const [index, { start, targets }] of rows.segments(row).entries()) {
    putSegment(batch, at, pool, start, targets, index);
    at += targets;
    batch.count += targets;
  }
}

function putSegment(batch: Batch, at: number, pool: TokenPool, start: number, targets: number, document: number): void {
  invariant(at + targets <= batch.tokens.length, 'a segment fits into its row');
  const ids = new Int32Array(targets + 1);
  pool.read(start, ids);
  batch.tokens.set(ids.subarray(0, targets), at);
  batch.targets.set(ids.subarray(1), at);
  batch.documents.fill(document, at, at + targets);
}

/** The first place whose value is above `value`, in values that ascend. */
function firstAbove(values: readonly number[], value: number): number {
  let low = 0;
  let high = values.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((values[middle] as number) > value) high = middle;
    else low = middle + 1;
  }
  return low;
}
