// The list of models a client sees: what is on this machine, and `default` first, which always answers.
import type { LocalModel } from '../hub/types.ts';
import type { ServedModel } from '../wire/models.ts';
import type { ModelStatus } from './model-registry.ts';

/**
 * @param local models on this machine
 * @param loaded models that run; one that the operator named by its file is known only here
 * @param defaultName the model's own name behind `default`; undefined when it is not here
 */
export function servedModels(
  local: readonly LocalModel[],
  loaded: readonly ModelStatus[],
  defaultName: string | undefined,
): ServedModel[] {
  const states = new Map(loaded.map(({ name, state }) => [name, state]));
  const served = local.map((model) => ({
    id: model.name,
    title: model.name,
    createdSeconds: seconds(model.addedAt),
    owner: model.origin,
    details: {
      state: states.get(model.name) ?? 'unloaded',
      kind: model.kind,
      sizeBytes: model.sizeBytes,
      parameters: model.parameters,
      quantisation: model.quantisation,
      contextTokens: model.contextTokens,
      architecture: model.architecture,
    },
  }));
  const here = new Set(served.map(({ id }) => id));
  const elsewhere = new Set([...states.keys(), ...(defaultName === undefined ? [] : [defaultName])]);
  const others = [...elsewhere]
    .filter((name) => !here.has(name))
    .map((name) => ({
      id: name,
      title: name,
      createdSeconds: 0,
      owner: 'file',
      details: { state: states.get(name) ?? 'unloaded' },
    }));
  const all: ServedModel[] = [...served, ...others];
  const target = all.find(({ id }) => id === defaultName);
  if (!target) return all;
  return [
    { ...target, id: 'default', title: `Default (${target.title})`, details: { ...target.details, model: target.id } },
    ...all,
  ];
}

function seconds(iso: string | undefined): number {
  const at = iso === undefined ? Number.NaN : Date.parse(iso);
  return Number.isNaN(at) ? 0 : Math.floor(at / 1000);
}
