// `freehold rm NAME`: deletes a model that Freehold pulled, or forgets a file that it uses where it lies. Files of other
// programs are theirs and stay.
import type { Command } from 'commander';
import { type CommonOptions, finish } from '../command.ts';
import { usageError } from '../failure.ts';
import { oneLine } from '../text.ts';

export function addRemove(program: Command): void {
  finish<CommonOptions & { yes?: boolean }>(
    program
      .command('rm')
      .summary('delete a model')
      .description(
        'Deletes a model that Freehold pulled; of a file used where it lies, only the listing. Models of Ollama, LM Studio and others are left alone.',
      )
      .argument('<name>', 'as `freehold models` shows it')
      .option('-y, --yes', 'Do not ask.'),
    [],
    async ({ args, options, output, config }) => {
      const name = String(args[0]);
      const { values } = await config();
      const { findUsableModel, removeLocalModel } = await import('../../hub/models.ts');
      const model = await findUsableModel(name, values);
      // a model that is not here, or not ours, is refused below, with the reason, before anybody is asked
      if (model?.origin === 'freehold' && !options.yes) {
        if (!process.stdin.isTTY || !process.stdout.isTTY || output.json) {
          throw usageError(`Deleting ${model.name} needs a yes.`, `There is no terminal to ask on: add --yes.`);
        }
        const { confirm, isCancel } = await import('@clack/prompts');
        const { formatBytes } = await import('../../lib/units.ts');
        const answer = await confirm({
          message: `Delete ${oneLine(model.name)} (${formatBytes(model.sizeBytes)})?`,
          initialValue: false,
        });
        if (isCancel(answer) || !answer) {
          output.line('Nothing was deleted.');
          return;
        }
      }
      await removeLocalModel(name, values);
      const removed = model?.name ?? name;
      const fileStays = model?.origin === 'file';
      output.data({ removed, ...(fileStays ? { fileStays: model.file } : {}) });
      output.line(fileStays ? `${removed} is no longer listed; the file stays where it is.` : `Deleted ${removed}.`);
    },
  );
}
