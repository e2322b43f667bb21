import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { bytesTokenizer } from '../tokenizer/tokenizer.ts';
import { findTextFiles } from './corpus.ts';
import { isPool, openPool, PoolWriter } from './pool.ts';
import { bytesOfTokens, tokeniseCorpus } from './tokenise.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'freehold-pool-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

async function write(documents: readonly number[][], vocab: number): Promise<string> {
  const pool = path.join(folder, `pool-${vocab}`);
  const writer = await PoolWriter.create(pool, { vocab, tokenizer: 'none', origin: 'here' });
  for (const ids of documents) {
    // a document may come in pieces
    await writer.add(ids.slice(0, 2), 2);
    await writer.add(ids.slice(2), ids.length - 2);
    await writer.endDocument();
  }
  expect(await isPool(pool)).toBe(false);
  await writer.finish();
  expect(await isPool(pool)).toBe(true);
  return pool;
}

const documents = [[1, 2, 3], Array.from({ length: 200_000 }, (_, index) => (index * 31) % 60_000), [9, 8]];

it.each([60_000, 100_000])('gives back what was written, ids of a vocabulary of %d', async (vocab) => {
  const pool = await openPool(await write(documents, vocab), { verify: true });
  expect([...pool.documents]).toEqual([3, 200_000, 2]);
  expect(pool.tokens).toBe(200_005);
  expect(pool.manifest).toMatchObject({ bytes: 200_005, idType: vocab > 65_536 ? 'u32' : 'u16' });
  const all = documents.flat();
  for (const [offset, length] of [
    [0, 5],
    [199_990, 15],
    [70_000, 1000],
    [200_005, 0],
  ] as const) {
    const ids = new Int32Array(length);
    pool.read(offset, ids);
    expect([...ids]).toEqual(all.slice(offset, offset + length));
  }
  pool.close();
});

it('leaves documents without a token out', async () => {
  const pool = await openPool(await write([[], [5, 6], []], 300));
  expect([...pool.documents]).toEqual([2]);
  pool.close();
});

it('says what is broken', async () => {
  const broken = async (message: RegExp, change: (pool: string) => void) => {
    const pool = await write(documents, 60_000);
    change(pool);
    await expect(openPool(pool, { verify: true })).rejects.toMatchObject({ code: 'data_invalid', message });
  };
  const ids = (pool: string) => path.join(pool, 'shard-00000.bin');
  await broken(/no manifest/, (pool) => rmSync(path.join(pool, 'manifest.json')));
  await broken(/not one of a packed pool/, (pool) => writeFileSync(path.join(pool, 'manifest.json'), '{"format":"x"}'));
  await broken(/has 400011 bytes, not 400010/, (pool) => appendFileSync(ids(pool), 'x'));
  await broken(/has no bytes/, (pool) => rmSync(ids(pool)));
  await broken(/has changed since/, (pool) => {
    const bytes = readFileSync(ids(pool));
    bytes[100] = 255 - bytes[100]!;
    writeFileSync(ids(pool), bytes);
  });
  await broken(/table of documents/, (pool) => rmSync(path.join(pool, 'shard-00000.documents')));
});

it('refuses ids that the vocabulary does not have', async () => {
  const pool = await openPool(await write([[1, 299, 300, 2]], 300));
  expect(() => pool.read(0, new Int32Array(4))).toThrow(/token 2 is 300, of 300/);
  pool.close();
});

it('holds the tokens of texts, each with the token that ends it, and before it the one that begins it where there is one', async () => {
  writeFileSync(path.join(folder, 'a.txt'), 'héllo');
  writeFileSync(path.join(folder, 'b.jsonl'), '{"text":"x"}\n{"text":"yz"}\n');
  const files = await findTextFiles([folder]);
  for (const addBos of [false, true]) {
    const tokenizer = bytesTokenizer(undefined, { addBos });
    const target = path.join(folder, `pool-${addBos}`);
    const progress: number[] = [];
    await tokeniseCorpus(files, tokenizer, target, { threads: 1, onProgress: (bytes) => progress.push(bytes) });
    const pool = await openPool(target, { verify: true });
    const ids = new Int32Array(pool.tokens);
    pool.read(0, ids);
    const begin = addBos ? [256] : [];
    const expected = ['héllo', 'x', 'yz'].flatMap((text) => [...begin, ...Buffer.from(text), 256]);
    expect([...ids]).toEqual(expected);
    expect(pool.documents.length).toBe(3);
    expect(pool.manifest.bytes).toBe(9);
    expect(progress.at(-1)).toBe(9);
    expect([...ids].reduce((sum, id) => sum + bytesOfTokens(tokenizer)[id]!, 0)).toBe(9);
    pool.close();
  }
});
