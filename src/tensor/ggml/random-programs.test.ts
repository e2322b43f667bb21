import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Device, Program } from '../device.ts';
import {
  add,
  addAt,
  assign,
  broadcast,
  clamp,
  concat,
  fill,
  input,
  matmul,
  mul,
  permute,
  putRows,
  reshape,
  scale,
  slice,
  softmax,
  state,
  sumLast,
  sumTo,
  transpose,
} from '../ops.ts';
import { createReferenceDevice } from '../reference/reference-device.ts';
import { Graph, type Tensor } from '../tensor.ts';
import { relativeError } from '../testing/run-case.ts';
import { createGgmlDevice, type GgmlDevice } from './ggml-device.ts';

const rows = 12;
const columns = 8;
const shape = [rows, columns];
const swapped = (x: Tensor) => reshape(transpose(x), shape);

/** From two matrices to another: views, what is written in place, and what needs its operands in order. */
const steps: readonly ((a: Tensor, b: Tensor, index: Tensor) => Tensor)[] = [
  (a, b) => scale(add(a, b), 0.5),
  (a, b) => scale(mul(a, softmax(b)), 2),
  (a) => swapped(a),
  (a) => reshape(permute(reshape(a, [2, 3, 2, 8]), [2, 1, 0, 3]), shape),
  (a) => reshape(permute(slice(reshape(concat([a, a], 1), [12, 4, 4]), 1, 1, 3), [1, 0, 2]), shape),
  (a, b) => concat([slice(a, 0, 3, 9), slice(b, 0, 0, 6)], 0),
  (a, b) => concat([slice(a, 1, 5, 8), slice(b, 1, 3, 8)], 1),
  (a, b) => scale(addAt(a, slice(b, 0, 2, 7), 0, 4), 0.5),
  (a, b) => scale(addAt(a, slice(b, 1, 2, 7), 1, 1), 0.5),
  (a, b, index) => putRows(a, slice(b, 0, 0, 3), index),
  (a) => clamp(a, -0.75, 0.5),
  (a, b) => add(broadcast(sumLast(scale(a, 0.1)), shape), scale(b, 0.5)),
  (a, b) => add(scale(a, 0.5), scale(sumTo(b, [columns]), 0.1)),
  (a, b) => scale(matmul(matmul(a, b), slice(transpose(a), 1, 0, rows)), 0.05),
  (a) => addAt(scale(a, 0.9), fill(a.graph, 0.1, [1, columns]), 0, 3),
];

interface Step {
  step: number;
  a: number;
  b: number;
  /** Whether the result is also assigned to a state, one of two. */
  write: number;
}

const plans = fc.array(fc.record({ step: fc.nat(steps.length - 1), a: fc.nat(20), b: fc.nat(20), write: fc.nat(5) }), {
  minLength: 2,
  maxLength: 14,
});

const stateNames = ['first', 'second'];

function program(plan: readonly Step[]): Program {
  const graph = new Graph();
  const index = input(graph, 'index', [3], 'i32');
  const states = stateNames.map((name) => state(graph, name, shape));
  const values = [...states, input(graph, 'x', shape), ...states.map(swapped)];
  const updates: Tensor[] = [];
  for (const { step, a, b, write } of plan) {
    const of = (choice: number) => values[choice % values.length] as Tensor;
    const value = (steps[step] as (typeof steps)[number])(of(a), of(b), index);
    values.push(value);
    const target = states[write];
    if (!target) continue;
    const written = assign(target, value);
    updates.push(written);
    values.push(written);
  }
  const named = values.filter(({ dtype }) => dtype === 'f32').map((tensor, at) => [`value ${at}`, tensor] as const);
  // some are read, so that others are let go
  return {
    graph,
    outputs: Object.fromEntries(named.filter((_, at) => at % 3 === 2 || at === named.length - 1)),
    updates,
  };
}

async function runTwice(device: Device, plan: readonly Step[]): Promise<Map<string, Float32Array>> {
  const asked = program(plan);
  const executable = device.compile(asked);
  const wave = (pitch: number) => Float32Array.from({ length: rows * columns }, (_, i) => Math.sin(i * pitch));
  for (const [at, name] of stateNames.entries()) if (device.states().has(name)) device.write(name, wave(0.7 + at));
  executable.set('x', wave(0.3));
  executable.set('index', Int32Array.of(7, 0, 11));
  await executable.run();
  await executable.run();
  const results = new Map(Object.keys(asked.outputs).map((name) => [name, executable.get(name)]));
  for (const name of device.states().keys()) results.set(name, device.read(name));
  executable.dispose();
  return results;
}

let device: GgmlDevice;
beforeAll(() => {
  device = createGgmlDevice({ device: 'cpu', threads: 1 });
});
afterAll(() => device.dispose());

it('random programs give what the reference gives, twice over', async () => {
  await fc.assert(
    fc.asyncProperty(plans, async (plan) => {
      const reference = createReferenceDevice();
      const expected = await runTwice(reference, plan);
      const got = await runTwice(device, plan);
      for (const [name, values] of expected)
        expect(relativeError(got.get(name) as Float32Array, values), name).toBeLessThan(1e-3);
    }),
    { numRuns: 300 },
  );
});
