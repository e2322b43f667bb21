import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { randomWeights } from '../../test/support/decoder-forward.ts';
import { metadataNumber, metadataString } from '../formats/gguf/metadata.ts';
import { readGguf } from '../formats/gguf/read.ts';
import { readTensor } from '../formats/gguf/tensor-data.ts';
import { initialise } from '../models/initialise.ts';
import type { ModelConfig } from '../models/model.ts';
import { parameterOf, parametersOf } from '../models/model.ts';
import { loadNative, type Native } from '../native/ffi.ts';
import { Batch, Context, Model } from '../native/llama.ts';
import { assign, state } from '../tensor/ops.ts';
import { createReferenceDevice } from '../tensor/reference/reference-device.ts';
import { Graph } from '../tensor/tensor.ts';
import { tokenizerToGguf } from '../tokenizer/gguf.ts';
import { bytesTokenizer } from '../tokenizer/tokenizer.ts';
import { tokenizerToJson } from '../tokenizer/tokenizer-file.ts';
import { startOfRun, writeCheckpoint } from './checkpoint.ts';
import { type ExportSource, type ExportType, exportModel, exportTypes, openExportSource } from './export.ts';
import { smallSettings } from './testing/small-run.ts';

const tokenizer = bytesTokenizer();
const config: ModelConfig = {
  architecture: 'qwen3',
  vocab: tokenizer.vocab,
  context: 128,
  layers: 2,
  width: 256,
  heads: 4,
  kvHeads: 2,
  headSize: 64,
  feedForward: 256,
  ropeBase: 10_000,
  epsilon: 1e-6,
  tied: false,
};
const weights = randomWeights(config, 9);
const source: ExportSource = {
  name: 'story',
  config,
  tokenizer: tokenizerToGguf(tokenizer),
  read: async (name) => weights.get(name) as Float32Array,
};
const text = 'It was a dark and stormy night.';

let folder: string;
let native: Native;
beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'freehold-export-'));
  native = loadNative({ device: 'cpu' });
});
afterAll(() => rm(folder, { recursive: true }));

/** Logits after a text, tokenized by libllama itself. */
async function answerOf(file: string): Promise<{ tokens: number[]; logits: Float32Array; end: number | undefined }> {
  const model = await Model.load(native, { file, gpuLayers: 0 });
  const context = await Context.create(native, model, { contextTokens: 64, sequences: 1, threads: 1 });
  const batch = new Batch(native, 64);
  const tokens = [...model.vocabulary.tokenize(text)];
  for (const [position, token] of tokens.entries()) batch.add(token, position, 0, position === tokens.length - 1);
  await context.decode(batch);
  const logits = context.logits(0).slice();
  const end = model.vocabulary.eos;
  if (end !== undefined) expect(model.vocabulary.isEndOfGeneration(end)).toBe(true);
  batch.dispose();
  model.dispose();
  return { tokens, logits, end };
}

/** Of the whole vector. */
function relativeError(found: Float32Array, exact: Float32Array): number {
  const squares = (values: Float32Array) => values.reduce((sum, x) => sum + x * x, 0);
  return Math.sqrt(squares(found.map((x, i) => x - (exact[i] as number))) / squares(exact));
}

describe('an exported model', () => {
  it('serves in every type: smaller files, near answers, the same tokens and end', async () => {
    const near: Record<ExportType, number> = { f32: 0, f16: 0.005, bf16: 0.03, q8_0: 0.1, q4_0: 0.5, q4_K_M: 0.5 };
    const sizes: number[] = [];
    const files = new Map<ExportType, string>();
    for (const type of exportTypes) {
      const out = path.join(folder, `story-${type}.gguf`);
      const { sizeBytes } = await exportModel({ source, out, type });
      expect((await readFile(out)).length).toBe(sizeBytes);
      sizes.push(sizeBytes);
      files.set(type, out);
    }
    expect(sizes[0]).toBeGreaterThan((sizes[1] as number) * 1.9);
    expect(sizes[1]).toBeGreaterThan((sizes[3] as number) * 1.7);
    expect(sizes[3]).toBeGreaterThan((sizes[4] as number) * 1.5);
    const exact = await answerOf(files.get('f32') as string);
    expect(exact.tokens).toEqual([...tokenizer.encode(text)]);
    expect(exact.end).toBe(tokenizer.eos);
    for (const [type, file] of files) {
      const answer = await answerOf(file);
      expect(answer.tokens).toEqual(exact.tokens);
      expect(answer.end).toBe(exact.end);
      expect(relativeError(answer.logits, exact.logits), type).toBeLessThanOrEqual(near[type]);
      const gguf = await readGguf(file);
      expect(metadataString(gguf, 'general.name')).toBe('story');
      expect(metadataString(gguf, 'tokenizer.chat_template')).toContain('content');
      expect(metadataNumber(gguf, 'qwen3.context_length')).toBe(128);
    }
  });

  it('can be exported again from a file with plain weights, and not from a quantised one', async () => {
    const plain = path.join(folder, 'plain.gguf');
    const again = path.join(folder, 'again.gguf');
    await exportModel({ source, out: plain, type: 'f32' });
    await exportModel({ source: plain, out: again, type: 'f32' });
    expect((await readFile(again)).equals(await readFile(plain))).toBe(true);
    const small = path.join(folder, 'small.gguf');
    await exportModel({ source: plain, out: small, type: 'q8_0', name: 'other' });
    expect((await openExportSource(small)).name).toBe('other');
    await expect(exportModel({ source: small, out: path.join(folder, 'no.gguf') })).rejects.toMatchObject({
      code: 'gguf_invalid',
      message: expect.stringContaining('is q8_0, expected f32'),
    });
  });

  it('is the model of a checkpoint, without what its optimizer keeps', async () => {
    const settings = smallSettings({}, {});
    const { model } = settings.recipe;
    const device = createReferenceDevice();
    const graph = new Graph();
    const parameters = parametersOf(model).map(({ name }) => parameterOf(model, graph, name));
    const kept = state(graph, 'muon.momentum/blk.0.attn_q.weight', [2, 2]);
    const updates = [...parameters, kept].map((leaf) => assign(leaf, leaf));
    device.compile({ graph, outputs: {}, updates });
    const first = (name: string) => initialise(parametersOf(model).find((spec) => spec.name === name)!, 1);
    for (const { name } of parametersOf(model)) device.write(name, first(name));
    const file = path.join(folder, 'step-000001.gguf');
    const tokens = bytesTokenizer();
    const tokenizer = tokenizerToJson(tokens);
    await writeCheckpoint(file, device, { settings, progress: startOfRun, tokenizer, fingerprint: '' });
    const out = path.join(folder, 'from-run.gguf');
    await exportModel({ source: file, out, type: 'f32' });
    const gguf = await readGguf(out);
    expect(gguf.tensors.map(({ name }) => name)).toEqual(parametersOf(model).map(({ name }) => name));
    for (const { name } of gguf.tensors) expect(await readTensor(out, gguf, name)).toEqual(first(name));
    expect((await answerOf(out)).tokens).toEqual([...tokens.encode(text)]);
  });

  it('is there whole or not at all, and replaces nothing unasked', async () => {
    const out = path.join(folder, 'kept.gguf');
    await writeFile(out, 'mine');
    await expect(exportModel({ source, out })).rejects.toMatchObject({ code: 'invalid_request' });
    const broken: ExportSource = {
      ...source,
      read: async (name) => (name === 'output.weight' ? Promise.reject(new Error('gone')) : source.read(name)),
    };
    for (const type of ['f16', 'q4_0'] as const)
      await expect(exportModel({ source: broken, out, type, overwrite: true })).rejects.toThrow('gone');
    expect(await readFile(out, 'utf8')).toBe('mine');
    expect((await readdir(folder)).filter((name) => name.startsWith('.'))).toEqual([]);
    await exportModel({ source, out, overwrite: true });
    expect((await readGguf(out)).tensors.length).toBe(weights.size);
    await expect(exportModel({ source, out: folder, overwrite: true })).rejects.toMatchObject({
      code: 'invalid_request',
    });
  });
});
