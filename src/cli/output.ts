// What commands print with: few colours (one accent), tables, aligned fields. Standard output carries answers,
// standard error everything said along the way; with --json standard output carries JSON and nothing else.
import { displayWidth, oneLine, stripAllButStyles, truncate, wrapText } from './text.ts';

export interface Style {
  bold(text: string): string;
  dim(text: string): string;
  accent(text: string): string;
  /** Only for what went wrong. */
  red(text: string): string;
}

interface Stream {
  isTTY?: boolean;
  columns?: number;
}

/** Whether escape sequences may be written: a terminal, not `TERM=dumb`, and NO_COLOR unset (no-color.org). */
export function wantsColour(stream: Stream, env: NodeJS.ProcessEnv = process.env): boolean {
  if (env.NO_COLOR) return false;
  if (env.FORCE_COLOR && env.FORCE_COLOR !== '0') return true;
  return Boolean(stream.isTTY) && env.TERM !== 'dumb';
}

export function createStyle(colour: boolean): Style {
  const paint = (open: number, close: number) => (text: string) =>
    colour && text !== '' ? `\u001b[${open}m${text}\u001b[${close}m` : text;
  return { bold: paint(1, 22), dim: paint(2, 22), accent: paint(36, 39), red: paint(31, 39) };
}

/** Where a command's words go. */
export interface Output {
  /** True when standard output must hold JSON only. */
  readonly json: boolean;
  readonly style: Style;
  readonly errorStyle: Style;
  /** Columns of the terminal; without one (a pipe, a file) there is no limit, so that nothing is cut. */
  readonly columns: number;
  /** A line of the answer; nothing with --json. Of control characters, as names of models and keys may hold, only colours come out. */
  line(text?: string): void;
  /** Prose of the answer, wrapped on a terminal; nothing with --json. */
  prose(text: string): void;
  /** Prose said along the way, on standard error, wrapped on a terminal; with --json too. */
  note(text?: string): void;
  /** One JSON value on one line of standard output; only with --json. */
  data(value: unknown): void;
}

export function createOutput(json: boolean): Output {
  return {
    json,
    style: createStyle(wantsColour(process.stdout)),
    errorStyle: createStyle(wantsColour(process.stderr)),
    columns: process.stdout.columns || Number.POSITIVE_INFINITY,
    line: (text = '') => {
      if (!json) process.stdout.write(`${stripAllButStyles(text)}\n`);
    },
    prose: (text) => {
      const clean = stripAllButStyles(text);
      if (!json) process.stdout.write(`${wrapText(clean, process.stdout.columns ?? Number.POSITIVE_INFINITY)}\n`);
    },
    note: (text = '') => {
      const clean = stripAllButStyles(text);
      process.stderr.write(`${wrapText(clean, process.stderr.columns ?? Number.POSITIVE_INFINITY)}\n`);
    },
    data: (value) => {
      if (json) process.stdout.write(`${JSON.stringify(value)}\n`);
    },
  };
}

export interface Column {
  title: string;
  align?: 'left' | 'right';
  /** The column gives way first when the terminal is narrow. */
  shrinks?: boolean;
  /** Colours a cell after it was padded. */
  paint?: (cell: string) => string;
}

/** A table as lines: titles dim, two spaces between columns, nothing after the last one. Cells are cleaned of control characters. */
export function table(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  style: Style,
  width = 80,
): string[] {
  const cells = rows.map((row) => columns.map((_, index) => oneLine(row[index] ?? '')));
  const widths = columns.map((column, index) =>
    Math.max(displayWidth(column.title), ...cells.map((row) => displayWidth(row[index] as string))),
  );
  const total = widths.reduce((sum, each) => sum + each, 0) + 2 * (columns.length - 1);
  const shrinking = columns.findIndex((column) => column.shrinks);
  if (shrinking >= 0 && total > width) {
    widths[shrinking] = Math.max(8, (widths[shrinking] as number) - (total - width));
  }
  const render = (row: readonly string[], paint: (cell: string, index: number) => string) =>
    row
      .map((cell, index) => {
        const columnWidth = widths[index] as number;
        const text = truncate(cell, columnWidth);
        const space = ' '.repeat(columnWidth - displayWidth(text));
        if (columns[index]?.align === 'right') return space + paint(text, index);
        return paint(text, index) + (index === columns.length - 1 ? '' : space);
      })
      .join('  ')
      .trimEnd();
  return [
    render(
      columns.map((column) => column.title),
      (cell) => style.dim(cell),
    ),
    ...cells.map((row) => render(row, (cell, index) => columns[index]?.paint?.(cell) ?? cell)),
  ];
}

/**
 * `name  value` lines with the values in one column, each after `indent`.
 * @param columns values are wrapped to it, under themselves; default: not at all
 */
export function fields(
  pairs: readonly (readonly [string, string])[],
  style: Style,
  indent = '  ',
  columns = Number.POSITIVE_INFINITY,
): string[] {
  const width = Math.max(0, ...pairs.map(([name]) => displayWidth(name)));
  const before = indent.length + width + 2;
  return pairs.flatMap(([name, value]) => {
    const [first = '', ...rest] = wrapText(value, columns - before).split('\n');
    const title = `${indent}${style.dim(name)}${' '.repeat(width - displayWidth(name))}`;
    return [`${title}  ${first}`.trimEnd(), ...rest.map((line) => ' '.repeat(before) + line)];
  });
}

/** `✓` or `–`. */
export function mark(yes: boolean): string {
  return yes ? '✓' : '–';
}
