// Vectors and scores of the BERT-shaped fixture, compared with the same forward pass written out in TypeScript; then
// how requests share the engine.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bertContent, bertShape, bertTokens } from '../../../scripts/fixture-bert.ts';
import { fixtureContent } from '../../../scripts/make-fixture.ts';
import { bertForward, type Forward } from '../../../test/support/bert-forward.ts';
import { readGguf } from '../../formats/gguf/read.ts';
import { type GgufContent, writeGguf } from '../../formats/gguf/write.ts';
import { loadNative, type Native } from '../../native/ffi.ts';
import { Model } from '../../native/llama.ts';
import { Embedder, type EmbedderOptions } from './embedder.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'freehold-embedder-'));
const models: Model[] = [];
let native: Native;
const who = { tenant: 'someone', traceId: 'trace' };

beforeAll(() => {
  native = loadNative({ device: 'cpu' });
});
afterAll(() => {
  for (const model of models) model.dispose();
  rmSync(folder, { recursive: true });
});

async function open(name: string, content: GgufContent, options: Partial<EmbedderOptions> = {}): Promise<Embedder> {
  const file = path.join(folder, `${name}.gguf`);
  await writeGguf(file, content);
  const model = await Model.load(native, { file });
  models.push(model);
  const defaults = { contextTokens: 4096, threads: 1, queueLimit: 100 };
  return Embedder.create(native, model, await readGguf(file), { ...defaults, ...options });
}

const ids = (...tokens: string[]) => tokens.map((token) => bertTokens.indexOf(token));
const apart = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Math.max(...Array.from(a, (value, i) => Math.abs(value - (b[i] as number))));
const unit = (vector: number[]) => vector.map((value) => value / Math.hypot(...vector));

/** Texts, and the tokens that WordPiece makes of them. */
const texts = ['the cat sees', 'Rain! Naïve', 'x'];
const tokens = [
  ids('[CLS]', 'the', 'cat', 'sees', '[SEP]'),
  ids('[CLS]', 'rain', '!', 'n', '##a', '##i', '##v', '##e', '[SEP]'),
  ids('[CLS]', 'x', '[SEP]'),
];

/** Between ours in doubles and ggml's: its GELU is a table of half-precision numbers, its attention sums in them. */
const tolerance = 2e-4;

describe('vectors', () => {
  const poolings: ['mean' | 'cls' | 'last', (rows: Forward['rows']) => number[]][] = [
    [
      'mean',
      (rows) => (rows[0] ?? []).map((_, d) => rows.reduce((sum, row) => sum + (row[d] as number), 0) / rows.length),
    ],
    ['cls', (rows) => rows[0] ?? []],
    ['last', (rows) => rows.at(-1) ?? []],
  ];

  it.each(poolings)('are those of the same computation by hand: %s pooling', async (pooling, pool) => {
    const content = bertContent(pooling);
    const embedder = await open(pooling, content);
    const plain = await embedder.embed(1, { inputs: texts, normalize: false, ...who });
    const unitLong = await embedder.embed(2, { inputs: texts, ...who });
    const short = await embedder.embed(3, { inputs: texts, dimensions: 5, ...who });
    tokens.forEach((row, i) => {
      const wanted = pool(bertForward(content, row).rows);
      expect(apart(plain.embeddings[i]!, wanted)).toBeLessThan(Math.hypot(...wanted) * tolerance);
      expect(apart(unitLong.embeddings[i]!, unit(wanted))).toBeLessThan(tolerance);
      expect(apart(short.embeddings[i]!, unit(wanted.slice(0, 5)))).toBeLessThan(5 * tolerance);
      expect(short.embeddings[i]).toHaveLength(5);
    });
    expect(plain.inputTokens).toBe(tokens.flat().length);
  });

  it('are a mean where the file names no pooling', async () => {
    const [named, unnamed] = [await open('named', bertContent('mean')), await open('unnamed', bertContent('none'))];
    const { embeddings } = await named.embed(1, { inputs: texts, ...who });
    expect((await unnamed.embed(1, { inputs: texts, ...who })).embeddings).toEqual(embeddings);
  });

  it('of an input do not depend on what else is in its batch', async () => {
    const embedder = await open('many', bertContent());
    const inputs = Array.from({ length: 150 }, (_, i) => `${'dog '.repeat(1 + (i % 40))}${i}`);
    const { embeddings } = await embedder.embed(1, { inputs, ...who });
    expect(embeddings).toHaveLength(150);
    for (const i of [0, 39, 77, 149]) {
      const alone = await embedder.embed(2, { inputs: [inputs[i] as string], ...who });
      expect(apart(alone.embeddings[0]!, embeddings[i]!)).toBeLessThan(1e-4);
    }
  });

  it('never see special tokens in what people wrote', async () => {
    const embedder = await open('forged', bertContent());
    const { inputTokens } = await embedder.embed(1, { inputs: ['[SEP]'], ...who });
    expect(inputTokens).toBe(ids('[CLS]', '[', 's', '##e', '##p', ']', '[SEP]').length);
  });

  it('of a decoder that pools its last token are the same whether it reads an input in one piece or in many', async () => {
    const content = fixtureContent();
    const metadata = [
      ...content.metadata,
      ['llama.pooling_type', { type: 'u32', value: 3 }],
    ] as GgufContent['metadata'];
    const embedder = await open('last-of-llama', { ...content, metadata });
    const long = 'once upon a time there was an old house on a hill '.repeat(60);
    const before = embedder.stats().steps;
    const alone = await embedder.embed(1, { inputs: [long], ...who });
    expect(alone.inputTokens).toBeGreaterThan(512);
    expect(embedder.stats().steps - before).toBeGreaterThan(1);
    const beside = await embedder.embed(2, { inputs: ['the end', long, 'a river', long], ...who });
    expect(apart(beside.embeddings[1]!, alone.embeddings[0]!)).toBeLessThan(5e-3);
    expect(apart(beside.embeddings[3]!, alone.embeddings[0]!)).toBeLessThan(5e-3);
    expect(apart(beside.embeddings[0]!, alone.embeddings[0]!)).toBeGreaterThan(0.05);
  });
});

describe('scores', () => {
  it('are the logistic of the same computation by hand, for [CLS] query [SEP] document [SEP]', async () => {
    const content = bertContent('rank');
    const embedder = await open('rank', content);
    const documents = ['a dog', 'a cat sees the rain'];
    const { scores, inputTokens } = await embedder.rerank(1, { query: 'the cat', documents, ...who });
    const pairs = [
      ids('[CLS]', 'the', 'cat', '[SEP]', 'a', 'dog', '[SEP]'),
      ids('[CLS]', 'the', 'cat', '[SEP]', 'a', 'cat', 'sees', 'the', 'rain', '[SEP]'),
    ];
    const wanted = pairs.map((pair) => 1 / (1 + Math.exp(-(bertForward(content, pair).logit as number))));
    expect(apart(scores, wanted)).toBeLessThan(tolerance);
    expect(apart(scores, wanted.toReversed())).toBeGreaterThan(1e-2);
    expect(inputTokens).toBe(pairs.flat().length);
  });

  it('are refused by a model of vectors, and vectors by a model of scores', async () => {
    const [vectors, scores] = [await open('vectors', bertContent()), await open('scores', bertContent('rank'))];
    const unsupported = expect.objectContaining({ code: 'unsupported', field: 'model' });
    await expect(vectors.rerank(1, { query: 'a', documents: ['b'], ...who })).rejects.toEqual(unsupported);
    await expect(scores.embed(1, { inputs: ['a'], ...who })).rejects.toEqual(unsupported);
  });
});

describe('what cannot be read', () => {
  it('is refused by its index: too long, empty, or of more dimensions than there are', async () => {
    const embedder = await open('limits', bertContent());
    expect(embedder.contextTokens).toBe(bertShape.T);
    const fits = 'cat '.repeat(bertShape.T - 2);
    await expect(embedder.embed(1, { inputs: ['x', fits], ...who })).resolves.toBeDefined();
    await expect(embedder.embed(1, { inputs: ['x', `${fits} cat`], ...who })).rejects.toMatchObject({
      code: 'context_exceeded',
      message: 'input[1] is longer than the 128 tokens this model reads.',
      field: 'input',
    });
    await expect(embedder.embed(1, { inputs: ['x', ' '], ...who })).rejects.toMatchObject({
      code: 'invalid_request',
      message: 'input[1] is empty.',
    });
    for (const dimensions of [0, bertShape.D + 1, 1.5]) {
      await expect(embedder.embed(1, { inputs: ['x'], dimensions, ...who })).rejects.toMatchObject({
        code: 'invalid_request',
        field: 'dimensions',
      });
    }
    const ranker = await open('limits-of-pairs', bertContent('rank'));
    const half = 'cat '.repeat(70);
    await expect(ranker.rerank(1, { query: half, documents: ['x', half], ...who })).rejects.toMatchObject({
      code: 'context_exceeded',
      message: expect.stringContaining('documents[1] with the query'),
    });
  });
});

describe('requests', () => {
  it('take turns: a small one is not behind all of a large one', async () => {
    const embedder = await open('turns', bertContent());
    const order: string[] = [];
    const input = 'cat '.repeat(100);
    const large = embedder.embed(1, { inputs: Array(40).fill(input), ...who }).then(() => order.push('large'));
    const mine = embedder.embed(2, { inputs: [input], ...who }).then(() => order.push('small'));
    const others = embedder.embed(3, { inputs: [input], tenant: 'other', traceId: '' }).then(() => order.push('other'));
    await Promise.all([large, mine, others]);
    expect(order.at(-1)).toBe('large');
  });

  it('end when they are cancelled, and leave the others be', async () => {
    const embedder = await open('cancelled', bertContent());
    const input = 'cat '.repeat(100);
    const large = embedder.embed(1, { inputs: Array(400).fill(input), ...who });
    const other = embedder.embed(2, { inputs: ['cat'], ...who });
    const early = embedder.embed(3, { inputs: ['cat'], ...who });
    embedder.cancel(3);
    await expect(early).rejects.toMatchObject({ code: 'cancelled' });
    await other;
    embedder.cancel(1);
    await expect(large).rejects.toMatchObject({ code: 'cancelled' });
    const tokensSoFar = embedder.stats().prefillTokens;
    expect(tokensSoFar).toBeLessThan(400 * 100);
    await expect(embedder.embed(4, { inputs: [input], ...who })).resolves.toBeDefined();
    // nothing of the cancelled one was computed later
    expect(embedder.stats().prefillTokens).toBeLessThanOrEqual(tokensSoFar + 2 * 512);
  });

  it('beyond the queue are turned away with a time to come back', async () => {
    const embedder = await open('full', bertContent(), { queueLimit: 2 });
    const all = [1, 2, 3].map((id) => embedder.embed(id, { inputs: ['cat'], ...who }));
    const results = await Promise.allSettled(all);
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected']);
    await expect(all[2]).rejects.toMatchObject({ code: 'overloaded', retryAfterMs: 1000 });
  });

  it('of one tenant leave room in the queue for those of others', async () => {
    const embedder = await open('kept', bertContent(), { queueLimit: 16 });
    const ask = (id: number, tenant: string) => embedder.embed(id, { inputs: ['cat'], tenant, traceId: '' });
    const mine = Array.from({ length: 16 }, (_, id) => ask(id, 'someone'));
    const others = ask(16, 'other');
    const results = await Promise.allSettled(mine);
    expect(results.map(({ status }) => status)).toEqual([...Array(14).fill('fulfilled'), 'rejected', 'rejected']);
    await expect(mine[15]).rejects.toMatchObject({ code: 'overloaded' });
    await expect(others).resolves.toBeDefined();
  });

  it('with more text than may wait are turned away, unless nobody waits', async () => {
    const embedder = await open('long-queue', bertContent(), { waitingCharacters: 1000 });
    const input = 'cat '.repeat(100);
    const ask = (id: number, count: number, tenant = 'someone') =>
      embedder.embed(id, { inputs: Array(count).fill(input), tenant, traceId: '' });
    const [one, two, refused] = [ask(1, 1), ask(2, 1), ask(3, 1)];
    const small = embedder.embed(4, { inputs: ['cat'], tenant: 'other', traceId: '' });
    await expect(refused).rejects.toMatchObject({ code: 'overloaded', retryAfterMs: 1000 });
    await Promise.all([one, two, small]);
    // once they are done, their room is free again
    await expect(ask(5, 4)).resolves.toBeDefined();
    await Promise.all([ask(6, 1), ask(7, 1)]);
    const ranker = await open('long-queue-of-pairs', bertContent('rank'), { waitingCharacters: 1000 });
    const score = (id: number) =>
      ranker.rerank(id, { query: 'cat '.repeat(50), documents: Array(4).fill('dog'), ...who });
    const [first, second] = [score(1), score(2)];
    await expect(second).rejects.toMatchObject({ code: 'overloaded' });
    await expect(first).resolves.toBeDefined();
  });
});
