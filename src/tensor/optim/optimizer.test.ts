import { describe, expect, it } from 'vitest';
import { gradients } from '../gradients.ts';
import { input, mul, sqr, state, sub, sum } from '../ops.ts';
import { createReferenceDevice } from '../reference/reference-device.ts';
import { Graph, type Tensor } from '../tensor.ts';
import { relativeError } from '../testing/run-case.ts';
import { accumulate, clearSums, gradientSum } from './accumulation.ts';
import { clipScale } from './clipping.ts';
import { orthogonal } from './muon.ts';
import { type Recipe, settingsName, settingsOf, stepOf } from './optimizer.ts';

const shape = [3, 5];
const start = Float64Array.from({ length: 15 }, (_, i) => Math.sin(1.7 * i));
const gradientAt = (step: number) => Float64Array.from({ length: 15 }, (_, i) => Math.cos(i * (step + 1)) * (step + 1));
const steps = 4;
const factorAt = (step: number) => 1 - step / 10;

/** The parameter after some steps with the gradients of `gradientAt`. */
async function trained(recipe: Recipe, size = shape): Promise<Float64Array> {
  const graph = new Graph();
  const parameter = state(graph, 'w', size, { trainable: true });
  const gradient = input(graph, 'gradient', size);
  const updates = stepOf(recipe.method, 'all', parameter, gradient);
  const device = createReferenceDevice();
  const executable = device.compile({ graph, outputs: {}, updates });
  device.writeExact('w', start);
  for (let step = 0; step < steps; step++) {
    executable.setExact('gradient', gradientAt(step));
    executable.set(settingsName('all'), settingsOf(recipe, step, factorAt(step)));
    await executable.run();
  }
  return device.readExact('w');
}

describe('adamw', () => {
  it('is the published algorithm', async () => {
    const [rate, beta1, beta2, epsilon, decay] = [0.05, 0.8, 0.9, 1e-6, 0.3];
    const w = start.slice();
    const m = new Float64Array(15);
    const v = new Float64Array(15);
    for (let step = 0; step < steps; step++) {
      const g = gradientAt(step);
      const lr = rate * factorAt(step);
      for (let i = 0; i < 15; i++) {
        m[i] = beta1 * m[i]! + (1 - beta1) * g[i]!;
        v[i] = beta2 * v[i]! + (1 - beta2) * g[i]! ** 2;
        const unbiased = m[i]! / (1 - beta1 ** (step + 1));
        const root = Math.sqrt(v[i]! / (1 - beta2 ** (step + 1))) + epsilon;
        w[i] = w[i]! - lr * (unbiased / root + decay * w[i]!);
      }
    }
    const got = await trained({ method: 'adamw', learningRate: rate, beta1, beta2, epsilon, weightDecay: decay });
    expect(relativeError(got, w)).toBeLessThan(1e-6);
  });
});

describe('sgd', () => {
  it('is gradient descent with momentum', async () => {
    const w = start.slice();
    const past = new Float64Array(15);
    for (let step = 0; step < steps; step++) {
      const lr = 0.1 * factorAt(step);
      for (let i = 0; i < 15; i++) {
        past[i] = 0.7 * past[i]! + gradientAt(step)[i]!;
        w[i] = w[i]! * (1 - lr * 0.2) - lr * past[i]!;
      }
    }
    const got = await trained({ method: 'sgd', learningRate: 0.1, momentum: 0.7, weightDecay: 0.2 });
    expect(relativeError(got, w)).toBeLessThan(1e-6);
  });
});

type Matrix = number[][];
const toMatrix = (x: ArrayLike<number>, columns: number): Matrix =>
  Array.from({ length: x.length / columns }, (_, row) =>
    Array.from({ length: columns }, (_, column) => x[row * columns + column] as number),
  );
const times = (a: Matrix, b: Matrix): Matrix =>
  a.map((row) => b[0]!.map((_, column) => row.reduce((total, value, i) => total + value * b[i]![column]!, 0)));
const turned = (a: Matrix): Matrix => a[0]!.map((_, column) => a.map((row) => row[column]!));
const mixed = (a: Matrix, x: number, b: Matrix, y: number): Matrix =>
  a.map((row, i) => row.map((value, j) => x * value + y * b[i]![j]!));

/** a X + (b S + c S S) X with S = X Xᵀ, five times. */
function newtonSchulz(x: Matrix): Matrix {
  const norm = Math.hypot(...x.flat());
  let y = x.map((row) => row.map((value) => value / (norm + 1e-7)));
  for (let round = 0; round < 5; round++) {
    const square = times(y, turned(y));
    y = mixed(y, 3.4445, times(mixed(square, -4.775, times(square, square), 2.0315), y), 1);
  }
  return y;
}

describe('muon', () => {
  it.each([
    { name: 'wide', size: [3, 5], stretch: 1 },
    { name: 'tall', size: [5, 3], stretch: Math.sqrt(5 / 3) },
  ])('steps a $name matrix by its orthogonalised momentum', async ({ size, stretch }) => {
    const columns = size[1] as number;
    let w = toMatrix(start, columns);
    let past: Matrix = w.map((row) => row.map(() => 0));
    for (let step = 0; step < steps; step++) {
      const lr = 0.02 * factorAt(step);
      const g = toMatrix(gradientAt(step), columns);
      past = mixed(past, 0.95, g, 1);
      const nesterov = mixed(g, 1, past, 0.95);
      w = mixed(w, 1 - lr * 0.1, newtonSchulz(nesterov), -lr * stretch);
    }
    const got = await trained({ method: 'muon', learningRate: 0.02, weightDecay: 0.1 }, size);
    expect(relativeError(got, w.flat())).toBeLessThan(1e-6);
  });

  it('moves every direction by about as much', async () => {
    const graph = new Graph();
    const y = orthogonal(input(graph, 'x', [2, 6]));
    const executable = createReferenceDevice().compile({ graph, outputs: { y }, updates: [] });
    // the second row is far shorter than the first, and not across it
    executable.set('x', Float32Array.of(3, 1, -2, 4, 0, 1, 0.2, 0.3, -0.1, 0.2, 0.4, 0.1));
    await executable.run();
    const rows = toMatrix(executable.getExact('y'), 6);
    const [[p, q], [, r]] = times(rows, turned(rows)) as [[number, number], [number, number]];
    // of a symmetric matrix: the squares of the singular values
    const [middle, half] = [(p + r) / 2, Math.hypot((p - r) / 2, q)];
    for (const value of [Math.sqrt(middle - half), Math.sqrt(middle + half)]) {
      expect(value).toBeGreaterThan(0.67);
      expect(value).toBeLessThan(1.25);
    }
  });

  it('multiplies by what the shorter side gives', () => {
    for (const size of [
      [6, 2],
      [2, 6],
    ] as const) {
      const graph = new Graph();
      const y = orthogonal(input(graph, 'x', size));
      expect(y.shape).toEqual(size);
      const products = graph.tensors.filter(({ op }) => op.kind === 'matmul').slice(0, 3);
      expect(products.map(({ shape }) => shape)).toEqual([
        [2, 2],
        [2, 2],
        [2, 6],
      ]);
    }
  });

  it('is for matrices', async () => {
    await expect(trained({ method: 'muon', learningRate: 1 }, [15])).rejects.toThrow(
      'muon: steps matrices, not (15) f32',
    );
  });
});

describe('clipScale', () => {
  const clipped = async (maxNorm: number) => {
    const graph = new Graph();
    const [a, b] = [input(graph, 'a', [2]), input(graph, 'b', [1, 1])];
    const { norm, scale } = clipScale([a, b], maxNorm);
    const executable = createReferenceDevice().compile({ graph, outputs: { norm, scale }, updates: [] });
    executable.set('a', Float32Array.of(2, -3));
    executable.set('b', Float32Array.of(6));
    await executable.run();
    return { norm: executable.get('norm')[0], scale: executable.get('scale')[0] };
  };

  it('holds all gradients together to a norm', async () => {
    const { norm, scale } = await clipped(1.75);
    expect(norm).toBeCloseTo(7, 6);
    expect(scale).toBeCloseTo(0.25, 6);
  });

  it('leaves short ones as they are', async () => {
    expect((await clipped(8)).scale).toBe(1);
  });
});

describe('gradients of parts', () => {
  /** Fits w to targets by one step over `parts`. */
  const steppedBy = async (parts: readonly (readonly number[])[]) => {
    const device = createReferenceDevice();
    const total = parts.flat().length / 2;
    for (const part of parts) {
      const graph = new Graph();
      const w = state(graph, 'w', [2], { trainable: true });
      const rows = input(graph, 'rows', [part.length / 2, 2]);
      const loss = mul(sum(sqr(sub(rows, w))), input(graph, 'share', [1]));
      const updates = gradients(loss, [w], accumulate) as Tensor[];
      const executable = device.compile({ graph, outputs: {}, updates });
      executable.set('rows', Float32Array.from(part));
      executable.set('share', Float32Array.of(1 / total));
      await executable.run();
    }
    const graph = new Graph();
    const w = state(graph, 'w', [2], { trainable: true });
    const recipe: Recipe = { method: 'sgd', learningRate: 0.25 };
    const updates = [...stepOf(recipe.method, 'all', w, gradientSum(w)), ...clearSums([w])];
    const executable = device.compile({ graph, outputs: {}, updates });
    executable.set('settings/all', settingsOf(recipe, 0, 1));
    await executable.run();
    return { w: [...device.readExact('w')], sums: [...device.readExact('gradient/w')] };
  };

  it('add up to that of the whole, and are cleared when they have been used', async () => {
    const whole = await steppedBy([[1, 2, 3, 4, 5, 6]]);
    const parts = await steppedBy([
      [1, 2],
      [3, 4, 5, 6],
    ]);
    expect(whole.w[0]).toBeCloseTo(1.5, 6);
    expect(whole.w[1]).toBeCloseTo(2, 6);
    expect(relativeError(parts.w, whole.w)).toBeLessThan(1e-7);
    expect(parts.sums).toEqual([0, 0]);
  });
});
