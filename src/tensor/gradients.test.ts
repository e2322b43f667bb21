import { describe, expect, it } from 'vitest';
import { gradients } from './gradients.ts';
import { add, cast, exp, input, matmul, mul, rows, scale, sqr, state, step, sum, withGradient } from './ops.ts';
import { createReferenceDevice } from './reference/reference-device.ts';
import { Graph } from './tensor.ts';
import { narrowCases, narrowCasesIn, type OpCase, opCases } from './testing/op-cases.ts';
import { caseGraph, relativeError, runCase } from './testing/run-case.ts';

/** Derivatives by at most this many numbers of a leaf are tried. */
const tried = 24;

/** Relative error of each gradient of a case against central differences in f64. */
async function errorsOf(opCase: OpCase): Promise<Record<string, number>> {
  const { graph, outputs, values } = caseGraph(opCase);
  const device = createReferenceDevice();
  const executable = device.compile({ graph, outputs, updates: [] });
  const set = (name: string, numbers: Float64Array) =>
    opCase.leaves[name]?.state ? device.writeExact(name, numbers) : executable.setExact(name, numbers);
  for (const [name, numbers] of values) {
    if (numbers instanceof Int32Array) executable.set(name, numbers);
    else set(name, Float64Array.from(numbers));
  }
  await executable.run();
  const found = new Map(Object.keys(outputs).map((name) => [name, executable.getExact(name)]));
  const loss = async () => {
    await executable.run();
    return executable.getExact('loss')[0] as number;
  };

  const errors: Record<string, number> = {};
  for (const leaf of opCase.wanted) {
    const at = Float64Array.from(values.get(leaf) as Float32Array);
    const gradient = found.get(`gradient/${leaf}`) ?? new Float64Array(at.length);
    const stride = Math.max(1, Math.floor(at.length / tried)) | 1;
    const slopes: number[] = [];
    const claimed: number[] = [];
    for (let index = 0; index < at.length; index += stride) {
      const value = at[index] as number;
      const small = 1e-5;
      at[index] = value + small;
      set(leaf, at);
      const above = await loss();
      at[index] = value - small;
      set(leaf, at);
      slopes.push((above - (await loss())) / (2 * small));
      claimed.push(gradient[index] as number);
      at[index] = value;
    }
    set(leaf, at);
    errors[leaf] = relativeError(claimed, slopes);
  }
  return errors;
}

describe('gradients', () => {
  it.each(opCases.map((opCase) => [opCase.name, opCase] as const))('of %s equal finite differences', async (_, of) => {
    const errors = await errorsOf(of);
    expect(Object.keys(errors).length).toBeGreaterThan(0);
    for (const error of Object.values(errors)) expect(error).toBeLessThan(1e-5);
  });

  it.each(narrowCases.map((opCase, index) => [opCase.name, opCase, index] as const))(
    'pass through %s, as through f32 but for the rounding',
    async (_, of, index) => {
      const exact = narrowCasesIn('f32');
      const { build } = exact[index % exact.length] as OpCase;
      const found = await runCase(createReferenceDevice(), of);
      for (const [name, expected] of await runCase(createReferenceDevice(), { ...of, build }))
        expect(relativeError(found.get(name) ?? [], expected)).toBeLessThan(1e-2);
    },
  );

  it.each([
    ['f32', 'f32'],
    ['bf16', 'bf16'],
    // too few exponents for gradients
    ['f16', 'f32'],
  ] as const)('of weights in %s are products in %s', (dtype, expected) => {
    const graph = new Graph();
    const w = input(graph, 'w', [5, 8]);
    const loss = sum(matmul(input(graph, 'x', [6, 8]), cast(w, dtype)));
    const before = graph.tensors.length;
    gradients(loss, [w]);
    const products = graph.tensors.slice(before).filter(({ op }) => op.kind === 'matmul');
    expect(products.map(({ inputs }) => inputs[1]?.dtype)).toEqual([expected]);
  });

  it('are total: one wanted tensor may lead to another', async () => {
    const graph = new Graph();
    const x = input(graph, 'x', [1]);
    const y = sqr(x);
    const [byX, byY] = gradients(mul(y, x), [x, y]);
    if (!byX || !byY) throw new Error('both are reached');
    const executable = createReferenceDevice().compile({ graph, outputs: { byX, byY }, updates: [] });
    executable.set('x', Float32Array.of(3));
    await executable.run();
    expect(executable.get('byX')).toEqual(Float32Array.of(27));
    expect(executable.get('byY')).toEqual(Float32Array.of(3));
  });

  it('are undefined where the loss does not depend on a tensor', () => {
    const graph = new Graph();
    const x = input(graph, 'x', [2]);
    const other = input(graph, 'other', [2]);
    expect(gradients(sum(mul(exp(x), step(other))), [other])).toEqual([undefined]);
    expect(gradients(sum(x), [x, other])[1]).toBeUndefined();
  });

  it('are not written down for what is not wanted', () => {
    const count = (wanted: ('x' | 'w')[]) => {
      const graph = new Graph();
      const leaves = { x: input(graph, 'x', [4, 8]), w: input(graph, 'w', [8, 8]) };
      const loss = sum(matmul(exp(leaves.x), sqr(leaves.w)));
      const before = graph.tensors.length;
      gradients(
        loss,
        wanted.map((name) => leaves[name]),
      );
      return graph.tensors.slice(before).filter(({ op }) => op.kind === 'matmul').length;
    };
    expect(count(['x'])).toBe(1);
    expect(count(['w'])).toBe(1);
    expect(count(['x', 'w'])).toBe(2);
  });

  it('go to a parameter that is used twice, once', async () => {
    const graph = new Graph();
    const w = state(graph, 'w', [2, 2], { trainable: true });
    const at = input(graph, 'at', [1], 'i32');
    const [byW] = gradients(sum(matmul(rows(w, at), w)), [w]);
    const device = createReferenceDevice();
    const executable = device.compile({ graph, outputs: { byW: byW! }, updates: [] });
    device.write('w', Float32Array.of(1, 2, 3, 4));
    executable.set('at', Int32Array.of(0));
    await executable.run();
    // loss = w0 · w0 + w0 · w1
    expect(executable.get('byW')).toEqual(Float32Array.of(5, 8, 1, 2));
  });

  it('are given to whoever waits, as soon as nothing reads the parameter any more', () => {
    const graph = new Graph();
    const x = input(graph, 'x', [4, 8]);
    const first = state(graph, 'first', [8, 8], { trainable: true });
    const second = state(graph, 'second', [8, 8], { trainable: true });
    const loss = sum(matmul(exp(matmul(x, first)), second));
    const received: string[] = [];
    const given = gradients(loss, [first, second], (gradient, { op }) => {
      if (op.kind === 'state') received.push(op.name);
      return scale(gradient, 2);
    });
    expect(received).toEqual(['second', 'first']);
    expect(given.map((tensor) => tensor?.op.kind)).toEqual(['scale', 'scale']);
    // what is done with the gradient of the second stands before that of the first is made
    const [byFirst, bySecond] = given.map((tensor) => tensor?.inputs[0]?.id ?? 0) as [number, number];
    expect(given[1]?.id).toBeLessThan(byFirst);
    expect(bySecond).toBeLessThan(byFirst);
  });

  it('follow a rule of its own where there is one', () => {
    const graph = new Graph();
    const x = input(graph, 'x', [2]);
    const asked: (readonly boolean[])[] = [];
    const value = withGradient(exp(x), [x, input(graph, 'y', [2])], (gradient, needed) => {
      asked.push(needed);
      return [scale(gradient, 7), undefined];
    });
    expect(gradients(sum(value), [x])[0]?.op).toEqual({ kind: 'scale', factor: 7, offset: 0 });
    expect(asked).toEqual([[true, false]]);
  });

  it('are refused where there are none', () => {
    const graph = new Graph();
    const x = input(graph, 'x', [2]);
    const frozen = state(graph, 'frozen', [2]);
    const at = input(graph, 'at', [2], 'i32');
    expect(() => gradients(x, [x])).toThrow('gradients: a loss is one number, not (2) f32.');
    expect(() => gradients(sum(mul(x, frozen)), [frozen])).toThrow('state "frozen" is frozen');
    expect(() => gradients(sum(x), [at])).toThrow('indices have none, and one was asked for (2) i32');
    expect(() => gradients(sum(x), [input(new Graph(), 'x', [2])])).toThrow('another graph');
    const [second] = gradients(sum(add(x, mul(x, cast(x, 'f32')))), [x]);
    expect(second?.shape).toEqual([2]);
  });
});
