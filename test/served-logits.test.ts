// What a model says while it is trained and what libllama says with the file made of it are the same: the graphs of models/, the
// GGUF they are written into and the engine's own graph have to agree about every weight, norm, head and angle.
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeGguf } from '../src/formats/gguf/write.ts';
import { createRandom } from '../src/lib/random.ts';
import { modelGguf } from '../src/models/gguf.ts';
import { logits, type ModelConfig } from '../src/models/model.ts';
import { loadNative, type Native } from '../src/native/ffi.ts';
import { Batch, Context, type ContextOptions, Model } from '../src/native/llama.ts';
import { causalMask } from '../src/tensor/attention.ts';
import type { Device } from '../src/tensor/device.ts';
import { createGgmlDevice } from '../src/tensor/ggml/ggml-device.ts';
import { input } from '../src/tensor/ops.ts';
import { createReferenceDevice } from '../src/tensor/reference/reference-device.ts';
import { Graph } from '../src/tensor/tensor.ts';
import { byteVocabulary } from './support/byte-vocabulary.ts';
import { randomWeights } from './support/decoder-forward.ts';

type Weights = ReadonlyMap<string, Float32Array>;

const length = 24;
const prompts = 25;

const base: ModelConfig = {
  architecture: 'qwen3',
  vocab: 270,
  context: 64,
  layers: 3,
  width: 48,
  heads: 4,
  kvHeads: 2,
  headSize: 16,
  feedForward: 96,
  ropeBase: 10_000,
  epsilon: 1e-6,
  tied: false,
};
const configs: ModelConfig[] = [
  base,
  { ...base, tied: true, heads: 3, kvHeads: 3, headSize: 32, ropeBase: 1000 },
  { ...base, architecture: 'llama' },
  { ...base, architecture: 'llama', tied: true, kvHeads: 1, epsilon: 1e-5 },
];

let folder: string;
let native: Native;
beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'freehold-served-'));
  native = loadNative({ device: 'cpu' });
});
afterAll(() => rm(folder, { recursive: true }));

/** Logits as a trainer computes them, (T, V) of each prompt. */
async function trainedLogits(device: Device, config: ModelConfig, weights: Weights): Promise<Float32Array[]> {
  const graph = new Graph();
  const out = logits(config, graph, {
    tokens: input(graph, 'tokens', [length], 'i32'),
    positions: input(graph, 'positions', [length], 'i32'),
    mask: input(graph, 'mask', [1, 1, length, length]),
    batch: 1,
    length,
  });
  const executable = device.compile({ graph, outputs: { out }, updates: [] });
  for (const [name, values] of weights) device.write(name, values);
  executable.set(
    'positions',
    Int32Array.from({ length }, (_, i) => i),
  );
  executable.set('mask', causalMask(length));
  const found: Float32Array[] = [];
  for (const prompt of promptsFor(config)) {
    executable.set('tokens', prompt);
    await executable.run();
    found.push(executable.get('out'));
  }
  device.dispose();
  return found;
}

/** The same by libllama with the model's file. */
async function servedLogits(model: Model, config: ModelConfig, options: Partial<ContextOptions>) {
  const shape = { contextTokens: config.context, sequences: 1, threads: 1 };
  const context = await Context.create(native, model, { ...shape, ...options });
  const batch = new Batch(native, length);
  const found: Float32Array[] = [];
  for (const prompt of promptsFor(config)) {
    batch.clear();
    for (const [position, token] of prompt.entries()) batch.add(token, position, 0, true);
    context.removeSequence(0);
    await context.decode(batch);
    const rows = new Float32Array(length * config.vocab);
    for (let row = 0; row < length; row += 1) rows.set(context.logits(row), row * config.vocab);
    found.push(rows);
  }
  batch.dispose();
  context.dispose();
  return found;
}

function promptsFor({ vocab }: ModelConfig): Int32Array[] {
  const random = createRandom(vocab);
  return Array.from({ length: prompts }, () => Int32Array.from({ length }, () => Math.floor(random.next() * vocab)));
}

const exact = { cacheType: 'f32', flashAttention: false } as const;

describe.each(configs.map((config, index) => ({ config, index })))(
  'a model ($config.architecture, form $index)',
  ({ config, index }) => {
    it('is served as it was trained', async () => {
      const weights = randomWeights(config, 100 + index);
      const file = path.join(folder, `${index}.gguf`);
      const named = { name: 'served', tokenizer: byteVocabulary(config.vocab) };
      await writeGguf(
        file,
        modelGguf(config, named, (name) => weights.get(name) as Float32Array),
      );
      const model = await Model.load(native, { file, gpuLayers: 0 });
      const served = await servedLogits(model, config, exact);
      const usual = await servedLogits(model, config, {});
      model.dispose();
      for (const device of [createReferenceDevice(), createGgmlDevice({ device: 'cpu', threads: 1 })]) {
        const trained = await trainedLogits(device, config, weights);
        const worst = largestDifference(trained, served);
        expect(worst, device.name).toBeLessThan(1e-3);
        // the two are not the same program: equal to the bit would mean that one was compared with itself
        expect(worst, device.name).toBeGreaterThan(0);
        expect(agreement(trained, usual, config.vocab), device.name).toBeGreaterThan(0.98);
      }
    });
  },
);

function largestDifference(a: readonly Float32Array[], b: readonly Float32Array[]): number {
  return a.reduce(
    (worst, rows, i) =>
      rows.reduce((most, x, j) => Math.max(most, Math.abs(x - ((b[i] as Float32Array)[j] as number))), worst),
    0,
  );
}

/** Share of rows whose largest logit is the same one. */
function agreement(a: readonly Float32Array[], b: readonly Float32Array[], vocab: number): number {
  const best = (of: readonly Float32Array[]) =>
    of.flatMap((all) =>
      Array.from({ length }, (_, row) => indexOfLargest(all.subarray(row * vocab, (row + 1) * vocab))),
    );
  const [ours, theirs] = [best(a), best(b)];
  return ours.filter((token, i) => token === theirs[i]).length / ours.length;
}

function indexOfLargest(values: Float32Array): number {
  return values.reduce((best, value, i) => (value > (values[best] as number) ? i : best), 0);
}
