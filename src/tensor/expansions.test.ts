import { describe, expect, it } from 'vitest';
import { expand, expandable, rowsGradient } from './expansions.ts';
import { adamwStep, exp, input, state, withGradient } from './ops.ts';
import { createReferenceDevice } from './reference/reference-device.ts';
import { Graph } from './tensor.ts';
import { opCases } from './testing/op-cases.ts';
import { caseGraph, relativeError, runCase } from './testing/run-case.ts';

const kinds = (graph: Graph) => new Set<string>(graph.tensors.map(({ op }) => op.kind));

describe('expand', () => {
  it.each(opCases.map((opCase) => [opCase.name, opCase] as const))('changes no result of %s', async (_, opCase) => {
    const { graph, outputs, values } = caseGraph(opCase);
    const program = expand({ graph, outputs, updates: [] }, () => true);
    for (const kind of [...expandable, 'with-gradient']) expect(kinds(program.graph)).not.toContain(kind);

    const device = createReferenceDevice();
    const executable = device.compile(program);
    for (const [name, numbers] of values) {
      if (opCase.leaves[name]?.state) device.write(name, numbers as Float32Array);
      else executable.set(name, numbers);
    }
    await executable.run();
    for (const [name, expected] of await runCase(createReferenceDevice(), opCase))
      expect([name, relativeError(executable.get(name), expected)]).toEqual([name, expect.closeTo(0, 6)]);
  });

  it('meets every operation that it knows in some case', () => {
    const met = new Set(opCases.flatMap((opCase) => [...kinds(caseGraph(opCase).graph)]));
    expect(expandable.filter((kind) => !met.has(kind))).toEqual(['adamw-step']);
  });

  it('writes a step of AdamW as three assignments', async () => {
    const run = async (lacks: boolean) => {
      const graph = new Graph();
      const shape = [3, 5];
      const [w, m, v] = [state(graph, 'w', shape), state(graph, 'm', shape), state(graph, 'v', shape)];
      const step = adamwStep(w, input(graph, 'g', shape), m, v, input(graph, 'settings', [7]));
      const program = expand({ graph, outputs: { step }, updates: [step] }, () => lacks);
      const device = createReferenceDevice();
      const executable = device.compile(program);
      device.write(
        'w',
        Float32Array.from({ length: 15 }, (_, i) => Math.sin(i)),
      );
      executable.set('settings', Float32Array.of(0.1, 0.9, 0.99, 1e-8, 0.2, 10, 100));
      for (const round of [1, 2]) {
        executable.set(
          'g',
          Float32Array.from({ length: 15 }, (_, i) => Math.cos(i * round)),
        );
        await executable.run();
      }
      return {
        updates: program.updates.length,
        step: executable.getExact('step'),
        w: device.readExact('w'),
        v: device.readExact('v'),
      };
    };
    const [fused, expanded] = [await run(false), await run(true)];
    expect([fused.updates, expanded.updates]).toEqual([1, 3]);
    expect(fused.step).toEqual(fused.w);
    for (const name of ['step', 'w', 'v'] as const)
      expect(relativeError(expanded[name], fused[name])).toBeLessThan(1e-12);
  });

  it('leaves out what is not asked for, and keeps what the device has', () => {
    const graph = new Graph();
    const x = input(graph, 'x', [2]);
    exp(x);
    const y = withGradient(exp(x), [x], (gradient) => [gradient]);
    const program = expand({ graph, outputs: { y }, updates: [] }, () => false);
    expect(program.graph.tensors.map(({ op }) => op.kind)).toEqual(['input', 'exp']);
  });
});

describe('rowsGradient as a product with what was chosen', () => {
  it('comes in chunks of rows', async () => {
    const graph = new Graph();
    const gradient = input(graph, 'gradient', [5, 2]);
    const indices = input(graph, 'indices', [5], 'i32');
    const whole = rowsGradient(gradient, indices, 6, 2);
    const executable = createReferenceDevice().compile({ graph, outputs: { whole }, updates: [] });
    executable.set('gradient', Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9, 10));
    executable.set('indices', Int32Array.of(5, 0, 5, 3, 0));
    await executable.run();
    expect([...executable.get('whole')]).toEqual([12, 14, 0, 0, 0, 0, 7, 8, 0, 0, 6, 8]);
  });
});
