// Documents -> rows of one length, with nothing dropped: every token but the first of each span is a target exactly once. Long
// spans are cut into consecutive rows; what is left over, and short documents, are packed together by first-fit-decreasing (the
// bin-packing rule of Johnson 1973), in windows so that a pool of any size takes bounded time. Knows lengths, not tokens.
import type { Spans } from './validation-split.ts';

/** A part of a row: tokens `start` to `start + targets` of the pool; the first is only an input, the last only a target. */
export interface Segment {
  start: number;
  targets: number;
}

export interface Rows {
  count: number;
  /** Targets that a row has room for. */
  context: number;
  /** Whether any row holds parts of two documents, so that attention needs a mask. */
  mixed: boolean;
  /** All targets. */
  targets: number;
  /** Targets by places for them, 0 to 1. */
  utilisation: number;
  segments(row: number): Segment[];
}

const windowPieces = 4096;
/** Where so few rows would be mixed, each short piece gets a row of its own: attention then needs no mask anywhere. */
const fewShort = 0.01;

/**
 * @param options.context targets of a row, at least 1
 * @param options.phase where a span longer than a row is first cut, in tokens below `context`; another place each epoch
 * shows every token in other company. Default 0
 */
export function packRows(spans: Spans, options: { context: number; phase?: (span: number) => number }): Rows {
  const { context } = options;
  const rows = new RowList(context);
  const shortStarts: number[] = [];
  const shortTargets: number[] = [];
  for (const [index, length] of spans.lengths.entries()) {
    const start = spans.starts[index] as number;
    const targets = length - 1;
    const first = targets > context ? (options.phase?.(index) ?? 0) : 0;
    for (let at = 0; at < targets; ) {
      const piece = Math.min(at === 0 && first > 0 ? first : context, targets - at);
      if (piece === context) rows.add([{ start: start + at, targets: piece }]);
      else {
        shortStarts.push(start + at);
        shortTargets.push(piece);
      }
      at += piece;
    }
  }
  const alone = standAlone(spans, context);
  for (let from = 0; from < shortTargets.length; from += windowPieces) {
    const to = Math.min(from + windowPieces, shortTargets.length);
    const bins = alone
      ? Array.from({ length: to - from }, (_, index) => [from + index])
      : firstFitDecreasing(shortTargets.slice(from, to), context).map((bin) => bin.map((index) => from + index));
    for (const bin of bins)
      rows.add(bin.map((index) => ({ start: shortStarts[index] as number, targets: shortTargets[index] as number })));
  }
  return rows.finish();
}

/** Whether rows of these spans may hold parts of two of them, wherever the long ones are cut. */
export function mayMix(spans: Spans, context: number): boolean {
  return !standAlone(spans, context);
}

function standAlone({ lengths }: Spans, context: number): boolean {
  let short = 0;
  let whole = 0;
  for (const length of lengths) {
    short += length - 1 > context ? 2 : 1;
    whole += Math.floor((length - 1) / context);
  }
  return short <= fewShort * whole;
}

/**
 * Sizes into bins: largest first, each into the first bin with room.
 * @param sizes each from 1 to `room`
 * @returns for each bin the places in `sizes`
 */
export function firstFitDecreasing(sizes: readonly number[], room: number): number[][] {
  const order = [...sizes.keys()].sort((a, b) => (sizes[b] as number) - (sizes[a] as number) || a - b);
  const bins: number[][] = [];
  // a tree of the most room below each node finds the first bin in a few steps; there are never more bins than sizes
  let leaves = 1;
  while (leaves < sizes.length) leaves *= 2;
  const left = new Float64Array(2 * leaves).fill(room);
  for (const index of order) {
    const size = sizes[index] as number;
    let node = 1;
    while (node < leaves) node = (left[2 * node] as number) >= size ? 2 * node : 2 * node + 1;
    const bin = node - leaves;
    bins[bin] ??= [];
    (bins[bin] as number[]).push(index);
    left[node] = (left[node] as number) - size;
    for (node >>= 1; node >= 1; node >>= 1)
      left[node] = Math.max(left[2 * node] as number, left[2 * node + 1] as number);
  }
  return bins;
}

class RowList {
  readonly #context: number;
  readonly #first: number[] = [0];
  readonly #starts: number[] = [];
  readonly #targets: number[] = [];
  #mixed = false;

  constructor(context: number) {
    this.#context = context;
  }

  get count(): number {
    return this.#first.length - 1;
  }

  add(segments: readonly Segment[]): void {
    for (const { start, targets } of segments) {
      this.#starts.push(start);
      this.#targets.push(targets);
    }
    this.#mixed ||= segments.length > 1;
    this.#first.push(this.#starts.length);
  }

  finish(): Rows {
    const first = Uint32Array.from(this.#first);
    const starts = Float64Array.from(this.#starts);
    const lengths = Uint32Array.from(this.#targets);
    const targets = lengths.reduce((sum, length) => sum + length, 0);
    const count = this.count;
    return {
      count,
      context: this.#context,
      mixed: this.#mixed,
      targets,
      utilisation: count === 0 ? 0 : targets / (count * this.#context),
      segments(row) {
        const found: Segment[] = [];
        for (let at = first[row] as number; at < (first[row + 1] as number); at++)
          found.push({ start: starts[at] as number, targets: lengths[at] as number });
        return found;
      },
    };
  }
}
