// From a run to a model of this machine: chooses a checkpoint, writes it as a GGUF that serves, and lists it, so that
// `freehold chat` and the server know it at once.
import { registerMade } from '../hub/register.ts';
import type { LocalModel } from '../hub/types.ts';
import type { Config } from '../lib/config.ts';
import { FreeholdError } from '../lib/errors.ts';
import { listCheckpoints, readCheckpoint } from './checkpoint.ts';
import type { Run } from './control.ts';
import { type ExportType, exportModel } from './export.ts';
import { runFiles } from './run-directory.ts';

/** `best`: the lowest validation loss, where one was kept; else the last. */
export type CheckpointChoice = 'best' | 'last' | number;

export interface ExportRunOptions {
  checkpoint: CheckpointChoice;
  type: ExportType;
  /** Of the model; default the run's, with `:type` where the type is not f16. */
  name?: string;
  /** Default: in the folder of models. */
  out?: string;
}

/**
 * @throws FreeholdError not_found where there is no such checkpoint; name_taken; what `exportModel` throws
 */
export async function exportRun(
  config: Pick<Config, 'home' | 'defaultModel' | 'libDir'>,
  run: Pick<Run, 'name' | 'directory'>,
  options: ExportRunOptions,
): Promise<{ model: LocalModel; step: number }> {
  const { step, file } = await chooseCheckpoint(run, options.checkpoint);
  const { type, out, name = type === 'f16' ? run.name : `${run.name}:${type.toLowerCase()}` } = options;
  const model = await registerMade(
    config,
    { name, source: `run:${run.name}`, ...(out === undefined ? {} : { file: out }) },
    async (target) => {
      const libDir = config.libDir === '' ? {} : { libDir: config.libDir };
      await exportModel({ source: file, out: target, type, name: run.name, overwrite: true, ...libDir });
    },
  );
  return { model, step };
}

/** @throws FreeholdError not_found */
export async function chooseCheckpoint(
  run: Pick<Run, 'name' | 'directory'>,
  choice: CheckpointChoice,
): Promise<{ step: number; file: string }> {
  const found = await listCheckpoints(runFiles(run.directory).checkpoints);
  const [last] = found;
  if (!last) {
    throw new FreeholdError('not_found', `${run.name} has no checkpoint yet.`, {
      hint: `It writes one when it is paused, too: freehold runs pause ${run.name}`,
    });
  }
  if (choice === 'last') return last;
  if (choice === 'best') {
    const best = (await readCheckpoint(last.file)).progress.bestValidation?.step;
    return found.find(({ step }) => step === best) ?? last;
  }
  const wanted = found.find(({ step }) => step === choice);
  if (wanted) return wanted;
  throw new FreeholdError('not_found', `${run.name} has no checkpoint of step ${choice}.`, {
    hint: `It has: ${found.map(({ step }) => step).join(', ')}.`,
    field: 'checkpoint',
  });
}
