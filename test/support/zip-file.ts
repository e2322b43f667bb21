// Writes small zip archives for tests, by hand and without compression tools: as the format says, nothing more.
import zlib from 'node:zlib';

export interface ZipInput {
  name: string;
  bytes: Buffer;
  method?: 0 | 8;
  /** To make damaged archives. */
  crc32?: number;
}

export function zipOf(inputs: ZipInput[], comment = ''): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const { name, bytes, method = 8, crc32 = zlib.crc32(bytes) } of inputs) {
    const packed = method === 8 ? zlib.deflateRawSync(bytes) : bytes;
    // an extra field in the local header only: readers must not take the directory's lengths for it
    const extra = Buffer.from([0xfe, 0xca, 4, 0, 1, 2, 3, 4]);
    const local = Buffer.alloc(30);
    local.writeUInt32LE(0x04034b50, 0);
    local.writeUInt16LE(20, 4);
    local.writeUInt16LE(method, 8);
    local.writeUInt32LE(crc32, 14);
    local.writeUInt32LE(packed.length, 18);
    local.writeUInt32LE(bytes.length, 22);
    local.writeUInt16LE(name.length, 26);
    local.writeUInt16LE(extra.length, 28);
    const entry = Buffer.alloc(46);
    entry.writeUInt32LE(0x02014b50, 0);
    local.copy(entry, 6, 4, 28);
    entry.writeUInt32LE(offset, 42);
    directory.push(entry, Buffer.from(name));
    const member = Buffer.concat([local, Buffer.from(name), extra, packed]);
    parts.push(member);
    offset += member.length;
  }
  const listing = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(inputs.length, 8);
  end.writeUInt16LE(inputs.length, 10);
  end.writeUInt32LE(listing.length, 12);
  end.writeUInt32LE(offset, 16);
  end.writeUInt16LE(comment.length, 20);
  return Buffer.concat([...parts, listing, end, Buffer.from(comment)]);
}
