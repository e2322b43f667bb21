import { describe, expect, it } from 'vitest';
import { liveTensors } from './live.ts';
import { assign, exp, fill, input, scale, sqr, state, withGradient } from './ops.ts';
import { Graph, type Tensor } from './tensor.ts';

const kinds = (tensors: readonly Tensor[]) => tensors.map(({ op }) => op.kind);

describe('liveTensors', () => {
  it('are what outputs and updates are made from, in the order of the graph', () => {
    const graph = new Graph();
    const x = input(graph, 'x', [2]);
    const unused = exp(x);
    const y = sqr(x);
    scale(unused, 2);
    const updated = assign(state(graph, 'w', [2]), fill(graph, 1, [2]));
    expect(kinds(liveTensors({ graph, outputs: { y }, updates: [updated] }))).toEqual([
      'input',
      'sqr',
      'state',
      'fill',
      'assign',
    ]);
    expect(liveTensors({ graph, outputs: {}, updates: [] })).toEqual([]);
  });

  it('go from a value with a rule of its own to what makes it, not to what the rule is for', () => {
    const graph = new Graph();
    const x = input(graph, 'x', [2]);
    const y = withGradient(sqr(x), [exp(x)], (gradient) => [gradient]);
    expect(kinds(liveTensors({ graph, outputs: { y }, updates: [] }))).toEqual(['input', 'sqr', 'with-gradient']);
  });
});
