// Gradients of a batch that comes in parts: each part's program adds to the states `gradient/<parameter>`, the last program steps
// by them and clears them. The loss of a part carries its share of the whole batch.
import { add, assign, fill } from '../ops.ts';
import type { Tensor } from '../tensor.ts';
import { moment } from './parameter-state.ts';

/** The sum so far, a state. */
export function gradientSum(parameter: Tensor): Tensor {
  return moment('gradient', parameter);
}

/** Adds to the sum; what `gradients` takes as its third argument. @returns an update, which is the new sum */
export function accumulate(gradient: Tensor, parameter: Tensor): Tensor {
  const sum = gradientSum(parameter);
  return assign(sum, add(sum, gradient));
}

/** Written down last, when the sums have been used. @returns updates */
export function clearSums(parameters: readonly Tensor[]): Tensor[] {
  return parameters.map((parameter) => assign(gradientSum(parameter), fill(parameter.graph, 0, parameter.shape)));
}
