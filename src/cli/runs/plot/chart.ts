// A chart of training runs, drawn on any canvas: each run's loss as a faint line with its smoothed course on top, its
// validation loss as a line with dots. Knows what a run measured, not where that lies.
import { formatDuration } from '../../../lib/units.ts';
import { whole } from '../words.ts';
import type { Canvas } from './canvas.ts';

export interface ChartPoint {
  x: number;
  y: number;
}

export interface ChartRun {
  name: string;
  train: readonly ChartPoint[];
  validation: readonly ChartPoint[];
}

export type ChartX = 'steps' | 'tokens' | 'seconds';

export interface Chart {
  title: string;
  /** What the heights are: `loss, nats per token`. */
  yTitle: string;
  x: ChartX;
  runs: readonly ChartRun[];
}

export const chartSize = { width: 960, height: 540 };

/** Apart for people who see colours differently (Okabe and Ito's, darkened for lines on white). */
const colours = ['#0b62c4', '#d55e00', '#00795a', '#b0478f', '#7a5af0', '#8a6d00'];
const ink = '#1d2430';
const quiet = '#667085';
const grid = '#e6e9ef';

const xTitles: Record<ChartX, string> = { steps: 'steps', tokens: 'tokens seen', seconds: 'time' };

/** The colours of a run: its training curve and its validation curve. A run alone has two, of several each has one. */
const colourOf = (index: number, count: number): { train: string; validation: string } => {
  const own = colours[index % colours.length] as string;
  return count === 1 ? { train: own, validation: colours[1] as string } : { train: own, validation: own };
};

export function drawChart(canvas: Canvas, chart: Chart): void {
  const { width, height } = canvas;
  canvas.rectangle(0, 0, width, height, '#ffffff');
  const plot = { left: 76, right: width - 28, top: 96, bottom: height - 58 };
  canvas.text(plot.left, 38, fitted(chart.title, 80), { colour: ink, size: 19, bold: true });
  drawLegend(canvas, chart, plot.left, 66);

  const smoothed = chart.runs.map(({ train }) => smooth(train));
  const points = chart.runs.flatMap(({ train, validation }) => [...train, ...validation]);
  const x = spread([0, ...points.map((point) => point.x)]);
  const y = spread(points.map((point) => point.y));
  const xTicks = chart.x === 'seconds' ? timeTicks(x.from, x.to) : ticks(x.from, x.to, 7);
  const yTicks = ticks(y.from, y.to, 8);
  const [low, high] = [y.from - (y.to - y.from) * 0.04, y.to];
  const atX = (value: number) => plot.left + ((value - x.from) / (x.to - x.from)) * (plot.right - plot.left);
  const atY = (value: number) => plot.bottom - ((value - low) / (high - low)) * (plot.bottom - plot.top);

  for (const tick of yTicks) {
    canvas.line([plot.left, atY(tick), plot.right, atY(tick)], { colour: grid, width: 1 });
    canvas.text(plot.left - 12, atY(tick) + 4.5, decimal(tick, yTicks), { colour: quiet, size: 13, anchor: 'end' });
  }
  for (const tick of xTicks) {
    canvas.line([atX(tick), plot.bottom, atX(tick), plot.bottom + 5], { colour: quiet, width: 1 });
    canvas.text(atX(tick), plot.bottom + 22, xLabel(chart.x, tick), { colour: quiet, size: 13, anchor: 'middle' });
  }
  canvas.line([plot.left, plot.bottom, plot.right, plot.bottom], { colour: quiet, width: 1 });
  canvas.text((plot.left + plot.right) / 2, height - 14, xTitles[chart.x], {
    colour: ink,
    size: 13,
    anchor: 'middle',
  });
  canvas.text(24, (plot.top + plot.bottom) / 2, chart.yTitle, {
    colour: ink,
    size: 13,
    anchor: 'middle',
    turned: true,
  });

  const flat = (points: readonly ChartPoint[]) => points.flatMap((point) => [atX(point.x), atY(point.y)]);
  for (const [index, run] of chart.runs.entries()) {
    const { train } = colourOf(index, chart.runs.length);
    canvas.line(flat(thinned(run.train, 2000)), { colour: train, width: 1, opacity: 0.28 });
  }
  for (const [index, run] of chart.runs.entries()) {
    const { train, validation } = colourOf(index, chart.runs.length);
    canvas.line(flat(thinned(smoothed[index] ?? [], 600)), { colour: train, width: chart.runs.length === 1 ? 2 : 1.4 });
    canvas.line(flat(run.validation), { colour: validation, width: 2.2 });
    if (run.validation.length > 40) continue;
    for (const point of run.validation) canvas.line(flat([point]), { colour: validation, width: 7 });
  }
}

/** One entry a curve, on one line; a run of several names itself and is told to have dots. */
function drawLegend(canvas: Canvas, chart: Chart, left: number, baseline: number): void {
  const several = chart.runs.length > 1;
  const entries = chart.runs.flatMap(({ name, validation }, index) => {
    const colour = colourOf(index, chart.runs.length);
    if (several) return [{ label: fitted(name, 28), colour: colour.train, dot: validation.length > 0 }];
    const train = { label: 'training', colour: colour.train, dot: false };
    return validation.length === 0 ? [train] : [train, { label: 'validation', colour: colour.validation, dot: true }];
  });
  let x = left;
  for (const { label, colour, dot } of entries) {
    canvas.line([x, baseline - 4.5, x + 24, baseline - 4.5], { colour, width: 2.4 });
    if (dot) canvas.line([x + 12, baseline - 4.5], { colour, width: 7 });
    canvas.text(x + 33, baseline, label, { colour: ink, size: 13 });
    // a sans-serif letter is about half as wide as its font is high
    x += 33 + label.length * 7.2 + 26;
  }
  if (several && entries.some(({ dot }) => dot)) {
    canvas.text(x, baseline, 'dots: validation', { colour: quiet, size: 13 });
  }
}

/**
 * The course of a noisy curve: each point is the mean of its neighbours, over a fortieth of the curve to each side. At the
 * beginning, where a loss falls fastest, over fewer: a fifth of those before it. At the end not under a quarter of the usual.
 */
export function smooth(points: readonly ChartPoint[]): ChartPoint[] {
  const reach = Math.max(1, Math.floor(points.length / 40));
  const sums = [0];
  for (const { y } of points) sums.push((sums.at(-1) ?? 0) + y);
  return points.map(({ x }, index) => {
    const atEnd = Math.max(Math.ceil(reach / 4), points.length - 1 - index);
    const near = Math.min(reach, Math.floor(index / 5), atEnd);
    const [from, to] = [index - near, Math.min(points.length, index + near + 1)];
    return { x, y: ((sums[to] ?? 0) - (sums[from] ?? 0)) / (to - from) };
  });
}

/** Numbers people count by (1, 2 or 5 and zeros) within a range, at most about `most` of them. */
export function ticks(from: number, to: number, most: number): number[] {
  const rough = (to - from) / most;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5, 10].find((each) => each * power >= rough * 0.999) ?? 10);
  return multiples(step, from, to);
}

/** Seconds, minutes or hours people count by. */
function timeTicks(from: number, to: number): number[] {
  const steps = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400];
  const step = steps.find((each) => (to - from) / each <= 7);
  return step === undefined ? ticks(from, to, 7) : multiples(step, from, to);
}

function multiples(step: number, from: number, to: number): number[] {
  const found: number[] = [];
  // counted, not added up: a sum of tenths drifts; and -0 + 0 is 0
  for (let count = Math.ceil(from / step - 1e-9) + 0; count * step <= to + step * 1e-9; count++)
    found.push(count * step);
  return found;
}

/** The range of values that are numbers, never empty. */
function spread(values: readonly number[]): { from: number; to: number } {
  let from = Number.POSITIVE_INFINITY;
  let to = Number.NEGATIVE_INFINITY;
  for (const value of values) {
    if (!Number.isFinite(value)) continue;
    from = Math.min(from, value);
    to = Math.max(to, value);
  }
  if (from > to) return { from: 0, to: 1 };
  return to > from ? { from, to } : { from: from - 0.5, to: to + 0.5 };
}

/** At most so many points of a curve, the last one among them. */
function thinned(points: readonly ChartPoint[], most: number): readonly ChartPoint[] {
  if (points.length <= most) return points;
  const every = Math.ceil(points.length / most);
  return points.filter((_, index) => index % every === 0 || index === points.length - 1);
}

function xLabel(x: ChartX, value: number): string {
  if (x === 'seconds') return formatDuration(value).replace(/ 0 (s|min)$/, '');
  if (value < 10_000) return whole(value);
  for (const [size, unit] of [
    [1e9, 'B'],
    [1e6, 'M'],
    [1e3, 'k'],
  ] as const) {
    if (value >= size) return `${Number((value / size).toFixed(2))} ${unit}`;
  }
  return whole(value);
}

/** With as many decimals as tell the ticks apart. */
function decimal(value: number, all: readonly number[]): string {
  const step = all.length > 1 ? Math.abs((all[1] ?? 0) - (all[0] ?? 0)) : 1;
  return value.toFixed(Math.max(0, -Math.floor(Math.log10(step) + 1e-9)));
}

const fitted = (text: string, most: number): string => (text.length <= most ? text : `${text.slice(0, most - 3)}...`);
