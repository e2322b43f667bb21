// Which method steps which parameter, and with what numbers at each step of a run. The arithmetic is in tensor/optim.
import { type ParameterRole, parametersOf } from '../models/model.ts';
import type { Executable } from '../tensor/device.ts';
import { type Recipe, settingsName, settingsOf, stepOf } from '../tensor/optim/optimizer.ts';
import { scheduleFactor } from '../tensor/optim/schedules.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { RunSettings } from './run-settings.ts';

export interface Optimizer {
  /** Writes the step of one parameter down. @returns updates of the program */
  update(role: ParameterRole, parameter: Tensor, gradient: Tensor): Tensor[];
  /** Gives the program its numbers. @param step how many were done before */
  set(executable: Executable, step: number): void;
}

export function optimizerOf(settings: RunSettings): Optimizer {
  // a model whose head is its embedding has no head to step
  const roles = new Set(parametersOf(settings.recipe.model).map(({ role }) => role));
  return {
    update(role, parameter, gradient) {
      return stepOf(methodOf(settings, role), role, parameter, gradient);
    },
    set(executable, step) {
      const factor = factorAt(settings, step);
      for (const role of roles) executable.set(settingsName(role), settingsOf(recipeOf(settings, role), step, factor));
    },
  };
}

/** Learning rate of the matrices. @param step how many were done before */
export function learningRateAt(settings: RunSettings, step: number): number {
  return settings.recipe.learningRates.matrix * factorAt(settings, step);
}

function factorAt({ recipe }: RunSettings, step: number): number {
  const { kind, ...rest } = recipe.schedule;
  return scheduleFactor({ kind: kind === 'trapezoid' ? 'wsd' : kind, steps: recipe.steps, ...rest }, step);
}

/** Muon is for matrices alone. */
function methodOf({ recipe }: RunSettings, role: ParameterRole): Recipe['method'] {
  return recipe.optimizer === 'muon' && role !== 'matrix' ? 'adamw' : recipe.optimizer;
}

function recipeOf(settings: RunSettings, role: ParameterRole): Recipe {
  const { momentum, beta1, beta2, epsilon } = settings.optimizer;
  const common = {
    learningRate: settings.recipe.learningRates[role],
    weightDecay: role === 'matrix' ? settings.recipe.weightDecay : 0,
  };
  const method = methodOf(settings, role);
  return method === 'adamw' ? { method, ...common, beta1, beta2, epsilon } : { method, ...common, momentum };
}
