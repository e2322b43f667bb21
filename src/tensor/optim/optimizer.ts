// Which parameter is stepped how: groups of parameters, each with a recipe. What changes from step to step comes in as inputs, so
// one compiled program serves a whole run. Knows no schedule but its factor.
import { input } from '../ops.ts';
import { refuse } from '../shapes.ts';
import type { Graph, Tensor } from '../tensor.ts';
import { type AdamwRecipe, adamw, adamwSettingCount, adamwSettings } from './adamw.ts';
import { type MuonRecipe, muon, muonSettings } from './muon.ts';
import { parameterName } from './parameter-state.ts';
import { momentumSettingCount, type SgdRecipe, sgd, sgdSettings } from './sgd.ts';

export type Recipe = AdamwRecipe | MuonRecipe | SgdRecipe;

export interface ParameterGroup {
  /** Names the group's input, `settings/<name>`. */
  name: string;
  recipe: Recipe;
  /** States. */
  parameters: readonly Tensor[];
}

const methods = {
  adamw: { step: adamw, settingCount: adamwSettingCount },
  muon: { step: muon, settingCount: momentumSettingCount },
  sgd: { step: sgd, settingCount: momentumSettingCount },
};

/**
 * One step of every parameter of every group.
 * @param gradientOf undefined for a parameter that the loss does not depend on: it stays
 * @returns updates of a program, which then has one input more for each group
 */
export function optimize(
  graph: Graph,
  groups: readonly ParameterGroup[],
  gradientOf: (parameter: Tensor) => Tensor | undefined,
): Tensor[] {
  const seen = new Set<Tensor>();
  return groups.flatMap(({ name, recipe, parameters }) => {
    const { step, settingCount } = methods[recipe.method];
    const settings = input(graph, settingsName(name), [settingCount]);
    return parameters.flatMap((parameter) => {
      if (seen.has(parameter)) refuse('optimize', `"${parameterName(parameter)}" is stepped twice`);
      seen.add(parameter);
      const gradient = gradientOf(parameter);
      return gradient ? step(parameter, gradient, settings) : [];
    });
  });
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

/**
 * One group for each role that some parameter has.
 * @param parameters states with what they are in their model, e.g. `matrix` or `norm`
 */
export function groupsByRole<Role extends string>(
  parameters: readonly { parameter: Tensor; role: Role }[],
  recipes: Readonly<Record<Role, Recipe>>,
): ParameterGroup[] {
  const roles = [...new Set(parameters.map(({ role }) => role))];
  return roles.map((name) => ({
    name,
    recipe: recipes[name],
    parameters: parameters.filter(({ role }) => role === name).map(({ parameter }) => parameter),
  }));
}
