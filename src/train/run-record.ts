// What a run writes down while it trains: a line for each step of metrics.jsonl, in which a validation joins the step that it
// follows, and samples.jsonl.
import { type MetricsLine, openLines } from './metrics.ts';
import type { RunFiles } from './run-directory.ts';
import type { RunSettings } from './run-settings.ts';
import type { TrainEvent } from './trainer.ts';

export interface RunRecord {
  /** @returns the line that was written, once nothing can join it any more. @throws FreeholdError disk_full, file_io */
  take(event: TrainEvent): Promise<MetricsLine | undefined>;
  close(): Promise<void>;
}

/** Long runs write every so many steps down. */
const mostLines = 10_000;

/**
 * @param options.lastStep what is written of steps behind it is taken away: they will be done again
 * @param options.deviceBytes memory that is not the process's
 * @throws FreeholdError disk_full, file_io
 */
export async function openRecord(
  files: RunFiles,
  { recipe }: RunSettings,
  options: { lastStep: number; gemmFlopsPerSecond: number; deviceBytes: number },
): Promise<RunRecord> {
  const metrics = await openLines(files.metrics, options.lastStep);
  const samples = await openLines(files.samples, options.lastStep);
  const every = Math.max(1, Math.ceil(recipe.steps / mostLines));
  let open: MetricsLine | undefined;
  let gemm = options.gemmFlopsPerSecond;
  const shareOfGemm = (flopsPerSecond: number) => {
    // other programs may have slowed the product down when it was measured
    gemm = Math.max(gemm, flopsPerSecond);
    return flopsPerSecond / gemm;
  };
  const at = () => new Date().toISOString();
  return {
    async take(event) {
      if (event.type === 'validation') {
        if (open) Object.assign(open, { validationLoss: event.result.loss, bitsPerByte: event.result.bitsPerByte });
        return undefined;
      }
      const done = open && (open.step % every === 0 || open.step === recipe.steps || open.bitsPerByte !== undefined);
      const line = done ? open : undefined;
      open = undefined;
      if (line) await metrics.write(line);
      if (event.type === 'sample')
        await samples.write({ step: event.progress.step, prompt: event.prompt, text: event.text, at: at() });
      if (event.type === 'step') {
        const { progress, facts } = event;
        open = {
          step: progress.step,
          tokens: progress.tokens,
          ...facts,
          gemmShare: shareOfGemm(facts.flopsPerSecond),
          memoryBytes: process.memoryUsage.rss() + options.deviceBytes,
          elapsedSeconds: progress.elapsedSeconds,
          at: at(),
        };
      }
      return line;
    },
    async close() {
      await metrics.close();
      await samples.close();
    },
  };
}
