// Parses the header of a GGUF file: metadata and tensor table, never tensor data. Every count, length, type, offset and
// alignment is checked against the size of the file before anything is allocated for it; what libggml refuses is refused
// here too, so native code only ever sees files that passed. Knows the format, not what any key means to a model.
// Stricter than libggml: text must be UTF-8 (see `mayBeLossy`), bools 0 or 1, dimensions and alignment as the
// specification says, header and counts within bounds that keep the cost of a hostile file small.
import { ByteReader, type ByteSource, refuse } from './byte-reader.ts';
import {
  alignUp,
  defaultAlignment,
  type GgufArrayEntry,
  type GgufFile,
  type GgufMetadata,
  type GgufScalarEntry,
  type GgufScalarType,
  type GgufTensor,
  type GgufType,
  ggmlTypeById,
  ggufMagic,
  ggufTypeNames,
  ggufTypeSizes,
  maxAlignment,
  maxDimensions,
  maxKeyBytes,
  maxNameBytes,
  minAlignment,
  retiredGgmlTypes,
  tensorSizeBytes,
} from './types.ts';

/** Bounds on a header, several times what the largest known model needs. */
const limits = {
  headerBytes: 64 << 20,
  keys: 1 << 14,
  tensors: 1 << 16,
  stringBytes: 16 << 20,
  arrayStrings: 1 << 22,
  arrayBytes: 32 << 20,
};

export interface ReadOptions {
  /** Arrays with more elements than this are checked but their values are not kept. Default: all are kept. */
  maxArrayLength?: number;
}

/**
 * Reads and checks a header from any source of bytes. Asks for the header only, so a source that has no more than that
 * will do when it says the size of the whole file.
 * @throws FreeholdError gguf_invalid with the field and the byte offset
 */
export async function parseGguf(source: ByteSource, options: ReadOptions = {}): Promise<GgufFile> {
  const reader = new ByteReader(source, limits.headerBytes);
  const version = await readVersion(reader);
  const tensorCount = await readCount(reader, 'the number of tensors', limits.tensors, 33);
  const keyCount = await readCount(reader, 'the number of metadata keys', limits.keys, 14);
  const metadata: GgufMetadata = new Map();
  for (let index = 0; index < keyCount; index++) await readEntry(reader, metadata, index, options);
  const alignment = alignmentOf(metadata, reader.offset);
  const tensors: GgufTensor[] = [];
  const names = new Set<string>();
  for (let index = 0; index < tensorCount; index++) tensors.push(await readTensor(reader, names, index));
  const dataOffset = tensorCount === 0 ? reader.offset : alignUp(reader.offset, alignment);
  checkLayout(tensors, dataOffset, alignment, reader.sizeBytes);
  return { version, alignment, metadata, tensors, dataOffset, fileSizeBytes: reader.sizeBytes };
}

async function readVersion(reader: ByteReader): Promise<2 | 3> {
  if (reader.sizeBytes < 24) {
    refuse(
      0,
      `it is ${reader.sizeBytes} bytes long, a header alone takes 24`,
      hintForContent(await firstBytes(reader)),
    );
  }
  await reader.need(24, 'the header');
  const magic = reader.take(4).toString('latin1');
  if (magic !== ggufMagic) {
    refuse(0, `it begins with ${JSON.stringify(magic)}, expected "GGUF"`, hintForContent(magic));
  }
  const version = reader.takeU32();
  if ((version & 0xffff) === 0 && version !== 0) {
    refuse(
      4,
      'its numbers are big-endian',
      'Get the little-endian file of this model; the big-endian one is for IBM Z.',
    );
  }
  if (version === 1) {
    refuse(
      4,
      'it is of version 1, expected 2 or 3',
      'Version 1 was in use for a few days in 2023; get a current file.',
    );
  }
  if (version !== 2 && version !== 3) refuse(4, `it is of version ${version}, expected 2 or 3`);
  return version;
}

async function firstBytes(reader: ByteReader): Promise<string> {
  const length = Math.min(4, reader.sizeBytes);
  await reader.need(length, 'the header');
  return reader.take(length).toString('latin1');
}

/** What people point at a GGUF reader by mistake. */
function hintForContent(magic: string): string | undefined {
  if (magic === 'vers') return 'This is a Git LFS pointer, not the model; download the file itself.';
  if (magic.startsWith('<')) return 'This is a web page, not a model; the address leads to a page or an error.';
  if (magic.startsWith('PK')) return 'This is a zip archive; unpack it, or give a .gguf file.';
  if (['lmgg', 'fmgg', 'tjgg', 'ggml', 'algg'].includes(magic)) {
    return 'This is a model of a format older than GGUF; get the GGUF of it.';
  }
  return undefined;
}

async function readCount(reader: ByteReader, what: string, most: number, leastBytes: number): Promise<number> {
  const start = reader.offset;
  const count = await reader.count(what);
  if (count * leastBytes > reader.remaining) {
    refuse(start, `${what} is ${count}, more than fit into the ${reader.sizeBytes} bytes of the file`);
  }
  if (count > most) refuse(start, `${what} is ${count}, more than the ${most} that any known model has`);
  return count;
}

async function readEntry(reader: ByteReader, metadata: GgufMetadata, index: number, options: ReadOptions) {
  const start = reader.offset;
  const key = await reader.string(`metadata key ${index}`, maxKeyBytes);
  if (key === '') refuse(start, `metadata key ${index} is empty`);
  if (key.includes('\0')) refuse(start, `metadata key ${index} holds a zero byte`);
  if (metadata.has(key)) refuse(start, `the metadata key "${shown(key)}" occurs twice`);
  const type = await readType(reader, `the type of "${shown(key)}"`);
  metadata.set(key, type === 'array' ? await readArray(reader, key, options) : await readScalar(reader, key, type));
}

/** A key or name as it stands in a message: control characters escaped, at most 80 characters. */
function shown(text: string): string {
  const escaped = JSON.stringify(text).slice(1, -1);
  return escaped.length > 80 ? `${escaped.slice(0, 77)}…` : escaped;
}

async function readType(reader: ByteReader, what: string): Promise<GgufType> {
  const start = reader.offset;
  const id = await reader.u32(what);
  return ggufTypeNames[id] ?? refuse(start, `${what} is ${id}, expected 0 to ${ggufTypeNames.length - 1}`);
}

async function readScalar(reader: ByteReader, key: string, type: GgufScalarType): Promise<GgufScalarEntry> {
  const what = `"${shown(key)}"`;
  if (type === 'string') return { type, value: await reader.string(what, limits.stringBytes) };
  await reader.need(ggufTypeSizes[type], what);
  const start = reader.offset;
  const bytes = reader.take(ggufTypeSizes[type]);
  switch (type) {
    case 'u8':
      return { type, value: bytes.readUInt8() };
    case 'i8':
      return { type, value: bytes.readInt8() };
    case 'u16':
      return { type, value: bytes.readUInt16LE() };
    case 'i16':
      return { type, value: bytes.readInt16LE() };
    case 'u32':
      return { type, value: bytes.readUInt32LE() };
    case 'i32':
      return { type, value: bytes.readInt32LE() };
    case 'f32':
      return { type, value: bytes.readFloatLE() };
    case 'f64':
      return { type, value: bytes.readDoubleLE() };
    case 'u64':
      return { type, value: exactNumber(bytes.readBigUInt64LE()) };
    case 'i64':
      return { type, value: exactNumber(bytes.readBigInt64LE()) };
    case 'bool':
      checkBools(bytes, start, what);
      return { type, value: bytes[0] === 1 };
    default:
      return type satisfies never;
  }
}

function exactNumber(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

function checkBools(bytes: Buffer, start: number, what: string): void {
  const wrong = bytes.findIndex((byte) => byte > 1);
  if (wrong >= 0) refuse(start + wrong, `${what} is a bool of value ${bytes[wrong]}, expected 0 or 1`);
}

async function readArray(reader: ByteReader, key: string, options: ReadOptions): Promise<GgufArrayEntry> {
  const what = `"${shown(key)}"`;
  const typeAt = reader.offset;
  const elementType = await readType(reader, `the element type of ${what}`);
  if (elementType === 'array') refuse(typeAt, `${what} is an array of arrays, which no reader takes`);
  const start = reader.offset;
  const length = await reader.count(`the length of ${what}`);
  const leastBytes = length * (elementType === 'string' ? 8 : ggufTypeSizes[elementType]);
  if (leastBytes > reader.remaining) {
    refuse(start, `${what} has ${length} elements, more than fit into the ${reader.remaining} bytes left of the file`);
  }
  if (elementType === 'string' ? length > limits.arrayStrings : leastBytes > limits.arrayBytes) {
    refuse(start, `${what} has ${length} elements, more than any known model`);
  }
  const keep = length <= (options.maxArrayLength ?? Number.POSITIVE_INFINITY);
  if (elementType === 'string') return readStrings(reader, key, length, keep);
  if (!keep && elementType !== 'bool') {
    await reader.skip(leastBytes, what);
    return { type: 'array', elementType, length } as GgufArrayEntry;
  }
  await reader.need(leastBytes, what);
  const bytesAt = reader.offset;
  const bytes = reader.take(leastBytes);
  if (elementType === 'bool') {
    checkBools(bytes, bytesAt, what);
    return { type: 'array', elementType, length, ...(keep ? { value: Array.from(bytes, (byte) => byte === 1) } : {}) };
  }
  return { type: 'array', elementType, length, value: typedArrayOf[elementType](bytes) } as GgufArrayEntry;
}

/** A copy of little-endian bytes as a typed array; every platform Node runs models on is little-endian. */
const typedArrayOf = {
  u8: (bytes: Buffer) => new Uint8Array(bytes),
  i8: (bytes: Buffer) => new Int8Array(new Uint8Array(bytes).buffer),
  u16: (bytes: Buffer) => new Uint16Array(new Uint8Array(bytes).buffer),
  i16: (bytes: Buffer) => new Int16Array(new Uint8Array(bytes).buffer),
  u32: (bytes: Buffer) => new Uint32Array(new Uint8Array(bytes).buffer),
  i32: (bytes: Buffer) => new Int32Array(new Uint8Array(bytes).buffer),
  f32: (bytes: Buffer) => new Float32Array(new Uint8Array(bytes).buffer),
  u64: (bytes: Buffer) => new BigUint64Array(new Uint8Array(bytes).buffer),
  i64: (bytes: Buffer) => new BigInt64Array(new Uint8Array(bytes).buffer),
  f64: (bytes: Buffer) => new Float64Array(new Uint8Array(bytes).buffer),
};

/**
 * Vocabularies may hold pieces of characters: byte strings that are no text by themselves. libggml takes them, so such
 * models are in use. All other text must be valid UTF-8.
 */
function mayBeLossy(key: string): boolean {
  return key.startsWith('tokenizer.');
}

/** Stays synchronous inside a chunk: a vocabulary has 150,000 strings and more. */
async function readStrings(reader: ByteReader, key: string, length: number, keep: boolean): Promise<GgufArrayEntry> {
  const value: string[] = [];
  let lossy = false;
  for (let index = 0; index < length; index++) {
    if (!reader.buffered(8)) await reader.need(8, `the length of "${shown(key)}"[${index}]`);
    const sizeBytes = reader.takeCount();
    if (!reader.buffered(sizeBytes)) {
      if (sizeBytes > limits.stringBytes) {
        refuse(reader.offset - 8, `"${shown(key)}"[${index}] is ${sizeBytes} bytes long, which no string is`);
      }
      await reader.need(sizeBytes, `"${shown(key)}"[${index}]`);
    }
    if (!keep && mayBeLossy(key)) {
      reader.advance(sizeBytes);
      continue;
    }
    let text = reader.takeText(sizeBytes);
    if (text === undefined) {
      if (!mayBeLossy(key)) refuse(reader.offset, `"${shown(key)}"[${index}] is not valid UTF-8`);
      text = reader.take(sizeBytes).toString('utf8');
      lossy = true;
    }
    if (keep) value.push(text);
  }
  return { type: 'array', elementType: 'string', length, ...(keep ? { value } : {}), ...(lossy ? { lossy } : {}) };
}

function alignmentOf(metadata: GgufMetadata, offset: number): number {
  const entry = metadata.get('general.alignment');
  if (entry === undefined) return defaultAlignment;
  if (entry.type !== 'u32') refuse(offset, `"general.alignment" is of type ${entry.type}, expected u32`);
  const alignment = entry.value;
  if (alignment < minAlignment || alignment > maxAlignment || !Number.isInteger(Math.log2(alignment))) {
    refuse(
      offset,
      `"general.alignment" is ${alignment}, expected a power of two from ${minAlignment} to ${maxAlignment}`,
    );
  }
  return alignment;
}

async function readTensor(reader: ByteReader, names: Set<string>, index: number): Promise<GgufTensor> {
  const start = reader.offset;
  const name = await reader.string(`the name of tensor ${index}`, maxNameBytes - 1);
  if (name === '' || name.includes('\0')) refuse(start, `the name of tensor ${index} is empty or holds a zero byte`);
  if (names.has(name)) refuse(start, `the tensor "${shown(name)}" occurs twice`);
  names.add(name);
  const what = `tensor "${shown(name)}"`;
  const dimensionsAt = reader.offset;
  const dimensions = await reader.u32(`the number of dimensions of ${what}`);
  if (dimensions < 1 || dimensions > maxDimensions) {
    refuse(dimensionsAt, `${what} has ${dimensions} dimensions, expected 1 to ${maxDimensions}`);
  }
  const shape: number[] = [];
  for (let dimension = 0; dimension < dimensions; dimension++) shape.push(await reader.count(`the shape of ${what}`));
  const typeAt = reader.offset;
  const typeId = await reader.u32(`the type of ${what}`);
  const type = ggmlTypeById(typeId);
  if (type === undefined) {
    const retired = retiredGgmlTypes.get(typeId);
    if (retired === undefined)
      refuse(typeAt, `${what} is of the unknown type ${typeId}`, 'A newer Freehold may know it.');
    refuse(typeAt, `${what} is of the retired type ${retired}`, 'Get a current file of this model; q4_0 replaces it.');
  }
  const sizeBytes = tensorSizeBytes(shape, type);
  if (sizeBytes === undefined) {
    const [first] = shape as [number];
    refuse(
      dimensionsAt + 4,
      first >= 1 && first % type.blockSize !== 0
        ? `${what} has rows of ${first} elements, not a multiple of the ${type.blockSize} of a ${type.name} block`
        : `${what} has the shape [${shape.join(', ')}], expected dimensions of at least 1 and less than 2^53 bytes`,
    );
  }
  const offset = await reader.count(`the offset of ${what}`);
  return { name, shape, type: type.name, offset, sizeBytes };
}

/**
 * Bytes that may follow the last tensor and its padding. libggml ignores what follows, and writers pad as they like (to a
 * page, to a block) or append a signature, so some is let through. More is no model: a sparse file of a terabyte costs
 * nothing to make, and whoever maps or checks it reads it to its end.
 */
const mostTrailingBytes = 1 << 20;

/** Data must follow the header tensor by tensor, each padded to the alignment: libggml takes nothing else. */
function checkLayout(tensors: readonly GgufTensor[], dataOffset: number, alignment: number, fileSizeBytes: number) {
  let expected = 0;
  for (const { name, offset, sizeBytes } of tensors) {
    if (offset !== expected) {
      const fault =
        offset % alignment !== 0 ? 'is not aligned' : offset < expected ? 'overlaps another' : 'leaves a gap before it';
      refuse(dataOffset, `tensor "${shown(name)}" ${fault}: its offset is ${offset}, expected ${expected}`);
    }
    if (dataOffset + offset + sizeBytes > fileSizeBytes) {
      refuse(
        dataOffset,
        `tensor "${shown(name)}" ends at byte ${dataOffset + offset + sizeBytes}, the file at ${fileSizeBytes}`,
        'The file is incomplete; download it again.',
      );
    }
    expected = offset + alignUp(sizeBytes, alignment);
  }
  const end = dataOffset + expected;
  if (fileSizeBytes - end > mostTrailingBytes) {
    refuse(end, `its last tensor ends here, and the file is ${fileSizeBytes} bytes long`);
  }
}
