// From what a run learned to a file that serves: one GGUF with weights of the wanted type, tokenizer, template and end token, written
// whole or not at all. Plain types are written here; quantised ones are made by libllama from a plain file beside it.
import { randomBytes } from 'node:crypto';
import { open, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import type { FloatTypeName } from '../formats/gguf/floats.ts';
import { metadataString } from '../formats/gguf/metadata.ts';
import { readGguf } from '../formats/gguf/read.ts';
import { readTensor } from '../formats/gguf/tensor-data.ts';
import { writeGguf } from '../formats/gguf/write.ts';
import { syncFolder } from '../lib/disk.ts';
import { FreeholdError } from '../lib/errors.ts';
import { type MetadataEntries, modelGguf, readModelConfig } from '../models/gguf.ts';
import type { ModelConfig } from '../models/model.ts';
import { quantise } from '../native/quantize.ts';
import { tokenizerToGguf } from '../tokenizer/gguf.ts';
import { tokenizerFromJson } from '../tokenizer/tokenizer-file.ts';
import { readCheckpoint } from './checkpoint.ts';

const plainTypes = ['f32', 'f16', 'bf16'] as const satisfies readonly FloatTypeName[];

/** Types of matrices that a model can be exported with, largest first. */
export const exportTypes = [...plainTypes, 'q8_0', 'q4_0', 'q4_K_M'] as const;
export type ExportType = (typeof exportTypes)[number];

/** A model that can be read parameter by parameter. */
export interface ExportSource {
  name: string;
  config: ModelConfig;
  /** `tokenizer.*` of GGUF. */
  tokenizer: MetadataEntries;
  /** Values of a parameter, row-major. */
  read(name: string): Promise<Float32Array>;
}

export interface ExportOptions {
  /** A checkpoint of a run, a GGUF with weights of a plain type, or what holds a model some other way. */
  source: string | ExportSource;
  out: string;
  /** Default f16 */
  type?: ExportType;
  /** `general.name`; default that of the source. */
  name?: string;
  /** Default: that of the tokenizer, else one that continues a text. */
  chatTemplate?: string;
  /** Replaces a file that is there. Default false. */
  overwrite?: boolean;
  /** Directory of the native libraries, for quantised types. */
  libDir?: string;
}

/**
 * @returns bytes of the file
 * @throws FreeholdError invalid_request when `out` is there already; gguf_invalid or unsupported for a source that holds no model of
 * ours; file_not_found, disk_full, file_io, model_failed
 */
export async function exportModel(options: ExportOptions): Promise<{ sizeBytes: number }> {
  const { out, type = 'f16', overwrite = false } = options;
  const source = typeof options.source === 'string' ? await openExportSource(options.source) : options.source;
  const there = await stat(out).catch(() => undefined);
  if (there && (!overwrite || !there.isFile()))
    throw new FreeholdError('invalid_request', `${out} is there already.`, {
      hint: there.isFile() ? 'Name another file, or pass --overwrite.' : 'Name a file, not a folder.',
    });
  const content = (plain: FloatTypeName) =>
    modelGguf(
      source.config,
      {
        name: options.name ?? source.name,
        type: plain,
        tokenizer: source.tokenizer,
        ...(options.chatTemplate !== undefined && { chatTemplate: options.chatTemplate }),
      },
      (name) => source.read(name),
    );
  if (isPlain(type)) await writeGguf(out, content(type));
  else await writeQuantised(out, type, options.libDir, (file) => writeGguf(file, content('f32')));
  return { sizeBytes: (await stat(out)).size };
}

const isPlain = (type: ExportType): type is FloatTypeName => plainTypes.some((plain) => plain === type);

/** Both files lie beside the one that is wanted, so that there is room on its disk, and are gone when anything fails. */
async function writeQuantised(
  out: string,
  type: Exclude<ExportType, FloatTypeName>,
  libDir: string | undefined,
  writePlain: (file: string) => Promise<void>,
): Promise<void> {
  const stem = path.join(path.dirname(out), `.${path.basename(out)}.${process.pid}.${randomBytes(4).toString('hex')}`);
  const [plain, quantised] = [`${stem}.f32.tmp`, `${stem}.tmp`];
  try {
    await writePlain(plain);
    await quantise({ from: plain, to: quantised, type, ...(libDir !== undefined && { libDir }) });
    const handle = await open(quantised, 'r+');
    await handle.sync().finally(() => handle.close());
    await rename(quantised, out);
  } finally {
    await rm(plain, { force: true });
    await rm(quantised, { force: true });
  }
  await syncFolder(path.dirname(out));
}

/**
 * A checkpoint of a run, or a GGUF of an architecture that we train, with weights of a plain type.
 * @throws FreeholdError file_not_found, gguf_invalid, unsupported, file_io
 */
export async function openExportSource(file: string): Promise<ExportSource> {
  const gguf = await readGguf(file);
  const architecture = metadataString(gguf, 'general.architecture');
  if (architecture === 'freehold-checkpoint') {
    const checkpoint = await readCheckpoint(file);
    return {
      name: checkpoint.settings.name,
      config: checkpoint.settings.recipe.model,
      tokenizer: tokenizerToGguf(tokenizerFromJson(checkpoint.tokenizer, `The tokenizer in ${file}`)),
      read: (name) => checkpoint.read(name),
    };
  }
  return {
    name: metadataString(gguf, 'general.name') ?? path.basename(file, '.gguf'),
    config: readModelConfig(gguf),
    tokenizer: [...gguf.metadata].filter(([key]) => key.startsWith('tokenizer.')),
    read: (name) => readTensor(file, gguf, name),
  };
}
