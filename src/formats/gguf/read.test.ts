import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { joinFields, sampleFields, u32, withField } from '../../../test/support/gguf-fields.ts';
import {
  arrayEntry,
  metadataBoolean,
  metadataNumber,
  metadataNumbers,
  metadataString,
  metadataStrings,
} from './metadata.ts';
import { readGguf, readGgufBytes, splitParts } from './read.ts';
import type { GgufEntry, GgufMetadata } from './types.ts';
import { type GgufContent, ggufBytes, type TensorToWrite, writeGguf } from './write.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'gguf-read-'));
});
afterEach(() => rm(folder, { recursive: true }));

const tensor = (name: string): TensorToWrite => ({ name, shape: [2], type: 'f32', data: new Uint8Array(8) });
const fields = sampleFields();
const fieldAt = (what: string) => {
  const index = fields.findIndex((field) => field.what === what);
  return index >= 0 ? index : expect.fail(`no field ${what}`);
};

describe('a file that is no GGUF', () => {
  const hintFor = async (start: string) => {
    const file = path.join(folder, 'model.gguf');
    await writeFile(file, start.padEnd(100));
    const error = await readGguf(file).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code: 'gguf_invalid', message: expect.stringContaining(file) });
    return (error as { hint?: string }).hint;
  };

  it('is refused with what it probably is', async () => {
    expect(await hintFor('version https://git-lfs.github.com/spec/v1')).toMatch(/Git LFS pointer/);
    expect(await hintFor('<!doctype html>')).toMatch(/web page/);
    expect(await hintFor('PK\u0003\u0004')).toMatch(/zip archive/);
    expect(await hintFor('tjgg')).toMatch(/older than GGUF/);
    expect(await hintFor('anything')).toMatch(/download it again/);
  });

  it('may be empty, a folder, or not there at all', async () => {
    const empty = path.join(folder, 'empty.gguf');
    await writeFile(empty, '');
    await expect(readGguf(empty)).rejects.toMatchObject({ code: 'gguf_invalid' });
    await expect(readGguf(folder)).rejects.toMatchObject({ code: 'gguf_invalid', message: /is a folder/ });
    await expect(readGguf(path.join(folder, 'none'))).rejects.toMatchObject({ code: 'file_not_found' });
    await expect(readGguf(path.join(empty, 'none'))).rejects.toMatchObject({ code: 'file_not_found' });
  });
});

describe('versions', () => {
  it('2 and 3 are read', async () => {
    const version2 = withField(fields, fieldAt('version'), u32(2));
    expect(await readGgufBytes(version2)).toEqual({ ...(await readGgufBytes(joinFields(fields))), version: 2 });
  });

  it('1 and big-endian files are refused by name', async () => {
    await expect(readGgufBytes(withField(fields, fieldAt('version'), u32(1)))).rejects.toThrow(/version 1/);
    const bigEndian = Buffer.from(u32(3)).reverse();
    await expect(readGgufBytes(withField(fields, fieldAt('version'), bigEndian))).rejects.toThrow(/big-endian/);
  });
});

describe('arrays', () => {
  it('longer than asked for are checked but left out', async () => {
    const long: [string, GgufEntry][] = [
      ['a.strings', arrayEntry('string', ['x', 'y', 'z'])],
      ['tokenizer.tokens', arrayEntry('string', ['x', 'y', 'z'])],
      ['a.numbers', arrayEntry('f32', new Float32Array(3))],
      ['a.bools', arrayEntry('bool', [true, false, true])],
      ['short', arrayEntry('u8', new Uint8Array([1, 2]))],
      ['last', { type: 'u8', value: 7 }],
    ];
    const bytes = await ggufBytes({ metadata: long, tensors: [tensor('t')] });
    const file = await readGgufBytes(bytes, { maxArrayLength: 2 });
    const whole = await readGgufBytes(bytes);
    expect([...whole.metadata]).toEqual(long);
    for (const [key, entry] of long.slice(0, 4)) {
      const { value, ...rest } = entry;
      expect(file.metadata.get(key)).toEqual(rest);
    }
    expect([...file.metadata].slice(4)).toEqual(long.slice(4));
    expect(file.tensors).toEqual(whole.tensors);

    const damaged = withField(fields, fieldAt('sample.f[1]'), Buffer.alloc(6, 0xff));
    await expect(readGgufBytes(damaged, { maxArrayLength: 0 })).rejects.toThrow(/not valid UTF-8/);
    const badBool = withField(fields, fieldAt('sample.d'), Buffer.from([0, 1, 2]));
    await expect(readGgufBytes(badBool, { maxArrayLength: 0 })).rejects.toThrow(/bool of value 2/);
  });

  it('of tokens may hold pieces of characters, which are marked', async () => {
    const file = await readGgufBytes(withField(fields, fieldAt('token 0'), Buffer.from([0xe2, 0x96, 0x61])));
    expect(file.metadata.get('tokenizer.ggml.tokens')).toMatchObject({ value: ['\ufffda'], lossy: true });
    const intact = await readGgufBytes(withField(fields, fieldAt('token 0'), Buffer.from('\ufffd')));
    expect(intact.metadata.get('tokenizer.ggml.tokens')).toEqual(arrayEntry('string', ['\ufffd']));
  });

  it('are read whole across the chunks a file is read in', async () => {
    const words = Array.from({ length: 60_000 }, (_, index) => `${'wörd '.repeat(index % 12)}${index}`);
    const numbers = Float64Array.from(words, (_, index) => index / 3);
    const file = path.join(folder, 'large.gguf');
    const metadata: [string, GgufEntry][] = [
      ['words', arrayEntry('string', words)],
      ['numbers', arrayEntry('f64', numbers)],
      ['long', { type: 'string', value: 'é'.repeat(1_500_000) }],
      ['last', { type: 'bool', value: true }],
    ];
    await writeGguf(file, { metadata, tensors: [tensor('t')] });
    const { metadata: read, fileSizeBytes } = await readGguf(file);
    expect(fileSizeBytes).toBeGreaterThan(5 * 2 ** 20);
    expect(metadataStrings({ metadata: read }, 'words')).toEqual(words);
    expect(read.get('numbers')).toEqual(metadata[1]?.[1]);
    expect(metadataString({ metadata: read }, 'long')).toBe(metadata[2]?.[1].value);
    expect(metadataBoolean({ metadata: read }, 'last')).toBe(true);
    expect([...(await readGguf(file, { maxArrayLength: 0 })).metadata.keys()]).toEqual([...read.keys()]);
  });
});

describe('alignment', () => {
  it('must be a u32, a power of two and from 8 to 65536', async () => {
    const withAlignment = (entry: GgufEntry): GgufContent => ({
      metadata: [['general.alignment', entry]],
      tensors: [],
    });
    await expect(ggufBytes(withAlignment({ type: 'i32', value: 64 }))).rejects.toThrow(/expected u32/);
    await expect(ggufBytes(withAlignment({ type: 'u32', value: 24 }))).rejects.toThrow(/power of two/);
    const smallest = Buffer.from(await ggufBytes(withAlignment({ type: 'u32', value: 8 })));
    expect((await readGgufBytes(smallest)).alignment).toBe(8);
    // with padding of gigabytes after every tensor a small file would be a large one
    await expect(ggufBytes(withAlignment({ type: 'u32', value: 2 ** 31 }))).rejects.toThrow(/power of two/);
    smallest.writeUInt32LE(2 ** 31, smallest.indexOf('general.alignment') + 'general.alignment'.length + 4);
    await expect(readGgufBytes(smallest)).rejects.toThrow(/is 2147483648, expected a power of two from 8 to 65536/);
  });

  it('of the header is counted in the size of the file', async () => {
    const whole = joinFields(fields);
    const { dataOffset } = await readGgufBytes(whole);
    expect(dataOffset % 64).toBe(0);
    await expect(readGgufBytes(whole.subarray(0, dataOffset))).rejects.toThrow(/the file at/);
  });

  it('leaves a file without tensors without padding', async () => {
    const bytes = await ggufBytes({ metadata: [['a', { type: 'u8', value: 1 }]], tensors: [] });
    expect(bytes).toHaveLength(24 + 8 + 1 + 4 + 1);
    expect((await readGgufBytes(bytes)).tensors).toEqual([]);
  });
});

describe('bytes after the last tensor', () => {
  const whole = joinFields(fields);
  const headerOnly = async () => ggufBytes({ metadata: [['a', { type: 'u8', value: 1 }]], tensors: [] });

  it('are let through where they may be padding, as libggml does', async () => {
    for (const bytes of [whole, await headerOnly()]) {
      const { tensors } = await readGgufBytes(bytes);
      for (const more of [1, 1000, 1 << 20]) {
        expect((await readGgufBytes(Buffer.concat([bytes, Buffer.alloc(more)]))).tensors).toEqual(tensors);
      }
    }
  });

  it('are refused where they are more than that: a sparse file costs nothing to make and is read to its end', async () => {
    const file = path.join(folder, 'sparse.gguf');
    for (const bytes of [whole, await headerOnly()]) {
      await writeFile(file, bytes);
      await truncate(file, 1e12);
      await expect(readGguf(file)).rejects.toMatchObject({
        code: 'gguf_invalid',
        message: expect.stringMatching(/its last tensor ends here, and the file is 1000000000000 bytes long/),
      });
    }
  });

  it('may be missing where they are padding of the last tensor', async () => {
    const { tensors, dataOffset, alignment } = await readGgufBytes(whole);
    const last = tensors.at(-1) as (typeof tensors)[number];
    const end = dataOffset + last.offset + last.sizeBytes;
    expect(end % alignment).not.toBe(0);
    expect((await readGgufBytes(whole.subarray(0, end))).tensors).toHaveLength(3);
  });
});

describe('looking values up', () => {
  const metadata: GgufMetadata = new Map<string, GgufEntry>([
    ['text', { type: 'string', value: 'a' }],
    ['number', { type: 'f32', value: 0.5 }],
    ['large', { type: 'u64', value: 2n ** 60n }],
    ['flag', { type: 'bool', value: false }],
    ['texts', arrayEntry('string', ['a'])],
    ['numbers', arrayEntry('i64', new BigInt64Array([-3n]))],
    ['left-out', { type: 'array', elementType: 'string', length: 5 }],
  ]);

  it('answers undefined for what is absent or of another kind', () => {
    const file = { metadata };
    expect(metadataString(file, 'text')).toBe('a');
    expect(metadataString(file, 'number')).toBeUndefined();
    expect(metadataString(file, 'none')).toBeUndefined();
    expect(metadataNumber(file, 'number')).toBe(0.5);
    expect(metadataNumber(file, 'large')).toBeUndefined();
    expect(metadataNumber(file, 'flag')).toBeUndefined();
    expect(metadataBoolean(file, 'flag')).toBe(false);
    expect(metadataBoolean(file, 'text')).toBeUndefined();
    expect(metadataStrings(file, 'texts')).toEqual(['a']);
    expect(metadataStrings(file, 'left-out')).toBeUndefined();
    expect(metadataStrings(file, 'numbers')).toBeUndefined();
    expect(metadataNumbers(file, 'numbers')).toEqual([-3]);
    expect(metadataNumbers(file, 'texts')).toBeUndefined();
  });
});

describe('a model in several parts', () => {
  const part = (index: number, count: number, tensors: string[], total = 3): GgufContent => ({
    metadata: [
      ['split.no', { type: 'u16', value: index }],
      ['split.count', { type: 'u16', value: count }],
      ['split.tensors.count', { type: 'i32', value: total }],
    ],
    tensors: tensors.map(tensor),
  });
  const named = (number: number, count = 3) => path.join(folder, `m-0000${number}-of-0000${count}.gguf`);
  const writeThree = async (third: GgufContent = part(2, 3, ['c'])) => {
    await writeGguf(named(1), part(0, 3, ['a']));
    await writeGguf(named(2), part(1, 3, ['b']));
    await writeGguf(named(3), third);
  };

  it('is found from any of them, in order', async () => {
    await writeThree();
    const all = [named(1), named(2), named(3)];
    expect(await splitParts(named(1))).toEqual(all);
    expect(await splitParts(named(3))).toEqual(all);
  });

  it('is one file when that file does not say it was split', async () => {
    for (const name of ['whole.gguf', 'odd-00001-of-00002.gguf']) {
      const file = path.join(folder, name);
      await writeGguf(file, { metadata: [], tensors: [tensor('a')] });
      expect(await splitParts(file)).toEqual([file]);
    }
  });

  it('is refused when a part is missing, damaged or called otherwise', async () => {
    await writeThree();
    await rm(named(2));
    await expect(splitParts(named(1))).rejects.toMatchObject({
      code: 'file_not_found',
      message: expect.stringContaining(named(2)),
    });
    await writeFile(named(2), 'GGUF');
    await expect(splitParts(named(1))).rejects.toMatchObject({ code: 'gguf_invalid' });
    await writeGguf(named(2), { metadata: [], tensors: [tensor('b')] });
    await expect(splitParts(named(1))).rejects.toThrow(/not part of a split model/);
    const renamed = path.join(folder, 'renamed.gguf');
    await writeGguf(renamed, part(0, 3, ['a']));
    await expect(splitParts(renamed)).rejects.toThrow(/one of 3 parts/);
  });

  it('is refused when the parts do not belong together', async () => {
    await writeThree(part(1, 3, ['c']));
    await expect(splitParts(named(1))).rejects.toThrow(/named part 3 of 3, but inside it is part 2 of 3/);
    await writeThree(part(2, 4, ['c']));
    await expect(splitParts(named(1))).rejects.toThrow(/inside it is part 3 of 4/);
    await writeThree(part(2, 3, ['a']));
    await expect(splitParts(named(1))).rejects.toThrow(/"a", which an earlier part has/);
    await writeThree(part(2, 3, ['c', 'd']));
    await expect(splitParts(named(1))).rejects.toThrow(/4 tensors together, expected 3/);
  });
});
