// Gradients held to a length: all of them as one vector (Pascanu et al. 2013). The norm is worth an output even where none is held.
import { add, clamp, div, fill, scale, sqr, sqrt, sum } from '../ops.ts';
import type { Tensor } from '../tensor.ts';

/** Root of the sum of the squares of all numbers. @returns (1) */
export function globalNorm(tensors: readonly Tensor[]): Tensor {
  return sqrt(tensors.map((tensor) => sum(sqr(tensor))).reduce(add));
}

/**
 * What to multiply gradients by so that their norm is `maxNorm` at most.
 * @returns norm (1) as it was, and scale (1), at most 1
 */
export function clipScale(gradients: readonly Tensor[], maxNorm: number): { norm: Tensor; scale: Tensor } {
  const norm = globalNorm(gradients);
  return { norm, scale: clamp(div(fill(norm.graph, maxNorm, [1]), scale(norm, 1, 1e-6)), 0, 1) };
}
