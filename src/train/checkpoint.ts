// A run at the end of a step, in one GGUF file: every state of the device in f32 (weights and what the optimizer remembers), and as
// metadata the frozen settings, the tokenizer and how far the run is. A run that goes on from it is the run that never stopped, to
// the bit. The file is there whole or not at all; the one before it stays until then.
import { createHash } from 'node:crypto';
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { metadataString } from '../formats/gguf/metadata.ts';
import { readGguf } from '../formats/gguf/read.ts';
import { readTensor } from '../formats/gguf/tensor-data.ts';
import { writeGguf } from '../formats/gguf/write.ts';
import { FreeholdError } from '../lib/errors.ts';
import type { Device } from '../tensor/device.ts';
import type { Shape } from '../tensor/tensor.ts';
import { checkSettings, type RunSettings } from './run-settings.ts';

const key = (name: string) => `freehold.checkpoint.${name}`;
const formatVersion = '1';

const losses = z.strictObject({ step: z.int().min(0), loss: z.number() });

export const progressSchema = z.strictObject({
  /** Steps done. */
  step: z.int().min(0),
  /** Tokens trained on. */
  tokens: z.int().min(0),
  /** Where the next batch begins. */
  position: z.strictObject({ epoch: z.int().min(0), row: z.int().min(0) }),
  /** Running mean of the training loss; null before the first step. */
  lossMean: z.number().nullable(),
  /** Steps in a row whose loss was far above it. */
  highLosses: z.int().min(0),
  lastValidation: losses.nullable(),
  bestValidation: losses.nullable(),
  elapsedSeconds: z.number().min(0),
});

/** How far a run is. */
export type Progress = z.infer<typeof progressSchema>;

export const startOfRun: Progress = {
  step: 0,
  tokens: 0,
  position: { epoch: 0, row: 0 },
  lossMean: null,
  highLosses: 0,
  lastValidation: null,
  bestValidation: null,
  elapsedSeconds: 0,
};

/** Sums of gradients are zero between steps, and in no checkpoint. */
const isKept = (name: string) => !name.startsWith('gradient/');

export interface CheckpointContent {
  settings: RunSettings;
  progress: Progress;
  /** JSON of the run's tokenizer. */
  tokenizer: string;
  /** Of the tokens that it was trained on. */
  fingerprint: string;
}

/** A checkpoint's header; its tensors stay in the file. */
export interface Checkpoint extends CheckpointContent {
  file: string;
  /** Row-major shapes by state name. */
  tensors: ReadonlyMap<string, Shape>;
  /** @throws FreeholdError gguf_invalid where there is no such tensor; file_io */
  read(name: string): Promise<Float32Array>;
  /** Of all tensors, one behind the other. */
  sha256: string;
}

/**
 * @throws FreeholdError training_diverged where a state is not finite: such a checkpoint is of use to nobody; disk_full, file_io
 */
export async function writeCheckpoint(file: string, device: Device, content: CheckpointContent): Promise<void> {
  await mkdir(path.dirname(file), { recursive: true });
  const states = [...device.states()].filter(([name]) => isKept(name));
  const text = (value: string) => ({ type: 'string', value }) as const;
  const hash = createHash('sha256');
  for (const [name] of states) hash.update(bytesOf(finite(name, device.read(name))));
  await writeGguf(file, {
    metadata: [
      ['general.architecture', text('freehold-checkpoint')],
      ['general.name', text(content.settings.name)],
      [key('version'), text(formatVersion)],
      [key('settings'), text(JSON.stringify(content.settings))],
      [key('progress'), text(JSON.stringify(content.progress))],
      [key('tokenizer'), text(content.tokenizer)],
      [key('fingerprint'), text(content.fingerprint)],
      [key('sha256'), text(hash.digest('hex'))],
    ],
    tensors: states.map(([name, { shape }]) => ({
      name,
      shape: [...shape].reverse(),
      type: 'f32',
      data: () => [bytesOf(device.read(name))],
    })),
  });
}

function finite(name: string, values: Float32Array): Float32Array {
  if (values.every(Number.isFinite)) return values;
  throw new FreeholdError('training_diverged', `${name} holds numbers that are not finite any more.`);
}

function bytesOf(values: Float32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

/**
 * Reads and checks the header.
 * @throws FreeholdError gguf_invalid, run_invalid, file_not_found, file_io
 */
export async function readCheckpoint(file: string): Promise<Checkpoint> {
  const gguf = await readGguf(file);
  const field = (name: string): string => {
    const value = metadataString(gguf, key(name));
    if (value === undefined) throw notOne(file, `it has no ${key(name)}`);
    return value;
  };
  const version = field('version');
  if (version !== formatVersion) throw notOne(file, `it is of version ${version}, expected ${formatVersion}`);
  const settings = checkSettings(parse(file, field('settings')), `The settings in ${file}`);
  const progress = progressSchema.safeParse(parse(file, field('progress')));
  if (!progress.success) throw notOne(file, 'it does not say how far the run was');
  return {
    file,
    settings,
    progress: progress.data,
    tokenizer: field('tokenizer'),
    fingerprint: field('fingerprint'),
    tensors: new Map(gguf.tensors.map(({ name, shape }) => [name, [...shape].reverse()])),
    read: (name) => readTensor(file, gguf, name),
    sha256: field('sha256'),
  };
}

/**
 * The latest checkpoint that is whole. Damaged ones after it get the ending `.damaged`, so that nothing takes them for its last.
 * @returns undefined where there is none at all
 * @throws FreeholdError gguf_invalid where there are some and none is whole: nothing is changed then
 */
export async function lastWholeCheckpoint(
  folder: string,
  onDamaged: (message: string) => void,
): Promise<Checkpoint | undefined> {
  const found = await listCheckpoints(folder);
  const damaged: string[] = [];
  let fault: FreeholdError | undefined;
  for (const { file } of found) {
    try {
      const checkpoint = await readCheckpoint(file);
      await verify(checkpoint);
      for (const each of damaged) await rename(each, `${each}.damaged`);
      return checkpoint;
    } catch (error) {
      if (!(error instanceof FreeholdError)) throw error;
      fault ??= error;
      damaged.push(file);
      onDamaged(error.message);
    }
  }
  if (!fault) return undefined;
  throw new FreeholdError('gguf_invalid', `No checkpoint in ${folder} is whole: ${fault.message}`, {
    cause: fault,
    hint: 'Put one back from a copy, or begin a new run.',
  });
}

/** @throws FreeholdError gguf_invalid where a tensor is not what was written */
async function verify(checkpoint: Checkpoint): Promise<void> {
  const hash = createHash('sha256');
  for (const name of checkpoint.tensors.keys()) hash.update(bytesOf(await checkpoint.read(name)));
  if (hash.digest('hex') !== checkpoint.sha256) throw notOne(checkpoint.file, 'its numbers are not those written');
}

/**
 * Puts a checkpoint's states on a device whose programs are compiled.
 * @throws FreeholdError gguf_invalid where the checkpoint lacks one or has it in another shape
 */
export async function restoreStates(checkpoint: Checkpoint, device: Device): Promise<void> {
  for (const [name, { shape }] of device.states()) {
    if (!isKept(name)) continue;
    const held = checkpoint.tensors.get(name);
    if (held?.join() !== [...shape].join())
      throw notOne(
        checkpoint.file,
        `its ${name} is (${held?.join(', ') ?? 'missing'}), expected (${shape.join(', ')})`,
      );
    device.write(name, await checkpoint.read(name));
  }
}

function parse(file: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw notOne(file, 'its metadata is not JSON');
  }
}

function notOne(file: string, fault: string): FreeholdError {
  return new FreeholdError('gguf_invalid', `${file} is no checkpoint of a run: ${fault}.`);
}

const fileName = /^step-(\d+)\.gguf$/;

export function checkpointName(step: number): string {
  return `step-${String(step).padStart(6, '0')}.gguf`;
}

/** Checkpoints of a folder, the latest first; none where there is no folder. */
export async function listCheckpoints(folder: string): Promise<{ step: number; file: string }[]> {
  const names = await readdir(folder).catch((): string[] => []);
  return names
    .flatMap((name) => {
      const match = fileName.exec(name);
      return match ? [{ step: Number(match[1]), file: path.join(folder, name) }] : [];
    })
    .sort((a, b) => b.step - a.step);
}

/**
 * Removes all but the latest few and the best, and what writes that were killed left behind.
 * @param keep.best step of the best one
 */
export async function removeOldCheckpoints(folder: string, keep: { last: number; best?: number }): Promise<void> {
  const found = await listCheckpoints(folder);
  for (const { step, file } of found.slice(keep.last)) if (step !== keep.best) await rm(file, { force: true });
  for (const name of await readdir(folder).catch((): string[] => []))
    if (/^\.step-\d+\.gguf\..*\.tmp$/.test(name)) await rm(path.join(folder, name), { force: true });
}
