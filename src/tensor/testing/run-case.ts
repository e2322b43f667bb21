// Runs the cases of op-cases.ts on any device, and says how far two results are apart.
import type { Device } from '../device.ts';
import { gradients } from '../gradients.ts';
import { input, mul, state, sum } from '../ops.ts';
import { Graph, type Tensor } from '../tensor.ts';
import { type Leaf, leafValues, type OpCase } from './op-cases.ts';

/** The leaf of a loss by which each number of a case's result counts differently. */
const cotangent = 'cotangent';

export interface CaseGraph {
  graph: Graph;
  outputs: Record<string, Tensor>;
  values: Map<string, Float32Array | Int32Array>;
}

/** Outputs: `result`, `loss`, and `gradient/<leaf>` where the result depends on the leaf. */
export function caseGraph({ name, leaves, build, wanted }: OpCase): CaseGraph {
  const graph = new Graph();
  const tensors = Object.fromEntries(Object.entries(leaves).map(([leaf, of]) => [leaf, leafTensor(graph, leaf, of)]));
  const result = build(tensors);
  const counts = input(graph, cotangent, result.shape);
  const loss = sum(mul(result, counts));
  const outputs: Record<string, Tensor> = { result, loss };
  const found = gradients(
    loss,
    wanted.map((leaf) => tensors[leaf] as Tensor),
  );
  wanted.forEach((leaf, index) => {
    const gradient = found[index];
    if (gradient) outputs[`gradient/${leaf}`] = gradient;
  });
  return { graph, outputs, values: leafValues({ name, leaves: { ...leaves, [cotangent]: { shape: result.shape } } }) };
}

export function leafTensor(graph: Graph, name: string, { shape, dtype = 'f32', state: isState }: Leaf): Tensor {
  return isState && dtype !== 'i32'
    ? state(graph, name, shape, { dtype, trainable: true })
    : input(graph, name, shape, dtype);
}

/** @returns every output of `caseGraph` by name. The device keeps the states of the case. */
export async function runCase(device: Device, opCase: OpCase): Promise<Map<string, Float32Array>> {
  const { graph, outputs, values } = caseGraph(opCase);
  const executable = device.compile({ graph, outputs, updates: [] });
  try {
    for (const [name, numbers] of values) {
      if (opCase.leaves[name]?.state) device.write(name, numbers as Float32Array);
      else executable.set(name, numbers);
    }
    await executable.run();
    return new Map(Object.keys(outputs).map((name) => [name, executable.get(name)]));
  } finally {
    executable.dispose();
  }
}

/** Largest difference over the largest number expected; NaN counts as infinitely far. */
export function relativeError(got: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (got.length !== expected.length) return Infinity;
  let most = 0;
  let apart = 0;
  for (let index = 0; index < expected.length; index++) {
    const difference = Math.abs((got[index] as number) - (expected[index] as number));
    if (Number.isNaN(difference)) return Infinity;
    most = Math.max(most, Math.abs(expected[index] as number));
    apart = Math.max(apart, difference);
  }
  return apart === 0 ? 0 : apart / Math.max(most, 1e-30);
}
