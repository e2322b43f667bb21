// A grammar for a schema that cannot be enforced as a whole: what the compiler refuses is left out, one keyword after the
// other, and what remains is held to. Every value that satisfies the schema satisfies what remains; the other way round
// is for whoever takes the value to check. Knows where schemas stand in each other, not why the compiler refuses.
import { FreeholdError } from '../../lib/errors.ts';
import { type CompileOptions, compileSchema, jsonObjectGrammar } from './compile-schema.ts';
import { isEnforced, isObject, type RawSchema } from './schema-keywords.ts';

/** Most keywords that are left out one by one; then any object is allowed. */
const mostRefusals = 64;

/** Most schemas refused as a whole, each a quarter of a second at worst; then what makes them dear is left out everywhere. */
const mostDear = 4;

const dear = ['pattern', 'anyOf', 'oneOf', 'allOf'];

/** Keywords that hold schemas by name, one schema, and one schema or a list of them. */
const named = new Set(['properties', 'patternProperties', 'dependentSchemas', '$defs', 'definitions']);
const single = new Set(['items', 'additionalItems', 'additionalProperties', 'propertyNames']);
const listed = new Set(['items', 'prefixItems', 'allOf', 'anyOf', 'oneOf']);

/** Keywords that may allow properties which stand nowhere else. */
const naming = new Set([
  ...['then', 'else', 'dependentSchemas', 'dependencies', 'anyOf', 'oneOf', 'allOf'],
  ...['$ref', '$dynamicRef', '$recursiveRef'],
]);

const conditionals = ['if', 'then', 'else'];

/** An object with properties of any name, and every other value. */
const openObject = { type: 'object', additionalProperties: true };
const noObject = { type: ['null', 'boolean', 'number', 'string', 'array'] };

/** A schema, and the keyword of it that is refused; undefined: all of it. */
interface Place {
  /** From the root to the schema. */
  schemas: RawSchema[];
  keyword?: string;
}

/**
 * The grammar of a schema of an object without what cannot be enforced; recursion is kept.
 * @param json the schema
 * @throws FreeholdError invalid_request for a malformed schema, or one that no value satisfies; as `compileSchema`
 */
export function compileRelaxed(json: string, options: CompileOptions = {}): string {
  const root: unknown = JSON.parse(json);
  let whole = 0;
  for (let refusals = 0; refusals < mostRefusals; refusals++) {
    try {
      return compileSchema(root, options);
    } catch (error) {
      if (!(error instanceof FreeholdError) || !isObject(root)) throw error;
      const place = placeOf(root, error.field ?? '#');
      if (error.code !== 'unsupported' && !isForeign(place)) throw error;
      if (error.field === undefined) break;
      const { schemas, keyword } = place;
      if (keyword !== undefined) {
        leaveOutAlike(root, schemas.at(-1) as RawSchema, keyword);
        continue;
      }
      whole += 1;
      if (whole === mostDear) for (const schema of schemasIn(root)) leaveOut(schema, ...dear);
      else if (whole > 2 * mostDear || !simplify(schemas)) break;
    }
  }
  return jsonObjectGrammar(options);
}

/** What is no keyword's slip, but another tongue: patterns of other languages, bounds of draft 4, references to elsewhere. */
function isForeign({ schemas, keyword }: Place): boolean {
  const value = schemas.at(-1)?.[keyword ?? ''];
  if (keyword === 'pattern' || keyword === '$ref') return typeof value === 'string';
  return (keyword === 'exclusiveMinimum' || keyword === 'exclusiveMaximum') && typeof value === 'boolean';
}

/** @param field as `#/properties/name/not` */
function placeOf(root: RawSchema, field: string): Place {
  const steps = field
    .split('/')
    .slice(1)
    .map((name) => name.replaceAll('~1', '/').replaceAll('~0', '~'));
  const schemas = [root];
  for (let at = 0; at < steps.length; ) {
    const schema = schemas.at(-1) as RawSchema;
    const keyword = steps[at] as string;
    const value = schema[keyword];
    const inside = isObject(value) || Array.isArray(value);
    const further = (named.has(keyword) || Array.isArray(value)) && at + 1 < steps.length;
    const next = further && inside ? (value as RawSchema)[steps[at + 1] as string] : value;
    at += further ? 2 : 1;
    // the last step is a keyword, unless a schema stands behind it
    if (!isObject(next) || (at === steps.length && !further && !single.has(keyword))) return { schemas, keyword };
    schemas.push(next);
  }
  return { schemas };
}

/** Leaves a keyword out, and out of other schemas too where the compiler would refuse it just so. */
function leaveOutAlike(root: RawSchema, refused: RawSchema, keyword: string): void {
  const value = refused[keyword];
  leaveOut(refused, keyword);
  if (typeof value === 'object' && isEnforced(keyword)) return;
  for (const schema of schemasIn(root)) {
    if (Object.hasOwn(schema, keyword) && (!isEnforced(keyword) || schema[keyword] === value))
      leaveOut(schema, keyword);
  }
}

function leaveOut(schema: RawSchema, ...keywords: string[]): void {
  const all = keywords.flatMap((keyword) => (conditionals.includes(keyword) ? conditionals : [keyword]));
  const left = all
    .filter((keyword) => Object.hasOwn(schema, keyword))
    .map((keyword) => [keyword, schema[keyword]] as const);
  for (const [keyword] of left) delete schema[keyword];
  if (left.some(([keyword]) => keyword === 'patternProperties')) schema.additionalProperties = true;
  if (schema.additionalProperties !== undefined || !left.some(([keyword, value]) => namesMore(keyword, value))) return;
  if (isObject(schema.properties)) schema.additionalProperties = true;
  // nothing is said here of other values, and nothing may be implied of them
  else schema.allOf = [...(Array.isArray(schema.allOf) ? schema.allOf : []), { anyOf: [openObject, noObject] }];
}

/** Whether a keyword may allow properties that stand nowhere else. */
function namesMore(keyword: string, value: unknown): boolean {
  if (keyword === 'unevaluatedProperties') return value !== false;
  if (!naming.has(keyword)) return false;
  if (typeof value === 'string') return true;
  const waiting = [value];
  for (const one of waiting) {
    if (typeof one !== 'object' || one === null) continue;
    if (isObject(one) && ('properties' in one || '$ref' in one)) return true;
    waiting.push(...Object.values(one));
  }
  return false;
}

/** Leaves out what the last of the schemas is most likely refused for. @returns false where nothing but the root is left */
function simplify(schemas: readonly RawSchema[]): boolean {
  const schema = schemas.at(-1);
  if (!schema || schemas.length === 0) return false;
  if (schema.pattern !== undefined) leaveOut(schema, 'pattern');
  else if (schema.anyOf ?? schema.oneOf ?? schema.allOf) leaveOut(schema, 'anyOf', 'oneOf', 'allOf');
  else {
    const kept = Object.keys(schema).filter((keyword) => keyword !== 'type' && keyword !== 'nullable');
    if (schemas.length === 1) return false;
    // it is not refused for what it says itself
    if (kept.length === 0) return simplify(schemas.slice(0, -1));
    for (const keyword of kept) delete schema[keyword];
  }
  return true;
}

/** The schema and all that stand in it. */
function schemasIn(root: RawSchema): RawSchema[] {
  const found = [root];
  for (const schema of found) {
    for (const [keyword, value] of Object.entries(schema)) {
      const inner = [
        ...(named.has(keyword) && isObject(value) ? Object.values(value) : []),
        ...(listed.has(keyword) && Array.isArray(value) ? value : []),
        ...(single.has(keyword) ? [value] : []),
      ];
      for (const one of inner) if (isObject(one)) found.push(one);
    }
  }
  return found;
}
