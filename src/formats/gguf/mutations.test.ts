// Damaged files: each is refused with a coded error, cheaply, and never with any other error.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { joinFields, sampleFields } from '../../../test/support/gguf-fields.ts';
import { flippedFiles, invalidFiles, type Mutation } from '../../../test/support/gguf-mutations.ts';
import { FreeholdError } from '../../lib/errors.ts';
import { arrayEntry } from './metadata.ts';
import { parseGguf } from './parse.ts';
import { readGguf, readGgufBytes } from './read.ts';
import type { GgufFile } from './types.ts';
import { ggufBytes } from './write.ts';

interface Outcome extends Mutation {
  file?: GgufFile;
  error?: unknown;
  /** Bytes the reader asked its source for. */
  askedBytes: number;
  /** Processor time, not time of day: a busy machine does not fail the test. */
  cpuSeconds: number;
  /** Growth of the process's memory. */
  grownBytes: number;
}

async function tryToRead(mutation: Mutation): Promise<Outcome> {
  const outcome: Outcome = { ...mutation, askedBytes: 0, cpuSeconds: 0, grownBytes: 0 };
  const memoryBefore = process.memoryUsage.rss();
  const cpuBefore = process.cpuUsage();
  const read = (offset: number, length: number) => {
    outcome.askedBytes += length;
    return Promise.resolve(mutation.bytes.subarray(offset, offset + length));
  };
  try {
    outcome.file = await parseGguf({ sizeBytes: mutation.bytes.length, read });
  } catch (error) {
    outcome.error = error;
  }
  const { user, system } = process.cpuUsage(cpuBefore);
  outcome.cpuSeconds = (user + system) / 1e6;
  outcome.grownBytes = process.memoryUsage.rss() - memoryBefore;
  return outcome;
}

function expectCheap(outcomes: readonly Outcome[]): void {
  const costly = outcomes.filter(
    ({ askedBytes, bytes, cpuSeconds, grownBytes }) =>
      askedBytes > bytes.length || cpuSeconds > 1 || grownBytes > 200 * 2 ** 20,
  );
  expect(costly.map(({ what }) => what)).toEqual([]);
}

describe('the file the damage is done to', () => {
  const sample = joinFields(sampleFields());

  it('is valid', async () => {
    const file = await readGgufBytes(sample);
    expect(file.metadata.get('general.architecture')).toEqual({ type: 'string', value: 'llamaé' });
    expect(file.metadata.get('sample.a')).toEqual({ type: 'u64', value: 2n ** 63n });
    expect(file.metadata.get('sample.d')).toEqual(arrayEntry('bool', [false, true, true]));
    expect(file.metadata.get('sample.e')).toEqual(arrayEntry('i32', new Int32Array([7, -1])));
    expect(file.tensors).toEqual([
      { name: 'first', shape: [8, 3], type: 'f32', offset: 0, sizeBytes: 96 },
      { name: 'second', shape: [32, 2], type: 'q8_0', offset: 128, sizeBytes: 68 },
      { name: 'third', shape: [3, 1, 2], type: 'f16', offset: 256, sizeBytes: 12 },
    ]);
  });

  it('is what our writer makes of the same content, up to the padding of the last tensor', async () => {
    const { metadata, tensors, dataOffset } = await readGgufBytes(sample);
    const written = await ggufBytes({
      metadata,
      tensors: tensors.map(({ offset, sizeBytes, ...tensor }) => ({
        ...tensor,
        data: sample.subarray(dataOffset + offset, dataOffset + offset + sizeBytes),
      })),
    });
    expect(Buffer.from(written).subarray(0, sample.length).equals(sample)).toBe(true);
    expect(written.length - sample.length).toBe(64 - 12);
  });
});

describe('damaged files', () => {
  it('are each refused as gguf_invalid, with the place, and cheaply', async () => {
    const mutations = invalidFiles();
    expect(mutations.length).toBeGreaterThanOrEqual(500);
    const outcomes: Outcome[] = [];
    for (const mutation of mutations) outcomes.push(await tryToRead(mutation));
    expect(outcomes.filter(({ file }) => file).map(({ what }) => what)).toEqual([]);
    const uncoded = outcomes.filter(
      ({ error }) =>
        !(error instanceof FreeholdError && error.code === 'gguf_invalid' && /\(at byte \d+\)/.test(error.message)),
    );
    expect(uncoded.map(({ what, error }) => [what, error])).toEqual([]);
    expectCheap(outcomes);
  });

  it('are refused the same way from the disk', async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'gguf-damaged-'));
    try {
      const file = path.join(folder, 'damaged.gguf');
      for (const { bytes } of invalidFiles().filter((_, index) => index % 20 === 0)) {
        await writeFile(file, bytes);
        const fromMemory = (await readGgufBytes(bytes).catch((error: unknown) => error)) as FreeholdError;
        await expect(readGguf(file)).rejects.toMatchObject({
          code: 'gguf_invalid',
          message: `${file}: ${fromMemory.message}`,
        });
      }
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('with random flipped bits are refused the same way, or still valid in every respect', async () => {
    const outcomes: Outcome[] = [];
    for (const mutation of flippedFiles(2000)) outcomes.push(await tryToRead(mutation));
    const refused = outcomes.filter(({ error }) => error);
    expect(refused.filter(({ error }) => !(error instanceof FreeholdError && error.code === 'gguf_invalid'))).toEqual(
      [],
    );
    expect(refused.length).toBeGreaterThan(500);
    expect(refused.length).toBeLessThan(2000);
    for (const { file, bytes } of outcomes) {
      if (!file) continue;
      const end = Math.max(...file.tensors.map(({ offset, sizeBytes }) => file.dataOffset + offset + sizeBytes));
      expect(end).toBeLessThanOrEqual(bytes.length);
    }
    expectCheap(outcomes);
  });
});

describe('a large file full of nonsense', () => {
  const terabyte = 2 ** 40;
  /** A source that says it is a terabyte and is all zeros after its first bytes; counts what it is asked for. */
  const sparse = (start: Buffer) => {
    const source = {
      sizeBytes: terabyte,
      askedBytes: 0,
      read: (offset: number, length: number) => {
        source.askedBytes += length;
        const bytes = Buffer.alloc(length);
        if (offset < start.length) start.copy(bytes, 0, offset);
        return Promise.resolve(bytes);
      },
    };
    return source;
  };
  const fields = sampleFields();
  const upTo = (what: string, bytes: Buffer) => {
    const index = fields.findIndex((field) => field.what === what);
    return Buffer.concat([joinFields(fields.slice(0, index)), bytes]);
  };
  const count = Buffer.alloc(8);
  count.writeBigUInt64LE(2n ** 33n);
  it.each(['number of tensors', 'number of keys', 'length of sample.d', 'length of sample.e', 'length of sample.f'])(
    'costs no more than a small one when %s is 2^33',
    async (what) => {
      const source = sparse(upTo(what, count));
      await expect(parseGguf(source)).rejects.toMatchObject({ code: 'gguf_invalid' });
      expect(source.askedBytes).toBeLessThanOrEqual(2 ** 20);
    },
  );

  it('costs no more when a string is 2^33 bytes long', async () => {
    const source = sparse(upTo('length of sample.f[0]', count));
    await expect(parseGguf(source)).rejects.toMatchObject({ code: 'gguf_invalid' });
    expect(source.askedBytes).toBeLessThanOrEqual(2 ** 20);
  });
});
