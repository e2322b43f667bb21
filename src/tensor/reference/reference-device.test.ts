import { describe, expect, it } from 'vitest';
import {
  add,
  assign,
  cast,
  concat,
  exp,
  fill,
  input,
  matmul,
  permute,
  reshape,
  rope,
  rows,
  scale,
  slice,
  softmax,
  sqr,
  state,
  sum,
} from '../ops.ts';
import { Graph, type Tensor } from '../tensor.ts';
import { createReferenceDevice } from './reference-device.ts';

/** The one output of a graph of fills and inputs. */
async function computed(build: (graph: Graph) => Tensor, inputs: Record<string, Float32Array | Int32Array> = {}) {
  const graph = new Graph();
  const executable = createReferenceDevice().compile({ graph, outputs: { y: build(graph) }, updates: [] });
  for (const [name, values] of Object.entries(inputs)) executable.set(name, values);
  await executable.run();
  return [...executable.get('y')];
}

describe('the reference device computes', () => {
  const six = { x: Float32Array.of(1, 2, 3, 4, 5, 6) };

  it('matrices times transposed matrices', async () => {
    const product = (graph: Graph) => matmul(input(graph, 'x', [2, 3]), input(graph, 'w', [2, 3]));
    expect(await computed(product, { ...six, w: Float32Array.of(1, 0, -1, 2, 1, 0) })).toEqual([-2, 4, -2, 13]);
  });

  it('with matrices that neighbours share', async () => {
    const product = (graph: Graph) => matmul(input(graph, 'x', [6, 1, 1]), input(graph, 'w', [2, 1, 1]));
    expect(await computed(product, { ...six, w: Float32Array.of(10, 100) })).toEqual([10, 20, 30, 400, 500, 600]);
  });

  it('axes in another order, parts, and parts in a row', async () => {
    expect(await computed((graph) => permute(input(graph, 'x', [2, 3]), [1, 0]), six)).toEqual([1, 4, 2, 5, 3, 6]);
    expect(await computed((graph) => slice(input(graph, 'x', [2, 3]), 1, 1, 3), six)).toEqual([2, 3, 5, 6]);
    const doubled = (graph: Graph) => concat([input(graph, 'x', [2, 3]), fill(graph, 9, [2, 1])], 1);
    expect(await computed(doubled, six)).toEqual([1, 2, 3, 9, 4, 5, 6, 9]);
  });

  it('rows by index', async () => {
    const looked = (graph: Graph) => rows(input(graph, 'x', [3, 2]), input(graph, 'at', [4], 'i32'));
    expect(await computed(looked, { ...six, at: Int32Array.of(2, 0, 0, 1) })).toEqual([5, 6, 1, 2, 1, 2, 3, 4]);
    await expect(computed(looked, { ...six, at: Int32Array.of(0, 3, 0, 0) })).rejects.toThrow('index 3 is a row of 3');
  });

  it('probabilities where all is forbidden but one', async () => {
    const masked = (graph: Graph) => softmax(input(graph, 'x', [2, 3]), { mask: input(graph, 'mask', [2, 3]) });
    const mask = Float32Array.of(-Infinity, 0, -Infinity, 0, -Infinity, 0);
    const [, one, , first, , last] = await computed(masked, { ...six, mask });
    expect([one, first]).toEqual([1, expect.closeTo(1 / (1 + Math.exp(2)), 6)]);
    expect(last).toBeCloseTo(1 / (1 + Math.exp(-2)), 6);
  });

  it('rotations, by halves or neighbours', async () => {
    const turned = (pairing: 'halves' | 'adjacent') => (graph: Graph) =>
      rope(input(graph, 'x', [1, 1, 1, 4]), input(graph, 'at', [1], 'i32'), { pairing, base: 1e4 });
    const values = { x: Float32Array.of(1, 0, 0, 1), at: Int32Array.of(1) };
    const [fast, slow] = [1, 0.01];
    const expected = {
      halves: [Math.cos(fast), -Math.sin(slow), Math.sin(fast), Math.cos(slow)],
      adjacent: [Math.cos(fast), Math.sin(fast), -Math.sin(slow), Math.cos(slow)],
    };
    for (const pairing of ['halves', 'adjacent'] as const) {
      const got = await computed(turned(pairing), values);
      for (const [index, value] of got.entries()) expect(value).toBeCloseTo(expected[pairing][index] as number, 6);
    }
  });
});

describe('states of the reference device', () => {
  it('are shared by name between programs, zero at first, and change by assignment', async () => {
    const device = createReferenceDevice();
    const graph = new Graph();
    const count = state(graph, 'count', [2]);
    const step = device.compile({ graph, outputs: {}, updates: [assign(count, add(count, fill(graph, 1.5, [2])))] });
    await step.run();
    await step.run();
    const other = new Graph();
    const twice = device.compile({ graph: other, outputs: { y: scale(state(other, 'count', [2]), 2) }, updates: [] });
    await twice.run();
    expect([...twice.get('y')]).toEqual([6, 6]);
    expect([...device.read('count')]).toEqual([3, 3]);
    expect(device.states()).toEqual(new Map([['count', { shape: [2], dtype: 'f32' }]]));
    device.write('count', Float32Array.of(7, 8));
    await twice.run();
    expect([...twice.get('y')]).toEqual([14, 16]);
  });

  it('are read in the order of the graph: what comes before an assignment has the old value', async () => {
    const device = createReferenceDevice();
    const graph = new Graph();
    const x = state(graph, 'x', [1]);
    const before = reshape(x, [1, 1]);
    const written = assign(x, fill(graph, 5, [1]));
    const after = sqr(x);
    const executable = device.compile({ graph, outputs: { before, written, after }, updates: [written] });
    await executable.run();
    expect(['before', 'written', 'after'].map((name) => executable.get(name)[0])).toEqual([0, 5, 25]);
  });

  it('keep the digits that their type has', async () => {
    const device = createReferenceDevice();
    const graph = new Graph();
    const half = state(graph, 'half', [1], { dtype: 'bf16' });
    const whole = state(graph, 'whole', [1]);
    const y = cast(half, 'f32');
    const executable = device.compile({ graph, outputs: { y }, updates: [assign(half, whole)] });
    device.writeExact('whole', Float64Array.of(0.1));
    device.write('half', Float32Array.of(0.3));
    await executable.run();
    expect(executable.getExact('y')[0]).toBe(0.30078125);
    expect(device.readExact('half')[0]).toBe(0.10009765625);
    expect(device.readExact('whole')[0]).toBe(0.1);
  });

  it('refuse what does not fit them', () => {
    const device = createReferenceDevice();
    const of = (...shape: number[]) => {
      const graph = new Graph();
      return device.compile({ graph, outputs: { y: scale(state(graph, 'x', shape), 2) }, updates: [] });
    };
    of(2, 3);
    expect(() => of(3, 2)).toThrow('state "x" is (2, 3) f32, and a program has it as (3, 2) f32');
    expect(() => device.write('x', new Float32Array(5))).toThrow(
      'state "x" is (2, 3), and 5 numbers were given for it',
    );
    expect(() => device.read('y')).toThrow('there is no state "y"');
  });
});

describe('programs on the reference device', () => {
  it('are refused where they make no sense', () => {
    const device = createReferenceDevice();
    const graph = new Graph();
    const x = input(graph, 'x', [2]);
    expect(() => device.compile({ graph, outputs: { x }, updates: [sqr(x)] })).toThrow(
      'sqr writes no state, so it is no update',
    );
    expect(() => device.compile({ graph: new Graph(), outputs: { x }, updates: [] })).toThrow(
      'output "x" is of another graph',
    );
  });

  it('say what they are not given, or given wrongly', async () => {
    const graph = new Graph();
    const x = input(graph, 'x', [2]);
    const table = input(graph, 'table', [3, 1]);
    const at = input(graph, 'at', [2], 'i32');
    const y = sum(add(exp(x), reshape(rows(table, at), [2])));
    const executable = createReferenceDevice().compile({ graph, outputs: { y }, updates: [] });
    expect(() => executable.set('x', new Float32Array(3))).toThrow('input "x" is (2), and 3 numbers were given for it');
    expect(() => executable.set('at', new Float32Array(2))).toThrow('input "at" is i32');
    executable.set('x', new Float32Array(2));
    executable.set('table', Float32Array.of(1, 2, 3));
    await expect(executable.run()).rejects.toThrow('input "at" was never set');
    expect(() => executable.get('y')).toThrow('there is no output "y" of a run');
    executable.set('at', Int32Array.of(2, 1));
    await executable.run();
    expect(executable.get('y')[0]).toBeCloseTo(7, 6);
    expect(executable.workBytes).toBeGreaterThan(0);
  });

  it('compute only what is asked for', async () => {
    const graph = new Graph();
    const x = input(graph, 'x', [2]);
    const unset = input(graph, 'unset', [2]);
    exp(unset);
    const executable = createReferenceDevice().compile({ graph, outputs: { y: scale(x, 3) }, updates: [] });
    executable.set('x', Float32Array.of(1, 2));
    executable.set('unset', Float32Array.of(1, 2));
    await executable.run();
    expect([...executable.get('y')]).toEqual([3, 6]);
  });
});
