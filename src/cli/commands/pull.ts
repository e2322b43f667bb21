// `freehold pull REFERENCE`: fetches a model, with a bar; what broke off resumes. Without a reference it shows the
// catalogue. The work is hub's; here it is only shown.
import type { Command } from 'commander';
import type { LocalModel } from '../../hub/types.ts';
import type { Config } from '../../lib/config.ts';
import { type CommonOptions, finish } from '../command.ts';
import type { Output } from '../output.ts';
import { createProgressPrinter } from '../progress.ts';
import { showCatalogue } from './models.ts';

export function addPull(program: Command): void {
  finish<CommonOptions>(
    program
      .command('pull')
      .summary('fetch a model')
      .description('Fetches a model: checks that it will fit, resumes what broke off, verifies what arrived.')
      .argument('[reference]', 'catalogue name, hf:owner/repo[:quant], URL or .gguf file; nothing: show the catalogue')
      .addHelpText(
        'after',
        `
Examples:
  freehold pull qwen3-0.6b
  freehold pull hf:bartowski/Llama-3.2-3B-Instruct-GGUF:Q4_K_M
  freehold pull ./my-model.gguf`,
      ),
    ['force', 'device', 'hubEndpoint'],
    async ({ args, output, config }) => {
      const { values } = await config();
      const reference = args[0] as string | undefined;
      if (reference === undefined) return showCatalogue(values, output);
      const stop = new AbortController();
      const interrupt = () => stop.abort();
      process.once('SIGINT', interrupt);
      process.once('SIGTERM', interrupt);
      try {
        const model = await pullShown(reference, values, output, stop.signal);
        output.data({ type: 'done', model });
        const [{ formatBytes }, { findInCatalogue }] = await Promise.all([
          import('../../lib/units.ts'),
          import('../../hub/catalogue.ts'),
        ]);
        const entry = findInCatalogue(reference);
        const facts = [
          formatBytes(model.sizeBytes),
          model.quantisation,
          entry && `${entry.publisher}, ${entry.licence}`,
        ];
        output.line(
          `${output.style.accent('✓')} ${output.style.bold(model.name)} is here ${output.style.dim(`(${facts.filter(Boolean).join(', ')})`)}`,
        );
        if (model.kind === undefined || model.kind === 'chat') output.line(`  Talk to it: freehold chat ${model.name}`);
        else if (model.kind === 'embedding')
          output.line(`  Turn text into vectors: POST /v1/embeddings, "model": "${model.name}"`);
        else if (model.kind === 'rerank') output.line(`  Score documents: POST /v1/rerank, "model": "${model.name}"`);
        else output.note(`  Note: this release does not serve ${model.kind} models yet; a later one will.`);
      } finally {
        process.off('SIGINT', interrupt);
        process.off('SIGTERM', interrupt);
      }
    },
  );
}

/**
 * Pulls with the progress on show.
 * @param indent before the updating line
 * @throws what pullModel throws; `cancelled` says how to go on
 */
export async function pullShown(
  reference: string,
  config: Config,
  output: Output,
  signal: AbortSignal,
  indent = '',
): Promise<LocalModel> {
  const [{ pullModel }, { FreeholdError }, { modelMemory }] = await Promise.all([
    import('../../hub/pull.ts'),
    import('../../lib/errors.ts'),
    import('../device-memory.ts'),
  ]);
  const memory = await modelMemory(config);
  const printer = createProgressPrinter(reference, output, { json: output.json, indent });
  try {
    return await pullModel(reference, {
      config,
      signal,
      force: config.force,
      onProgress: printer.update,
      ...(memory ? { memory } : {}),
    });
  } catch (error) {
    if (!signal.aborted) throw error;
    throw new FreeholdError('cancelled', `Stopped pulling ${reference}.`, {
      hint: `\`freehold pull ${reference}\` goes on from where it stopped, if the source allows that.`,
      cause: error,
    });
  } finally {
    printer.end();
  }
}
