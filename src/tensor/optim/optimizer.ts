// One name for all methods. Parameters of a group share an input for what changes from step to step, so one compiled program serves
// a whole run. Knows no schedule but its factor.
import { input } from '../ops.ts';
import type { Tensor } from '../tensor.ts';
import { type AdamwRecipe, adamw, adamwSettingCount, adamwSettings } from './adamw.ts';
import { type MuonRecipe, muon, muonSettings } from './muon.ts';
import { momentumSettingCount, type SgdRecipe, sgd, sgdSettings } from './sgd.ts';

export type Recipe = AdamwRecipe | MuonRecipe | SgdRecipe;

const methods = {
  adamw: { step: adamw, settingCount: adamwSettingCount },
  muon: { step: muon, settingCount: momentumSettingCount },
  sgd: { step: sgd, settingCount: momentumSettingCount },
};

/**
 * One step of a parameter.
 * @param group names the input of its numbers, which all parameters of the group share
 * @returns updates of a program
 */
export function stepOf(method: Recipe['method'], group: string, parameter: Tensor, gradient: Tensor): Tensor[] {
  const { graph } = parameter;
  const { step, settingCount } = methods[method];
  const name = settingsName(group);
  return step(parameter, gradient, graph.leaf(name) ?? input(graph, name, [settingCount]));
}

/** The input that holds what a group's recipe gives for a step. */
export function settingsName(group: string): string {
  return `settings/${group}`;
}

/**
 * Values of a group's input for a step.
 * @param step from 0 on
 * @param factor of the learning rate, from a schedule
 */
export function settingsOf(recipe: Recipe, step: number, factor: number): Float32Array {
  switch (recipe.method) {
    case 'adamw':
      return adamwSettings(recipe, step, factor);
    case 'muon':
      return muonSettings(recipe, step, factor);
    case 'sgd':
      return sgdSettings(recipe, step, factor);
  }
  return recipe satisfies never;
}
