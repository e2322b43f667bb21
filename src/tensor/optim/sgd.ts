// Stochastic gradient descent with momentum (Sutskever et al. 2013) and decoupled weight decay.
import { add, assign, mul, slice, sub } from '../ops.ts';
import { refuse } from '../shapes.ts';
import { showShape, type Tensor } from '../tensor.ts';
import { moment } from './parameter-state.ts';

export interface SgdRecipe {
  method: 'sgd';
  /** At its highest; the schedule's factor comes on top. */
  learningRate: number;
  /** Default 0.9 */
  momentum?: number;
  /** What a parameter loses at a learning rate of 1. Default 0 */
  weightDecay?: number;
}

/** Numbers that `sgd` and `muon` take at every step. */
export const momentumSettingCount = 3;

/**
 * One step; keeps the state `sgd.momentum/<parameter>`.
 * @param settings (3) f32, by `sgdSettings`
 * @returns updates
 */
export function sgd(parameter: Tensor, gradient: Tensor, settings: Tensor): Tensor[] {
  const { rate, momentum, keep } = momentumSettings(settings);
  const past = moment('sgd.momentum', parameter);
  const mean = assign(past, add(mul(past, momentum), gradient));
  return [assign(parameter, sub(mul(parameter, keep), mul(mean, rate))), mean];
}

export function sgdSettings(recipe: SgdRecipe, _step: number, factor: number): Float32Array {
  const { learningRate, momentum = 0.9, weightDecay = 0 } = recipe;
  return Float32Array.of(learningRate * factor, momentum, decayed(learningRate * factor, weightDecay));
}

/** What is left of a parameter after a step. */
export function decayed(rate: number, weightDecay: number): number {
  return 1 - rate * weightDecay;
}

/** @param settings (3): learning rate, momentum, what is left of a parameter */
export function momentumSettings(settings: Tensor): { rate: Tensor; momentum: Tensor; keep: Tensor } {
  if (settings.shape.length !== 1 || settings.shape[0] !== momentumSettingCount)
    refuse('momentum', `takes ${momentumSettingCount} settings, not ${showShape(settings.shape)}`);
  const [rate, momentum, keep] = [0, 1, 2].map((at) => slice(settings, 0, at, at + 1)) as [Tensor, Tensor, Tensor];
  return { rate, momentum, keep };
}
