import { describe, expect, it } from 'vitest';
import { attention, causalMask } from './attention.ts';
import { gradients } from './gradients.ts';
import { liveTensors } from './live.ts';
import { input, sum } from './ops.ts';
import { causalBand, ramp } from './ramp.ts';
import { createReferenceDevice } from './reference/reference-device.ts';
import { elementCount, Graph } from './tensor.ts';
import { relativeError } from './testing/run-case.ts';

const [B, H, shared, T, D] = [2, 4, 2, 7, 3];
const noise = (count: number, seed: number) =>
  Float32Array.from({ length: count }, (_, i) => Math.sin(seed + i * i * 0.7));
const values = { q: noise(B * H * T * D, 1), k: noise(B * shared * T * D, 2), v: noise(B * shared * T * D, 3) };

/** Row by row, straight from the definition. */
function naive(sees: (batch: number, row: number, key: number) => boolean, factor = 1 / Math.sqrt(D)): Float64Array {
  const { q, k, v } = values;
  const result = new Float64Array(q.length);
  for (let batch = 0; batch < B; batch++)
    for (let head = 0; head < H; head++)
      for (let row = 0; row < T; row++) {
        const at = ((batch * H + head) * T + row) * D;
        const from = (batch * shared + Math.floor((head * shared) / H)) * T * D;
        const scores = Array.from({ length: T }, (_, key) => {
          let score = 0;
          for (let i = 0; i < D; i++) score += q[at + i]! * k[from + key * D + i]!;
          return sees(batch, row, key) ? Math.exp(score * factor) : 0;
        });
        const total = scores.reduce((a, b) => a + b);
        scores.forEach((score, key) => {
          for (let i = 0; i < D; i++) result[at + i]! += (score / total) * v[from + key * D + i]!;
        });
      }
  return result;
}

async function run(options: { chunk?: number; factor?: number; mask?: Float32Array }): Promise<Float64Array> {
  const graph = new Graph();
  const q = input(graph, 'q', [B, H, T, D]);
  const k = input(graph, 'k', [B, shared, T, D]);
  const v = input(graph, 'v', [B, shared, T, D]);
  const { mask, ...rest } = options;
  const given = mask && input(graph, 'mask', [mask.length / T ** 2, 1, T, T]);
  const y = attention(q, k, v, { ...rest, ...(given && { mask: given }) });
  const executable = createReferenceDevice().compile({ graph, outputs: { y }, updates: [] });
  for (const [name, numbers] of Object.entries(values)) executable.set(name, numbers);
  if (mask) executable.set('mask', mask);
  await executable.run();
  return executable.getExact('y');
}

describe('attention', () => {
  it.each([1, 2, 3, 7, 128])('sees what came before, by chunks of %i', async (chunk) => {
    const expected = naive((_, row, key) => key <= row);
    expect(relativeError(await run({ chunk }), expected)).toBeLessThan(1e-12);
    expect(relativeError(await run({ chunk, mask: causalMask(T) }), expected)).toBeLessThan(1e-12);
  });

  it('keeps documents apart', async () => {
    const documents = [0, 0, 0, 1, 1, 1, 2, 5, 5, 5, 5, 5, 6, 6];
    const expected = naive(
      (batch, row, key) => key <= row && documents[batch * T + key] === documents[batch * T + row],
    );
    const got = await run({ chunk: 4, mask: causalMask(T, documents) });
    expect(relativeError(got, expected)).toBeLessThan(1e-12);
  });

  it('scales scores by what it is told', async () => {
    const expected = naive((_, row, key) => key <= row, 0.2);
    expect(relativeError(await run({ factor: 0.2 }), expected)).toBeLessThan(1e-12);
  });

  /** Most numbers of intermediate results that are alive at the same time, in a forward and backward pass. */
  const peak = (length: number, options: { chunk: number; keep?: boolean }) => {
    const graph = new Graph();
    const [q, k, v] = ['q', 'k', 'v'].map((name) => input(graph, name, [1, 4, length, 8]));
    const y = attention(q!, k!, v!, options);
    const [byQ, byK, byV] = gradients(sum(y), [q!, k!, v!]);
    const live = liveTensors({ graph, outputs: { byQ: byQ!, byK: byK!, byV: byV! }, updates: [] });
    const ends = new Map(live.map((tensor) => [tensor, tensor.id]));
    for (const tensor of live) for (const from of tensor.inputs) ends.set(from, tensor.id);
    const own = live.filter(({ op }) => op.kind !== 'input' && op.kind !== 'fill');
    const sizes = live.map(({ id }) =>
      own
        .filter((tensor) => tensor.id <= id && (ends.get(tensor) as number) >= id)
        .reduce((total, { shape }) => total + elementCount(shape), 0),
    );
    return Math.max(...sizes);
  };

  it('takes memory in proportion to the length', () => {
    const growth = peak(512, { chunk: 16 }) / peak(128, { chunk: 16 });
    expect(growth).toBeLessThan(4.5);
    // as it would not if whole probabilities were kept
    expect(peak(512, { chunk: 512 }) / peak(128, { chunk: 128 })).toBeGreaterThan(8);
  });

  it('computes scores twice, or once where it keeps probabilities', () => {
    const softmaxes = (keep: boolean) => {
      const graph = new Graph();
      const [q, k, v] = ['q', 'k', 'v'].map((name) => input(graph, name, [1, 1, 8, 4]));
      const y = attention(q!, k!, v!, { chunk: 4, keep });
      const byQ = gradients(sum(y), [q!])[0]!;
      const live = liveTensors({ graph, outputs: { y, byQ }, updates: [] });
      return live.filter(({ op }) => op.kind === 'softmax').length;
    };
    expect([softmaxes(false), softmaxes(true)]).toEqual([4, 2]);
  });

  it('says which shapes do not go together', () => {
    const graph = new Graph();
    const q = input(graph, 'q', [1, 3, 4, 8]);
    const k = input(graph, 'k', [1, 2, 4, 8]);
    const odd = input(graph, 'odd', [1, 1, 5, 5]);
    expect(() => attention(q, k, k)).toThrow(
      'attention: the queries and keys of (1, 3, 4, 8) f32 and (1, 2, 4, 8) f32',
    );
    expect(() => attention(k, k, q)).toThrow('the keys and values of (1, 2, 4, 8) f32 and (1, 3, 4, 8) f32 differ');
    expect(() => attention(q, q, q, { mask: odd })).toThrow('the mask (1, 1, 5, 5) f32 is neither');
    expect(() => attention(q, q, q, { chunk: 0 })).toThrow('a chunk of 0 queries is none');
  });
});

describe('the causal mask', () => {
  it('is the same from numbers and from a graph, where it is written down once', async () => {
    const graph = new Graph();
    const mask = causalBand(graph, 5, 0);
    expect(causalBand(graph, 5, 0)).toBe(mask);
    const last = causalBand(graph, 2, 3);
    const executable = createReferenceDevice().compile({
      graph,
      outputs: { mask, last, six: ramp(graph, 6) },
      updates: [],
    });
    await executable.run();
    expect(executable.get('mask')).toEqual(causalMask(5));
    expect(executable.get('last')).toEqual(causalMask(5).slice(15));
    expect([...executable.get('six')]).toEqual([0, 1, 2, 3, 4, 5]);
  });
});
