// Adapters on the fixture model: what they add is compared with weights into which the same was merged by hand.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { adapterContent } from '../../../scripts/fixture-adapter.ts';
import { adapterPath, fixtureContent, fixturePath } from '../../../scripts/make-fixture.ts';
import { readGguf } from '../../formats/gguf/read.ts';
import type { GgufEntry } from '../../formats/gguf/types.ts';
import { type GgufContent, ggufBytes, type TensorToWrite, writeGguf } from '../../formats/gguf/write.ts';
import { loadNative, type Native } from '../../native/ffi.ts';
import { Batch, Context, Model } from '../../native/llama.ts';
import { createAdapters } from './adapters.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'freehold-adapters-'));
const file = (name: string) => path.join(folder, name);
let native: Native;
/** Prompt of every test; no meaning. */
const prompt = [10, 42, 99, 140, 7, 300, 61];

beforeAll(async () => {
  native = loadNative({ device: 'cpu' });
  await writeGguf(file('base.gguf'), inSingles(fixtureContent()));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** The same weights as f32: with f16 the sums of the two ways would be rounded differently. */
function inSingles(content: GgufContent): GgufContent {
  return {
    ...content,
    tensors: content.tensors.map((tensor) => {
      if (tensor.type !== 'f16') return tensor;
      const halves = new Uint16Array((tensor.data as Uint8Array).slice().buffer);
      const values = Float32Array.from(halves, (bits) => {
        const exponent = (bits >>> 10) & 31;
        const size = exponent === 0 ? 0 : (1 + (bits & 1023) / 1024) * 2 ** (exponent - 15);
        return bits & 0x8000 ? -size : size;
      });
      return { ...tensor, type: 'f32', data: new Uint8Array(values.buffer) };
    }),
  };
}

const valuesOf = (content: GgufContent, name: string) => {
  const tensor = content.tensors.find((each) => each.name === name);
  if (!tensor) throw new Error(name);
  return { shape: tensor.shape, values: new Float32Array((tensor.data as Uint8Array).slice().buffer) };
};

/** W + alpha / rank * B A, for every pair of the adapter. */
function merged(base: GgufContent, adapter: GgufContent): GgufContent {
  const tensors = base.tensors.map((tensor) => {
    if (!adapter.tensors.some(({ name }) => name === `${tensor.name}.lora_a`)) return tensor;
    const { shape, values } = valuesOf(base, tensor.name);
    const [inputs, outputs] = shape as [number, number];
    const a = valuesOf(adapter, `${tensor.name}.lora_a`);
    const b = valuesOf(adapter, `${tensor.name}.lora_b`);
    const rank = a.shape[1] as number;
    for (let out = 0; out < outputs; out++) {
      for (let into = 0; into < inputs; into++) {
        let sum = 0;
        for (let r = 0; r < rank; r++)
          sum += (b.values[out * rank + r] as number) * (a.values[r * inputs + into] as number);
        const at = out * inputs + into;
        // alpha is twice the rank
        values[at] = (values[at] as number) + 2 * sum;
      }
    }
    return { ...tensor, data: new Uint8Array(values.buffer) };
  });
  return { ...base, tensors };
}

const context = (model: Model) => Context.create(native, model, { contextTokens: 64, sequences: 2, threads: 1 });

/** Logits after the prompt, from an empty sequence. */
async function logitsOf(context: Context): Promise<Float32Array> {
  const batch = new Batch(native, prompt.length);
  context.removeSequence(0);
  prompt.forEach((token, i) => void batch.add(token, i, 0, i === prompt.length - 1));
  await context.decode(batch);
  const logits = context.logits(0).slice();
  batch.dispose();
  return logits;
}

const apart = (a: Float32Array, b: Float32Array) =>
  Math.max(...a.map((value, i) => Math.abs(value - (b[i] as number))));

async function loaded(name: string, files: Record<string, string>) {
  const model = await Model.load(native, { file: name });
  return { model, adapters: createAdapters(native, model, await readGguf(name), files) };
}

describe('an adapter', () => {
  it('gives the logits of weights it was merged into, and takes them back when it is left', async () => {
    const content = adapterContent();
    await writeGguf(file('merged.gguf'), merged(inSingles(fixtureContent()), content));
    const { model, adapters } = await loaded(file('base.gguf'), { legal: adapterPath });
    const other = await Model.load(native, { file: file('merged.gguf') });
    const [plain, mergedIn] = [await context(model), await context(other)];
    const before = await logitsOf(plain);
    plain.useAdapter(await adapters.get('legal'));
    const adapted = await logitsOf(plain);
    const wanted = await logitsOf(mergedIn);
    expect(apart(adapted, wanted)).toBeLessThan(2e-3);
    expect(apart(adapted, before)).toBeGreaterThan(0.3);
    plain.useAdapter(undefined);
    expect(apart(await logitsOf(plain), before)).toBe(0);
    model.dispose();
    other.dispose();
  });

  it('is one of several: each context has its own at any time, and each is loaded once', async () => {
    await writeGguf(file('second.gguf'), adapterContent(8));
    const { model, adapters } = await loaded(fixturePath, { first: adapterPath, second: file('second.gguf') });
    const [left, right] = [await context(model), await context(model)];
    const [first, again, second] = await Promise.all([
      adapters.get('first'),
      adapters.get('first'),
      adapters.get('second'),
    ]);
    expect(again).toBe(first);
    left.useAdapter(first);
    right.useAdapter(second);
    const [one, two] = [await logitsOf(left), await logitsOf(right)];
    expect(apart(one, two)).toBeGreaterThan(0.3);
    for (const adapter of [second, first, second, undefined, first]) {
      left.useAdapter(adapter);
      const wanted = adapter === first ? one : adapter === second ? two : undefined;
      const logits = await logitsOf(left);
      if (wanted) expect(apart(logits, wanted)).toBe(0);
    }
    model.dispose();
  });

  it('may be loaded while the model decodes', async () => {
    const { model, adapters } = await loaded(fixturePath, { legal: adapterPath });
    const busy = await context(model);
    const before = await logitsOf(busy);
    const [logits, adapter] = await Promise.all([logitsOf(busy), adapters.get('legal')]);
    expect(apart(logits, before)).toBe(0);
    busy.useAdapter(adapter);
    expect(apart(await logitsOf(busy), before)).toBeGreaterThan(0.3);
    model.dispose();
  });

  it('that nobody knows is refused with the names there are', async () => {
    const { model, adapters } = await loaded(fixturePath, { legal: adapterPath });
    expect(adapters.names).toEqual(['legal']);
    await expect(adapters.get('legl')).rejects.toMatchObject({
      code: 'invalid_request',
      field: 'adapter',
      hint: 'Did you mean legal? Adapters of this model: legal.',
    });
    await expect(adapters.get('toString')).rejects.toMatchObject({ code: 'invalid_request' });
    model.dispose();
  });
});

describe('a file that is no adapter for the model', () => {
  const withTensors = (change: (tensor: TensorToWrite, index: number) => TensorToWrite | undefined) => {
    const content = adapterContent();
    const tensors = content.tensors.flatMap((tensor, index) => change(tensor, index) ?? []);
    return { ...content, tensors };
  };
  const withFirst = (change: Partial<TensorToWrite>) =>
    withTensors((tensor, index) => (index === 0 ? { ...tensor, ...change } : tensor));
  const withEntry = (key: string, value: string): GgufContent => {
    const content = adapterContent();
    const metadata = [...content.metadata].map(([name, entry]): [string, GgufEntry] => [
      name,
      name === key ? { type: 'string', value } : entry,
    ]);
    return { ...content, metadata };
  };
  const cases: [string, RegExp, GgufContent][] = [
    ['of a whole model', /is not an adapter/, withEntry('general.type', 'model')],
    ['of another kind', /of type "control_vector"/, withEntry('adapter.type', 'control_vector')],
    ['for another architecture', /"qwen3", and this one is "llama"/, withEntry('general.architecture', 'qwen3')],
    ['whose alpha is no number', /adapter.lora.alpha/, withEntry('adapter.lora.alpha', 'much')],
    ['without tensors', /without tensors/, withTensors(() => undefined)],
    ['with half a pair', /only one half/, withTensors((tensor, index) => (index === 3 ? undefined : tensor))],
    ['with something else inside', /no half of a low-rank pair/, withFirst({ name: 'blk.0.attn_norm.weight' })],
    [
      'for a tensor the model has not',
      /does not have/,
      withTensors((tensor) => ({ ...tensor, name: tensor.name.replace('blk.1.', 'blk.2.') })),
    ],
    ['of other sizes', /do not fit 64 x 64/, withFirst({ shape: [4, 64] })],
    ['of whole numbers', /as i32, which is not multiplied/, withFirst({ type: 'i32' })],
  ];

  it.each(cases)('is refused: %s', async (name, message, content) => {
    const bad = file(`${name.replaceAll(' ', '-')}.gguf`);
    await writeGguf(bad, content);
    const { model, adapters } = await loaded(fixturePath, { bad });
    await expect(adapters.get('bad')).rejects.toMatchObject({
      code: 'gguf_invalid',
      message: expect.stringMatching(message),
    });
    model.dispose();
  });

  it('is refused when it is cut short, and is looked at again once it is mended', async () => {
    const bytes = Buffer.from(await ggufBytes(adapterContent()));
    const { model, adapters } = await loaded(fixturePath, { bad: file('cut.gguf') });
    await expect(adapters.get('bad')).rejects.toMatchObject({ code: 'file_not_found' });
    writeFileSync(file('cut.gguf'), bytes.subarray(0, bytes.length - 700));
    await expect(adapters.get('bad')).rejects.toMatchObject({ code: 'gguf_invalid' });
    writeFileSync(file('cut.gguf'), bytes);
    await expect(adapters.get('bad')).resolves.toBeDefined();
    model.dispose();
  });
});
