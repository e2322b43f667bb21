// Runs in words: the list, one run in full, several side by side. Pure: facts in, lines out.
import { formatBytes, formatCount, formatDuration } from '../../lib/units.ts';
import { parameterCount } from '../../models/costs.ts';
import type { Run } from '../../train/control.ts';
import type { RunHistory } from '../../train/history.ts';
import type { RunSettings } from '../../train/run-settings.ts';
import { ago } from '../commands/keys.ts';
import { fields, type Style, table } from '../output.ts';
import { oneLine, paintedWidth, stripControls, truncate, wrapText } from '../text.ts';
import { bestOf, curveLines, scaleOf } from './live-view.ts';
import { loss, percent, rate, whole } from './words.ts';

/** A run with all that is known of it. `settings` is missing where its folder is damaged. */
export interface KnownRun {
  run: Run;
  settings: RunSettings | undefined;
  history: RunHistory;
}

/** @param nowMs milliseconds since 1970 */
export function runTable(runs: readonly Run[], style: Style, columns: number, nowMs: number): string[] {
  return table(
    [
      { title: 'NAME', shrinks: true, paint: style.bold },
      { title: 'STATE' },
      { title: 'STEP', align: 'right' },
      { title: 'LOSS', align: 'right' },
      { title: 'BITS/BYTE', align: 'right' },
      { title: 'TOKENS/S', align: 'right' },
      { title: 'STARTED', paint: style.dim },
    ],
    runs.map((run) => {
      const { progress } = run;
      return [
        run.name,
        run.requested ? `${run.state}, to ${run.requested}` : run.state,
        progress?.steps ? `${whole(progress.step)}/${whole(progress.steps)}` : '',
        loss(progress?.loss),
        loss(progress?.bitsPerByte),
        run.state === 'running' ? rate(progress?.tokensPerSecond) : '',
        ago(run.createdAt, nowMs),
      ];
    }),
    style,
    columns,
  );
}

/** One run: what it is, how it went, what it wrote. @param checkpoints its files, the latest first */
export function runReport(
  { run, settings, history }: KnownRun,
  checkpoints: readonly { step: number; file: string; sizeBytes: number }[],
  style: Style,
  columns: number,
): string[] {
  const wide = Math.min(Number.isFinite(columns) ? columns : 100, 100);
  const lines = [`${style.bold(oneLine(run.name))}  ${stateWords(run)}`];
  if (run.error) lines.push(wrapText(oneLine(`${run.error.message} ${run.error.hint ?? ''}`), wide, '  '));
  if (settings) lines.push('', ...fields(settingFields(settings), style, '  ', columns));
  if (history.metrics.length > 1) lines.push('', ...curveLines(history, wide, 14, style));
  if (history.metrics.length > 0) lines.push('', ...fields(resultFields(history), style));
  const best = bestOf(history);
  if (checkpoints.length > 0) {
    lines.push('', style.dim('Checkpoints'));
    for (const { step, sizeBytes } of checkpoints) {
      lines.push(`  step ${whole(step)}, ${formatBytes(sizeBytes)}${step === best?.step ? ' · the best' : ''}`);
    }
  }
  const sample = history.samples.at(-1);
  if (sample) {
    const text = stripControls(`${sample.prompt}${sample.text}`.replaceAll('\t', ' '));
    lines.push('', style.dim(`Sample at step ${whole(sample.step)}`), ...wrapText(text, wide, '  ').split('\n'));
  }
  return [...lines, '', ...fields([['Files', run.directory]], style)];
}

function stateWords({ state, requested, progress }: Run): string {
  const where = progress?.steps ? ` at step ${whole(progress.step)} of ${whole(progress.steps)}` : '';
  return `${state}${where}${requested ? `, asked to ${requested}` : ''}`;
}

/** What a run was told to do, as name and value. */
export function settingFields({ recipe, data, memory, seed, device, threads }: RunSettings): [string, string][] {
  const { model, schedule } = recipe;
  const tied = model.tied ? ', head tied' : '';
  return [
    [
      'Model',
      `${model.architecture}, ${formatCount(parameterCount(model).total)} parameters: ${model.layers} ${model.layers === 1 ? 'layer' : 'layers'}, width ${model.width}, ${model.heads} heads${model.kvHeads === model.heads ? '' : ` (${model.kvHeads} for keys)`}${tied}`,
    ],
    ['Context', `${whole(model.context)} tokens of a vocabulary of ${whole(model.vocab)} (${data.tokenizer.kind})`],
    ['Text', sourceWords(data.sources)],
    ['Budget', `${formatCount(recipe.tokens)} tokens in ${whole(recipe.steps)} steps of ${whole(recipe.batchTokens)}`],
    [
      'Optimizer',
      `${recipe.optimizer}, learning rate ${short(recipe.learningRates.matrix, 3)} (embedding ${short(recipe.learningRates.embedding, 3)}, head ${short(recipe.learningRates.head, 3)}), ${schedule.kind}: ${whole(schedule.warmupSteps)} steps up, ${whole(schedule.decaySteps)} down`,
    ],
    [
      'Arithmetic',
      `${memory.computeType}${memory.recompute ? ', layers computed twice to save memory' : ''}; ${device === 'auto' ? 'the fastest device' : device}${threads > 0 ? `, ${threads} ${threads === 1 ? 'thread' : 'threads'}` : ''}; seed ${seed}`,
    ],
  ];
}

/** The first few, and how many more. */
function sourceWords(sources: readonly string[]): string {
  const shown = sources.slice(0, 3).join(', ');
  return sources.length > 3 ? `${shown} and ${whole(sources.length - 3)} more` : shown;
}

function resultFields(history: RunHistory): [string, string][] {
  const last = history.metrics.at(-1);
  const best = bestOf(history);
  if (!last) return [];
  return [
    ['Loss', `${loss(last.loss)} at step ${whole(last.step)}`],
    ...(best
      ? [
          [
            'Validation',
            `${loss(best.validationLoss)}, ${loss(best.bitsPerByte)} bits per byte, at its best (step ${whole(best.step)})`,
          ] as [string, string],
        ]
      : []),
    ['Speed', speedWords(history)],
    ['Time', `${formatDuration(last.elapsedSeconds)} for ${formatCount(last.tokens)} tokens`],
    ['Memory', formatBytes(Math.max(...history.metrics.map(({ memoryBytes }) => memoryBytes)))],
  ];
}

function speedWords({ metrics }: RunHistory): string {
  const share = median(metrics.flatMap(({ gemmShare }) => (gemmShare === undefined ? [] : [gemmShare])));
  const speed = `${rate(median(metrics.map(({ tokensPerSecond }) => tokensPerSecond)))} tokens/s`;
  return share === undefined ? speed : `${speed}, ${percent(share)} of the GEMM rate`;
}

function median(values: readonly number[]): number | undefined {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
}

/** Several runs: the settings that differ, the curves, the figures at the end. */
export function compareReport(known: readonly KnownRun[], style: Style, columns: number): string[] {
  const wide = Math.min(Number.isFinite(columns) ? columns : 120, 160);
  const names = known.map(({ run }) => oneLine(run.name));
  const titles = [{ title: '' }, ...names.map((name) => ({ title: name, shrinks: true }))];
  const differing = differences(known.map(({ settings }) => settings));
  const lines = [style.accent('Settings that differ')];
  if (differing.length === 0) lines.push('  none');
  else
    lines.push(
      ...table(
        titles,
        differing.map(([setting, values]) => [setting, ...values]),
        style,
        wide,
      ),
    );
  lines.push('', style.accent('Curves'), ...curvesBeside(known, wide, style), '', style.accent('Figures'));
  const rows: [string, (each: KnownRun) => string][] = [
    ['state', ({ run }) => run.state],
    ['step', ({ history }) => whole(history.metrics.at(-1)?.step ?? 0)],
    ['tokens', ({ history }) => formatCount(history.metrics.at(-1)?.tokens ?? 0)],
    ['loss', ({ history }) => loss(history.metrics.at(-1)?.loss)],
    ['best validation', ({ history }) => loss(bestOf(history)?.validationLoss)],
    ['best bits/byte', ({ history }) => loss(bestOf(history)?.bitsPerByte)],
    ['speed', ({ history }) => speedWords(history)],
    ['time', ({ history }) => formatDuration(history.metrics.at(-1)?.elapsedSeconds ?? 0)],
  ];
  return [
    ...lines,
    ...table(
      titles,
      rows.map(([title, of]) => [title, ...known.map(of)]),
      style,
      wide,
    ),
  ];
}

/** Settings whose values are not all the same, as `recipe.model.width`. What names a run differs always and is left out. */
export function differences(settings: readonly (RunSettings | undefined)[]): [string, string[]][] {
  const flats = settings.map((each) => new Map(each ? flatten(each) : []));
  const keys = [...new Set(flats.flatMap((flat) => [...flat.keys()]))];
  return keys
    .filter((key) => !['name', 'createdAt'].includes(key))
    .map((key): [string, string[]] => [key, flats.map((flat) => flat.get(key) ?? '–')])
    .filter(([, values]) => new Set(values).size > 1);
}

function flatten(value: object, prefix = ''): [string, string][] {
  return Object.entries(value).flatMap(([key, each]): [string, string][] => {
    const name = prefix === '' ? key : `${prefix}.${key}`;
    if (Array.isArray(each)) return [[name, each.join(', ')]];
    if (typeof each === 'object' && each !== null) return flatten(each, name);
    return [[name, typeof each === 'number' ? short(each) : String(each)]];
  });
}

/** The curves of two runs beside each other where there is room, else below each other. All have one scale. */
function curvesBeside(known: readonly KnownRun[], columns: number, style: Style): string[] {
  const beside = columns >= 100 && known.length === 2;
  const width = beside ? Math.floor((columns - 4) / 2) : columns;
  const all = known.flatMap(({ history }) => history.metrics);
  if (all.length === 0) return ['  nothing yet'];
  const scale = scaleOf(known.map(({ history }) => history));
  const panels = known.map(({ run, history }) => [
    truncate(`  ${oneLine(run.name)}`, width),
    ...curveLines(history, width, 12, style, scale),
  ]);
  if (!beside) return panels.flatMap((panel, index) => (index === 0 ? panel : ['', ...panel]));
  const [left = [], right = []] = panels;
  return left.map((line, index) =>
    `${line}${' '.repeat(Math.max(0, width - paintedWidth(line)))}    ${right[index] ?? ''}`.trimEnd(),
  );
}

const short = (value: number, digits = 6): string => String(Number(value.toPrecision(digits)));
