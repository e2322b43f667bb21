import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { byteCharacters } from '../../scripts/fixture-vocabulary.ts';
import { randomWeights, tinyConfig } from '../../test/support/decoder-forward.ts';
import { arrayEntry, metadataString } from '../formats/gguf/metadata.ts';
import { readGguf, readGgufBytes } from '../formats/gguf/read.ts';
import { readTensor } from '../formats/gguf/tensor-data.ts';
import type { GgufEntry } from '../formats/gguf/types.ts';
import { ggufBytes, writeGguf } from '../formats/gguf/write.ts';
import { modelGguf, readModelConfig, tensorBytes } from './gguf.ts';
import { type ModelConfig, parametersOf } from './model.ts';

const tokenizer: [string, GgufEntry][] = [
  ['tokenizer.ggml.model', { type: 'string', value: 'gpt2' }],
  ['tokenizer.ggml.tokens', arrayEntry('string', byteCharacters.slice(0, tinyConfig.vocab))],
];
const configs: ModelConfig[] = [
  tinyConfig,
  { ...tinyConfig, architecture: 'llama', tied: true, kvHeads: 4, epsilon: 1e-6 },
];
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'freehold-models-'));
});
afterAll(() => rm(folder, { recursive: true }));

describe.each(configs)('a $architecture as GGUF', (config) => {
  const weights = randomWeights(config, 5);
  const valuesOf = (name: string) => weights.get(name) as Float32Array;

  it('comes back as it was, weights to the bit', async () => {
    const file = path.join(folder, `${config.architecture}.gguf`);
    await writeGguf(file, modelGguf(config, { name: 'small', tokenizer }, valuesOf));
    const gguf = await readGguf(file);
    const found = readModelConfig(gguf);
    expect({ ...found, epsilon: 0 }).toEqual({ ...config, epsilon: 0 });
    expect(found.epsilon).toBeCloseTo(config.epsilon, 12);
    for (const [name, values] of weights) expect(await readTensor(file, gguf, name)).toEqual(values);
    await expect(readTensor(file, gguf, 'nothing')).rejects.toMatchObject({ code: 'gguf_invalid' });
  });

  it('has halves for matrices and f32 for norms where that is asked for', async () => {
    const bytes = await ggufBytes(modelGguf(config, { name: 'small', tokenizer, type: 'f16' }, valuesOf));
    const { tensors } = await readGgufBytes(bytes);
    for (const { name, type } of tensors) expect(type).toBe(/norm/.test(name) ? 'f32' : 'f16');
    const sizes = tensors.map(({ sizeBytes }) => sizeBytes);
    expect(sizes.reduce((a, b) => a + b, 0)).toBe(tensorBytes(config, 'f16'));
  });

  it('continues a text unless the tokenizer knows how a conversation is written', async () => {
    const templateOf = async (...entries: [string, GgufEntry][]) => {
      const content = modelGguf(config, { name: 'small', tokenizer: [...tokenizer, ...entries] }, valuesOf);
      return metadataString(await readGgufBytes(await ggufBytes(content)), 'tokenizer.chat_template');
    };
    expect(await templateOf()).toContain("message['content']");
    expect(await templateOf(['tokenizer.chat_template', { type: 'string', value: 'mine' }])).toBe('mine');
  });
});

describe('a model in a GGUF', () => {
  const config = tinyConfig;
  const parse = async (change: (metadata: Map<string, GgufEntry>) => void, drop = '') => {
    const weights = randomWeights(config, 5);
    const content = modelGguf(config, { name: 'small', tokenizer }, (name) => weights.get(name) as Float32Array);
    const metadata = new Map(content.metadata);
    change(metadata);
    const tensors = content.tensors.filter(({ name }) => name !== drop);
    return readModelConfig(await readGgufBytes(await ggufBytes({ metadata, tensors })));
  };
  const u32 = (value: number): GgufEntry => ({ type: 'u32', value });

  it('that we cannot train, or that contradicts itself, is refused by name', async () => {
    const cases: [(metadata: Map<string, GgufEntry>) => unknown, string, string?][] = [
      [(m) => m.set('general.architecture', { type: 'string', value: 'mamba' }), 'mamba'],
      [(m) => m.delete('qwen3.block_count'), 'qwen3.block_count'],
      [(m) => m.set('qwen3.attention.head_count_kv', u32(3)), '3 heads of keys'],
      [(m) => m.set('qwen3.rope.dimension_count', u32(2)), 'RoPE'],
      [(m) => m.set('qwen3.feed_forward_length', u32(11)), 'blk.0.ffn_gate.weight'],
      [() => undefined, 'blk.1.ffn_up.weight', 'blk.1.ffn_up.weight'],
    ];
    for (const [change, message, drop] of cases)
      await expect(parse(change, drop)).rejects.toMatchObject({ message: expect.stringContaining(message) });
    expect((await parse(() => undefined)).layers).toBe(2);
  });

  it('whose tokenizer has another number of tokens is not written', () => {
    const other = { ...config, vocab: 14 };
    const make = () => modelGguf(other, { name: 'x', tokenizer }, () => new Float32Array(0));
    expect(make).toThrow('The tokenizer has 13 tokens, the model 14.');
  });

  it('asks for parameters one at a time, in the order of the file', async () => {
    const asked: string[] = [];
    const content = modelGguf(config, { name: 'x', tokenizer }, async (name) => {
      asked.push(name);
      const { shape } = parametersOf(config).find((spec) => spec.name === name)!;
      return new Float32Array(shape.reduce((a, b) => a * b, 1));
    });
    expect(asked).toEqual([]);
    await ggufBytes(content);
    expect(asked).toEqual(parametersOf(config).map(({ name }) => name));
  });
});
