import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { gradients } from './gradients.ts';
import {
  add,
  addAt,
  concat,
  div,
  input,
  matmul,
  mul,
  permute,
  reshape,
  rmsNorm,
  scale,
  sigmoid,
  silu,
  slice,
  softmax,
  sqr,
  sub,
  sum,
  sumLast,
  sumTo,
  swiglu,
  tanh,
} from './ops.ts';
import { recompute } from './recompute.ts';
import { createReferenceDevice } from './reference/reference-device.ts';
import { Graph, type Tensor } from './tensor.ts';

const size = 3;
/** From two square matrices to another. */
const steps: readonly ((a: Tensor, b: Tensor) => Tensor)[] = [
  add,
  sub,
  mul,
  (a, b) => div(a, scale(sqr(b), 1, 1)),
  matmul,
  swiglu,
  (a, b) => mul(a, sumLast(b)),
  (a, b) => sub(a, sumTo(b, [size])),
  (a, b) => softmax(a, { mask: b, factor: 0.7 }),
  (a) => rmsNorm(a, 0.1),
  (a) => permute(a, [1, 0]),
  (a, b) => concat([slice(a, 0, 1, size), slice(b, 0, 0, 1)], 0),
  (a, b) => addAt(a, slice(b, 1, 1, size), 1, 0),
  (a) => reshape(sumLast(reshape(silu(concat([a, sigmoid(a)], 1)), [size, size, 2])), [size, size]),
  (a, b) => recompute((x) => matmul(silu(x), b), a),
];

const graphs = fc.array(fc.record({ step: fc.nat(steps.length - 1), a: fc.nat(100), b: fc.nat(100) }), {
  minLength: 1,
  maxLength: 10,
});

describe('gradients of random graphs', () => {
  it('equal finite differences', async () => {
    await fc.assert(
      fc.asyncProperty(graphs, fc.integer(), async (plan, seed) => {
        const graph = new Graph();
        const leaves = ['x', 'y'].map((name) => input(graph, name, [size, size]));
        const made = [...leaves];
        const at = (index: number) => made[index % made.length] as Tensor;
        // bounded, so that no number outgrows the differences
        for (const { step, a, b } of plan) made.push(tanh((steps[step] as (typeof steps)[number])(at(a), at(b))));
        const loss = sum(made.reduce(add));
        const found = gradients(loss, leaves) as Tensor[];
        const outputs = { loss, x: found[0] as Tensor, y: found[1] as Tensor };
        const executable = createReferenceDevice().compile({ graph, outputs, updates: [] });
        const values = {
          x: Float64Array.from({ length: size * size }, (_, i) => Math.sin(seed + 2.1 * i)),
          y: Float64Array.from({ length: size * size }, (_, i) => Math.cos(seed - 1.3 * i)),
        };
        executable.setExact('x', values.x);
        executable.setExact('y', values.y);
        await executable.run();
        const claimed = { x: executable.getExact('x'), y: executable.getExact('y') };
        const lossNear = async (name: 'x' | 'y', index: number, by: number) => {
          const moved = values[name].slice();
          moved[index] = (moved[index] as number) + by;
          executable.setExact(name, moved);
          await executable.run();
          executable.setExact(name, values[name]);
          return executable.getExact('loss')[0] as number;
        };
        for (const name of ['x', 'y'] as const) {
          for (const index of [0, 4, 5]) {
            const slope = ((await lossNear(name, index, 1e-5)) - (await lossNear(name, index, -1e-5))) / 2e-5;
            expect(Math.abs((claimed[name][index] as number) - slope)).toBeLessThan(
              1e-6 * Math.max(1, Math.abs(slope)),
            );
          }
        }
      }),
      { numRuns: 100 },
    );
  });
});
