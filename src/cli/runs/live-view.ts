// A run on one screen: a headline with a bar, the curve, the figures, the latest sample. Pure: what is known and the size of
// the screen in, lines out. Knows no stream and no process.

import { formatBytes, formatCount, formatDuration } from '../../lib/units.ts';
import type { JobState } from '../../store/jobs.ts';
import type { RunHistory } from '../../train/history.ts';
import type { RunProgress } from '../../train/run-progress.ts';
import { fields, type Style } from '../output.ts';
import { bar } from '../progress.ts';
import { displayWidth, oneLine, paintedWidth, stripControls, truncate, wrapText } from '../text.ts';
import { drawCurves, type Point, type Range, robustRange, type Series } from './curve.ts';
import { loss, percent, rate, whole } from './words.ts';

export interface LiveRun {
  name: string;
  state: JobState;
  requested?: 'pause' | 'stop' | undefined;
  progress: RunProgress | undefined;
  history: RunHistory;
}

export interface Screen {
  columns: number;
  rows: number;
}

/** A view wider than this is harder to read, not easier. */
const mostColumns = 110;
const leastCurveRows = 6;

/** @returns at most `rows` lines of at most `columns` columns, colours not counted */
export function liveView(run: LiveRun, screen: Screen, style: Style): string[] {
  const columns = Math.min(screen.columns, mostColumns);
  const head = [headline(run, columns, style), ''];
  const figures = figureLines(run, columns, style);
  const foot = stateLine(run, style);
  const fixed = head.length + figures.length + 1 + foot.length;
  const room = screen.rows - fixed;
  const sampleRows = run.history.samples.length === 0 ? 0 : Math.min(7, Math.max(0, room - leastCurveRows - 5));
  const curveRows = Math.min(14, room - (sampleRows > 0 ? sampleRows + 1 : 0) - 1);
  const curve = curveRows >= leastCurveRows ? [...curveLines(run.history, columns, curveRows, style), ''] : [];
  const sample = sampleRows >= 3 ? [...sampleLines(run.history, columns, sampleRows, style), ''] : [];
  return [...head, ...curve, ...figures, '', ...sample, ...foot].slice(0, Math.max(1, screen.rows));
}

/** `name  ━━━━━━━━──── 62 %  step 1,240 of 2,000 · 3 min 20 s left` */
function headline({ name, state, progress }: LiveRun, columns: number, style: Style): string {
  const title = truncate(oneLine(name), Math.max(8, Math.floor(columns / 3)));
  if (!progress || progress.steps === 0) {
    return `${style.bold(title)}  ${style.dim(truncate(progress?.phase ?? state, columns - displayWidth(title) - 2))}`;
  }
  const share = progress.step / progress.steps;
  const left = state === 'running' && progress.etaSeconds !== undefined && progress.step < progress.steps;
  const eta = left ? ` · ${formatDuration(progress.etaSeconds ?? 0)} left` : '';
  const words = `${String(Math.floor(share * 100)).padStart(3)} %  step ${whole(progress.step)} of ${whole(progress.steps)}${eta}`;
  const room = columns - displayWidth(title) - words.length - 4;
  if (room < 8) return `${style.bold(title)}  ${truncate(words.trim(), columns - displayWidth(title) - 2)}`;
  return `${style.bold(title)}  ${bar(share, Math.min(40, room), style)}  ${words}`;
}

/**
 * The loss of a run by its steps, training dim and validation in the accent colour.
 * @param scale default: the run's own
 */
export function curveLines(
  history: RunHistory,
  columns: number,
  rows: number,
  style: Style,
  scale: { x?: Range; y?: Range } = {},
): string[] {
  const { training, validation } = pointsOf(history);
  const series: Series[] = [
    { points: training, paint: style.dim },
    { points: validation, paint: style.accent },
  ];
  const shown = [style.dim('⠤⠤ training'), ...(validation.length > 0 ? [style.accent('⠤⠤ validation')] : [])];
  const formatY = (value: number) => value.toFixed(2);
  const legend = shown.join('   ');
  return drawCurves(series, { columns, rows, formatX: whole, formatY, dim: style.dim, legend, ...scale });
}

/** A scale that several runs fit. */
export function scaleOf(histories: readonly RunHistory[]): { x: Range; y: Range } {
  const all = histories.map(pointsOf);
  const y = all.map(({ training, validation }) => robustRange([...training, ...validation]));
  const steps = histories.flatMap(({ metrics }) => metrics.map(({ step }) => step));
  return {
    x: { from: 0, to: Math.max(1, ...steps) },
    y: { from: Math.min(...y.map(({ from }) => from)), to: Math.max(...y.map(({ to }) => to)) },
  };
}

function pointsOf({ metrics }: RunHistory): { training: Point[]; validation: Point[] } {
  return {
    training: metrics.map(({ step, loss: y }) => ({ x: step, y })),
    validation: metrics.flatMap(({ step, validationLoss: y }) => (y === undefined ? [] : [{ x: step, y }])),
  };
}

function figureLines({ history, progress }: LiveRun, columns: number, style: Style): string[] {
  const last = history.metrics.at(-1);
  const validated = history.metrics.findLast((line) => line.validationLoss !== undefined);
  const best = bestOf(history);
  const left: [string, string][] = [
    ['Loss', last ? `${loss(last.loss)} ${style.dim('nats a token')}` : '–'],
    [
      'Validation',
      validated ? `${loss(validated.validationLoss)} ${style.dim(`at step ${whole(validated.step)}`)}` : '–',
    ],
    [
      'Bits per byte',
      validated?.bitsPerByte === undefined
        ? '–'
        : `${loss(validated.bitsPerByte)}${best ? style.dim(` · best ${loss(best.bitsPerByte)}`) : ''}`,
    ],
  ];
  const speed = last ? `${rate(last.tokensPerSecond)} tokens/s` : '–';
  const share = last?.gemmShare === undefined ? '' : style.dim(` · ${percent(last.gemmShare)} of GEMM`);
  const right: [string, string][] = [
    ['Speed', `${speed}${share}`],
    ['Tokens', last ? formatCount(last.tokens) : '–'],
    ['Memory', last ? formatBytes(last.memoryBytes) : progress?.memoryBytes ? formatBytes(progress.memoryBytes) : '–'],
  ];
  const [one, two] = [fields(left, style), fields(right, style)];
  const width = Math.max(...one.map(paintedWidth)) + 3;
  if (width + Math.max(...two.map(paintedWidth)) > columns) return fields([...left, ...right], style);
  return one.map((line, index) => `${line}${' '.repeat(width - paintedWidth(line))}${(two[index] ?? '').trimStart()}`);
}

/** The lowest bits per byte of validation so far. */
export function bestOf({
  metrics,
}: RunHistory): { step: number; bitsPerByte: number; validationLoss: number } | undefined {
  let best: { step: number; bitsPerByte: number; validationLoss: number } | undefined;
  for (const { step, bitsPerByte, validationLoss } of metrics) {
    if (bitsPerByte === undefined || validationLoss === undefined) continue;
    if (!best || bitsPerByte < best.bitsPerByte) best = { step, bitsPerByte, validationLoss };
  }
  return best;
}

function sampleLines({ samples }: RunHistory, columns: number, rows: number, style: Style): string[] {
  const last = samples.at(-1);
  if (!last) return [];
  const text = wrapText(stripControls(`${last.prompt}${last.text}`.replaceAll('\t', ' ')), columns - 2);
  const lines = text.split('\n').filter((line, index, all) => line !== '' || all[index - 1] !== '');
  return [
    style.dim(`Sample at step ${whole(last.step)}`),
    ...lines.slice(0, rows - 1).map((line) => `  ${truncate(line, columns - 2)}`.trimEnd()),
  ];
}

function stateLine({ state, requested, progress }: LiveRun, style: Style): string[] {
  if (state === 'running' && requested) {
    return [
      style.dim(`${requested === 'pause' ? 'Pausing' : 'Stopping'} after this step; a checkpoint is being written …`),
    ];
  }
  if (state === 'running')
    return progress?.phase && progress.phase !== 'training' ? [style.dim(`${progress.phase} …`)] : [];
  return [];
}

/** The run as one line of a log. */
export function logLine({ name, progress, history }: LiveRun): string {
  const last = history.metrics.at(-1);
  if (!last) return `${name}: ${progress?.phase ?? 'starting'}`;
  const facts = [
    `step ${whole(last.step)}${progress?.steps ? ` of ${whole(progress.steps)}` : ''}`,
    `loss ${loss(last.loss)}`,
    ...(last.validationLoss === undefined ? [] : [`validation ${loss(last.validationLoss)}`]),
    ...(last.bitsPerByte === undefined ? [] : [`${loss(last.bitsPerByte)} bits per byte`]),
    `${rate(last.tokensPerSecond)} tokens/s`,
    ...(last.gemmShare === undefined ? [] : [`${percent(last.gemmShare)} of GEMM`]),
    formatBytes(last.memoryBytes),
    ...(progress?.etaSeconds === undefined ? [] : [`${formatDuration(progress.etaSeconds)} left`]),
  ];
  return `${name}: ${facts.join(', ')}`;
}
