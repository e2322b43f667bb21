// What a run writes down about itself: one JSON object a line, appended. A process that is killed may leave half a line, which
// is left out when the file is read and cut off when the run goes on; so are lines of steps that will be done again.
import { type FileHandle, open, readFile } from 'node:fs/promises';
import { z } from 'zod';
import { writeFileDurably } from '../hub/disk.ts';
import { isDiskFull } from '../lib/disk.ts';
import { FreeholdError } from '../lib/errors.ts';

/** A line of metrics.jsonl. Losses in nats a token. */
export const metricsLineSchema = z.object({
  step: z.number(),
  /** Tokens trained on so far. */
  tokens: z.number(),
  loss: z.number(),
  validationLoss: z.number().optional(),
  bitsPerByte: z.number().optional(),
  /** Of the matrices. */
  learningRate: z.number(),
  /** Of all parameters together, before clipping. */
  gradientNorm: z.number(),
  tokensPerSecond: z.number(),
  /** Floating-point operations that the model needs, recomputation not counted. */
  flopsPerSecond: z.number(),
  /** Those by the rate of the device's own matrix product. */
  gemmShare: z.number().optional(),
  memoryBytes: z.number(),
  /** Of this run, pauses not counted. */
  elapsedSeconds: z.number(),
  /** ISO 8601. */
  at: z.string(),
});

export type MetricsLine = z.infer<typeof metricsLineSchema>;

/** A line of samples.jsonl. */
export const sampleLineSchema = z.object({
  step: z.number(),
  prompt: z.string(),
  text: z.string(),
  at: z.string(),
});

export type SampleLine = z.infer<typeof sampleLineSchema>;

/**
 * The lines of a file, in order; none where there is no file. What is no such line is left out.
 * @throws FreeholdError file_io
 */
export async function readLines<Line>(file: string, schema: z.ZodType<Line>): Promise<Line[]> {
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw new FreeholdError('file_io', `${file} cannot be read.`, { cause: error });
  });
  return text.split('\n').flatMap((line) => {
    const parsed = schema.safeParse(parse(line));
    return parsed.success ? [parsed.data] : [];
  });
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

export interface LineWriter {
  /** @throws FreeholdError disk_full, file_io */
  write(line: object): Promise<void>;
  close(): Promise<void>;
}

/**
 * Opens a file of lines to append to, after taking away those of steps beyond `lastStep` and whatever is no line.
 * @throws FreeholdError disk_full, file_io
 */
export async function openLines(file: string, lastStep: number): Promise<LineWriter> {
  const kept = (await readLines(file, z.looseObject({ step: z.number() }))).filter(({ step }) => step <= lastStep);
  await writeFileDurably(file, kept.map((line) => `${JSON.stringify(line)}\n`).join(''));
  const handle: FileHandle = await open(file, 'a');
  return {
    async write(line) {
      await handle.appendFile(`${JSON.stringify(line)}\n`).catch((error: unknown) => {
        throw isDiskFull(error)
          ? new FreeholdError('disk_full', `The disk is full: ${file} cannot grow.`, { cause: error })
          : new FreeholdError('file_io', `Writing ${file} failed.`, { cause: error });
      });
    },
    close: () => handle.close(),
  };
}
