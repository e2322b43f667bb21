// Opens GGUF files: reads and checks the header of one, and finds the parts of a model that was split into several.
// The format itself is in parse.ts; here are only files, names and what the operating system answers.
import type { FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { FreeholdError } from '../../lib/errors.ts';
import { openRegularFile } from '../../lib/regular-file.ts';
import type { ByteSource } from './byte-reader.ts';
import { metadataNumber } from './metadata.ts';
import { parseGguf, type ReadOptions } from './parse.ts';
import type { GgufFile } from './types.ts';

export type { ReadOptions } from './parse.ts';

/**
 * Reads and checks the header of a GGUF file.
 * @throws FreeholdError gguf_invalid with the field and the byte offset; file_not_found; file_io
 */
export async function readGguf(path: string, options: ReadOptions = {}): Promise<GgufFile> {
  let handle: FileHandle | undefined;
  try {
    handle = await openRegularFile(path);
    if (!handle) {
      throw new FreeholdError('gguf_invalid', `${path} is a folder, a pipe or a device, not a GGUF file.`, {
        hint: 'Name the .gguf file itself.',
      });
    }
    return await parseGguf(fileSource(handle, (await handle.stat()).size), options);
  } catch (error) {
    if (error instanceof FreeholdError) {
      if (error.code !== 'gguf_invalid' || error.message.startsWith(path)) throw error;
      throw new FreeholdError('gguf_invalid', `${path}: ${error.message}`, {
        ...(error.hint === undefined ? {} : { hint: error.hint }),
      });
    }
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ENOTDIR') {
      throw new FreeholdError('file_not_found', `There is no file ${path}.`, {
        hint: 'Check the spelling of its path.',
      });
    }
    if (code === undefined) throw error;
    throw new FreeholdError('file_io', `${path} cannot be read: ${code}.`, { cause: error });
  } finally {
    await handle?.close();
  }
}

/** The same for a file that is in memory. */
export function readGgufBytes(bytes: Uint8Array, options: ReadOptions = {}): Promise<GgufFile> {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return parseGguf(
    { sizeBytes: buffer.length, read: (offset, length) => Promise.resolve(buffer.subarray(offset, offset + length)) },
    options,
  );
}

function fileSource(handle: FileHandle, sizeBytes: number): ByteSource {
  return {
    sizeBytes,
    async read(offset, length) {
      const buffer = Buffer.allocUnsafe(length);
      let filled = 0;
      while (filled < length) {
        const { bytesRead } = await handle.read(buffer, filled, length - filled, offset + filled);
        if (bytesRead === 0) break;
        filled += bytesRead;
      }
      return buffer.subarray(0, filled);
    },
  };
}

const partName = /^(.*)-(\d{5})-of-(\d{5})\.gguf$/;

/**
 * The files of a model, in order: for `NAME-00001-of-00005.gguf` (or any other of the five) all five, for a file that
 * does not say that it was split itself, whatever its name. Each part is there, is valid, says so many parts and its own
 * place among them; no tensor is in two parts and none is missing.
 * @throws FreeholdError gguf_invalid; file_not_found naming the missing part; file_io
 */
export async function splitParts(file: string): Promise<string[]> {
  const count = metadataNumber(await readGguf(file, { maxArrayLength: 0 }), 'split.count') ?? 0;
  if (count <= 1) return [file];
  const match = partName.exec(path.basename(file));
  if (Number(match?.[3]) !== count) {
    throw splitError(
      file,
      `is one of ${count} parts, but its name does not end in -00001-of-${fiveDigits(count)}.gguf`,
    );
  }
  const files = Array.from({ length: count }, (_, index) =>
    path.join(path.dirname(file), `${match?.[1]}-${fiveDigits(index + 1)}-of-${match?.[3]}.gguf`),
  );
  await checkParts(files);
  return files;
}

/**
 * Checks that files, whatever their names, are the parts of one model, all of them and in order.
 * @throws FreeholdError gguf_invalid; file_not_found; file_io
 */
export async function checkParts(files: readonly string[]): Promise<void> {
  const seen = new Set<string>();
  let promised: number | undefined;
  for (const [index, part] of files.entries()) {
    const { tensors, metadata } = await readPart(part, index, files.length);
    promised ??= metadataNumber({ metadata }, 'split.tensors.count');
    for (const { name } of tensors) {
      if (seen.has(name)) throw splitError(part, `holds the tensor ${JSON.stringify(name)}, which an earlier part has`);
      seen.add(name);
    }
  }
  if (promised !== undefined && promised !== seen.size) {
    throw splitError(`${files[0]}`, `and its other parts hold ${seen.size} tensors together, expected ${promised}`);
  }
}

const fiveDigits = (number: number) => String(number).padStart(5, '0');

function splitError(file: string, message: string): FreeholdError {
  return new FreeholdError('gguf_invalid', `${file} ${message}.`, {
    hint: 'Put all parts of one download into one folder, under the names they had.',
  });
}

async function readPart(file: string, index: number, count: number): Promise<GgufFile> {
  const part = await readGguf(file, { maxArrayLength: 0 });
  const saidCount = metadataNumber(part, 'split.count') ?? 0;
  const saidIndex = metadataNumber(part, 'split.no') ?? 0;
  if (Math.max(saidCount, 1) !== count || saidIndex !== index) {
    const said = saidCount > 1 ? `part ${saidIndex + 1} of ${saidCount}` : 'not part of a split model';
    const expected = count > 1 ? `is named part ${index + 1} of ${count}` : 'is named as a model of one file';
    throw splitError(file, `${expected}, but inside it is ${said}`);
  }
  return part;
}
