// What a GGUF header says about a model, in the terms of the catalogue: kind, quantisation, parameters, context.
// Reads headers only, and remembers them as long as the file does not change.
import { stat } from 'node:fs/promises';
import { metadataNumber, metadataString } from '../formats/gguf/metadata.ts';
import { purposeOf } from '../formats/gguf/purpose.ts';
import { readGguf } from '../formats/gguf/read.ts';
import type { GgufFile } from '../formats/gguf/types.ts';
import { FreeholdError } from '../lib/errors.ts';
import { quantisationOfFileType, splitFileName } from './quantisation.ts';
import { partsOf } from './split.ts';
import type { LocalModel, ModelKind } from './types.ts';

/** The part of a LocalModel that its file tells. */
export type Description = Pick<
  LocalModel,
  'sizeBytes' | 'quantisation' | 'parameters' | 'contextTokens' | 'architecture' | 'kind'
>;

/** What a model is for. */
export const kindOf: (gguf: GgufFile) => ModelKind = purposeOf;

const remembered = new Map<string, { stamp: string; description: Description }>();

/**
 * Reads the headers of a model, all its parts when split.
 * @throws FreeholdError gguf_invalid, file_not_found, file_io; also when a part is missing
 */
export async function describeFile(file: string): Promise<Description> {
  const parts = partsOf(file);
  let sizeBytes = 0;
  let stamp = '';
  for (const part of parts) {
    const status = await stat(part).catch((cause: NodeJS.ErrnoException) => {
      const missing = cause.code === 'ENOENT' || cause.code === 'ENOTDIR';
      if (missing) throw new FreeholdError('file_not_found', `${part}: no such file.`, { cause });
      throw new FreeholdError('file_io', `${part} cannot be read (${cause.code}).`, { cause });
    });
    sizeBytes += status.size;
    stamp += `${status.size}:${status.mtimeMs}:${status.ino};`;
  }
  const known = remembered.get(file);
  if (known?.stamp === stamp) return known.description;
  const headers: GgufFile[] = [];
  for (const part of parts) headers.push(await readGguf(part, { maxArrayLength: 4096 }));
  const description = describe(headers, sizeBytes, file);
  remembered.set(file, { stamp, description });
  return description;
}

function describe(headers: GgufFile[], sizeBytes: number, file: string): Description {
  const first = headers[0];
  if (!first) throw new FreeholdError('gguf_invalid', `${file} has no parts.`);
  const architecture = metadataString(first, 'general.architecture');
  if (architecture === undefined) {
    throw new FreeholdError('gguf_invalid', `${file} is a GGUF file but names no architecture, so it is not a model.`);
  }
  if (metadataString(first, 'general.type') === 'mmproj' || architecture === 'clip') {
    throw new FreeholdError('gguf_invalid', `${file} is the image part of a model, not a model by itself.`);
  }
  const description: Description = { sizeBytes, architecture, kind: kindOf(first) };
  const fileType = metadataNumber(first, 'general.file_type');
  const quantisation =
    splitFileName(file).quantisation ?? (fileType === undefined ? undefined : quantisationOfFileType(fileType));
  if (quantisation) description.quantisation = quantisation;
  const parameters = headers
    .flatMap((header) => header.tensors)
    .reduce((total, tensor) => total + tensor.shape.reduce((size, extent) => size * extent, 1), 0);
  if (parameters > 0) description.parameters = parameters;
  const contextTokens = metadataNumber(first, `${architecture}.context_length`);
  if (contextTokens) description.contextTokens = contextTokens;
  return description;
}

/**
 * The header of a model as one: metadata of the first part, tensors of all. For fit checks and for looking inside;
 * tensor offsets are only meaningful within their own part.
 */
export async function readModelHeader(file: string): Promise<GgufFile> {
  const [first, ...rest] = partsOf(file);
  const header = await readGguf(first ?? file, { maxArrayLength: 4096 });
  for (const part of rest) {
    const more = await readGguf(part, { maxArrayLength: 4096 });
    header.tensors.push(...more.tensors);
    header.fileSizeBytes += more.fileSizeBytes;
  }
  return header;
}
