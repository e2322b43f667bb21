// What a person reads who named a model that is not here: the nearest names, and how to get it. Loads the hub when asked.
import type { FreeholdError } from '../lib/errors.ts';

/**
 * @param also a further sentence of the hint
 * @returns model_not_found, to be thrown
 */
export async function unknownModel(name: string, also?: string): Promise<FreeholdError> {
  const [{ FreeholdError }, { findInCatalogue, nearestInCatalogue }] = await Promise.all([
    import('../lib/errors.ts'),
    import('../hub/catalogue.ts'),
  ]);
  const near = nearestInCatalogue(name);
  const pull = findInCatalogue(name)
    ? `Fetch it: freehold pull ${name}`
    : near[0]
      ? `Did you mean ${near.join(' or ')}? To fetch one: freehold pull ${near[0]}`
      : '`freehold models` lists what is here, `freehold models --catalogue` what can be fetched.';
  return new FreeholdError('model_not_found', `There is no model "${name}" here.`, {
    hint: also === undefined ? pull : `${pull.replace(/([^.])$/, '$1.')} ${also}`,
  });
}
