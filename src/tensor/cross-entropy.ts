// The loss of a language model without ever holding the logits of all rows: they come in chunks of rows, and what a gradient needs of
// them is computed while they are there, so that no logit is computed twice. After Hsu et al. 2024, "Liger Kernel".
import { FreeholdError } from '../lib/errors.ts';
import { weightGradient } from './gradient-rules.ts';
import {
  add,
  concat,
  log,
  matmul,
  mul,
  putRows,
  reshape,
  rows,
  scale,
  slice,
  softmax,
  sum,
  transpose,
  withGradient,
} from './ops.ts';
import { describe, lastSize, refuse } from './shapes.ts';
import type { Tensor } from './tensor.ts';

/** Added to each, and lost in all that are not as small: unlike a limit it keeps what is no number as it is. */
const leastProbability = 1e-30;

export interface CrossEntropy {
  /** (R, D) f32 */
  hidden: Tensor;
  /** (V, D) f32, f16 or bf16 */
  head: Tensor;
  /** (R) i32, made by `flatTargets` with the same chunk */
  targets: Tensor;
  /** (R) f32: 1 / number of rows for a mean, 0 for padding. Gets no gradient. */
  weights: Tensor;
  /** Rows whose logits exist at a time. */
  chunk: number;
}

/**
 * Sum over rows of weight · -log softmax(hidden · head)[target], in nats. A program that asks for no gradient computes none of it.
 * @returns (1) f32; a row counts at most 69 nats (a probability of 1e-30), its gradient is exact
 * @throws FreeholdError graph_invalid
 */
export function crossEntropy({ hidden, head, targets, weights, chunk }: CrossEntropy): Tensor {
  const rowCount = hidden.shape[0] as number;
  if (hidden.shape.length !== 2 || head.shape.length !== 2 || lastSize(hidden) !== lastSize(head))
    refuse('cross-entropy', `the hidden states and the head of ${describe(hidden, head)} do not go together`);
  if (targets.shape[0] !== rowCount || weights.shape[0] !== rowCount || weights.shape.length !== 1)
    refuse('cross-entropy', `${describe(hidden, targets, weights)} differ in rows`);
  checkChunk(chunk, head.shape[0] as number);

  const columns = transpose(head);
  let loss: Tensor | undefined;
  let byHead: Tensor | undefined;
  const byHidden: Tensor[] = [];
  for (let start = 0; start < rowCount; start += chunk) {
    const part = (x: Tensor) => slice(x, 0, start, Math.min(rowCount, start + chunk));
    const weight = reshape(part(weights), [part(weights).shape[0] as number, 1]);
    const one = lossOfRows(part(hidden), head, columns, part(targets), weight);
    loss = loss ? add(loss, one.loss) : one.loss;
    byHead = byHead ? add(byHead, one.byHead) : one.byHead;
    byHidden.push(one.byHidden);
  }
  return withGradient(loss as Tensor, [hidden, head], (gradient) => [
    times(concat(byHidden, 0), gradient),
    times(byHead as Tensor, gradient),
  ]);
}

/** @param weight (R, 1) */
function lossOfRows(hidden: Tensor, head: Tensor, columns: Tensor, targets: Tensor, weight: Tensor) {
  const p = softmax(matmul(hidden, head));
  const flat = reshape(p, [p.shape[0]! * p.shape[1]!, 1]);
  const picked = rows(flat, targets);
  const loss = scale(sum(mul(log(scale(picked, 1, leastProbability)), weight)), -1);
  // p minus one at the target, by logit; the weight joins where the tensors are smaller
  const byLogit = reshape(putRows(flat, scale(picked, 1, -1), targets), p.shape);
  const byHead = weightGradient(byLogit, mul(hidden, weight), head);
  const byHidden = mul(matmul(byLogit, columns), weight);
  return { loss, byHead, byHidden };
}

/** Where the loss is what is differentiated, the factor is a written 1. */
function times(x: Tensor, factor: Tensor): Tensor {
  return factor.op.kind === 'fill' && factor.op.value === 1 ? x : mul(x, factor);
}

function checkChunk(chunk: number, vocabulary: number): void {
  if (Number.isInteger(chunk) && chunk >= 1 && chunk * vocabulary < 2 ** 31) return;
  throw new FreeholdError(
    'graph_invalid',
    `cross-entropy: a chunk of ${chunk} rows of ${vocabulary} logits cannot be indexed.`,
    { hint: 'A chunk is a whole number of rows whose logits are fewer than 2^31.' },
  );
}

/**
 * Targets as `crossEntropy` takes them: the place of each target among the logits of its chunk.
 * @param targets by row, from 0 to vocabulary - 1; a negative one stands for padding, and its weight has to be 0
 * @throws FreeholdError graph_invalid for a target beyond the vocabulary, which would be one of the next row
 */
export function flatTargets(targets: ArrayLike<number>, vocabulary: number, chunk: number): Int32Array {
  checkChunk(chunk, vocabulary);
  return Int32Array.from(targets, (target, row) => {
    if (target >= vocabulary) refuse('cross-entropy', `target ${target} of row ${row} is beyond ${vocabulary} tokens`);
    return (row % chunk) * vocabulary + Math.max(target, 0);
  });
}
