// Keeps what was measured (tuning.ts): one small file for each model on each machine, in the folder `tuning` of the home.
// What made a measurement what it is names the file, not the model's path: moved or copied, a model keeps its tuning,
// and another processor, library or quantisation measures anew. A file that is damaged or foreign counts as none.
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import path from 'node:path';
import { metadataNumber, metadataString } from '../../formats/gguf/metadata.ts';
import type { GgufFile } from '../../formats/gguf/types.ts';
import { cpuVariant } from '../../native/cpu.ts';
import { mainDevice } from '../../native/devices.ts';
import { libraryVersion, type Native } from '../../native/ffi.ts';
import type { Tuning } from './tuning.ts';

/** How long a measurement holds, in milliseconds: 30 days. Machines change in ways that no key tells. */
const holdsMs = 30 * 24 * 3_600_000;

/** What a measurement depends on. */
export interface TuningKey {
  processor: string;
  cores: number;
  /** Most threads; 0: one per core. */
  threads: number;
  /** Version of libllama, and the build of it for this processor. */
  library: string;
  /** Name and description of the device that computes. */
  device: string;
  architecture: string;
  /** Number of the quantisation as the file has it, `general.file_type`; -1 where it says nothing. */
  quantisation: number;
  sizeBytes: number;
}

/**
 * @param file the model's file, of a split one the first part
 * @param threads most threads, 0: one per core
 */
export function tuningKey(native: Native, gguf: GgufFile, file: string, threads: number): TuningKey {
  const device = mainDevice(native);
  return {
    processor: cpus()[0]?.model ?? '',
    cores: availableParallelism(),
    threads,
    library: [libraryVersion(native), cpuVariant()].filter(Boolean).join(' '),
    device: device ? `${device.name} ${device.description}` : '',
    architecture: metadataString(gguf, 'general.architecture') ?? '',
    quantisation: metadataNumber(gguf, 'general.file_type') ?? -1,
    sizeBytes: statSync(file).size,
  };
}

/**
 * What was measured in the last 30 days.
 * @param now milliseconds since 1970; replaced in tests
 * @returns undefined where nothing was, or what is there cannot be right
 */
export function readTuning(home: string, key: TuningKey, now = Date.now()): Tuning | undefined {
  try {
    const { key: keptKey, tuning, measuredAt } = JSON.parse(readFileSync(fileOf(home, key), 'utf8'));
    const fresh = Math.abs(now - Date.parse(measuredAt)) < holdsMs;
    return fresh && textOf(keptKey) === textOf(key) && isTuning(tuning, key.threads || key.cores) ? tuning : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Keeps a measurement; readers see it whole or not at all.
 * @throws the system's error when the file cannot be written
 */
export function writeTuning(home: string, key: TuningKey, tuning: Tuning): void {
  const file = fileOf(home, key);
  const temporary = `${file}.${process.pid}.tmp`;
  mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
  try {
    writeFileSync(temporary, `${JSON.stringify({ key, tuning, measuredAt: new Date().toISOString() }, null, 2)}\n`);
    renameSync(temporary, file);
  } finally {
    rmSync(temporary, { force: true });
  }
}

function fileOf(home: string, key: TuningKey): string {
  return path.join(home, 'tuning', `${createHash('sha256').update(textOf(key)).digest('hex').slice(0, 16)}.json`);
}

const textOf = (key: TuningKey): string => JSON.stringify(Object.entries(key).sort());

/** Numbers that libllama and the governor take; anything else would end the process. */
function isTuning(value: unknown, mostThreads: number): value is Tuning {
  if (typeof value !== 'object' || value === null) return false;
  const { threads, fewThreads, batchThreads, batchTokens, ubatchTokens } = value as Record<string, unknown>;
  const within = (given: unknown, least: number, most: number) =>
    Number.isInteger(given) && (given as number) >= least && (given as number) <= most;
  return (
    within(threads, 1, mostThreads) &&
    within(fewThreads, 1, mostThreads) &&
    within(batchThreads, 1, mostThreads) &&
    within(batchTokens, 256, 4096) &&
    within(ubatchTokens, 32, batchTokens as number)
  );
}
