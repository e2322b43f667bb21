import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadNative } from '../../native/ffi.ts';
import { TensorBackend } from '../../native/tensor-backend.ts';
import { crossEntropy, flatTargets } from '../cross-entropy.ts';
import type { Executable, Program } from '../device.ts';
import { expand } from '../expansions.ts';
import { gradients } from '../gradients.ts';
import {
  adamwStep,
  add,
  addAt,
  assign,
  broadcast,
  cast,
  clamp,
  fill,
  input,
  matmul,
  mul,
  permute,
  putRows,
  reshape,
  rows,
  scale,
  slice,
  sqr,
  state,
  sub,
  sum,
  transpose,
} from '../ops.ts';
import { createReferenceDevice } from '../reference/reference-device.ts';
import { elementCount, Graph, type Tensor } from '../tensor.ts';
import { narrowCases, opCases } from '../testing/op-cases.ts';
import { caseGraph, relativeError, runCase } from '../testing/run-case.ts';
import { createGgmlDevice, type GgmlDevice } from './ggml-device.ts';
import { lackingOperations } from './lacking.ts';

let device: GgmlDevice;
beforeAll(() => {
  // more threads would wait for each other on a busy machine
  device = createGgmlDevice({ device: 'cpu', threads: 1 });
});
afterAll(() => device.dispose());

const numbers = (count: number, from = 1) => Float32Array.from({ length: count }, (_, index) => from + index);
const integers = (...values: number[]) => Int32Array.from(values);

async function runOnce(on: GgmlDevice, program: Program, inputs: Record<string, Float32Array | Int32Array> = {}) {
  const executable = on.compile(program);
  try {
    for (const [name, values] of Object.entries(inputs)) executable.set(name, values);
    await executable.run();
    return Object.fromEntries(Object.keys(program.outputs).map((name) => [name, executable.get(name)]));
  } finally {
    executable.dispose();
  }
}

describe('values and gradients are those of the reference', () => {
  const reference = createReferenceDevice();
  it.each(opCases.map((opCase) => [opCase.name, opCase] as const))('%s', async (_, opCase) => {
    const expected = await runCase(reference, opCase);
    const got = await runCase(device, opCase);
    expect([...got.keys()]).toEqual([...expected.keys()]);
    for (const [name, values] of expected) {
      const error = relativeError(got.get(name) as Float32Array, values);
      expect(error, name).toBeLessThan(1e-4);
    }
    reference.dispose();
  });

  it.each(narrowCases.map((opCase) => [opCase.name, opCase] as const))('%s', async (name, opCase) => {
    const expected = await runCase(reference, opCase);
    const got = await runCase(device, opCase);
    // a product by narrow weights is of numbers rounded to that type on the processor
    const precision = name.includes('bf16') ? 2 ** -7 : 2 ** -10;
    for (const [output, values] of expected) {
      expect(relativeError(got.get(output) as Float32Array, values), output).toBeLessThan(precision);
    }
  });
});

describe('a device that lacks operations', () => {
  it('is given them as others: all values and gradients stay', async () => {
    const reference = createReferenceDevice();
    for (const opCase of opCases) {
      const { graph, outputs, values } = caseGraph(opCase);
      const expected = await runCase(reference, opCase);
      const executable = device.compile(expand({ graph, outputs, updates: [] }, () => true));
      for (const [name, numbers] of values) {
        if (opCase.leaves[name]?.state) device.write(name, numbers as Float32Array);
        else executable.set(name, numbers);
      }
      await executable.run();
      for (const [name, numbers] of expected)
        expect(relativeError(executable.get(name), numbers), `${opCase.name}: ${name}`).toBeLessThan(1e-4);
      executable.dispose();
    }
  });

  it('is not the processor', () => {
    const backend = new TensorBackend(loadNative({ device: 'cpu' }), { device: 'cpu' });
    expect([...lackingOperations(backend)]).toEqual([]);
    backend.dispose();
  });
});

describe('views', () => {
  it('of views, of parts and of other orders hold the numbers they stand for', async () => {
    const graph = new Graph();
    const x = input(graph, 'x', [2, 3, 4, 6]);
    const turned = permute(slice(x, 3, 1, 5), [3, 0, 2, 1]);
    const program = {
      graph,
      outputs: {
        turned,
        part: slice(turned, 0, 3, 4),
        joined: reshape(turned, [8, 12]),
        column: reshape(slice(transpose(x), 2, 2, 3), [2, 3, 4]),
        kept: x,
      },
      updates: [],
    };
    const values = numbers(144);
    const reference = createReferenceDevice().compile(program);
    reference.set('x', values);
    await reference.run();
    const got = await runOnce(device, program, { x: values });
    for (const name of Object.keys(program.outputs)) expect(got[name], name).toEqual(reference.get(name));
  });
});

describe('copies of transposed matrices', () => {
  it.each([
    ['by tiles', [96, 64], [1, 0]],
    ['of an odd number of rows', [129, 40], [1, 0]],
    ['whose columns fill no tile', [99, 50], [1, 0]],
    ['of a batch', [3, 96, 64], [0, 2, 1]],
    ['of heads', [2, 70, 3, 32], [0, 2, 3, 1]],
    ['of wide heads', [2, 40, 2, 160], [0, 2, 3, 1]],
    ['of all axes', [4, 16, 8, 20], [3, 2, 1, 0]],
  ] as const)('%s', async (_, shape, axes) => {
    const graph = new Graph();
    const x = input(graph, 'x', shape);
    const copied = scale(permute(x, axes), 2);
    const part = permute(slice(x, shape.length - 1, 4, 20), axes);
    const program = { graph, outputs: { copied, part: scale(part, 3) }, updates: [] };
    const values = numbers(elementCount(shape));
    const reference = createReferenceDevice().compile(program);
    reference.set('x', values);
    await reference.run();
    const got = await runOnce(device, program, { x: values });
    for (const name of Object.keys(program.outputs)) expect(got[name], name).toEqual(reference.get(name));
  });
});

describe('what is written in place', () => {
  it('is written beside what still uses it', async () => {
    const graph = new Graph();
    const x = sqr(input(graph, 'x', [3, 2]));
    const added = addAt(x, fill(graph, 1, [1, 2]), 0, 1);
    const put = putRows(x, fill(graph, -1, [1, 2]), input(graph, 'at', [1], 'i32'));
    const clamped = clamp(x, 2, 20);
    const got = await runOnce(
      device,
      { graph, outputs: { added, put, clamped, x: scale(x, 1) }, updates: [] },
      { x: numbers(6), at: integers(2) },
    );
    expect(got).toEqual({
      added: Float32Array.of(1, 4, 10, 17, 25, 36),
      put: Float32Array.of(1, 4, 9, 16, -1, -1),
      clamped: Float32Array.of(2, 4, 9, 16, 20, 20),
      x: Float32Array.of(1, 4, 9, 16, 25, 36),
    });
  });

  it('never changes an input, a state or a constant', async () => {
    const graph = new Graph();
    const x = input(graph, 'x', [2, 2]);
    const kept = state(graph, 'kept-in-place', [2, 2]);
    const zero = fill(graph, 0, [2, 2]);
    const one = fill(graph, 1, [1, 2]);
    const total = [x, kept, zero].map((to) => addAt(to, one, 0, 0)).reduce((a, b) => add(a, b));
    const executable = device.compile({ graph, outputs: { total }, updates: [] });
    executable.set('x', numbers(4));
    for (let run = 0; run < 3; run++) {
      await executable.run();
      expect(executable.get('total')).toEqual(Float32Array.of(4, 5, 3, 4));
    }
    expect(device.read('kept-in-place')).toEqual(new Float32Array(4));
  });
});

describe('states', () => {
  const counting = (name: string): Program => {
    const graph = new Graph();
    const counter = state(graph, name, [2]);
    const next = add(counter, input(graph, 'by', [2]));
    return { graph, outputs: { before: scale(counter, 1), next }, updates: [assign(counter, next)] };
  };

  it('are zero at first, keep what is assigned, and are shared by programs', async () => {
    const first = device.compile(counting('shared'));
    const second = device.compile(counting('shared'));
    expect(device.read('shared')).toEqual(new Float32Array(2));
    for (const executable of [first, second]) executable.set('by', Float32Array.of(1, 10));
    await first.run();
    await second.run();
    await first.run();
    expect(first.get('before')).toEqual(Float32Array.of(2, 20));
    expect(device.read('shared')).toEqual(Float32Array.of(3, 30));
    first.dispose();
    device.write('shared', Float32Array.of(7, 7));
    await second.run();
    expect(second.get('next')).toEqual(Float32Array.of(8, 17));
    expect(device.states().get('shared')).toEqual({ shape: [2], dtype: 'f32' });
  });

  it('show what was assigned to what is made later in the graph, and not to what was made before', async () => {
    const graph = new Graph();
    const matrix = state(graph, 'overtaken', [2, 3]);
    const before = transpose(matrix);
    const written = assign(matrix, add(matrix, fill(graph, 1, [2, 3])));
    const after = transpose(matrix);
    const outputs = { before, after, late: mul(before, after), written, matrix };
    const executable = device.compile({ graph, outputs, updates: [written] });
    device.write('overtaken', numbers(6));
    await executable.run();
    expect(executable.get('before')).toEqual(Float32Array.of(1, 4, 2, 5, 3, 6));
    expect(executable.get('after')).toEqual(Float32Array.of(2, 5, 3, 6, 4, 7));
    expect(executable.get('late')).toEqual(Float32Array.of(2, 20, 6, 30, 12, 42));
    expect(executable.get('written')).toEqual(Float32Array.of(2, 3, 4, 5, 6, 7));
    expect(executable.get('matrix')).toEqual(Float32Array.of(2, 3, 4, 5, 6, 7));
  });

  it('show what they held when they were repeated to what uses that after an assignment', async () => {
    const graph = new Graph();
    const row = state(graph, 'overtaken-row', [2]);
    const repeated = broadcast(row, [3, 2]);
    const written = assign(row, fill(graph, 10, [2]));
    const x = input(graph, 'x', [3, 2]);
    const outputs = { second: sub(x, repeated), first: add(repeated, x) };
    const executable = device.compile({ graph, outputs, updates: [written] });
    device.write('overtaken-row', Float32Array.of(1, 2));
    executable.set('x', numbers(6));
    await executable.run();
    expect(executable.get('second')).toEqual(Float32Array.of(0, 0, 2, 2, 4, 4));
    expect(executable.get('first')).toEqual(Float32Array.of(2, 4, 4, 6, 6, 8));
    executable.dispose();
  });

  it.each(['f16', 'bf16'] as const)('are stored as %s and read as f32', async (dtype) => {
    const graph = new Graph();
    const stored = state(graph, `stored-${dtype}`, [4], { dtype });
    const written = assign(stored, mul(cast(stored, 'f32'), fill(graph, 3, [4])));
    const executable = device.compile({ graph, outputs: { stored, written }, updates: [written] });
    device.write(`stored-${dtype}`, Float32Array.of(1, 1.0001, -0.5, 1024));
    expect(device.read(`stored-${dtype}`)).toEqual(Float32Array.of(1, 1, -0.5, 1024));
    await executable.run();
    expect(device.read(`stored-${dtype}`)).toEqual(Float32Array.of(3, 3, -1.5, 3072));
    expect(executable.get('stored')).toEqual(Float32Array.of(3, 3, -1.5, 3072));
  });

  it('count with their bytes', () => {
    const alone = createGgmlDevice({ device: 'cpu' });
    const graph = new Graph();
    const [a, b] = [state(graph, 'a', [10]), state(graph, 'b', [10], { dtype: 'bf16' })];
    alone.compile({ graph, outputs: { sum: add(a, cast(b, 'f32')) }, updates: [] });
    expect(alone.stateBytes).toBe(60);
    alone.dispose();
  });
});

/** A small model that learns: loss of a linear map, with AdamW. */
function training(): Program {
  const graph = new Graph();
  const weight = state(graph, 'weight', [16, 32], { trainable: true });
  const [x, target] = [input(graph, 'x', [64, 32]), input(graph, 'target', [64, 16])];
  const loss = sum(sqr(sub(matmul(x, weight), target)));
  const [gradient] = gradients(loss, [weight]) as [Tensor];
  const moments = ['first', 'second'].map((name) => state(graph, name, [16, 32])) as [Tensor, Tensor];
  const updated = adamwStep(weight, gradient, ...moments, input(graph, 'settings', [7]));
  return { graph, outputs: { loss }, updates: [updated] };
}

const wave = (count: number, pitch: number) => Float32Array.from({ length: count }, (_, i) => Math.sin(i * pitch));

async function train(on: { compile(program: Program): Executable; read(name: string): Float32Array }, steps: number) {
  const executable = on.compile(training());
  executable.set('x', wave(64 * 32, 0.37));
  executable.set('target', wave(64 * 16, 0.11));
  const losses: number[] = [];
  for (let step = 1; step <= steps; step++) {
    executable.set(
      'settings',
      Float32Array.of(0.01, 0.9, 0.95, 1e-8, 0.1, 1 / (1 - 0.9 ** step), 1 / (1 - 0.95 ** step)),
    );
    await executable.run();
    losses.push((executable.get('loss') as Float32Array)[0] as number);
  }
  return { losses, weight: on.read('weight') };
}

describe('training', () => {
  it('follows the reference', async () => {
    const reference = await train(createReferenceDevice(), 10);
    const got = await train(device, 10);
    expect(relativeError(got.losses, reference.losses)).toBeLessThan(1e-4);
    expect(relativeError(got.weight, reference.weight)).toBeLessThan(1e-3);
  });

  it('gives the same bits again, on a fresh device and with any number of threads', async () => {
    const runs = [];
    for (const threads of [1, 2, 3, 2]) {
      const fresh = createGgmlDevice({ device: 'cpu', threads });
      runs.push(await train(fresh, 5));
      fresh.dispose();
    }
    for (const run of runs) expect(run).toEqual(runs[0]);
  });

  it('leaves the event loop free while it computes', async () => {
    const graph = new Graph();
    const x = input(graph, 'x', [1024, 1024]);
    let y = x;
    for (let i = 0; i < 8; i++) y = matmul(y, x);
    const executable = device.compile({ graph, outputs: { y: sum(y) }, updates: [] });
    executable.set('x', new Float32Array(1024 * 1024));
    let done = false;
    let turns = 0;
    const running = executable.run().then(() => {
      done = true;
    });
    while (!done) {
      turns += 1;
      await new Promise(setImmediate);
    }
    await running;
    expect(turns).toBeGreaterThan(10);
    executable.dispose();
  });
});

describe('a loss', () => {
  it('of logits that are no numbers is none', async () => {
    const graph = new Graph();
    const loss = crossEntropy({
      hidden: input(graph, 'hidden', [2, 4]),
      head: input(graph, 'head', [3, 4]),
      targets: input(graph, 'targets', [2], 'i32'),
      weights: input(graph, 'weights', [2]),
      chunk: 2,
    });
    const { loss: got } = await runOnce(
      device,
      { graph, outputs: { loss }, updates: [] },
      {
        hidden: new Float32Array(8).fill(Number.NaN),
        head: numbers(12),
        targets: flatTargets([0, 2], 3, 2),
        weights: Float32Array.of(0.5, 0.5),
      },
    );
    expect(got?.[0]).toBeNaN();
  });

  it('has its small gradients also where weights are f16', async () => {
    const graph = new Graph();
    const x = input(graph, 'x', [3, 8]);
    const w = cast(input(graph, 'w', [4, 8]), 'f16');
    const [byX] = gradients(scale(sum(matmul(x, w)), 1e-9), [x]);
    const program = { graph, outputs: { byX: byX as Tensor }, updates: [] };
    const { byX: got } = await runOnce(device, program, { w: new Float32Array(32).fill(0.5) });
    expect(relativeError(got as Float32Array, new Float32Array(24).fill(2e-9))).toBeLessThan(1e-5);
  });
});

describe('misuse is an error', () => {
  const invalid = (message: RegExp) =>
    expect.objectContaining({ code: 'graph_invalid', message: expect.stringMatching(message) });
  const compiled = () => {
    const graph = new Graph();
    const table = state(graph, 'looked-up', [5, 2]);
    const picked = rows(table, slice(input(graph, 'at', [3], 'i32'), 0, 1, 3));
    const unused = input(graph, 'unused', [2]);
    const executable = device.compile({ graph, outputs: { picked }, updates: [] });
    return { graph, executable, unused };
  };

  it('when a name is unknown or a length wrong', async () => {
    const { executable } = compiled();
    expect(() => executable.set('nothing', numbers(1))).toThrow(invalid(/no input "nothing"/));
    expect(() => executable.set('looked-up', numbers(10))).toThrow(invalid(/no input "looked-up"/));
    expect(() => executable.set('at', integers(1))).toThrow(invalid(/"at" is \(3\), and 1/));
    expect(() => executable.set('at', numbers(3))).toThrow(invalid(/"at" is i32/));
    executable.set('unused', numbers(2));
    await expect(executable.run()).rejects.toThrow(invalid(/"at" was never set/));
    executable.set('at', integers(0, 1, 4));
    expect(() => executable.get('picked')).toThrow(invalid(/after a run/));
    await executable.run();
    expect(() => executable.get('nothing')).toThrow(invalid(/no output "nothing"/));
    expect(() => device.read('nothing')).toThrow(invalid(/no state "nothing"/));
    expect(() => device.write('looked-up', numbers(3))).toThrow(invalid(/"looked-up" is \(5, 2\), and 3/));
    executable.dispose();
  });

  it('when an index is outside its table, before ggml sees it', () => {
    const { executable } = compiled();
    expect(() => executable.set('at', integers(0, 1, 5))).toThrow(invalid(/"at" holds 5 at 2, which indexes 5 rows/));
    expect(() => executable.set('at', integers(0, -1, 4))).toThrow(invalid(/"at" holds -1 at 1/));
    executable.dispose();
  });

  it('when an index comes in another shape, too', () => {
    const graph = new Graph();
    const table = state(graph, 'looked-up', [5, 2]);
    const at = input(graph, 'at', [2, 2], 'i32');
    const picked = rows(table, reshape(slice(at, 0, 1, 2), [2]));
    const executable = device.compile({ graph, outputs: { picked }, updates: [] });
    expect(() => executable.set('at', integers(0, 1, 2, 5))).toThrow(
      invalid(/"at" holds 5 at 3, which indexes 5 rows/),
    );
    executable.set('at', integers(0, 9, 2, 4));
    executable.dispose();
  });

  it('when a state has another shape or type than it had', () => {
    compiled().executable.dispose();
    const graph = new Graph();
    const other = state(graph, 'looked-up', [2, 5]);
    expect(() => device.compile({ graph, outputs: { other }, updates: [] })).toThrow(
      invalid(/\(5, 2\) f32, and a program has it as \(2, 5\) f32/),
    );
  });

  it('after disposal', async () => {
    const alone = createGgmlDevice({ device: 'cpu' });
    const { graph, outputs, updates } = training();
    const executable = alone.compile({ graph, outputs, updates });
    executable.set('x', numbers(64 * 32));
    executable.set('target', numbers(64 * 16));
    executable.set('settings', numbers(7));
    executable.dispose();
    executable.dispose();
    const disposed = expect.objectContaining({ code: 'native_disposed' });
    await expect(executable.run()).rejects.toThrow(disposed);
    expect(() => executable.set('x', numbers(64 * 32))).toThrow(disposed);
    alone.dispose();
    alone.dispose();
    expect(() => alone.compile({ graph, outputs, updates })).toThrow(disposed);
  });

  it('when memory does not suffice', () => {
    const graph = new Graph();
    const huge = state(graph, 'huge', [2 ** 20, 2 ** 20]);
    expect(() => device.compile({ graph, outputs: { total: sum(huge) }, updates: [] })).toThrow(
      expect.objectContaining({
        code: 'does_not_fit',
        message: expect.stringMatching(/need 4,194,304 MiB; [\d,]+ MiB are free/),
      }),
    );
    expect(device.states().has('huge')).toBe(false);
    const work = new Graph();
    const x = input(work, 'x', [2 ** 20, 1]);
    const wide = matmul(x, x);
    expect(() => device.compile({ graph: work, outputs: { y: sum(sqr(wide)) }, updates: [] })).toThrow(
      expect.objectContaining({ code: 'does_not_fit' }),
    );
  });
});
