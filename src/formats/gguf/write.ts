// Writes a GGUF file, version 3, little-endian: header, tensor table, then each tensor's data padded to the alignment.
// Tensor data may be produced piece by piece, so a model larger than memory can be written; the file appears under its
// name only when it is whole and on disk. What is written here, `readGguf` reads: the header is checked by it first.
import { randomBytes } from 'node:crypto';
import { type FileHandle, open, rename, unlink } from 'node:fs/promises';
import path from 'node:path';
import { isDiskFull, syncFolder } from '../../lib/disk.ts';
import { FreeholdError } from '../../lib/errors.ts';
import { ByteWriter, refuseToWrite } from './byte-writer.ts';
import { parseGguf } from './parse.ts';
import {
  alignUp,
  defaultAlignment,
  type GgmlTypeName,
  type GgufEntry,
  ggmlTypeByName,
  ggufMagic,
  ggufTypeIds,
  ggufTypeSizes,
  ggufVersion,
  maxAlignment,
  minAlignment,
  tensorSizeBytes,
} from './types.ts';

export interface TensorToWrite {
  /** At most 63 bytes of UTF-8, unique. */
  name: string;
  /** Elements along each dimension, 1 to 4 of them, fastest first (ggml's `ne`). */
  shape: readonly number[];
  type: GgmlTypeName;
  /** The bytes as ggml lays them out, or a function that produces them in order; called once. */
  data: Uint8Array | (() => Iterable<Uint8Array> | AsyncIterable<Uint8Array>);
}

export interface GgufContent {
  /** Written in this order. A Map of entries, such as `GgufFile.metadata`, will do. */
  metadata: Iterable<readonly [key: string, entry: GgufEntry]>;
  tensors: readonly TensorToWrite[];
  /**
   * Bytes, a power of two from 8 to 65,536. Default: what `general.alignment` in the metadata says, else 32. Any other
   * than 32 is written down as `general.alignment`.
   */
  alignment?: number;
}

/**
 * Writes a file under a temporary name beside `file`, flushes it to disk and renames it, replacing what was there.
 * When anything fails, nothing of it is left and what was there stays.
 * @throws FreeholdError gguf_invalid for content that cannot be written; disk_full; file_io
 */
export async function writeGguf(file: string, content: GgufContent): Promise<void> {
  const temporary = path.join(
    path.dirname(file),
    `.${path.basename(file)}.${process.pid}.${randomBytes(4).toString('hex')}.tmp`,
  );
  let handle: FileHandle | undefined;
  try {
    handle = await open(temporary, 'wx');
    for await (const bytes of ggufChunks(content)) await handle.writeFile(bytes);
    await handle.sync();
    await handle.close();
    await rename(temporary, file);
  } catch (error) {
    const opened = handle !== undefined;
    await handle?.close().catch(() => undefined);
    if (opened) await unlink(temporary).catch(() => undefined);
    throw asWriteError(error, file);
  }
  await syncFolder(path.dirname(file));
}

/** The whole file in memory, for small ones. */
export async function ggufBytes(content: GgufContent): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const bytes of ggufChunks(content)) chunks.push(bytes);
  return new Uint8Array(Buffer.concat(chunks));
}

function asWriteError(error: unknown, file: string): unknown {
  const code = (error as NodeJS.ErrnoException).code;
  if (error instanceof FreeholdError || typeof code !== 'string' || !/^E[A-Z0-9]+$/.test(code)) return error;
  if (isDiskFull(error)) {
    return new FreeholdError('disk_full', `There is no room left on the disk for ${file}.`, {
      cause: error,
      hint: 'Free some space, then try again; nothing was changed.',
    });
  }
  return new FreeholdError('file_io', `${file} cannot be written: ${code}.`, { cause: error });
}

async function* ggufChunks(content: GgufContent): AsyncGenerator<Uint8Array> {
  const { header, alignment, sizesBytes } = encodeHeader(content);
  const dataBytes = sizesBytes.reduce((sum, sizeBytes) => sum + alignUp(sizeBytes, alignment), 0);
  await checkHeader(header, header.length + dataBytes);
  yield header;
  for (const [index, { name, data }] of content.tensors.entries()) {
    const sizeBytes = sizesBytes[index] as number;
    let given = 0;
    for await (const piece of data instanceof Uint8Array ? [data] : data()) {
      given += piece.length;
      if (given > sizeBytes) break;
      yield piece;
    }
    if (given !== sizeBytes) {
      const amount = given > sizeBytes ? `at least ${given}` : `${given}`;
      refuseToWrite(`tensor "${name}" has ${amount} bytes of data, its shape and type take ${sizeBytes}`);
    }
    const padding = alignUp(sizeBytes, alignment) - sizeBytes;
    if (padding > 0) yield new Uint8Array(padding);
  }
}

/** Reads the header back, so that there is one set of rules. */
async function checkHeader(header: Buffer, sizeBytes: number): Promise<void> {
  const read = (offset: number, length: number) => {
    const bytes = Buffer.alloc(length);
    header.copy(bytes, 0, offset);
    return Promise.resolve(bytes);
  };
  await parseGguf({ sizeBytes, read }).catch((error: Error) => {
    if (!(error instanceof FreeholdError)) throw error;
    refuseToWrite(error.message.replace(/^Not a valid GGUF file: (.*) \(at byte \d+\)\.$/, '$1'));
  });
}

function encodeHeader({ metadata, tensors, alignment: asked }: GgufContent) {
  const entries = [...metadata];
  const noted = entries.find(([key]) => key === 'general.alignment')?.[1].value;
  const alignment = asked ?? (typeof noted === 'number' ? noted : defaultAlignment);
  if (!Number.isInteger(Math.log2(alignment)) || alignment < minAlignment || alignment > maxAlignment) {
    refuseToWrite(`the alignment is ${alignment}, expected a power of two from ${minAlignment} to ${maxAlignment}`);
  }
  if (noted === undefined && alignment !== defaultAlignment) {
    entries.push(['general.alignment', { type: 'u32', value: alignment }]);
  } else if (noted !== undefined && noted !== alignment) {
    refuseToWrite(`the alignment is ${alignment} but "general.alignment" says ${noted}`);
  }
  const out = new ByteWriter();
  out.raw(Buffer.from(ggufMagic));
  out.u32(ggufVersion);
  out.count(tensors.length);
  out.count(entries.length);
  for (const [key, entry] of entries) {
    out.string(key, 'a metadata key');
    encodeEntry(out, key, entry);
  }
  const sizesBytes: number[] = [];
  let offset = 0;
  for (const tensor of tensors) {
    const sizeBytes = encodeTensor(out, tensor, offset);
    sizesBytes.push(sizeBytes);
    offset += alignUp(sizeBytes, alignment);
  }
  if (tensors.length > 0) out.pad(alignment);
  return { header: out.bytes, alignment, sizesBytes };
}

function encodeEntry(out: ByteWriter, key: string, entry: GgufEntry): void {
  out.u32(ggufTypeIds[entry.type]);
  if (entry.type !== 'array') {
    out.scalar(entry, `"${key}"`);
    return;
  }
  const { elementType, length, value, lossy } = entry;
  if (value === undefined) refuseToWrite(`the values of "${key}" were left out when it was read`);
  if (lossy) refuseToWrite(`"${key}" lost bytes that are not UTF-8 when it was read`);
  if (value.length !== length) refuseToWrite(`"${key}" has ${value.length} elements but says ${length}`);
  out.u32(ggufTypeIds[elementType]);
  out.count(length);
  if (elementType === 'string') {
    for (const text of value as string[]) out.string(text, `an element of "${key}"`);
  } else if (elementType === 'bool') {
    out.raw(Uint8Array.from(value as boolean[], Number));
  } else {
    const { buffer, byteOffset, byteLength } = value as Exclude<typeof value, string[] | boolean[]>;
    if (byteLength !== length * ggufTypeSizes[elementType]) refuseToWrite(`"${key}" is no array of ${elementType}`);
    out.raw(new Uint8Array(buffer, byteOffset, byteLength));
  }
}

function encodeTensor(out: ByteWriter, { name, shape, type, data }: TensorToWrite, offset: number): number {
  const known = ggmlTypeByName(type);
  if (known === undefined) refuseToWrite(`tensor "${name}" is of the unknown type ${type}`);
  const sizeBytes = tensorSizeBytes(shape, known);
  if (sizeBytes === undefined) {
    refuseToWrite(
      `tensor "${name}" has the shape [${shape.join(', ')}], expected 1 to 4 dimensions of at least 1, the first a multiple of ${known.blockSize}`,
    );
  }
  if (data instanceof Uint8Array && data.length !== sizeBytes) {
    refuseToWrite(`tensor "${name}" has ${data.length} bytes of data, its shape and type take ${sizeBytes}`);
  }
  out.string(name, 'a tensor name');
  out.u32(shape.length);
  for (const extent of shape) out.count(extent);
  out.u32(known.id);
  out.count(offset);
  return sizeBytes;
}
