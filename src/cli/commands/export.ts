// `freehold export RUN`: what a run learned as a model that is listed, served and talked to like any other.
import path from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { ExportType } from '../../train/export.ts';
import type { CheckpointChoice } from '../../train/export-run.ts';
import { type CommonOptions, finish } from '../command.ts';
import { usageError } from '../failure.ts';
import { namedOrNewest, siteOf, withRuns } from '../runs/with-runs.ts';
import { whole } from '../runs/words.ts';

interface ExportOptions extends CommonOptions {
  type: ExportType;
  checkpoint: CheckpointChoice;
  out?: string;
  name?: string;
}

/** As train/export.ts has them; they stand here again so that --help loads nothing. A test keeps them equal. */
export const typeNames = ['f32', 'f16', 'bf16', 'q8_0', 'q4_0', 'q4_K_M'] as const satisfies readonly ExportType[];

export function addExport(program: Command): void {
  finish<ExportOptions>(
    program
      .command('export')
      .summary('make a model of a run')
      .description(
        'Writes what a run learned as a GGUF and lists it among the models, so that chat and the server know it at once.',
      )
      .argument('[run]', 'as `freehold runs list` shows it; default: the newest')
      .addOption(new Option('--type <type>', 'Of the weights.').choices(typeNames).default('f16'))
      .addOption(
        new Option('--checkpoint <which>', 'best (lowest validation loss), last, or a step.')
          .default('best')
          .argParser(parseCheckpoint),
      )
      .option('--out <file>', 'Where the GGUF is to lie; default: the folder of models.')
      .option('--name <name>', 'Of the model; default: the run’s, with :TYPE where the type is not f16.')
      .addHelpText(
        'after',
        `
Examples:
  freehold export shakespeare && freehold chat shakespeare
  freehold export shakespeare --type q8_0 --out shakespeare.gguf`,
      ),
    ['libDir'],
    (invocation) =>
      withRuns(invocation, async (at) => {
        const { output, options, args } = invocation;
        const { values } = await invocation.config();
        const { type, checkpoint, out, name } = options;
        if (out !== undefined && !/\.gguf$/i.test(out)) {
          throw usageError(`"${out}" is not the name of a GGUF.`, 'Let --out end in .gguf.');
        }
        const run = await namedOrNewest(at, args[0] as string | undefined);
        const [{ exportInProcess }, { formatBytes }] = await Promise.all([
          import('../../train/tasks.ts'),
          import('../../lib/units.ts'),
        ]);
        const { model, step } = await exportInProcess({
          site: siteOf(values),
          run: { name: run.name, directory: run.directory },
          options: {
            checkpoint,
            type,
            ...(out === undefined ? {} : { out: path.resolve(out) }),
            ...(name === undefined ? {} : { name }),
          },
        });
        output.data({ model, run: run.name, step, type });
        output.line(
          `${output.style.accent('✓')} ${output.style.bold(model.name)} is here ${output.style.dim(`(${type}, ${formatBytes(model.sizeBytes)}, step ${whole(step)} of ${run.name})`)}`,
        );
        output.line(`  Talk to it: freehold chat ${model.name}`);
      }),
  );
}

/** @throws InvalidArgumentError */
function parseCheckpoint(given: string): CheckpointChoice {
  if (given === 'best' || given === 'last') return given;
  if (/^\d{1,9}$/.test(given)) return Number(given);
  throw new InvalidArgumentError('Expected best, last, or the number of a step.');
}
