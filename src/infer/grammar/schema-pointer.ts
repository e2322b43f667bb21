// Places in a schema: how messages name them, and what `$ref` finds there.
import { FreeholdError } from '../../lib/errors.ts';

/** The place one step further in, as `#/properties/name`. */
export function step(path: string, name: string): string {
  return `${path}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`;
}

/**
 * @param field where the reference stands
 * @returns what it refers to, where that is, and how deep it is nested
 * @throws FreeholdError unsupported for references that leave the schema, invalid_request where nothing is found
 */
export function resolveReference(
  root: unknown,
  reference: string,
  field: string,
): { value: unknown; path: string; depth: number } {
  if (reference !== '#' && !reference.startsWith('#/')) {
    throw new FreeholdError('unsupported', `${field} refers to ${JSON.stringify(reference)}, outside of the schema.`, {
      field,
      hint: 'Put the definition under $defs and refer to it as "#/$defs/name".',
    });
  }
  let fragment = reference;
  try {
    fragment = decodeURIComponent(reference);
  } catch {
    // a percent sign that escapes nothing stands for itself
  }
  let value = root;
  let path = '#';
  const names = fragment.split('/').slice(1);
  for (const written of names) {
    const name = written.replaceAll('~1', '/').replaceAll('~0', '~');
    const found = typeof value === 'object' && value !== null && Object.hasOwn(value, name);
    if (!found) {
      throw new FreeholdError(
        'invalid_request',
        `${field} refers to ${JSON.stringify(reference)}, which is not there.`,
        {
          field,
        },
      );
    }
    value = (value as Record<string, unknown>)[name];
    path = step(path, name);
  }
  // a definition is reached by two names (`$defs`, its own) and nests once
  return { value, path, depth: Math.ceil(names.length / 2) };
}
