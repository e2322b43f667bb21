// Runs as people and programs handle them: start, list, watch, pause, resume, stop, remove. A run is a job in the store, a
// folder and, while it goes on, a process of its own that outlives whoever started it. Used by the command line and by a
// server alike; loads no native code, that is for the process.
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { childEnvironment } from '../lib/child-environment.ts';
import { FreeholdError, toErrorRecord } from '../lib/errors.ts';
import { newId } from '../lib/ids.ts';
import { nearestNames } from '../lib/nearest-names.ts';
import {
  createJob,
  deleteJob,
  failQueuedJob,
  findJob,
  type Job,
  listJobs,
  requestJob,
  requeueJob,
} from '../store/jobs.ts';
import type { Store } from '../store/open.ts';
import { followHistory, type RunHistory } from './history.ts';
import { createRunDirectory } from './run-directory.ts';
import type { RunProgress } from './run-progress.ts';
import { checkSettings, type RunSettings } from './run-settings.ts';

/** Where runs are. */
export interface Runs {
  store: Store;
  /** Folder of the deployment. */
  home: string;
  /** Folder with ggml to use in place of the packaged one; default: the packaged one. */
  libDir?: string;
  /** The program of a run process; for tests. It is given the home folder, the id of the job and `libDir`. */
  program?: readonly string[];
}

export interface Run extends Omit<Job, 'progress'> {
  progress: RunProgress | undefined;
  /** Absolute path of its folder. */
  directory: string;
}

/** Run from `dist/` also when this file runs from `src/`. */
const entry = fileURLToPath(
  new URL(import.meta.url.endsWith('.ts') ? '../../dist/train/process.js' : './process.js', import.meta.url),
);

const pollMs = 100;
/** How long a new process is waited for until it has its job. */
const claimMs = 30_000;

/**
 * Starts a run in a process of its own.
 * @returns once the process has it; what goes wrong later is told by its job
 * @throws FreeholdError invalid_request for a bad name; name_taken; run_failed where the process ends at once; file_io,
 *   disk_full
 */
export async function startRun(runs: Runs, settings: RunSettings): Promise<Run> {
  checkName(settings.name);
  checkSettings(settings, 'The settings');
  const id = newId('run');
  const folder = `runs/${id}`;
  const directory = path.join(path.resolve(runs.home), folder);
  // first the folder: without a job it is nothing, while a job without one could never be resumed
  await createRunDirectory(directory, settings);
  const job = await createJob(runs.store, { kind: 'train', id, name: settings.name, folder }).catch(
    async (error: unknown) => {
      await rm(directory, { recursive: true, force: true });
      if (!(error instanceof FreeholdError) || error.code !== 'name_taken') throw error;
      throw new FreeholdError('name_taken', `There is a run "${settings.name}" already.`, {
        field: 'name',
        hint: `Choose another with --name, or remove that one: freehold runs rm ${settings.name}`,
      });
    },
  );
  return begin(runs, toRun(runs, job));
}

/**
 * Goes on with a run from its last checkpoint (from the beginning where there is none).
 * @throws FreeholdError not_found; in_use while it goes on; unsupported when it is finished; run_failed
 */
export async function resumeRun(runs: Runs, name: string): Promise<Run> {
  const run = await findRun(runs, name);
  return begin(runs, toRun(runs, await requeueJob(runs.store, run.id)));
}

/**
 * Asks a run to pause or to stop: after the step it is in it writes a checkpoint and its process ends. A stopped run may
 * be resumed too; the word says only what was meant.
 * @returns at once; `waitForEnd` waits
 * @throws FreeholdError not_found
 */
export async function requestRun(runs: Runs, name: string, wish: 'pause' | 'stop'): Promise<Run> {
  const run = await findRun(runs, name);
  return toRun(runs, await requestJob(runs.store, run.id, wish));
}

/** Whether a process works on it, or is about to. */
export function isGoingOn(run: Pick<Run, 'state'>): boolean {
  return run.state === 'running' || run.state === 'queued';
}

/** @returns the run once no process works on it any more. @throws FreeholdError not_found; the signal's reason */
export async function waitForEnd(runs: Runs, id: string, signal?: AbortSignal): Promise<Run> {
  for (;;) {
    const run = await findRun(runs, id);
    if (!isGoingOn(run)) return run;
    await sleep(pollMs, undefined, { signal });
  }
}

/** Every run, newest first. */
export async function listRuns(runs: Runs): Promise<Run[]> {
  return (await listJobs(runs.store, 'train')).map((job) => toRun(runs, job));
}

/**
 * @param name or id
 * @throws FreeholdError not_found, with the nearest names
 */
export async function findRun(runs: Runs, name: string): Promise<Run> {
  const byId = await findJob(runs.store, name);
  if (byId?.kind === 'train') return toRun(runs, byId);
  const all = await listRuns(runs);
  const found = all.find((run) => run.name === name.toLowerCase());
  if (found) return found;
  const near = nearestNames(
    name,
    all.map((run) => run.name),
  );
  throw new FreeholdError('not_found', `There is no run "${name}".`, {
    hint: near[0] ? `Did you mean ${near.join(' or ')}?` : '`freehold runs list` shows all.',
    field: 'name',
  });
}

/** A run as it was at one look. */
export interface RunNews {
  run: Run;
  /** Grows from look to look; the same object each time. */
  history: RunHistory;
}

/**
 * Follows a run: yields now, whenever something is new, and once more when it has ended. Leaving it does nothing to the run.
 * @param options.everyMs between two looks; default 500
 * @throws FreeholdError not_found
 */
export async function* watchRun(
  runs: Runs,
  name: string,
  options: { signal?: AbortSignal; everyMs?: number } = {},
): AsyncGenerator<RunNews> {
  const { signal, everyMs = 500 } = options;
  let run = await findRun(runs, name);
  const follower = followHistory(run.directory);
  for (let before = ''; !signal?.aborted; ) {
    // the job first: what the process wrote before it ended is then there to be read
    run = await findRun(runs, run.id);
    const grew = await follower.update();
    const { heartbeatAt: _, ...facts } = run;
    const now = JSON.stringify(facts);
    if (grew || now !== before) yield { run, history: follower.history };
    before = now;
    if (!isGoingOn(run)) return;
    await sleep(everyMs, undefined, { signal }).catch(() => {});
  }
}

/** Removes a run and all its files. @throws FreeholdError not_found; in_use while it goes on; file_io */
export async function deleteRun(runs: Runs, name: string): Promise<void> {
  const run = await findRun(runs, name);
  // the job first, so that nobody resumes it meanwhile
  await deleteJob(runs.store, run.id);
  await rm(run.directory, { recursive: true, force: true }).catch((cause: Error) => {
    throw new FreeholdError('file_io', `${run.directory} could not be removed: ${cause.message}.`, { cause });
  });
}

/** What is thrown where a run of that name is here. */
export function nameTaken(name: string): FreeholdError {
  return new FreeholdError('name_taken', `There is a run "${name}" already.`, {
    field: 'name',
    hint: `Choose another with --name, or remove that one: freehold runs rm ${name}`,
  });
}

/** @throws FreeholdError invalid_request */
export function checkName(name: string): void {
  if (/^[a-z0-9][a-z0-9._-]{0,59}$/.test(name)) return;
  throw new FreeholdError('invalid_request', `"${name}" cannot be the name of a run.`, {
    field: 'name',
    hint: 'Take up to 60 small letters, digits, ".", "_" and "-", a letter or digit first.',
  });
}

/** The first of `stem`, `stem-2`, `stem-3`, … that no run has. */
export async function freeName(runs: Runs, stem: string): Promise<string> {
  const taken = new Set((await listRuns(runs)).map(({ name }) => name));
  for (let count = 1; ; count++) {
    const name = count === 1 ? stem : `${stem}-${count}`;
    if (!taken.has(name)) return name;
  }
}

function toRun(runs: Runs, job: Job): Run {
  return {
    ...job,
    progress: job.progress as RunProgress | undefined,
    directory: path.join(path.resolve(runs.home), job.folder),
  };
}

/** Starts the process of a queued run and waits until it has its job. */
async function begin(runs: Runs, run: Run): Promise<Run> {
  const log = path.join(run.directory, 'log.txt');
  let output: number;
  try {
    output = openSync(log, 'a', 0o600);
  } catch (cause) {
    const error = new FreeholdError('file_io', `${log} cannot be written.`, { cause });
    await failQueuedJob(runs.store, run.id, toErrorRecord(error));
    throw error;
  }
  const program = runs.program ?? ['--enable-source-maps', entry];
  const child = spawn(process.execPath, [...program, path.resolve(runs.home), run.id, runs.libDir ?? ''], {
    // a session of its own: neither a closed terminal nor its Ctrl-C reaches the process
    detached: true,
    cwd: run.directory,
    env: childEnvironment(),
    stdio: ['ignore', output, output],
  });
  closeSync(output);
  child.unref();
  const ended = endOf(child);
  for (const until = Date.now() + claimMs; Date.now() < until; ) {
    const how = await Promise.race([ended, sleep(pollMs)]);
    const now = await findRun(runs, run.id);
    if (now.state !== 'queued') return now;
    if (how === undefined) continue;
    const error = new FreeholdError('run_failed', `The process of ${run.name} ${how} before it began.`, {
      hint: `Its last words are in ${log}.`,
    });
    await failQueuedJob(runs.store, run.id, toErrorRecord(error));
    throw error;
  }
  return findRun(runs, run.id);
}

function endOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    child.once('error', (error) => resolve(`could not be started (${error.message})`));
    child.once('exit', (code, signal) => resolve(signal ? `was ended by ${signal}` : `ended with status ${code}`));
  });
}
