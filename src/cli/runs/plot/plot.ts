// Runs as a picture in a file: what they measured becomes a chart, the ending of the name says which kind.
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { FreeholdError } from '../../../lib/errors.ts';
import type { RunHistory } from '../../../train/history.ts';
import { usageError } from '../../failure.ts';
import { type Chart, type ChartPoint, type ChartX, chartSize, drawChart } from './chart.ts';
import { createRasterCanvas } from './raster.ts';
import { createSvgCanvas } from './svg.ts';

export type ChartY = 'loss' | 'bits-per-byte';

/** @throws FreeholdError usage for a file that is neither */
export function pictureKind(file: string): 'svg' | 'png' {
  const kind = path.extname(file).toLowerCase().slice(1);
  if (kind === 'svg' || kind === 'png') return kind;
  throw usageError(`"${file}" is neither an .svg nor a .png.`, 'The ending of --out chooses the kind of the picture.');
}

/** Runs as curves. Bits per byte are measured in validations only, so they have no training curve. */
export function chartOf(runs: readonly { name: string; history: RunHistory }[], x: ChartX, y: ChartY): Chart {
  const at = ({ step, tokens, elapsedSeconds }: RunHistory['metrics'][number]): number =>
    x === 'steps' ? step : x === 'tokens' ? tokens : elapsedSeconds;
  const points = (history: RunHistory, key: 'loss' | 'validationLoss' | 'bitsPerByte'): ChartPoint[] =>
    history.metrics.flatMap((line) => {
      const value = line[key];
      return value === undefined ? [] : [{ x: at(line), y: value }];
    });
  return {
    title: runs.map(({ name }) => name).join(', '),
    yTitle: y === 'loss' ? 'loss, nats per token' : 'bits per byte, validation',
    x,
    runs: runs.map(({ name, history }) => ({
      name,
      train: y === 'loss' ? points(history, 'loss') : [],
      validation: points(history, y === 'loss' ? 'validationLoss' : 'bitsPerByte'),
    })),
  };
}

/** @throws FreeholdError usage; file_io */
export async function writePicture(file: string, chart: Chart): Promise<void> {
  const { width, height } = chartSize;
  const canvas =
    pictureKind(file) === 'svg' ? createSvgCanvas(width, height, chart.title) : createRasterCanvas(width, height);
  drawChart(canvas, chart);
  await writeFile(file, canvas.file()).catch((cause: Error) => {
    throw new FreeholdError('file_io', `${file} could not be written: ${cause.message}.`, { cause });
  });
}
