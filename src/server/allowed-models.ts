// Which models the key of a request may use: the models of its scopes. Every route asks for its model here, and every list
// of models passes through here. To a key that may not use a model, it does not exist.
import type { ModelKind } from '../hub/types.ts';
import type { LocalTextModel } from '../infer/client.ts';
import { asFreeholdError, FreeholdError } from '../lib/errors.ts';
import { mayUseModel } from '../lib/scopes.ts';
import type { ServedModel } from '../wire/models.ts';
import type { AppContext, Principal, Services } from './context.ts';

/**
 * The running model of that name, loaded now if it is not.
 * @param kind what it is to be asked for. Default chat
 * @throws FreeholdError model_not_found for one the key may not use, worded as for one that is not here; whatever the
 *   registry throws
 */
export async function allowedModel(
  c: AppContext,
  services: Services,
  name: string,
  kind?: ModelKind,
): Promise<LocalTextModel> {
  await requireModel(c.var.principal, services, name);
  try {
    return await services.models.get(name, kind);
  } catch (thrown) {
    // the registry's hint names what is here, which is not this key's to know
    if (isLimited(c.var.principal) && asFreeholdError(thrown).code === 'model_not_found') {
      throw notForThisKey(c.var.principal, name);
    }
    throw thrown;
  }
}

/** @throws FreeholdError model_not_found unless the key may use the model of that name */
export async function requireModel(principal: Principal, services: Services, name: string): Promise<void> {
  if (!isLimited(principal) || mayUseModel(principal.scopes, [name])) return;
  // a name of the same model that the key has, e.g. its own name behind `default`; an adapter makes another model of it
  const own = name.includes('+') ? undefined : await services.models.nameOf(name).catch(() => undefined);
  if (own === undefined || !mayUseModel(principal.scopes, [own])) throw notForThisKey(principal, name);
}

/** Those of the models that the key may use. */
export function allowedModels(principal: Principal, models: readonly ServedModel[]): readonly ServedModel[] {
  if (!isLimited(principal)) return models;
  return models.filter(({ id, details }) => {
    // `default` stands for the model its details name; an adapter's details name a model that is not it
    const own = id === 'default' && typeof details.model === 'string' ? [details.model] : [];
    return mayUseModel(principal.scopes, [id, ...own]);
  });
}

const isLimited = ({ scopes }: Principal): boolean => !scopes.models.includes('*');

function notForThisKey({ scopes }: Principal, name: string): FreeholdError {
  const shown = name.length > 100 ? `${name.slice(0, 100)}…` : name;
  return new FreeholdError('model_not_found', `There is no model "${shown}" here that this key may use.`, {
    hint: `It is for: ${scopes.models.slice(0, 10).join(', ')}.`,
    field: 'model',
  });
}
