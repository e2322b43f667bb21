// Muon: momentum whose matrix is made nearly orthogonal before the step, so that all directions of a weight move alike. For matrices
// inside a network; embeddings, heads and norms take AdamW. Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/.
import { add, assign, div, matmul, mul, scale, sqr, sqrt, sub, sum, transpose } from '../ops.ts';
import { describe, refuse } from '../shapes.ts';
import type { Tensor } from '../tensor.ts';
import { moment } from './parameter-state.ts';
import { decayed, momentumSettings } from './sgd.ts';

export interface MuonRecipe {
  method: 'muon';
  /** At its highest; the schedule's factor comes on top. */
  learningRate: number;
  /** Default 0.95 */
  momentum?: number;
  /** What a parameter loses at a learning rate of 1. Default 0 */
  weightDecay?: number;
}

/**
 * One step with Nesterov momentum, times sqrt(rows / columns) for tall matrices; keeps the state `muon.momentum/<parameter>`.
 * @param parameter (rows, columns)
 * @param settings (3) f32, by `muonSettings`
 * @returns updates
 * @throws FreeholdError graph_invalid for what is no matrix
 */
export function muon(parameter: Tensor, gradient: Tensor, settings: Tensor): Tensor[] {
  const [rows = 1, columns = 1] = parameter.shape;
  if (parameter.shape.length !== 2) refuse('muon', `steps matrices, not ${describe(parameter)}`);
  const { rate, momentum, keep } = momentumSettings(settings);
  const past = moment('muon.momentum', parameter);
  const mean = assign(past, add(mul(past, momentum), gradient));
  const direction = orthogonal(add(gradient, mul(mean, momentum)));
  const step = mul(scale(direction, Math.sqrt(Math.max(1, rows / columns))), rate);
  return [assign(parameter, sub(mul(parameter, keep), step)), mean];
}

export function muonSettings(recipe: MuonRecipe, _step: number, factor: number): Float32Array {
  const { learningRate, momentum = 0.95, weightDecay = 0 } = recipe;
  return Float32Array.of(learningRate * factor, momentum, decayed(learningRate * factor, weightDecay));
}

/** Of the polynomial a x + b x³ + c x⁵, which brings singular values from (0, 1] near 1, to within a third, in five rounds. */
const [a, b, c] = [3.4445, -4.775, 2.0315];
const rounds = 5;

/** The matrix with all singular values near 1, by Newton and Schulz's iteration. @param x (R, C) */
export function orthogonal(x: Tensor): Tensor {
  const [rows = 1, columns = 1] = x.shape;
  // products of the shorter side are cheaper
  if (rows > columns) return transpose(orthogonal(transpose(x)));
  let y = div(x, scale(sqrt(sum(sqr(x))), 1, 1e-7));
  for (let round = 0; round < rounds; round++) {
    const square = matmul(y, y);
    // symmetric, so that a product with its transpose is its square
    const higher = add(scale(square, b), scale(matmul(square, square), c));
    y = add(scale(y, a), matmul(higher, transpose(y)));
  }
  return y;
}
