// The numbers of "will it fit?", by hand, for headers made up here.
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { arrayEntry } from '../formats/gguf/metadata.ts';
import { readGguf } from '../formats/gguf/read.ts';
import type { GgufEntry, GgufFile } from '../formats/gguf/types.ts';
import { catalogue, findInCatalogue } from './catalogue.ts';
import { checkCatalogueFit, checkFit, estimateCatalogueMemory, estimateMemory, requireFit } from './fit.ts';

const u32 = (value: number): GgufEntry => ({ type: 'u32', value });

/** A header with the shape of SmolLM2 135M, 98 MB of weights. */
function header(overrides: Record<string, GgufEntry | undefined> = {}, architecture = 'llama'): GgufFile {
  const entries: Record<string, GgufEntry | undefined> = {
    'general.architecture': { type: 'string', value: architecture },
    [`${architecture}.block_count`]: u32(30),
    [`${architecture}.embedding_length`]: u32(576),
    [`${architecture}.feed_forward_length`]: u32(1536),
    [`${architecture}.attention.head_count`]: u32(9),
    [`${architecture}.attention.head_count_kv`]: u32(3),
    [`${architecture}.vocab_size`]: u32(49_152),
    ...overrides,
  };
  return {
    version: 3,
    alignment: 32,
    metadata: new Map(Object.entries(entries).filter((entry): entry is [string, GgufEntry] => entry[1] !== undefined)),
    tensors: [{ name: 'w', shape: [1], type: 'q4_1', offset: 0, sizeBytes: 98e6 }],
    dataOffset: 0,
    fileSizeBytes: 98e6,
  };
}

const shape = { contextTokens: 8192, sequences: 8 };

describe('the estimate', () => {
  it('is what libllama reserves for SmolLM2 135M: 1440 MiB of cache for 8 x 8192 tokens', () => {
    const { weightsBytes, kvBytes, computeBytes, totalBytes } = estimateMemory(header(), shape);
    expect(weightsBytes).toBe(98e6);
    expect(kvBytes).toBe(1440 * 2 ** 20);
    // 98.25 MiB of buffers, 1.5 MiB of logits, the process
    expect(computeBytes).toBeCloseTo(98.25 * 2 ** 20 + 1.5 * 2 ** 20 + 80e6, -5);
    expect(totalBytes).toBe(weightsBytes + kvBytes + computeBytes);
  });

  it('grows with context and sequences alike', () => {
    const cache = (contextTokens: number, sequences: number) =>
      estimateMemory(header(), { contextTokens, sequences }).kvBytes;
    expect(cache(16_384, 1)).toBe(2 * cache(8192, 1));
    expect(cache(8192, 2)).toBe(2 * cache(8192, 1));
  });

  it('takes key and value sizes and key-value heads per layer where the file states them', () => {
    const sized = header({
      'llama.attention.key_length': u32(128),
      'llama.attention.value_length': u32(64),
    });
    expect(estimateMemory(sized, { contextTokens: 1, sequences: 1 }).kvBytes).toBe(30 * 3 * (128 + 64) * 2);
    const hybrid = header({
      'llama.attention.head_count_kv': arrayEntry('u32', new Uint32Array([...Array(27).fill(0), 4, 4, 4])),
    });
    expect(estimateMemory(hybrid, { contextTokens: 1, sequences: 1 }).kvBytes).toBe(12 * (64 + 64) * 2);
    const every = header({ 'llama.full_attention_interval': u32(4) });
    expect(estimateMemory(every, { contextTokens: 1, sequences: 1 }).kvBytes).toBe(8 * 3 * (64 + 64) * 2);
  });

  it('counts no cache for encoders, all heads where key-value heads are not stated, and recurrent state per sequence', () => {
    expect(estimateMemory(header({}, 'nomic-bert'), shape).kvBytes).toBe(0);
    expect(estimateMemory(header({ 'llama.attention.causal': { type: 'bool', value: false } }), shape).kvBytes).toBe(0);
    const all = header({ 'llama.attention.head_count_kv': undefined });
    expect(estimateMemory(all, { contextTokens: 1, sequences: 1 }).kvBytes).toBe(30 * 9 * 128 * 2);
    const recurrent = header({ 'llama.ssm.inner_size': u32(1024), 'llama.ssm.state_size': u32(16) });
    const state = (sequences: number) => estimateMemory(recurrent, { contextTokens: 0, sequences }).kvBytes;
    expect(state(1)).toBeGreaterThan(0);
    expect(state(3)).toBe(3 * state(1));
  });

  it('takes the weights of all parts when told', () => {
    expect(estimateMemory(header(), { ...shape, weightsBytes: 7 }).weightsBytes).toBe(7);
  });

  it('works on a real file', async () => {
    const gguf = await readGguf(path.join(import.meta.dirname, '../../test/fixtures/tiny.gguf'));
    const estimate = estimateMemory(gguf, { contextTokens: 128, sequences: 2 });
    expect(estimate.weightsBytes).toBeGreaterThan(100_000);
    expect(estimate.kvBytes).toBeGreaterThan(0);
  });
});

describe('the check', () => {
  const memory = (freeBytes: number) => ({ totalBytes: 16e9, freeBytes });

  it('passes where there is room, and keeps some for everything else', () => {
    const { totalBytes } = estimateMemory(header(), shape);
    expect(checkFit(header(), { ...shape, memory: memory(totalBytes + 512e6) }).fits).toBe(true);
    expect(checkFit(header(), { ...shape, memory: memory(totalBytes + 511e6) }).fits).toBe(false);
  });

  it('suggests the most sequences that fit, then a smaller context, then another model', () => {
    const suggest = (freeBytes: number) => checkFit(header(), { ...shape, memory: memory(freeBytes) }).suggestion;
    expect(suggest(1.7e9)).toMatchObject({ sequences: 4 });
    expect(suggest(0.95e9)).toMatchObject({ contextTokens: 4096, sequences: 1 });
    const large = checkFit(header(), { ...shape, weightsBytes: 40e9, memory: memory(8e9) }).suggestion;
    const named = findInCatalogue(large?.model ?? '');
    expect(named?.kind).toBe('chat');
    expect(large?.text).toContain(`freehold pull ${named?.name}`);
    expect(suggest(0)).toBeUndefined();
  });

  it('suggests no larger model where a smaller one is the most that fits', () => {
    const free = { totalBytes: 8e9, freeBytes: 4e9 };
    const entry = findInCatalogue('llama-3.3-70b');
    const variant = entry?.variants[0];
    if (!entry || !variant) throw new Error('the catalogue changed');
    const found = checkCatalogueFit(entry, variant, { contextTokens: 8192, sequences: 1, memory: free });
    expect(found.fits).toBe(false);
    const named = findInCatalogue(found.suggestion?.model ?? '');
    if (!named?.variants[0]) throw new Error('nothing was suggested');
    const needs = estimateCatalogueMemory(named, named.variants[0], { contextTokens: 0, sequences: 1 }).totalBytes;
    expect(needs).toBeLessThanOrEqual(free.freeBytes);
    const better = catalogue.filter((each) => {
      const first = each.variants[0];
      if (each.kind !== 'chat' || !first || each.parameters <= named.parameters) return false;
      return (
        estimateCatalogueMemory(each, first, { contextTokens: 0, sequences: 1 }).totalBytes <= free.freeBytes - 400e6
      );
    });
    expect(better).toEqual([]);
  });

  it('throws with the reason and the way out, unless forced', () => {
    const options = { ...shape, name: 'big', memory: memory(1e9) };
    expect(() => requireFit(header(), options)).toThrow(
      expect.objectContaining({
        code: 'does_not_fit',
        message: expect.stringMatching(/big needs about 1\.8 GB with 8 x 8192 tokens .* 1\.0 GB is free/),
        hint: expect.stringContaining('--force'),
      }),
    );
    expect(requireFit(header(), { ...options, force: true }).fits).toBe(false);
  });
});
