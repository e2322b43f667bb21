// Constants that no operation gives: whole numbers in order, and the causal mask that follows from them. Written down once a graph.
import { broadcast, concat, fill, log, reshape, scale, slice, step, sub } from './ops.ts';
import type { Graph, Tensor } from './tensor.ts';

/** 0, 1, 2, … by doubling. @returns (count) f32, exact up to 2^24 */
export function ramp(graph: Graph, count: number): Tensor {
  let numbers = fill(graph, 0, [1]);
  while ((numbers.shape[0] as number) < count)
    numbers = concat([numbers, scale(numbers, 1, numbers.shape[0] as number)], 0);
  return slice(numbers, 0, 0, count);
}

const masks = new WeakMap<Graph, Map<number, Tensor>>();

/**
 * What keeps a position from seeing later ones when it is added to scores.
 * @returns (1, 1, T, T) f32: row t is 0 up to column t, -Infinity beyond; the same tensor whenever it is asked for
 */
export function causalMaskOf(graph: Graph, length: number): Tensor {
  const ofGraph = masks.get(graph) ?? new Map<number, Tensor>();
  masks.set(graph, ofGraph);
  const known = ofGraph.get(length);
  if (known) return known;
  const positions = ramp(graph, length);
  const later = step(sub(broadcast(positions, [length, length]), reshape(positions, [length, 1])));
  const mask = reshape(log(scale(later, -1, 1)), [1, 1, length, length]);
  ofGraph.set(length, mask);
  return mask;
}
