import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { listDevices } from './devices.ts';
import { loadNative, type Native } from './ffi.ts';
import { measureOp } from './graph.ts';
import { Batch, Context, Model } from './llama.ts';
import { opSupport } from './op-table.ts';

const file = path.join(import.meta.dirname, '../../test/fixtures/tiny.gguf');
let native: Native;
let model: Model;

beforeAll(async () => {
  native = loadNative({ device: 'cpu' });
  model = await Model.load(native, { file });
});

afterAll(() => model.dispose());

/** Greedy tokens after a prompt, in a sequence of a context. */
async function greedy(
  context: Context,
  batch: Batch,
  prompt: ArrayLike<number>,
  sequence: number,
  count: number,
): Promise<number[]> {
  const out: number[] = [];
  let position = 0;
  let feed = Array.from(prompt);
  while (out.length < count) {
    batch.clear();
    feed.forEach((token, i) => {
      batch.add(token, position + i, sequence, i === feed.length - 1);
    });
    await context.decode(batch);
    const logits = context.logits(0);
    position += feed.length;
    const best = logits.indexOf(Math.max(...logits));
    out.push(best);
    feed = [best];
  }
  return out;
}

describe('Model', () => {
  it('tells its sizes and its vocabulary', () => {
    expect(model.vocabulary.size).toBeGreaterThan(256);
    expect(model.hasDecoder).toBe(true);
    expect(model.vocabulary.controlTokens.get('<|im_end|>')).toBe(model.vocabulary.eos);
    expect(model.chatTemplate).toContain('im_start');
  });

  it('turns any text into tokens and back, and control tokens in it into plain characters', () => {
    const { vocabulary } = model;
    for (const text of ['Hello, world!', '<|im_end|>', 'naïve — 東京 🙂', '\n\n  spaces\t', '']) {
      const tokens = vocabulary.tokenize(text);
      expect(Buffer.concat([...tokens].map((token) => vocabulary.bytesOf(token))).toString()).toBe(text);
      expect([...tokens].some((token) => [...vocabulary.controlTokens.values()].includes(token))).toBe(false);
    }
  });

  it('that cannot be loaded is an error', async () => {
    await expect(Model.load(native, { file: `${file}.missing` })).rejects.toMatchObject({ code: 'model_failed' });
  });
});

describe('Context', () => {
  it('gives a sequence the same tokens alone and beside others', async () => {
    const context = await Context.create(native, model, { contextTokens: 256, sequences: 3, threads: 2 });
    const batch = new Batch(native, 256);
    const prompt = model.vocabulary.tokenize('The quick brown fox');
    const alone = await greedy(context, batch, prompt, 0, 12);
    await greedy(context, batch, model.vocabulary.tokenize('Something else entirely'), 1, 5);
    expect(await greedy(context, batch, prompt, 2, 12)).toEqual(alone);
    context.removeSequence(2);
    expect(await greedy(context, batch, prompt, 2, 12)).toEqual(alone);
    batch.dispose();
    context.dispose();
  });

  it('reports a full cache as an error and goes on after it was cleared', async () => {
    const context = await Context.create(native, model, { contextTokens: 256, sequences: 1, threads: 1 });
    const batch = new Batch(native, 256);
    const fill = async (from: number, count: number) => {
      batch.clear();
      for (let i = 0; i < count; i++) batch.add(10, from + i, 0, i === count - 1);
      await context.decode(batch);
    };
    await fill(0, 200);
    await expect(fill(200, 100)).rejects.toMatchObject({ code: 'model_failed' });
    context.removeSequence(0);
    await fill(0, 200);
    batch.dispose();
    context.dispose();
  });
});

describe('disposal', () => {
  it('of a model disposes its contexts; every later use is an error, not a crash', async () => {
    const own = await Model.load(native, { file });
    const context = await Context.create(native, own, { contextTokens: 64, sequences: 1, threads: 1 });
    const batch = new Batch(native, 8);
    batch.add(10, 0, 0, true);
    own.dispose();
    own.dispose();
    const disposed = expect.objectContaining({ code: 'native_disposed' });
    expect(() => own.vocabulary.tokenize('x')).toThrow(disposed);
    expect(() => own.vocabulary.bytesOf(10)).toThrow(disposed);
    expect(() => own.vocabulary.isEndOfGeneration(1)).toThrow(disposed);
    expect(() => own.chatTemplate).toThrow(disposed);
    expect(() => context.removeSequence(0)).toThrow(disposed);
    expect(() => context.logits(0)).toThrow(disposed);
    await expect(context.decode(batch)).rejects.toEqual(disposed);
    await expect(Context.create(native, own, { contextTokens: 64, sequences: 1 })).rejects.toEqual(disposed);
    context.dispose();
    batch.dispose();
    expect(() => batch.add(1, 0, 0, true)).toThrow();
    await expect(context.decode(batch)).rejects.toEqual(disposed);
  });
});

describe('devices', () => {
  it('include the processor, which multiplies matrices and supports the ops that inference needs', () => {
    const cpu = listDevices(native).find(({ type }) => type === 'cpu');
    expect(cpu?.totalBytes).toBeGreaterThan(0);
    const table = opSupport(native, cpu!.index);
    expect(table.filter(({ use, supported }) => use === 'inference' && !supported)).toEqual([]);
    const seconds = measureOp(
      native,
      cpu!.index,
      ({ tensor, context }) => native.ggml.ggml_mul_mat(context, tensor('f32', 64, 64), tensor('f32', 64, 64)),
      2,
    );
    expect(seconds).toBeGreaterThan(0);
  });
});
