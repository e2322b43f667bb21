// What every command about runs shares: the store opened and closed around it, all of a run read at once, and how the end
// of a run that was followed is told.
import { stat } from 'node:fs/promises';
import type { Config } from '../../lib/config.ts';
import type { FreeholdError } from '../../lib/errors.ts';
import type { Run, Runs } from '../../train/control.ts';
import type { TaskSite } from '../../train/tasks.ts';
import type { CommonOptions, Invocation } from '../command.ts';
import { usageError } from '../failure.ts';
import type { Output } from '../output.ts';
import type { KnownRun } from './report.ts';
import { loss, whole } from './words.ts';

export async function withRuns<Result>(
  invocation: Invocation<CommonOptions>,
  work: (runs: Runs) => Promise<Result>,
): Promise<Result> {
  const { values } = await invocation.config();
  const { openStore } = await import('../../store/open.ts');
  const store = openStore(values.home);
  try {
    return await work({ store, home: values.home, ...(values.libDir === '' ? {} : { libDir: values.libDir }) });
  } finally {
    await store.close();
  }
}

/** Only what a task needs goes to its process: settings hold a token, too. */
export function siteOf({ home, defaultModel, libDir }: Config): TaskSite {
  return { home, defaultModel, libDir };
}

/**
 * The run that was named, or the newest one.
 * @throws FreeholdError not_found; usage where there is none at all
 */
export async function namedOrNewest(runs: Runs, name: string | undefined): Promise<Run> {
  const { findRun, listRuns } = await import('../../train/control.ts');
  if (name !== undefined) return findRun(runs, name);
  const [newest] = await listRuns(runs);
  if (newest) return newest;
  throw usageError('There are no runs yet.', 'Start one: freehold train FILE');
}

/** A run with its settings and all it wrote down. Damaged settings are no reason not to show the rest. */
export async function knowRun(run: Run): Promise<KnownRun> {
  const [{ readRunSettings }, { readHistory }] = await Promise.all([
    import('../../train/run-directory.ts'),
    import('../../train/history.ts'),
  ]);
  const [settings, history] = await Promise.all([
    readRunSettings(run.directory).catch(() => undefined),
    readHistory(run.directory),
  ]);
  return { run, settings, history };
}

/** Checkpoints with their sizes, the latest first. */
export async function checkpointsOf(run: Run): Promise<{ step: number; file: string; sizeBytes: number }[]> {
  const [{ listCheckpoints }, { runFiles }] = await Promise.all([
    import('../../train/checkpoint.ts'),
    import('../../train/run-directory.ts'),
  ]);
  const found = await listCheckpoints(runFiles(run.directory).checkpoints);
  const sizes = await Promise.all(found.map(({ file }) => stat(file).catch(() => undefined)));
  return found.map((each, index) => ({ ...each, sizeBytes: sizes[index]?.size ?? 0 }));
}

/**
 * Says how a run that was followed ended, and what to do next.
 * @throws FreeholdError: the run's own where it failed; run_failed where its process died
 */
export async function tellEnd(run: Run, output: Output): Promise<void> {
  const { FreeholdError, fromErrorRecord } = await import('../../lib/errors.ts');
  const { name, progress } = run;
  const resume = `freehold runs resume ${name}`;
  const where = progress?.steps ? ` at step ${whole(progress.step)} of ${whole(progress.steps)}` : '';
  switch (run.state) {
    case 'succeeded': {
      const bits =
        progress?.bitsPerByte === undefined
          ? ''
          : `: ${loss(progress.bitsPerByte)} bits per byte of text it had not seen`;
      output.line(`${output.style.accent('✓')} ${output.style.bold(name)} is trained${bits}.`);
      output.line(`  Talk to it: freehold export ${name} && freehold chat ${name}`);
      return;
    }
    case 'paused':
    case 'cancelled':
      output.line(
        `${run.state === 'paused' ? 'Paused' : 'Stopped'}${where}${progress?.checkpoint === undefined ? '' : ', with a checkpoint'}. To go on: ${resume}`,
      );
      // it could not go on by itself
      if (run.error) output.note(`${run.error.message} ${run.error.hint ?? ''}`.trimEnd());
      return;
    case 'failed': {
      const error: FreeholdError = run.error
        ? fromErrorRecord(run.error)
        : new FreeholdError('run_failed', `${name} failed${where}.`, { hint: `Its log is in ${run.directory}.` });
      throw error;
    }
    case 'interrupted':
      throw new FreeholdError('run_failed', `The process of ${name} ended without a word${where}.`, {
        hint: `It was killed, or ran out of memory; its log is in ${run.directory}. To go on from its last checkpoint: ${resume}`,
      });
    case 'queued':
    case 'running':
      return;
    default:
      run.state satisfies never;
  }
}
