// What a run will be, before it begins: for people who want to know what they are in for. Pure.
import path from 'node:path';
import { formatBytes, formatCount, formatDuration } from '../../lib/units.ts';
import type { RunPlan } from '../../train/plan.ts';
import { fields, type Style } from '../output.ts';
import { oneLine } from '../text.ts';
import { settingFields } from './report.ts';
import { percent, rate, whole } from './words.ts';

/** Passes over the texts from which on more are worth little (Muennighoff et al. 2023). */
const manyEpochs = 4;

/**
 * @param others names of runs that go on now
 * @returns the plan, and what speaks against it
 */
export function planReport(
  plan: RunPlan,
  others: readonly string[],
  style: Style,
  columns = Number.POSITIVE_INFINITY,
): { lines: string[]; warnings: string[] } {
  const { settings, corpus, memory, measured, epochs, flops } = plan;
  const { parameters, optimizer, activations, process } = memory;
  const parts = [
    `parameters ${formatBytes(parameters)}`,
    `optimizer ${formatBytes(optimizer)}`,
    `a step ${formatBytes(activations)}`,
    `the rest ${formatBytes(process)}`,
  ];
  const pairs: [string, string][] = [
    ...settingFields(settings).map(([name, value]): [string, string] => [name, oneLine(value)]),
    ['Corpus', corpusWords(corpus)],
    ['Epochs', `${epochs < 10 ? epochs.toFixed(1) : whole(epochs)} passes over the text`],
    ['Memory', `${formatBytes(memory.total)} of ${formatBytes(memory.free)} free: ${parts.join(', ')}`],
    ['Work', `${flopWords(flops)}FLOP`],
  ];
  if (measured) {
    const { device, tokensPerSecond, flopsPerSecond, gemmFlopsPerSecond, etaSeconds } = measured;
    const share = percent(flopsPerSecond / gemmFlopsPerSecond);
    pairs.push(
      [
        'Speed',
        `${rate(tokensPerSecond)} tokens/s on ${oneLine(device)}, measured: ${flopWords(flopsPerSecond)}FLOP/s, ${share} of the ${flopWords(gemmFlopsPerSecond)}FLOP/s of its own matrix product`,
      ],
      ['Time', style.bold(`about ${formatDuration(etaSeconds)}`) + style.dim(', validation and samples not counted')],
    );
  }
  return {
    lines: [style.bold(oneLine(settings.name)), ...fields(pairs, style, '  ', columns)],
    warnings: warningsOf(plan, others),
  };
}

function corpusWords({
  files,
  documents,
  bytes,
  tokens,
  exact,
  emptyFiles,
  convertedFiles,
}: RunPlan['corpus']): string {
  const words = [
    formatBytes(bytes),
    `${whole(files)} ${files === 1 ? 'file' : 'files'}`,
    `${whole(documents)} ${documents === 1 ? 'document' : 'documents'}`,
    `${exact ? '' : 'about '}${formatCount(tokens)} tokens`,
  ];
  const empty =
    emptyFiles.length === 0
      ? ''
      : `; ${whole(emptyFiles.length)} empty ${emptyFiles.length === 1 ? 'file' : 'files'} left out`;
  const converted =
    convertedFiles.length === 0
      ? ''
      : `; ${convertedFiles.map((file) => oneLine(path.basename(file))).join(', ')} converted`;
  return words.join(', ') + empty + converted;
}

function warningsOf({ epochs, memory }: RunPlan, others: readonly string[]): string[] {
  const warnings: string[] = [];
  if (others.length > 0) {
    warnings.push(
      `${others.join(', ')} ${others.length === 1 ? 'is' : 'are'} being trained on this machine too: all of them will be slower.`,
    );
  }
  if (epochs > manyEpochs * 1.01) {
    warnings.push(
      `The text is read ${epochs.toFixed(1)} times; more than ${manyEpochs} times teaches little. More text, or fewer --tokens, would do better.`,
    );
  }
  if (memory.total > memory.free * 0.8) warnings.push('It will take most of the memory that is free.');
  return warnings;
}

/** `5.4 T`, `83 G` */
function flopWords(flops: number): string {
  for (const [size, unit] of [
    [1e18, 'E'],
    [1e15, 'P'],
    [1e12, 'T'],
    [1e9, 'G'],
    [1e6, 'M'],
  ] as const) {
    if (flops >= size) return `${flops / size >= 99.5 ? Math.round(flops / size) : (flops / size).toFixed(1)} ${unit}`;
  }
  return whole(flops);
}
