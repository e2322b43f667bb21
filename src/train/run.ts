// A run from its settings to its last checkpoint: texts to tokens, programs, the loop, and what is written down on the way. Where
// there is a checkpoint it goes on from there. Knows no job and no process; whoever calls gives it a device.
import path from 'node:path';
import { requireDiskSpace } from '../hub/disk.ts';
import { FreeholdError } from '../lib/errors.ts';
import type { Device } from '../tensor/device.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import { tokenizerToJson } from '../tokenizer/tokenizer-file.ts';
import { type BatchSource, packedSource, windowSource } from './batches.ts';
import {
  type Checkpoint,
  type CheckpointContent,
  checkpointName,
  lastWholeCheckpoint,
  type Progress,
  removeOldCheckpoints,
  restoreStates,
  startOfRun,
  writeCheckpoint,
} from './checkpoint.ts';
import { createEvaluator } from './evaluator.ts';
import { measureGemm } from './measure.ts';
import type { MetricsLine } from './metrics.ts';
import type { TokenPool } from './pool.ts';
import { type DataPhase, prepareData } from './run-data.ts';
import { lockRun, type RunFiles, readRunSettings, runFiles } from './run-directory.ts';
import { openRecord } from './run-record.ts';
import type { RunSettings } from './run-settings.ts';
import { createSampler, type Sampler } from './sampler.ts';
import { randomAt } from './seeds.ts';
import { createStepRunner, initialiseParameters } from './step-runner.ts';
import { bytesOfTokens } from './tokenise.ts';
import { type TrainEvent, train } from './trainer.ts';
import { type Spans, splitValidation } from './validation-split.ts';

export type RunPhase = DataPhase | 'planning' | 'training';

export type RunEvent =
  | { type: 'phase'; phase: RunPhase; share: number }
  | { type: 'resumed'; step: number; checkpoint: string }
  | { type: 'saved'; step: number; file: string }
  | { type: 'metrics'; line: MetricsLine; steps: number }
  | { type: 'memory'; stateBytes: number; workBytes: number }
  | { type: 'warning'; message: string }
  | Exclude<TrainEvent, { type: 'checkpoint' | 'end' | 'diverged' }>;

export interface RunOptions {
  /** Opens what the run computes on; the run closes it. */
  openDevice: (settings: RunSettings) => Device;
  onEvent?: (event: RunEvent) => void;
  /** What is asked of the run; looked at after each step, obeyed after a checkpoint. */
  requested?: () => 'pause' | 'stop' | undefined;
  /** Ends the run after the step under way, with nothing written. */
  signal?: AbortSignal | undefined;
}

export interface RunOutcome {
  /** `pause` also where the disk is full: `error` then says so. */
  reason: 'done' | 'pause' | 'stop';
  step: number;
  /** The last one; undefined where there is none yet. */
  checkpoint: string | undefined;
  /** Most memory that the process took, in bytes. */
  peakMemoryBytes: number;
  error?: FreeholdError;
}

/**
 * @param directory of the run, with its run.json
 * @throws FreeholdError in_use while another process works on it; data_invalid and others for its texts; does_not_fit;
 * training_diverged naming the last good checkpoint; the signal's reason
 */
export async function executeRun(directory: string, options: RunOptions): Promise<RunOutcome> {
  await readRunSettings(directory);
  const release = await lockRun(directory);
  const closing: (() => void)[] = [];
  try {
    return await prepareAndTrain(directory, options, (close) => closing.push(close));
  } finally {
    for (const close of closing.reverse()) close();
    await release();
  }
}

async function prepareAndTrain(
  directory: string,
  options: RunOptions,
  atEnd: (close: () => void) => void,
): Promise<RunOutcome> {
  const { signal, requested } = options;
  const tell = options.onEvent ?? (() => {});
  const settings = await readRunSettings(directory);
  const files = runFiles(directory);
  const { tokenizer, pool, fingerprint } = await prepareData(settings, files, {
    onProgress: (phase, share) => tell({ type: 'phase', phase, share }),
    signal,
  });
  atEnd(() => pool.close());

  tell({ type: 'phase', phase: 'planning', share: 0 });
  const split = splitValidation(pool.documents, {
    fraction: settings.data.validation,
    context: settings.recipe.model.context,
  });
  const source = sourceOf(settings, pool, split.training);
  const device = options.openDevice(settings);
  atEnd(() => device.dispose());
  const gemmFlopsPerSecond = await measureGemm(device);
  const runner = createStepRunner(device, settings, { mixed: source.mixed });
  atEnd(() => runner.dispose());
  const bytesOfToken = bytesOfTokens(tokenizer);
  const evaluator = createEvaluator(device, settings, { pool, spans: split.validation, bytesOfToken });
  atEnd(() => evaluator?.dispose());
  const sampler = createSampler(device, settings);
  atEnd(() => sampler.dispose());
  const workBytes = runner.workBytes + (evaluator?.workBytes ?? 0);
  tell({ type: 'memory', stateBytes: device.stateBytes, workBytes });
  // what the processor computes on is memory of the process
  const deviceBytes = ['CPU', 'reference'].includes(device.name) ? 0 : device.stateBytes + workBytes;

  const last = await lastWholeCheckpoint(files.checkpoints, (message) => tell({ type: 'warning', message }));
  if (last) {
    checkSameRun(last, settings, fingerprint);
    await restoreStates(last, device);
    tell({ type: 'resumed', step: last.progress.step, checkpoint: last.file });
  } else initialiseParameters(device, settings);
  await requireDiskSpace(directory, device.stateBytes, 'A checkpoint of the run');

  const saver = createSaver(
    files,
    device,
    { settings, tokenizer: tokenizerToJson(tokenizer), fingerprint },
    last?.file,
  );
  const sample = settings.samples.everySteps > 0 ? sampleWith(sampler, tokenizer, settings) : undefined;
  const progress = last?.progress ?? startOfRun;
  const record = await openRecord(files, settings, { lastStep: progress.step, gemmFlopsPerSecond, deviceBytes });
  let step = progress.step;
  const end = (reason: RunOutcome['reason'], error?: FreeholdError): RunOutcome => ({
    ...{ reason, step, checkpoint: saver.file, peakMemoryBytes: peakMemory() + deviceBytes },
    ...(error && { error }),
  });
  tell({ type: 'phase', phase: 'training', share: 0 });
  try {
    for await (const event of train({ settings, runner, source, evaluator, sample, progress, requested, signal })) {
      step = event.progress.step;
      const line = await record.take(event);
      if (line) tell({ type: 'metrics', line, steps: settings.recipe.steps });
      if (event.type === 'checkpoint') {
        await saver.save(event.progress);
        tell({ type: 'saved', step, file: saver.file as string });
      } else if (event.type === 'diverged') {
        throw new FreeholdError('training_diverged', `At step ${step} ${event.fault}.`);
      } else if (event.type === 'end') return end(event.reason);
      else tell(event);
    }
    return end('done');
  } catch (error) {
    // what was saved before is whole, so the run goes on from there once there is room
    if (error instanceof FreeholdError && error.code === 'disk_full') return end('pause', error);
    if (error instanceof FreeholdError && error.code === 'training_diverged') throw diverged(error, saver.file);
    throw error;
  } finally {
    await record.close();
  }
}

function sourceOf(settings: RunSettings, pool: TokenPool, spans: Spans): BatchSource {
  const { recipe, memory, data, seed } = settings;
  const options = { context: recipe.model.context, rows: memory.rowsPerPass, seed };
  return data.order === 'windows' ? windowSource(pool, spans, options) : packedSource(pool, spans, options);
}

/** @throws FreeholdError run_invalid where going on would make another run of it */
function checkSameRun(last: Checkpoint, settings: RunSettings, fingerprint: string): void {
  const differs = (what: string) =>
    new FreeholdError('run_invalid', `${what} not those that ${last.file} was trained with.`, {
      hint: 'Put them back, or begin a new run.',
    });
  if (JSON.stringify(last.settings) !== JSON.stringify(settings)) throw differs('The settings of the run are');
  if (last.fingerprint !== fingerprint) throw differs('The tokens of the run are');
}

function createSaver(
  { checkpoints }: RunFiles,
  device: Device,
  content: Omit<CheckpointContent, 'progress'>,
  file: string | undefined,
) {
  const { keepLast, keepBest } = content.settings.checkpoints;
  return {
    /** The last one. */
    file,
    async save(progress: Progress) {
      const next = path.join(checkpoints, checkpointName(progress.step));
      await writeCheckpoint(next, device, { ...content, progress });
      this.file = next;
      const best = keepBest ? progress.bestValidation?.step : undefined;
      await removeOldCheckpoints(checkpoints, { last: keepLast, ...(best !== undefined && { best }) });
    },
  };
}

function sampleWith(sampler: Sampler, tokenizer: Tokenizer, { samples, seed }: RunSettings) {
  const prompt = [...tokenizer.encode(samples.prompt)];
  if (tokenizer.addBos && tokenizer.bos !== undefined) prompt.unshift(tokenizer.bos);
  // something has to be gone on from
  if (prompt.length === 0) prompt.push(...tokenizer.encode('\n'));
  return async ({ step }: Progress): Promise<string> => {
    const { tokens, temperature } = samples;
    const random = randomAt(seed, 'sample', step);
    return tokenizer.decodeText(await sampler.generate(prompt, { tokens, temperature, random, ends: tokenizer.eos }));
  };
}

function diverged(error: FreeholdError, checkpoint: string | undefined): FreeholdError {
  const where = checkpoint ? `The last good checkpoint is ${checkpoint}.` : 'There is no checkpoint yet.';
  return new FreeholdError('training_diverged', `${error.message} ${where}`, {
    cause: error,
    hint: 'Begin a new run with lower learning rates, a longer warm-up, or --clip 1.',
  });
}

/** Most that this process took so far, in bytes. */
function peakMemory(): number {
  return process.resourceUsage().maxRSS * 1024;
}
