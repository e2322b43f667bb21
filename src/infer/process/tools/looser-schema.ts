// A tool's schema without what cannot be enforced, for tools that are not strict: clients send schemas made for validators,
// and one `uniqueItems` among thirty tools should not refuse them all. Which keywords those are is known to the compiler of
// schemas alone (infer/grammar): its error says where, and what is there is taken out.
import { FreeholdError } from '../../../lib/errors.ts';

/** Keywords that hold schemas by name, and those that hold a list of them. */
const maps = new Set(['properties', '$defs', 'definitions', 'patternProperties', 'dependentSchemas']);
const lists = new Set(['anyOf', 'oneOf', 'allOf', 'prefixItems']);

/**
 * The schema without the keyword that an error names; where it names a schema within, that one says nothing any more.
 * @returns undefined where the error is of another kind, or names no place in the schema
 */
export function withoutUnenforced(
  schema: Record<string, unknown>,
  error: unknown,
): Record<string, unknown> | undefined {
  if (!(error instanceof FreeholdError) || error.code !== 'unsupported') return undefined;
  const steps = (error.field ?? '').split('/').map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'));
  if (steps.shift() !== '#' || steps.length === 0) return undefined;
  const looser = structuredClone(schema);
  const last = steps.pop() as string;
  let node: unknown = looser;
  let isSchema = true;
  for (const step of steps) {
    node = childOf(node, step);
    // a list may also stand in `items`, as in old drafts
    isSchema = !isSchema || !(maps.has(step) || lists.has(step) || Array.isArray(node));
  }
  if (childOf(node, last) === undefined) return undefined;
  const parent = node as Record<string, unknown>;
  if (isSchema) delete parent[last];
  else parent[last] = {};
  return looser;
}

function childOf(node: unknown, step: string): unknown {
  return typeof node === 'object' && node !== null && Object.hasOwn(node, step)
    ? (node as Record<string, unknown>)[step]
    : undefined;
}
