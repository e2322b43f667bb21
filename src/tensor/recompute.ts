// Less memory for more arithmetic: what a function computes is let go after the forward pass and computed again when its gradient is
// wanted. After Chen et al. 2016, "Training deep nets with sublinear memory cost".
import { pullBack } from './gradients.ts';
import { withGradient } from './ops.ts';
import type { Graph, Tensor } from './tensor.ts';

/**
 * f(...inputs), of which only the inputs are kept for the gradient.
 *
 * `f` writes down the same operations whenever it is called: it is called once more for every gradient. It may read other tensors
 * than its inputs, parameters above all; they get their gradients too. It names a state or input by `graph.leaf` where there is one.
 */
export function recompute(f: (...inputs: Tensor[]) => Tensor, ...inputs: Tensor[]): Tensor {
  const graph = (inputs[0] as Tensor).graph;
  const start = graph.tensors.length;
  const value = f(...inputs);
  if (value.id < start) return value;
  const sources = whatIsRead(graph, start);
  return withGradient(value, sources, (gradient, needed) => {
    const from = graph.tensors.length;
    const again = f(...inputs);
    const wanted = sources.filter((_, index) => needed[index]);
    const found = pullBack(again, gradient, wanted, { from });
    return sources.map((source) => found[wanted.indexOf(source)]);
  });
}

/** Tensors with a gradient that the operations written down since `start` were given. */
function whatIsRead(graph: Graph, start: number): Tensor[] {
  const read = new Set<Tensor>();
  for (const { inputs } of graph.tensors.slice(start)) {
    for (const input of inputs) {
      const outer = input.id < start || input.op.kind === 'state' || input.op.kind === 'input';
      if (outer && input.dtype !== 'i32') read.add(input);
    }
  }
  return [...read];
}
