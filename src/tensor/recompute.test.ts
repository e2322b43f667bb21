import { describe, expect, it } from 'vitest';
import { gradients } from './gradients.ts';
import { liveTensors } from './live.ts';
import { add, exp, input, matmul, mul, rmsNorm, scale, silu, state, sum, tanh } from './ops.ts';
import { recompute } from './recompute.ts';
import { createReferenceDevice } from './reference/reference-device.ts';
import { Graph, type Tensor } from './tensor.ts';

/** Three layers that share a frozen matrix and a computed tensor, each with a matrix of its own, tied to what comes before. */
function written(layer: (f: (...xs: Tensor[]) => Tensor, ...xs: Tensor[]) => Tensor) {
  const graph = new Graph();
  const x = input(graph, 'x', [3, 4]);
  const w = state(graph, 'w', [4, 4], { trainable: true });
  const frozen = state(graph, 'frozen', [4, 4]);
  const shared = exp(input(graph, 'y', [3, 4]));
  // the matrix is read before the layers and inside of them
  let h = matmul(x, w);
  for (let index = 0; index < 3; index++) {
    const name = `own${index}`;
    h = layer((from) => {
      const own = graph.leaf(name) ?? state(graph, name, [4, 4], { trainable: true });
      const inner = layer((deeper) => silu(matmul(matmul(deeper, own), frozen)), rmsNorm(from, 1e-4));
      return add(from, mul(matmul(inner, w), shared));
    }, h);
  }
  const loss = sum(tanh(h));
  const names = ['x', 'y', 'w', 'own0', 'own1', 'own2'];
  const found = gradients(
    loss,
    names.map((name) => graph.leaf(name) as Tensor),
  );
  const outputs = Object.fromEntries(names.map((name, index) => [name, found[index] as Tensor]));
  return { graph, h, outputs: { ...outputs, loss } as Record<string, Tensor> };
}

async function run(layer: Parameters<typeof written>[0]): Promise<Record<string, Float64Array>> {
  const { graph, outputs } = written(layer);
  const device = createReferenceDevice();
  const executable = device.compile({ graph, outputs, updates: [] });
  const noise = (seed: number) => (_: unknown, i: number) => Math.sin(seed + 1.9 * i);
  for (const [index, [name, { shape }]] of [...device.states()].entries())
    device.write(name, Float32Array.from({ length: shape[0]! * shape[1]! }, noise(index)));
  executable.set('x', Float32Array.from({ length: 12 }, noise(20)));
  executable.set('y', Float32Array.from({ length: 12 }, noise(30)));
  await executable.run();
  return Object.fromEntries(Object.keys(outputs).map((name) => [name, executable.getExact(name)]));
}

describe('recompute', () => {
  it('changes no gradient: of its inputs, of parameters that it reads, of what is computed outside', async () => {
    const [plain, again] = [await run((f, ...xs) => f(...xs)), await run(recompute)];
    for (const [name, values] of Object.entries(plain)) {
      expect(values.some((value) => value !== 0)).toBe(true);
      for (const [index, value] of values.entries()) expect(again[name]?.[index]).toBeCloseTo(value, 10);
    }
  });

  it('keeps nothing of what is inside: only what goes in is read when the gradient is made', () => {
    const { graph, h, outputs } = written(recompute);
    const live = liveTensors({ graph, outputs, updates: [] });
    const kept = new Set(
      live.filter(({ id }) => id > h.id).flatMap(({ inputs }) => inputs.filter(({ id }) => id < h.id)),
    );
    expect([...kept].filter(({ op }) => op.kind === 'silu' || op.kind === 'rms-norm')).toEqual([]);
    const plain = written((f, ...xs) => f(...xs));
    const keptPlain = plain.graph.tensors
      .filter(({ id }) => id > plain.h.id)
      .flatMap(({ inputs }) => inputs.filter(({ id }) => id < plain.h.id));
    expect(new Set(keptPlain).size).toBeGreaterThan(kept.size);
  });

  it('runs its function once for a value and once for each gradient', () => {
    const graph = new Graph();
    const x = input(graph, 'x', [2]);
    let runs = 0;
    const y = recompute((from) => {
      runs += 1;
      return exp(from);
    }, x);
    expect(runs).toBe(1);
    gradients(sum(scale(y, 2)), [x]);
    expect(runs).toBe(2);
  });

  it('is nothing around a function that gives back what it was given', () => {
    const x = input(new Graph(), 'x', [2]);
    expect(recompute((from) => from, x)).toBe(x);
  });
});
