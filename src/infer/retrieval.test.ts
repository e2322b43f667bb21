// Vectors and scores through a model process: what the engine makes arrives whole on this side.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bertContent, bertShape } from '../../scripts/fixture-bert.ts';
import { bertPath, fixturePath } from '../../scripts/make-fixture.ts';
import { writeGguf } from '../formats/gguf/write.ts';
import { type LocalTextModel, openLocalModel } from './client.ts';
import { base64Of, floatsOf } from './floats.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'freehold-retrieval-'));
const rankPath = path.join(folder, 'rank.gguf');
const who = { tenant: 'a', traceId: 'test' };
const open = (name: string, file: string) =>
  openLocalModel({
    name,
    file,
    contextTokens: 512,
    maxSequences: 4,
    threads: 1,
    device: 'cpu',
    libDir: '',
    home: '',
    queueLimit: 8,
  });
let vectors: LocalTextModel;
let ranker: LocalTextModel;
let chat: LocalTextModel;

beforeAll(async () => {
  await writeGguf(rankPath, bertContent('rank'));
  [vectors, ranker, chat] = await Promise.all([open('v', bertPath), open('r', rankPath), open('c', fixturePath)]);
});
afterAll(async () => {
  await Promise.all([vectors, ranker, chat].map((model) => model.close()));
  rmSync(folder, { recursive: true });
});

describe('a model process', () => {
  it('says what its model can do', () => {
    const able = ({ generate, embed, rerank }: ReturnType<LocalTextModel['capabilities']>) => [generate, embed, rerank];
    expect([vectors, ranker, chat].map((model) => able(model.capabilities()))).toEqual([
      [false, true, false],
      [false, false, true],
      [true, false, false],
    ]);
    expect(vectors.capabilities().contextTokens).toBe(bertShape.T);
  });

  it('gives a vector for each input, and counts what it read', async () => {
    const inputs = ['the cat', 'a dog runs', 'the cat'];
    const { embeddings, inputTokens } = await vectors.embed({ inputs, ...who });
    expect(embeddings.map(({ length }) => length)).toEqual([bertShape.D, bertShape.D, bertShape.D]);
    for (const vector of embeddings) expect(Math.hypot(...vector)).toBeCloseTo(1, 5);
    expect(embeddings[2]).toEqual(embeddings[0]);
    expect(embeddings[1]).not.toEqual(embeddings[0]);
    expect(inputTokens).toBe(vectors.stats().prefillTokens);
  });

  it('gives a score for each document', async () => {
    const { scores } = await ranker.rerank({ query: 'the cat', documents: ['a dog', 'the cat', 'a dog'], ...who });
    expect(scores).toHaveLength(3);
    for (const score of scores) expect(score > 0 && score < 1).toBe(true);
    expect(scores[0]).toBeCloseTo(scores[2] as number, 4);
    expect(scores[1]).not.toBeCloseTo(scores[0] as number, 4);
  });

  it('refuses what its model cannot do, and what it cannot read', async () => {
    const unsupported = { code: 'unsupported', field: 'model' };
    const messages = [{ role: 'user' as const, content: [{ type: 'text' as const, text: 'hello' }] }];
    await expect(chat.embed({ inputs: ['a'], ...who })).rejects.toMatchObject(unsupported);
    await expect(chat.rerank({ query: 'a', documents: ['b'], ...who })).rejects.toMatchObject(unsupported);
    await expect(vectors.rerank({ query: 'a', documents: ['b'], ...who })).rejects.toMatchObject(unsupported);
    await expect(vectors.countTokens({ messages, ...who })).rejects.toMatchObject(unsupported);
    const generated = vectors.generate({ messages, ...who })[Symbol.asyncIterator]();
    await expect(generated.next()).rejects.toMatchObject(unsupported);
    await expect(vectors.embed({ inputs: ['a', 'cat '.repeat(200)], ...who })).rejects.toMatchObject({
      code: 'context_exceeded',
      message: expect.stringContaining('input[1]'),
    });
  });

  it('ends a request that is aborted, and goes on with the others', async () => {
    const abort = new AbortController();
    const long = vectors.embed({ inputs: Array(500).fill('cat '.repeat(100)), ...who }, abort.signal);
    const other = vectors.embed({ inputs: ['a cat'], ...who });
    await other;
    abort.abort();
    await expect(long).rejects.toMatchObject({ code: 'cancelled' });
    const { inputTokens } = await vectors.embed({ inputs: ['a cat'], ...who });
    expect(inputTokens).toBe(4);
    expect(vectors.stats().prefillTokens).toBeLessThan(500 * 100);
  });
});

describe('vectors in a message', () => {
  it('are the same bits on the other side', () => {
    const vectors = [Float32Array.of(1, -0, 3e-40), Float32Array.of(Number.NaN, 1e38, 0.1).subarray(0, 3)];
    expect(floatsOf(base64Of(vectors), 3)).toEqual(vectors);
    expect(floatsOf(base64Of([new Float32Array(8).subarray(3, 5)]), 2)).toEqual([new Float32Array(2)]);
  });
});
