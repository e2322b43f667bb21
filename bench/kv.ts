// One buffer of KV cells for all sequences, or one each? libllama as it is, no scheduler: prompts and steps of many
// sequences, sequences with gaps between their numbers, a shared prefix cold and copied, prompts in pieces at depth.
// docs/decisions/kv-cache.md and prompts-beside-answers.md draw on it.
import { loadNative, type Native } from '../src/native/ffi.ts';
import { Batch, Context, Model } from '../src/native/llama.ts';
import type { Figure } from './main.ts';
import { benchModel } from './serve/model.ts';

const batchTokens = 512;
const stepsMeasured = 16;
const modes = [
  { unified: false, name: 'cells each' },
  { unified: true, name: 'one buffer' },
];

export async function benchKv(): Promise<Figure[]> {
  const native = loadNative({ device: 'cpu' });
  const model = await Model.load(native, { file: await benchModel(), gpuLayers: 0 });
  const figures: Figure[] = [];
  for (const { unified, name } of modes) {
    for (const count of [1, 8, 32]) figures.push(...(await steps(native, model, unified, name, count, 1)));
    figures.push(...(await steps(native, model, unified, name, 8, 2)));
    figures.push(...(await sharedPrefix(native, model, unified, name)));
  }
  figures.push(...(await pieces(native, model)));
  return figures;
}

/** A context, and passes over some tokens of it. */
async function bench(native: Native, model: Model, sequences: number, contextTokens: number, unified: boolean) {
  const context = await Context.create(native, model, { contextTokens, sequences, batchTokens, unified });
  const batch = new Batch(native, batchTokens);
  const token = () => 300 + Math.floor(Math.random() * (model.vocabulary.size - 400));
  /** Milliseconds to compute the tokens [from, to) of the sequences. */
  const pass = async (which: readonly number[], from: number, to: number) => {
    const startedAt = performance.now();
    const piece = Math.max(1, Math.floor(batchTokens / which.length));
    for (let at = from; at < to; at += piece) {
      batch.clear();
      for (const sequence of which) {
        for (let n = at; n < Math.min(to, at + piece); n++) batch.add(token(), n, sequence, n === to - 1);
      }
      await context.decode(batch);
    }
    return performance.now() - startedAt;
  };
  const dispose = () => {
    context.dispose();
    batch.dispose();
  };
  return { context, pass, dispose };
}

async function steps(native: Native, model: Model, unified: boolean, mode: string, count: number, stride: number) {
  const { pass, dispose } = await bench(native, model, count * stride, 512, unified);
  const which = Array.from({ length: count }, (_, i) => i * stride);
  await pass(which, 0, 64);
  const times: number[] = [];
  for (let step = 0; step < stepsMeasured; step++) times.push(await pass(which, 64 + step, 65 + step));
  dispose();
  const gaps = stride > 1 ? ', every other number' : '';
  return [{ name: `${mode}: step of ${count}${gaps}`, value: median(times), unit: 'ms' }];
}

async function sharedPrefix(native: Native, model: Model, unified: boolean, mode: string): Promise<Figure[]> {
  const { context, pass, dispose } = await bench(native, model, 16, 1280, unified);
  await pass([0], 0, 64);
  context.removeSequence(0);
  let cold = 0;
  for (let sequence = 0; sequence < 16; sequence++) cold += await pass([sequence], 0, 1040);
  for (let sequence = 1; sequence < 16; sequence++) context.removeSequence(sequence);
  context.removeSequence(0, 1024);
  const startedAt = performance.now();
  for (let sequence = 1; sequence < 16; sequence++) context.writeSequence(sequence, context.readSequence(0));
  const copies = performance.now() - startedAt;
  dispose();
  return [
    { name: `${mode}: 16 prompts of 1,040, cold`, value: cold, unit: 'ms' },
    { name: `${mode}: 15 copies of 1,024 tokens`, value: copies, unit: 'ms' },
  ];
}

async function pieces(native: Native, model: Model): Promise<Figure[]> {
  const { context, pass, dispose } = await bench(native, model, 1, 4608, false);
  const figures: Figure[] = [];
  let depth = 0;
  for (const wanted of [0, 1024, 4096 - batchTokens]) {
    if (wanted > depth) await pass([0], depth, wanted);
    depth = wanted;
    for (const size of [1, 8, 16, 32, 64, 128, 256, 512]) {
      const times: number[] = [];
      for (let round = 0; round < 3; round++) {
        times.push(await pass([0], depth, depth + size));
        context.removeSequence(0, depth);
      }
      figures.push({ name: `piece of ${size} at ${depth}, a token`, value: median(times) / size, unit: 'ms' });
    }
  }
  dispose();
  return figures;
}

const median = (values: number[]) => [...values].sort((a, b) => a - b)[values.length >> 1] as number;
