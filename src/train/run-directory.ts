// Where the files of a run lie, and that one process at a time works on them.
import { mkdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { writeFileDurably } from '../hub/disk.ts';
import { tryLock } from '../hub/lock.ts';
import { FreeholdError } from '../lib/errors.ts';
import { checkSettings, type RunSettings } from './run-settings.ts';

export interface RunFiles {
  settings: string;
  tokenizer: string;
  metrics: string;
  samples: string;
  checkpoints: string;
  /** The texts as tokens: a packed pool. */
  tokens: string;
  lock: string;
}

/** @param directory of the run */
export function runFiles(directory: string): RunFiles {
  const at = (name: string) => path.join(directory, name);
  return {
    settings: at('run.json'),
    tokenizer: at('tokenizer.json'),
    metrics: at('metrics.jsonl'),
    samples: at('samples.jsonl'),
    checkpoints: at('checkpoints'),
    tokens: at('tokens'),
    lock: at('run.lock'),
  };
}

/** Makes the folder of a run that has not begun. @throws FreeholdError name_taken, file_io, disk_full */
export async function createRunDirectory(directory: string, settings: RunSettings): Promise<void> {
  const { settings: file } = runFiles(directory);
  if (await readFile(file).catch(() => undefined)) {
    throw new FreeholdError('name_taken', `${directory} holds a run already.`, {
      hint: 'Resume it, or choose another folder.',
    });
  }
  await mkdir(directory, { recursive: true, mode: 0o700 });
  await writeFileDurably(file, `${JSON.stringify(settings, undefined, 2)}\n`);
}

/** @throws FreeholdError file_not_found, run_invalid */
export async function readRunSettings(directory: string): Promise<RunSettings> {
  const { settings: file } = runFiles(directory);
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw new FreeholdError('file_not_found', `${directory} holds no run: there is no run.json in it.`, { cause });
  });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new FreeholdError('run_invalid', `${file} is not valid JSON.`);
  }
  return checkSettings(value, file);
}

/**
 * Keeps every other process out of a run's folder.
 * @returns lets go
 * @throws FreeholdError in_use while another process holds it
 */
export async function lockRun(directory: string): Promise<() => Promise<void>> {
  const release = await tryLock(runFiles(directory).lock);
  if (release) return release;
  throw new FreeholdError('in_use', `Another process works on the run in ${directory}.`, {
    hint: 'Wait for it, or pause it with `freehold runs pause`.',
  });
}
