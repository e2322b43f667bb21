// Constants that no operation gives: whole numbers in order, and the causal mask that follows. Written down once a graph.
import { broadcast, concat, fill, log, reshape, scale, slice, step, sub } from './ops.ts';
import type { Graph, Tensor } from './tensor.ts';

/** 0, 1, 2, … by doubling. @returns (count) f32, exact up to 2^24 */
export function ramp(graph: Graph, count: number): Tensor {
  let numbers = fill(graph, 0, [1]);
  while ((numbers.shape[0] as number) < count)
    numbers = concat([numbers, scale(numbers, 1, numbers.shape[0] as number)], 0);
  return slice(numbers, 0, 0, count);
}

const bands = new WeakMap<Graph, Map<string, Tensor>>();

/**
 * What keeps queries from seeing later keys when it is added to their scores, for queries that come after `before` keys. Its columns
 * from `n` on are the same for queries that come after `before - n` keys.
 * @returns (1, 1, count, before + count) f32: row r is 0 up to column before + r, -Infinity beyond; the same tensor whenever it is
 * asked for
 */
export function causalBand(graph: Graph, count: number, before: number): Tensor {
  const ofGraph = bands.get(graph) ?? new Map<string, Tensor>();
  bands.set(graph, ofGraph);
  const key = `${count} ${before}`;
  const known = ofGraph.get(key);
  if (known) return known;
  const width = before + count;
  const queries = reshape(scale(ramp(graph, count), 1, before), [count, 1]);
  const later = step(sub(broadcast(ramp(graph, width), [count, width]), queries));
  const band = reshape(log(scale(later, -1, 1)), [1, 1, count, width]);
  ofGraph.set(key, band);
  return band;
}
