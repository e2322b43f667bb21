// Our GGUF reader and writer against libggml's reader. Only files that our reader lets through are given to libggml:
// that is the promise the model process relies on.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fixturePath } from '../scripts/make-fixture.ts';
import { readGguf } from '../src/formats/gguf/read.ts';
import { type GgufEntry, type GgufFile, ggmlTypeByName, ggmlTypes } from '../src/formats/gguf/types.ts';
import { ggufBytes, writeGguf } from '../src/formats/gguf/write.ts';
import { FreeholdError } from '../src/lib/errors.ts';
import { loadNative, type Native } from '../src/native/ffi.ts';
import { readNativeGguf } from '../src/native/gguf.ts';
import { contentArbitrary } from './support/gguf-content.ts';
import { joinFields, sampleFields } from './support/gguf-fields.ts';
import { flippedFiles } from './support/gguf-mutations.ts';
import { realModelFile } from './support/real-model.ts';

const native = ((): Native | undefined => {
  try {
    return loadNative({});
  } catch (error) {
    if (error instanceof FreeholdError && error.code === 'native_library_missing') return undefined;
    throw error;
  }
})();
const modelFile = await realModelFile();

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'gguf-libggml-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** Values as C sees them: strings end at a zero byte, 64-bit integers are compared as bigints. */
function comparable(type: string, value: unknown): unknown {
  if (type === 'string') return String(value).split('\0')[0];
  if (type === 'u64' || type === 'i64') return BigInt(value as number | bigint);
  return value;
}

function asCompared(entries: Iterable<{ key: string; type: string; elementType?: string; value: unknown }>) {
  return Array.from(entries, ({ key, type, elementType, value }) => ({
    key,
    type: elementType ?? type,
    value: elementType
      ? Array.from(value as unknown[], (one) => comparable(elementType, one))
      : comparable(type, value),
  }));
}

const flat = ([key, entry]: [string, GgufEntry]) => ({
  key,
  type: entry.type,
  ...(entry.type === 'array' ? { elementType: entry.elementType } : {}),
  value: entry.value,
});

function expectSame(ours: GgufFile, file: string): void {
  const theirs = readNativeGguf(native as Native, file);
  expect(theirs).toBeDefined();
  if (theirs === undefined) return;
  expect(asCompared(Array.from(ours.metadata, flat))).toEqual(asCompared(theirs.metadata));
  expect(
    ours.tensors.map(({ name, type, offset, sizeBytes }) => [name, ggmlTypeByName(type)?.id, offset, sizeBytes]),
  ).toEqual(theirs.tensors.map(({ name, typeId, offset, sizeBytes }) => [name, typeId, offset, sizeBytes]));
  expect([ours.version, ours.alignment, ours.dataOffset]).toEqual([
    theirs.version,
    theirs.alignment,
    theirs.dataOffset,
  ]);
}

describe.skipIf(!native)('needs the native libraries: libggml', () => {
  it('reads the same from what our writer writes', async () => {
    const file = path.join(folder, 'random.gguf');
    await fc.assert(
      fc.asyncProperty(contentArbitrary, async (content) => {
        await writeFile(file, await ggufBytes(content));
        expectSame(await readGguf(file), file);
      }),
      { numRuns: 200 },
    );
  });

  it('knows every tensor type by the same number, block and size', async () => {
    const file = path.join(folder, 'types.gguf');
    await writeGguf(file, {
      metadata: [],
      tensors: ggmlTypes.map(({ name, blockSize, blockBytes }) => ({
        name,
        shape: [blockSize, 3],
        type: name,
        data: new Uint8Array(blockBytes * 3),
      })),
    });
    expectSame(await readGguf(file), file);
  });

  it('reads the same from the fixture model', async () => {
    expectSame(await readGguf(fixturePath), fixturePath);
  });

  it('reads the same from every damaged file that our reader lets through', async () => {
    const file = path.join(folder, 'damaged.gguf');
    let letThrough = 0;
    for (const { bytes } of [{ bytes: joinFields(sampleFields()) }, ...flippedFiles(2000)]) {
      await writeFile(file, bytes);
      const ours = await readGguf(file).catch(() => undefined);
      if (ours === undefined) continue;
      letThrough += 1;
      expectSame(ours, file);
    }
    expect(letThrough).toBeGreaterThan(100);
  });
});

describe.skipIf(!native || !modelFile)('needs a real model: its header', () => {
  it('is read the same by libggml', async () => {
    expectSame(await readGguf(modelFile as string), modelFile as string);
  });

  it('written again by us is the same, byte for byte', async () => {
    const ours = await readGguf(modelFile as string);
    const original = (await readFile(modelFile as string)).subarray(0, ours.dataOffset);
    const zeros = (sizeBytes: number) =>
      function* () {
        for (let left = sizeBytes; left > 0; left -= 1 << 20) yield new Uint8Array(Math.min(left, 1 << 20));
      };
    const file = path.join(folder, 'again.gguf');
    await writeGguf(file, {
      metadata: ours.metadata,
      tensors: ours.tensors.map(({ name, shape, type, sizeBytes }) => ({ name, shape, type, data: zeros(sizeBytes) })),
    });
    expect((await readFile(file)).subarray(0, ours.dataOffset).equals(original)).toBe(true);
  });
});
