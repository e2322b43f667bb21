import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { writeGguf } from '../formats/gguf/write.ts';
import { resolveConfig } from '../lib/config.ts';
import { contextFor, planLoad } from './plan.ts';

const bertPath = path.join(import.meta.dirname, '../../test/fixtures/tiny-bert.gguf');
const model = { name: 'tiny', file: path.join(import.meta.dirname, '../../test/fixtures/tiny.gguf') };
const config = (flags: object = {}) => resolveConfig(flags, {}, '/nowhere').values;
const plenty = { totalBytes: 64e9, freeBytes: 32e9 };

describe('planLoad', () => {
  it('takes what the model was trained for and eight conversations where nothing is configured', async () => {
    expect(await planLoad(model, config(), { memory: plenty })).toEqual({ contextTokens: 2048, sequences: 8 });
  });

  it('takes what is configured', async () => {
    expect(await planLoad(model, config({ contextTokens: 512, maxSequences: 20 }), { memory: plenty })).toEqual({
      contextTokens: 512,
      sequences: 20,
    });
    expect(await planLoad(model, config({ maxSequences: 20 }), { memory: plenty, sequences: 1 })).toMatchObject({
      sequences: 1,
    });
  });

  it('refuses what does not fit, unless it is forced', async () => {
    const memory = { totalBytes: 1e9, freeBytes: 60e6 };
    await expect(planLoad(model, config(), { memory })).rejects.toMatchObject({ code: 'does_not_fit' });
    expect(await planLoad(model, config({ force: true }), { memory })).toMatchObject({ contextTokens: 2048 });
  });

  it('refuses what cannot chat, told by whoever knows it or by the header', async () => {
    for (const kind of ['embedding', 'rerank'] as const) {
      await expect(planLoad({ ...model, kind }, config({ force: true }), { kind: 'chat' })).rejects.toMatchObject({
        code: 'unsupported',
        message: expect.stringContaining(kind),
      });
    }
    const folder = mkdtempSync(path.join(tmpdir(), 'freehold-plan-'));
    const file = path.join(folder, 'bert.gguf');
    await writeGguf(file, { metadata: [['general.architecture', { type: 'string', value: 'bert' }]], tensors: [] });
    await expect(planLoad({ name: 'bert', file }, config({ force: true }), { kind: 'chat' })).rejects.toMatchObject({
      code: 'unsupported',
    });
    await rm(folder, { recursive: true });
  });

  it('reads inputs of a model of vectors one after the other, as long as it knows', async () => {
    const bert = { name: 'tiny-bert', file: bertPath };
    expect(await planLoad(bert, config({ maxSequences: 20 }), { memory: plenty, sequences: 5 })).toEqual({
      contextTokens: 128,
      sequences: 1,
    });
    await expect(planLoad(model, config(), { kind: 'rerank' })).rejects.toMatchObject({
      code: 'unsupported',
      message: expect.stringMatching(/cannot score documents; it is a chat model/),
    });
  });

  it('says when the file is gone', async () => {
    await expect(planLoad({ name: 'x', file: '/nowhere/x.gguf' }, config())).rejects.toMatchObject({
      code: 'file_not_found',
    });
  });
});

describe('contextFor', () => {
  it('is 4096 at most unasked, and never more than the model knows', () => {
    expect(contextFor(config(), 131_072)).toBe(4096);
    expect(contextFor(config(), undefined)).toBe(4096);
    expect(contextFor(config({ contextTokens: 100_000 }), 131_072)).toBe(100_000);
    expect(contextFor(config({ contextTokens: 100_000 }), 2048)).toBe(2048);
  });
});
