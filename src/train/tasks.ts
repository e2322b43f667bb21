// What about runs needs native code and takes seconds: planning, which measures, and exporting. Each is done by a process of its own,
// so that a server, and a terminal, stay clear of native code and of what it says. Knows messages, not the work.
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { LocalModel } from '../hub/types.ts';
import { childEnvironment } from '../lib/child-environment.ts';
import { type ErrorRecord, FreeholdError, fromErrorRecord } from '../lib/errors.ts';
import type { ExportRunOptions } from './export-run.ts';
import type { PlanRequest, RunPlan } from './plan.ts';

/** Where and with which libraries. */
export interface TaskSite {
  /** Folder of the deployment. */
  home: string;
  defaultModel: string;
  /** Empty: the packaged libraries. */
  libDir: string;
}

export interface PlanTask {
  task: 'plan';
  site: TaskSite;
  request: PlanRequest;
}

export interface ExportTask {
  task: 'export';
  site: TaskSite;
  run: { name: string; directory: string };
  options: ExportRunOptions;
}

/** What the process says. */
export type TaskMessage =
  | { type: 'progress'; phase: 'reading' | 'measuring'; share: number }
  | { type: 'done'; result: unknown }
  | { type: 'failed'; error: ErrorRecord };

/** Run from `dist/` also when this file runs from `src/`. */
const entry = fileURLToPath(
  new URL(import.meta.url.endsWith('.ts') ? '../../dist/train/process-task.js' : './process-task.js', import.meta.url),
);
/** Of what native code says, so much is kept to tell why a process ended. */
const keptText = 2000;

export interface TaskOptions {
  onProgress?: (phase: 'reading' | 'measuring', share: number) => void;
  /** Ends the process. */
  signal?: AbortSignal;
}

/** `planRun`, with the machine measured. @throws FreeholdError what it throws; cancelled; run_failed where its process ends */
export function planInProcess(task: Omit<PlanTask, 'task'>, options: TaskOptions = {}): Promise<RunPlan> {
  return doTask({ task: 'plan', ...task }, options) as Promise<RunPlan>;
}

/** `exportRun`. @throws FreeholdError what it throws; cancelled; run_failed where its process ends */
export function exportInProcess(
  task: Omit<ExportTask, 'task'>,
  options: TaskOptions = {},
): Promise<{ model: LocalModel; step: number }> {
  return doTask({ task: 'export', ...task }, options) as Promise<{ model: LocalModel; step: number }>;
}

function doTask(task: PlanTask | ExportTask, { onProgress, signal }: TaskOptions): Promise<unknown> {
  const cancelled = () => new FreeholdError('cancelled', 'Stopped.');
  if (signal?.aborted) return Promise.reject(cancelled());
  return new Promise((resolve, reject) => {
    const child = fork(entry, [], {
      env: childEnvironment(),
      execArgv: ['--enable-source-maps'],
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    let said = '';
    child.stderr?.on('data', (chunk: Buffer) => {
      said = (said + chunk.toString()).slice(-keptText);
    });
    const abort = () => {
      child.kill('SIGKILL');
      reject(cancelled());
    };
    signal?.addEventListener('abort', abort, { once: true });
    child.on('message', (message: TaskMessage) => {
      if (message.type === 'progress') onProgress?.(message.phase, message.share);
      else if (message.type === 'done') resolve(message.result);
      else reject(fromErrorRecord(message.error));
    });
    child.once('error', reject);
    child.once('close', (code, killer) => {
      signal?.removeEventListener('abort', abort);
      const how = killer ? `was ended by ${killer}` : `ended with status ${code}`;
      // settled already where the process said what it had to
      reject(
        new FreeholdError('run_failed', `The process of the ${task.task} ${how}.`, {
          hint: said.trim().split('\n').at(-1) || 'It may have run out of memory.',
        }),
      );
    });
    child.send(task);
  });
}
