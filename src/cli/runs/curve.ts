// A curve in a terminal: braille characters are a grid of dots, two across and four down in each cell. Pure: points in,
// lines of text out. Knows no run.
import { displayWidth, paintedWidth } from '../text.ts';

export interface Point {
  x: number;
  y: number;
}

export interface Series {
  points: readonly Point[];
  /** Colours its cells; where series meet, the last one wins. */
  paint: (text: string) => string;
}

export interface Range {
  from: number;
  to: number;
}

export interface CurveOptions {
  columns: number;
  rows: number;
  /** Default: from the first to the last point. */
  x?: Range;
  /** Default: `robustRange` of all points. */
  y?: Range;
  /** How labels of the axes are written. */
  formatX?: (value: number) => string;
  formatY?: (value: number) => string;
  /** Colours axes and labels. */
  dim?: (text: string) => string;
  /** Painted; stands between the ends of the lower axis where there is room. */
  legend?: string;
}

/** Bits of the dots of a braille cell, by row, left and right (Unicode U+2800). */
const dots = [
  [0x01, 0x08],
  [0x02, 0x10],
  [0x04, 0x20],
  [0x40, 0x80],
] as const;

/**
 * The curves with a scale on the left and below, exactly `rows` lines of at most `columns` columns.
 * Points that fall on one column of dots are averaged; neighbours are joined.
 */
export function drawCurves(series: readonly Series[], options: CurveOptions): string[] {
  const { formatX = String, formatY = (value) => value.toPrecision(3), dim = (text) => text } = options;
  const x = options.x ?? rangeOf(series.flatMap(({ points }) => points.map((point) => point.x)));
  const y = options.y ?? robustRange(series.flatMap(({ points }) => points));
  const plotRows = Math.max(1, options.rows - 2);
  const labels = labelRows(plotRows).map((row) => formatY(y.to - ((y.to - y.from) * row) / Math.max(1, plotRows - 1)));
  const left = Math.max(...labels.map(displayWidth), 1);
  const plotColumns = Math.max(2, options.columns - left - 3);
  const cells = series.map(({ points }) => dotsOf(points, x, y, plotColumns, plotRows));
  const lines: string[] = [];
  for (let row = 0; row < plotRows; row++) {
    const label = labelRows(plotRows).indexOf(row);
    const axis = label < 0 ? `${' '.repeat(left)} │` : `${(labels[label] ?? '').padStart(left)} ┤`;
    lines.push(`${dim(axis)}${paintedRow(series, cells, row, plotColumns)}`);
  }
  lines.push(dim(`${' '.repeat(left)} └${'─'.repeat(plotColumns)}`));
  const [from, to] = [formatX(x.from), formatX(x.to)];
  const gap = Math.max(1, plotColumns - displayWidth(from) - displayWidth(to));
  const legend = paintedWidth(options.legend ?? '') + 4 <= gap ? (options.legend ?? '') : '';
  const before = Math.floor((gap - paintedWidth(legend)) / 2);
  const after = gap - paintedWidth(legend) - before;
  lines.push(`${dim(`${' '.repeat(left)}  ${from}`)}${' '.repeat(before)}${legend}${' '.repeat(after)}${dim(to)}`);
  return lines;
}

/** One row of cells; neighbours of one colour are painted together, which a terminal draws faster. */
function paintedRow(series: readonly Series[], cells: readonly Uint8Array[], row: number, columns: number): string {
  let text = '';
  let run = '';
  let paint: ((text: string) => string) | undefined;
  for (let column = 0; column < columns; column++) {
    let bits = 0;
    let here: typeof paint;
    for (const [index, each] of cells.entries()) {
      const own = each[row * columns + column] ?? 0;
      bits |= own;
      if (own !== 0) here = series[index]?.paint;
    }
    if (here !== paint) {
      text += paint ? paint(run) : run;
      run = '';
      paint = here;
    }
    run += bits === 0 ? ' ' : String.fromCharCode(0x2800 + bits);
  }
  return text + (paint ? paint(run) : '');
}

/**
 * The range of the curves without what a loss does in its first steps: the top is where all but the highest twentieth
 * of the values lie, with room above. Never empty.
 */
export function robustRange(points: readonly Point[]): Range {
  const values = points.map(({ y }) => y).filter(Number.isFinite);
  const { from, to } = rangeOf(values);
  if (values.length < 40) return { from, to };
  const sorted = values.toSorted((a, b) => a - b);
  const most = sorted[Math.floor(sorted.length * 0.95)] ?? to;
  return widened({ from, to: Math.min(to, most + (most - from) * 0.25) });
}

function rangeOf(values: readonly number[]): Range {
  let from = Number.POSITIVE_INFINITY;
  let to = Number.NEGATIVE_INFINITY;
  for (const value of values) {
    if (!Number.isFinite(value)) continue;
    from = Math.min(from, value);
    to = Math.max(to, value);
  }
  return from > to ? { from: 0, to: 1 } : widened({ from, to });
}

const widened = ({ from, to }: Range): Range => (to > from ? { from, to } : { from: from - 0.5, to: to + 0.5 });

/** Rows that carry a label: the first, the last and one between. */
function labelRows(rows: number): number[] {
  if (rows < 2) return [0];
  return rows < 5 ? [0, rows - 1] : [0, Math.floor((rows - 1) / 2), rows - 1];
}

/** One series as bits of braille cells, row by row. */
function dotsOf(points: readonly Point[], x: Range, y: Range, columns: number, rows: number): Uint8Array {
  const [width, height] = [columns * 2, rows * 4];
  const sums = new Float64Array(width);
  const counts = new Uint32Array(width);
  for (const point of points) {
    if (!Number.isFinite(point.y)) continue;
    const at = Math.round(((point.x - x.from) / (x.to - x.from || 1)) * (width - 1));
    if (at < 0 || at >= width) continue;
    sums[at] = (sums[at] ?? 0) + point.y;
    counts[at] = (counts[at] ?? 0) + 1;
  }
  const cells = new Uint8Array(columns * rows);
  const set = (column: number, row: number) => {
    const cell = (row >> 2) * columns + (column >> 1);
    cells[cell] = (cells[cell] ?? 0) | (dots[row & 3]?.[column & 1] ?? 0);
  };
  let before: { column: number; row: number } | undefined;
  for (let column = 0; column < width; column++) {
    const count = counts[column] ?? 0;
    if (count === 0) continue;
    const share = ((sums[column] ?? 0) / count - y.from) / (y.to - y.from || 1);
    const row = Math.round((1 - Math.min(1, Math.max(0, share))) * (height - 1));
    if (!before) set(column, row);
    else join(before, { column, row }, set);
    before = { column, row };
  }
  return cells;
}

/** Every dot between two. */
function join(
  from: { column: number; row: number },
  to: { column: number; row: number },
  set: (column: number, row: number) => void,
): void {
  const steps = Math.max(to.column - from.column, Math.abs(to.row - from.row), 1);
  for (let step = 0; step <= steps; step++) {
    set(
      Math.round(from.column + ((to.column - from.column) * step) / steps),
      Math.round(from.row + ((to.row - from.row) * step) / steps),
    );
  }
}
