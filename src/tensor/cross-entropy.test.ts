import { describe, expect, it } from 'vitest';
import { crossEntropy, flatTargets } from './cross-entropy.ts';
import { gradients } from './gradients.ts';
import { liveTensors } from './live.ts';
import { input, scale } from './ops.ts';
import { createReferenceDevice } from './reference/reference-device.ts';
import { Graph } from './tensor.ts';
import { relativeError } from './testing/run-case.ts';

const [R, D, V] = [7, 4, 9];
const hiddenValues = Float32Array.from({ length: R * D }, (_, i) => Math.sin(i * 1.3) * 3);
const headValues = Float32Array.from({ length: V * D }, (_, i) => Math.cos(i * 0.9) * 2);
const targets = [3, 0, 8, -1, 5, 5, 2];
const weights = Float32Array.of(0.2, 0.1, 0.3, 0, 0.1, 0.2, 0.1);

function written(chunk: number, factor = 1) {
  const graph = new Graph();
  const hidden = input(graph, 'hidden', [R, D]);
  const head = input(graph, 'head', [V, D]);
  const loss = crossEntropy({
    hidden,
    head,
    targets: input(graph, 'targets', [R], 'i32'),
    weights: input(graph, 'weights', [R]),
    chunk,
  });
  const [byHidden, byHead] = gradients(factor === 1 ? loss : scale(loss, factor), [hidden, head]);
  return { graph, outputs: { loss, byHidden: byHidden!, byHead: byHead! } };
}

async function run(chunk: number, { hidden = hiddenValues, factor = 1 } = {}) {
  const { graph, outputs } = written(chunk, factor);
  const executable = createReferenceDevice().compile({ graph, outputs, updates: [] });
  executable.set('hidden', hidden);
  executable.set('head', headValues);
  executable.set('weights', weights);
  executable.set('targets', flatTargets(targets, V, chunk));
  await executable.run();
  return {
    loss: executable.getExact('loss')[0]!,
    byHidden: executable.getExact('byHidden'),
    byHead: executable.getExact('byHead'),
  };
}

/** By log-softmax, row after row. */
function naive(): { loss: number; byHidden: Float64Array; byHead: Float64Array } {
  const byHidden = new Float64Array(R * D);
  const byHead = new Float64Array(V * D);
  const weightOf = Float64Array.from(weights);
  let loss = 0;
  for (let row = 0; row < R; row++) {
    const logits = Array.from({ length: V }, (_, id) => {
      let logit = 0;
      for (let i = 0; i < D; i++) logit += hiddenValues[row * D + i]! * headValues[id * D + i]!;
      return logit;
    });
    const most = Math.max(...logits);
    const logTotal = most + Math.log(logits.reduce((total, logit) => total + Math.exp(logit - most), 0));
    if (weightOf[row] === 0) continue;
    loss += weightOf[row]! * (logTotal - logits[targets[row]!]!);
    for (let id = 0; id < V; id++) {
      const slope = weightOf[row]! * (Math.exp(logits[id]! - logTotal) - (id === targets[row] ? 1 : 0));
      for (let i = 0; i < D; i++) {
        byHidden[row * D + i]! += slope * headValues[id * D + i]!;
        byHead[id * D + i]! += slope * hiddenValues[row * D + i]!;
      }
    }
  }
  return { loss, byHidden, byHead };
}

describe('crossEntropy', () => {
  it.each([1, 3, 4, 7, 50])('is what log-softmax gives, gradients too, by chunks of %i rows', async (chunk) => {
    const [got, expected] = [await run(chunk), naive()];
    expect(got.loss).toBeCloseTo(expected.loss, 10);
    expect(relativeError(got.byHidden, expected.byHidden)).toBeLessThan(1e-10);
    expect(relativeError(got.byHead, expected.byHead)).toBeLessThan(1e-10);
  });

  it('passes on what comes after it', async () => {
    const [got, expected] = [await run(3, { factor: -2.5 }), naive()];
    expect(
      relativeError(
        got.byHead,
        expected.byHead.map((value) => -2.5 * value),
      ),
    ).toBeLessThan(1e-10);
  });

  it('stays finite where a target is as good as impossible, with a gradient', async () => {
    const { loss, byHidden } = await run(4, { hidden: hiddenValues.map((value) => value * 1e4) });
    expect(Number.isFinite(loss)).toBe(true);
    expect(loss).toBeLessThan(69.08);
    expect(byHidden.every(Number.isFinite)).toBe(true);
    expect(byHidden.some((value) => Math.abs(value) > 0.1)).toBe(true);
  });

  it('computes logits once, and no gradient where none is asked for', () => {
    const products = (chunk: number, names: ('loss' | 'byHidden' | 'byHead')[]) => {
      const { graph, outputs } = written(chunk);
      const asked = Object.fromEntries(names.map((name) => [name, outputs[name]]));
      return liveTensors({ graph, outputs: asked, updates: [] }).filter(({ op }) => op.kind === 'matmul').length;
    };
    expect(products(50, ['loss'])).toBe(1);
    expect(products(50, ['loss', 'byHidden', 'byHead'])).toBe(3);
    expect(products(3, ['loss'])).toBe(3);
    expect(products(3, ['loss', 'byHead'])).toBe(6);
  });

  it('says what does not go together', () => {
    const graph = new Graph();
    const hidden = input(graph, 'hidden', [4, 3]);
    const head = input(graph, 'head', [5, 3]);
    const ids = input(graph, 'ids', [4], 'i32');
    const shares = input(graph, 'shares', [4]);
    const with_ = (changes: object) => () =>
      crossEntropy({ hidden, head, targets: ids, weights: shares, chunk: 2, ...changes });
    expect(with_({ head: input(graph, 'odd', [5, 4]) })).toThrow(
      'cross-entropy: the hidden states and the head of (4, 3) f32 and (5, 4) f32',
    );
    expect(with_({ targets: input(graph, 'few', [3], 'i32') })).toThrow('differ in rows');
    expect(with_({ chunk: 0 })).toThrow('a chunk of 0 rows of 5 logits');
    expect(() => flatTargets([1], 2 ** 20, 2 ** 11)).toThrow(
      'a chunk of 2048 rows of 1048576 logits cannot be indexed',
    );
  });
});

describe('flatTargets', () => {
  it('counts from the beginning of each chunk, and takes padding for target 0', () => {
    expect([...flatTargets([4, 0, -1, 2, 1], 5, 2)]).toEqual([4, 5, 0, 7, 1]);
  });

  it('refuses a target beyond the vocabulary', () => {
    expect(() => flatTargets([4, 5], 5, 2)).toThrow('target 5 of row 1 is beyond 5 tokens');
  });
});
