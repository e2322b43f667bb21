// The list of models a client sees: what is on this machine, and `default` first, which always answers. A model that was
// removed leaves the list at once, though it answers until it is unloaded.
import type { LocalModel } from '../hub/types.ts';
import type { ServedModel } from '../wire/models.ts';
import type { ModelStatus } from './model-registry.ts';

export interface ServedModelsInput {
  /** Models on this machine. */
  local: readonly LocalModel[];
  /** Models that run or are about to. */
  loaded: readonly ModelStatus[];
  /** The model's own name behind `default`; undefined when it is not here. */
  defaultName: string | undefined;
  /** The operator named the default model by its file, and the file is there: it is served without being on the list of local models. */
  defaultIsFile: boolean;
  /** Adapters that fit a model, by its name. Default: none. */
  adaptersOf?: ReadonlyMap<string, readonly string[]>;
  /** Tokens that one conversation gets with a model of this trained context. */
  contextFor(trainedTokens: number | undefined): number;
}

export function servedModels(input: ServedModelsInput): ServedModel[] {
  const { local, defaultName, defaultIsFile, contextFor } = input;
  const running = new Map(input.loaded.map((status) => [status.name, status]));
  const served: ServedModel[] = local.flatMap((model) =>
    withAdapters(
      {
        id: model.name,
        title: model.name,
        createdSeconds: seconds(model.addedAt),
        owner: model.origin,
        details: {
          state: running.get(model.name)?.state ?? 'unloaded',
          kind: model.kind,
          sizeBytes: model.sizeBytes,
          parameters: model.parameters,
          quantisation: model.quantisation,
          contextTokens: running.get(model.name)?.contextTokens ?? contextFor(model.contextTokens),
          trainedContextTokens: model.contextTokens,
          architecture: model.architecture,
        },
      },
      input.adaptersOf?.get(model.name) ?? [],
    ),
  );
  if (defaultIsFile && defaultName !== undefined && !served.some(({ id }) => id === defaultName)) {
    const status = running.get(defaultName);
    const model: ServedModel = {
      id: defaultName,
      title: defaultName,
      createdSeconds: 0,
      owner: 'file',
      details: { state: status?.state ?? 'unloaded', contextTokens: status?.contextTokens },
    };
    served.push(...withAdapters(model, input.adaptersOf?.get(defaultName) ?? []));
  }
  const target = served.find(({ id }) => id === defaultName);
  if (!target) return served;
  return [
    { ...target, id: 'default', title: `Default (${target.title})`, details: { ...target.details, model: target.id } },
    ...served,
  ];
}

/** The model, and once more for each adapter it can answer with. */
function withAdapters(model: ServedModel, adapters: readonly string[]): ServedModel[] {
  const adapted = adapters.map((adapter) => ({
    ...model,
    id: `${model.id}+${adapter}`,
    title: `${model.title} with ${adapter}`,
    details: { ...model.details, model: model.id, adapter },
  }));
  return [model, ...adapted];
}

function seconds(iso: string | undefined): number {
  const at = iso === undefined ? Number.NaN : Date.parse(iso);
  return Number.isNaN(at) ? 0 : Math.floor(at / 1000);
}
