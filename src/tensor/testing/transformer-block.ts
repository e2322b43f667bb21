// A whole layer in the shape of Qwen3's, small and plain, to differentiate.
import { attention } from '../attention.ts';
import { add, matmul, mul, permute, reshape, rmsNorm, rope, swiglu } from '../ops.ts';
import type { Tensor } from '../tensor.ts';

export type BlockLeaves = Record<
  'x' | 'positions' | 'normA' | 'q' | 'k' | 'v' | 'normQ' | 'normK' | 'out' | 'normF' | 'gate' | 'up' | 'down',
  Tensor
>;

/** Two sequences; the head size is that of `normQ`. @returns of the shape of x, (2 · T, D) */
export function transformerBlock(leaves: BlockLeaves): Tensor {
  const { x, positions, normQ, normK } = leaves;
  const length = positions.shape[0] as number;
  const size = normQ.shape[0] as number;
  const norm = (x: Tensor, weight: Tensor) => mul(rmsNorm(x, 1e-6), weight);
  const split = (x: Tensor, weight: Tensor) =>
    reshape(matmul(x, weight), [2, length, (weight.shape[0] as number) / size, size]);
  const outside = (x: Tensor) => permute(x, [0, 2, 1, 3]);
  const turned = (x: Tensor, weight: Tensor) => outside(rope(norm(x, weight), positions, { pairing: 'halves' }));

  const read = norm(x, leaves.normA);
  const q = turned(split(read, leaves.q), normQ);
  const k = turned(split(read, leaves.k), normK);
  const mixed = outside(attention(q, k, outside(split(read, leaves.v)), { chunk: 2 }));
  const middle = add(x, matmul(reshape(mixed, [x.shape[0] as number, leaves.out.shape[1] as number]), leaves.out));
  const fed = norm(middle, leaves.normF);
  return add(middle, matmul(swiglu(matmul(fed, leaves.gate), matmul(fed, leaves.up)), leaves.down));
}
