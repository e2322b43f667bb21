// Attention whose memory grows with the length of a sequence and not with its square: queries go in chunks, each of which looks only
// at the keys up to its end, and the gradient computes a chunk's probabilities again. After Rabe and Staats 2021, "Self-attention
// does not need O(n²) memory"; unlike flash attention it is made of matrix products, which every device has.
import { weightGradient } from './gradient-rules.ts';
import { addAt, concat, matmul, slice, softmax, softmaxGradient, transpose, withGradient } from './ops.ts';
import { causalBand } from './ramp.ts';
import { describe, refuse } from './shapes.ts';
import type { Tensor } from './tensor.ts';

export interface AttentionOptions {
  /**
   * (1, 1, T, T) or (B, 1, T, T) f32, added to the scores: -Infinity where a query must not see a key, later keys included
   * (`causalMask`). Every query sees some key up to itself. It gets no gradient. Default: causal
   */
  mask?: Tensor;
  /** Of the scores. Default 1 / sqrt(D) */
  factor?: number;
  /** Queries computed at once. Default 128 */
  chunk?: number;
  /**
   * Keeps the probabilities for the gradient, T²/2 and more of them per head, in place of computing them again. For what is short,
   * or lies inside `recompute`. Default false
   */
  keep?: boolean;
}

/**
 * Causal attention (Vaswani et al. 2017) with grouped queries (Ainslie et al. 2023).
 * @param q queries, (B, H, T, D) f32
 * @param k keys, (B, Hkv, T, D) f32; Hkv divides H, and neighbouring heads share
 * @param v values, (B, Hkv, T, D) f32
 * @returns (B, H, T, D) f32
 * @throws FreeholdError graph_invalid
 */
export function attention(q: Tensor, k: Tensor, v: Tensor, options: AttentionOptions = {}): Tensor {
  const [, , length = 0, size = 0] = q.shape;
  const { factor = 1 / Math.sqrt(size), chunk = 128, keep = false } = options;
  check(q, k, v, chunk);
  if (options.mask) checkMask(q, options.mask);

  const ends = chunkEnds(length, chunk);
  const part = (x: Tensor, index: number) => slice(x, 2, ends[index - 1] ?? 0, ends[index] as number);
  const seen = (x: Tensor, index: number) => slice(x, 2, 0, ends[index] as number);
  /** (B, H, C, S) */
  const probabilities = (index: number) =>
    softmax(matmul(part(q, index), seen(k, index)), {
      mask: options.mask ? slice(part(options.mask, index), 3, 0, ends[index] as number) : causal(q, ends, index),
      factor,
    });

  const columns = transpose(v);
  const kept: Tensor[] = [];
  const chunks = ends.map((end, index) => {
    const p = probabilities(index);
    if (keep) kept.push(p);
    return matmul(p, slice(columns, 3, 0, end));
  });

  return withGradient(concat(chunks, 2), [q, k, v], (gradient) => {
    const keyColumns = transpose(k);
    const byQuery: Tensor[] = [];
    let byKey: Tensor | undefined;
    let byValue: Tensor | undefined;
    // the last chunk sees every key, so its sums are the whole to which the others are added
    for (let index = ends.length - 1; index >= 0; index--) {
      const p = kept[index] ?? probabilities(index);
      const g = part(gradient, index);
      byValue = accumulate(byValue, weightGradient(p, g, seen(v, index)));
      const byScore = softmaxGradient(matmul(g, seen(v, index)), p, factor);
      byKey = accumulate(byKey, weightGradient(byScore, part(q, index), seen(k, index)));
      byQuery.unshift(matmul(byScore, slice(keyColumns, 3, 0, ends[index] as number)));
    }
    return [concat(byQuery, 2), byKey, byValue];
  });
}

function accumulate(sum: Tensor | undefined, part: Tensor): Tensor {
  return sum ? addAt(sum, part, 2, 0) : part;
}

function chunkEnds(length: number, chunk: number): number[] {
  return Array.from({ length: Math.ceil(length / chunk) }, (_, index) => Math.min(length, (index + 1) * chunk));
}

/** (1, 1, C, S) of a chunk: what is kept for all chunks is one of them, the widest. */
function causal(q: Tensor, ends: readonly number[], index: number): Tensor {
  const [start, end] = [ends[index - 1] ?? 0, ends[index] as number];
  const before = ends.at(-2) ?? 0;
  const band = causalBand(q.graph, ends[0] as number, before);
  return slice(slice(band, 2, 0, end - start), 3, before - start, before - start + end);
}

function check(q: Tensor, k: Tensor, v: Tensor, chunk: number): void {
  const [batch, heads = 0, length, size] = q.shape;
  const [keyBatch, keyHeads = 1, keyLength, keySize] = k.shape;
  const grouped = keyBatch === batch && keyLength === length && keySize === size && heads % keyHeads === 0;
  if (q.shape.length !== 4 || k.shape.length !== 4 || !grouped)
    refuse('attention', `the queries and keys of ${describe(q, k)} do not go together`);
  if (v.shape.length !== 4 || v.shape.some((value, axis) => value !== k.shape[axis]))
    refuse('attention', `the keys and values of ${describe(k, v)} differ in shape`);
  if (!(Number.isInteger(chunk) && chunk >= 1)) refuse('attention', `a chunk of ${chunk} queries is none`);
}

function checkMask(q: Tensor, mask: Tensor): void {
  const [batch, , length] = q.shape;
  const [maskBatch, one, rows, columns] = mask.shape;
  if ((maskBatch !== 1 && maskBatch !== batch) || one !== 1 || rows !== length || columns !== length)
    refuse('attention', `the mask ${describe(mask)} is neither (1, 1, T, T) nor (B, 1, T, T) for ${describe(q)}`);
}

/**
 * Values for a mask with which every position sees itself and what is before it in its document.
 * @param documents of each of B · T positions the document that it belongs to, row after row; default one for all, B = 1
 * @returns (B, 1, T, T): 0 where allowed, -Infinity elsewhere
 */
export function causalMask(length: number, documents?: ArrayLike<number>): Float32Array {
  const batch = documents ? documents.length / length : 1;
  const mask = new Float32Array(batch * length * length).fill(-Infinity);
  for (let row = 0; row < batch * length; row++) {
    const first = row - (row % length);
    for (let key = first; key <= row; key++) {
      if (documents && documents[key] !== documents[row]) continue;
      mask[row * length + key - first] = 0;
    }
  }
  return mask;
}
