// AdamW: steps by a running mean of gradients over the root of one of their squares, with weight decay beside it. Loshchilov and
// Hutter 2017, "Decoupled weight decay regularization".
import { adamwStep } from '../ops.ts';
import type { Tensor } from '../tensor.ts';
import { moment } from './parameter-state.ts';

export interface AdamwRecipe {
  method: 'adamw';
  /** At its highest; the schedule's factor comes on top. */
  learningRate: number;
  /** Default 0.9 */
  beta1?: number;
  /** Default 0.95, for the few and large batches of language models */
  beta2?: number;
  /** Default 1e-8 */
  epsilon?: number;
  /** What a parameter loses at a learning rate of 1. Default 0 */
  weightDecay?: number;
}

/** Numbers that `adamw` takes at every step. */
export const adamwSettingCount = 7;

/**
 * One step; keeps the states `adam.m/<parameter>` and `adam.v/<parameter>`.
 * @param settings (7) f32, by `adamwSettings`
 * @returns updates
 */
export function adamw(parameter: Tensor, gradient: Tensor, settings: Tensor): Tensor[] {
  return [adamwStep(parameter, gradient, moment('adam.m', parameter), moment('adam.v', parameter), settings)];
}

/** @param step from 0 on: the moments' bias towards zero at their start is taken out */
export function adamwSettings(recipe: AdamwRecipe, step: number, factor: number): Float32Array {
  const { learningRate, beta1 = 0.9, beta2 = 0.95, epsilon = 1e-8, weightDecay = 0 } = recipe;
  const unbiased = (beta: number) => 1 / (1 - beta ** (step + 1));
  return Float32Array.of(learningRate * factor, beta1, beta2, epsilon, weightDecay, unbiased(beta1), unbiased(beta2));
}
