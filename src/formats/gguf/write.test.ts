import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { contentArbitrary, dataOf } from '../../../test/support/gguf-content.ts';
import { arrayEntry } from './metadata.ts';
import { readGguf, readGgufBytes } from './read.ts';
import type { GgufEntry } from './types.ts';
import { type GgufContent, ggufBytes, writeGguf } from './write.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'gguf-write-'));
});
afterEach(() => rm(folder, { recursive: true }));

const only = (key: string, entry: GgufEntry): GgufContent => ({ metadata: [[key, entry]], tensors: [] });
const refused = (message: RegExp) =>
  expect.objectContaining({ code: 'gguf_invalid', message: expect.stringMatching(message) });

describe('what is written', () => {
  it('is read back equal, whatever the metadata and the tensors', async () => {
    await fc.assert(
      fc.asyncProperty(contentArbitrary, async (content) => {
        const bytes = await ggufBytes(content);
        const file = await readGgufBytes(bytes);
        expect(file.version).toBe(3);
        expect(file.fileSizeBytes).toBe(bytes.length);
        const metadata = [...file.metadata].filter(([key]) => key !== 'general.alignment');
        expect(metadata).toEqual([...content.metadata].filter(([key]) => key !== 'general.alignment'));
        expect(file.alignment).toBe(content.alignment ?? 32);
        expect(file.tensors.map(({ name, shape, type }) => ({ name, shape, type }))).toEqual(
          content.tensors.map(({ name, shape, type }) => ({ name, shape, type })),
        );
        for (const [index, { offset, sizeBytes }] of file.tensors.entries()) {
          expect((file.dataOffset + offset) % file.alignment).toBe(0);
          const start = file.dataOffset + offset;
          const expected = await dataOf(content.tensors[index]!);
          expect(Buffer.from(bytes.subarray(start, start + sizeBytes)).equals(expected)).toBe(true);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('is the same on disk and in memory', async () => {
    await fc.assert(
      fc.asyncProperty(contentArbitrary, async (content) => {
        const file = path.join(folder, 'a.gguf');
        await writeGguf(file, content);
        expect(Buffer.from(await ggufBytes(content)).equals(await readFile(file))).toBe(true);
        expect(await readGguf(file)).toEqual(await readGgufBytes(await ggufBytes(content)));
      }),
      { numRuns: 25 },
    );
  });

  it('can be written again from what was read', async () => {
    const content = only('a', arrayEntry('u64', new BigUint64Array([1n, 2n ** 64n - 1n])));
    const first = await ggufBytes(content);
    expect(await ggufBytes({ metadata: (await readGgufBytes(first)).metadata, tensors: [] })).toEqual(first);
  });

  it('keeps 64-bit integers exact: plain numbers within 2^53, bigints beyond', async () => {
    const readBack = async (type: 'u64' | 'i64', value: number | bigint) =>
      (await readGgufBytes(await ggufBytes(only('n', { type, value })))).metadata.get('n')?.value;
    expect(await readBack('u64', 2n ** 64n - 1n)).toBe(2n ** 64n - 1n);
    expect(await readBack('i64', -(2n ** 63n))).toBe(-(2n ** 63n));
    expect(await readBack('u64', 5n)).toBe(5);
    expect(await readBack('u64', Number.MAX_SAFE_INTEGER)).toBe(Number.MAX_SAFE_INTEGER);
    expect(await readBack('u64', 2n ** 53n)).toBe(2n ** 53n);
    expect(await readBack('i64', -1)).toBe(-1);
  });

  it('notes an alignment other than 32 in the metadata, once', async () => {
    const metadata: [string, GgufEntry][] = [['general.alignment', { type: 'u32', value: 128 }]];
    for (const content of [
      { metadata: [], tensors: [], alignment: 128 },
      { metadata, tensors: [] },
      { metadata, tensors: [], alignment: 128 },
    ]) {
      const file = await readGgufBytes(await ggufBytes(content));
      expect(file.alignment).toBe(128);
      expect([...file.metadata.keys()]).toEqual(['general.alignment']);
    }
  });
});

describe('what cannot be written', () => {
  const tensor = { name: 't', shape: [4], type: 'f32' as const, data: new Uint8Array(16) };
  const cases: [string, GgufContent, RegExp][] = [
    ['a number beyond its type', only('n', { type: 'u8', value: 256 }), /"n" is 256, expected 0 to 255/],
    ['a negative unsigned number', only('n', { type: 'u64', value: -1n }), /"n" is -1/],
    ['a broken number', only('n', { type: 'i32', value: 1.5 }), /"n" is 1.5, expected a whole number/],
    ['a rounded 64-bit number', only('n', { type: 'u64', value: 2 ** 60 }), /has to be a bigint/],
    ['half a surrogate pair', only('s', { type: 'string', value: '\ud83d' }), /"s" holds half of a surrogate pair/],
    ['half a surrogate pair in an array', only('s', arrayEntry('string', ['a', '\udc00'])), /surrogate/],
    ['an empty key', only('', { type: 'i32', value: 1 }), /key 0 is empty/],
    ['an array that was left out', only('a', { type: 'array', elementType: 'u8', length: 9 }), /left out/],
    [
      'an array that lost bytes',
      only('a', { type: 'array', elementType: 'string', length: 1, value: ['\ufffd'], lossy: true }),
      /lost bytes/,
    ],
    [
      'an array of another length',
      only('a', { type: 'array', elementType: 'bool', length: 2, value: [true] }),
      /1 elements but says 2/,
    ],
    [
      'a key twice',
      {
        metadata: [
          ['a', { type: 'u8', value: 1 }],
          ['a', { type: 'u8', value: 2 }],
        ],
        tensors: [],
      },
      /"a" occurs twice/,
    ],
    ['a tensor name twice', { metadata: [], tensors: [tensor, tensor] }, /"t" occurs twice/],
    ['a long tensor name', { metadata: [], tensors: [{ ...tensor, name: 'n'.repeat(64) }] }, /at most 63/],
    ['no dimension', { metadata: [], tensors: [{ ...tensor, shape: [] }] }, /the shape \[\]/],
    ['a partial block', { metadata: [], tensors: [{ ...tensor, type: 'q8_0' }] }, /a multiple of 32/],
    [
      'too few bytes',
      { metadata: [], tensors: [{ ...tensor, data: new Uint8Array(15) }] },
      /has 15 bytes of data, its shape and type take 16/,
    ],
    [
      'too few produced bytes',
      { metadata: [], tensors: [{ ...tensor, data: () => [new Uint8Array(15)] }] },
      /has 15 bytes/,
    ],
    [
      'too many produced bytes',
      { metadata: [], tensors: [{ ...tensor, data: () => [new Uint8Array(16), new Uint8Array(1)] }] },
      /has at least 17 bytes/,
    ],
    ['an alignment that is no power of two', { metadata: [], tensors: [], alignment: 48 }, /alignment is 48/],
    [
      'two alignments',
      { metadata: [['general.alignment', { type: 'u32', value: 64 }]], tensors: [], alignment: 32 },
      /says 64/,
    ],
    [
      'an alignment of a wrong type',
      only('general.alignment', { type: 'u64', value: 64 }),
      /of type u64, expected u32/,
    ],
  ];
  it.each(cases)('%s', async (_, content, message) => {
    await expect(ggufBytes(content)).rejects.toEqual(refused(message));
    const file = path.join(folder, 'a.gguf');
    await writeFile(file, 'what was there');
    await expect(writeGguf(file, content)).rejects.toEqual(refused(message));
    expect(await readdir(folder)).toEqual(['a.gguf']);
    expect(await readFile(file, 'utf8')).toBe('what was there');
  });
});

describe('writing a file', () => {
  it('leaves nothing behind when the data cannot be produced', async () => {
    const broken = new Error('no more weights');
    const data = function* () {
      yield new Uint8Array(8);
      throw broken;
    };
    const content: GgufContent = { metadata: [], tensors: [{ name: 't', shape: [4], type: 'f32', data }] };
    await expect(writeGguf(path.join(folder, 'a.gguf'), content)).rejects.toBe(broken);
    expect(await readdir(folder)).toEqual([]);
  });

  it('takes data piece by piece from an asynchronous source', async () => {
    const data = async function* () {
      for (let piece = 0; piece < 4; piece++) yield new Uint8Array(4).fill(piece);
    };
    const file = path.join(folder, 'a.gguf');
    await writeGguf(file, { metadata: [], tensors: [{ name: 't', shape: [4], type: 'f32', data }] });
    const { dataOffset } = await readGguf(file);
    expect((await readFile(file)).subarray(dataOffset, dataOffset + 16).toString('hex')).toBe(
      '00000000010101010202020203030303',
    );
  });

  it('says so when the folder is not there', async () => {
    const written = writeGguf(path.join(folder, 'none', 'a.gguf'), { metadata: [], tensors: [] });
    await expect(written).rejects.toMatchObject({ code: 'file_io' });
  });
});
