// JSON schema -> grammar (GBNF) for the native grammar engine: every text of the grammar is a JSON value that validates.
// Where a schema cannot be enforced that is an error, never a looser grammar.
//
// Choices where a schema leaves room, made for what models write well:
// - properties come in the schema's order; names that `properties` does not list only where additionalProperties asks
//   for them; elements after a tuple only where `items` does;
// - keywords of a type imply the type where none is stated;
// - oneOf is a choice like anyOf: that alternatives exclude each other is up to the schema;
// - strings, numbers and enumerated values have one usual spelling; numbers have at most 19 digits before the point;
// - white space is what indented JSON holds, in bounded amounts.
import { FreeholdError } from '../../lib/errors.ts';
import { arrayAlternative, objectAlternative, type PropertyRule } from './container-rules.ts';
import { type JsonRules, jsonRules, numberDigits, type WhiteSpace } from './json-rules.ts';
import { oneOfValues } from './literals.ts';
import { boundOf, decimalsBetween, integersBetween } from './number-ranges.ts';
import { numberFormats } from './regular/formats.ts';
import { type Alternative, literal, type Rule, Rules } from './rules.ts';
import { type Fits, fitting } from './schema-fits.ts';
import type { ArrayKeywords, NumberKeywords, ObjectKeywords, Part } from './schema-parts.ts';
import { readSchema } from './schema-reader.ts';
import { elementParts, keyOf, propertyParts, type Shape, Shapes, withoutReferences } from './schema-shapes.ts';
import { type PlacedString, StringRules } from './string-rules.ts';

export interface CompileOptions {
  /** Default `some`. */
  whiteSpace?: WhiteSpace;
}

/**
 * The grammar of all JSON texts that satisfy the schema and are written as above, with the rule `root`.
 * @param schema a JSON schema: an object, true or false
 * @throws FreeholdError unsupported for what cannot be enforced (a keyword, or more than can be followed),
 *   invalid_request for a malformed schema or one that no value satisfies; `field` is the place, as `#/properties/name`
 */
export function compileSchema(schema: unknown, options: CompileOptions = {}): string {
  return new SchemaCompiler(options).compile(readSchema(schema));
}

/** The grammar of every JSON object. */
export function jsonObjectGrammar(options: CompileOptions = {}): string {
  return compileSchema({ type: 'object' }, options);
}

class SchemaCompiler {
  readonly #rules = new Rules();
  readonly #json: JsonRules;
  readonly #strings: StringRules;
  readonly #shapes = new Shapes();
  readonly #fits: Fits;
  /** Rules of sets of parts, and those whose alternatives are still to be found. */
  readonly #known = new Map<string, Rule>();
  readonly #waiting: { rule: Rule; parts: Part[] }[] = [];
  /** Where parts contradict each other, for the message when nothing else is left. */
  readonly #contradictions: string[] = [];

  constructor({ whiteSpace = 'some' }: CompileOptions) {
    this.#json = jsonRules(this.#rules, whiteSpace);
    this.#strings = new StringRules(this.#json);
    this.#fits = fitting((text, keywords, { path }) => this.#strings.matches(text, { keywords, path }));
  }

  compile(root: Part): string {
    const rule = this.#ruleOf([root]);
    for (const { rule, parts } of this.#waiting) this.#rules.define(rule, this.#alternatives(parts));
    const text = this.#rules.toText(rule);
    if (text !== undefined) return text;
    const [first] = this.#contradictions;
    throw new FreeholdError(
      'invalid_request',
      first === undefined
        ? 'No value satisfies the schema: it contains itself without an end.'
        : `No value satisfies the schema: its keywords contradict each other at ${first}.`,
      { field: first ?? '#' },
    );
  }

  /** The rule of values that fit all parts. */
  #ruleOf(parts: readonly Part[]): Rule {
    const settled = withoutReferences(parts);
    const key = keyOf(settled);
    let rule = this.#known.get(key);
    if (!rule) {
      rule = settled.length === 0 ? this.#json.value : this.#rules.declare('v');
      this.#known.set(key, rule);
      if (settled.length > 0) this.#waiting.push({ rule, parts: settled });
    }
    return rule;
  }

  #alternatives(parts: readonly Part[]): Alternative[] {
    const shapes = this.#shapes.of(parts);
    const values = shapes.flatMap((shape) => this.#enumerated(shape));
    const alternatives = shapes.flatMap((shape) => (shape.values ? [] : this.#ofShape(shape)));
    alternatives.push(...oneOfValues(this.#json, values));
    if (alternatives.length === 0) this.#contradictions.push(...parts.slice(0, 1).map(({ path }) => path));
    return alternatives;
  }

  /** The values that are left of an enumeration; none where the shape has no enumeration. */
  #enumerated({ values = [], parts }: Shape): unknown[] {
    return values.filter((value) => parts.every((part) => this.#fits(value, part)));
  }

  #ofShape(shape: Shape): Alternative[] {
    const { value, boolean, string } = this.#json;
    const { strings, numbers, arrays, objects } = shape;
    const path = shape.parts[0]?.path ?? '#';
    const free = strings.length + numbers.length + arrays.length + objects.length === 0;
    const all = shape.null && shape.boolean && shape.number === 'any' && shape.string && shape.array && shape.object;
    if (free && all) return [[value]];
    const alternatives: Alternative[] = [];
    if (shape.object) alternatives.push(...this.#object(objects, path));
    if (shape.array) alternatives.push(...this.#array(arrays));
    if (shape.string) {
      const placed = placedStrings(shape);
      alternatives.push(...(placed.length === 0 ? [[string]] : this.#strings.string(placed, path)));
    }
    if (shape.number) alternatives.push(...this.#number(numbers, shape.number, path));
    if (shape.boolean) alternatives.push([boolean]);
    if (shape.null) alternatives.push([literal('null')]);
    return alternatives;
  }

  #number(numbers: readonly NumberKeywords[], kind: 'any' | 'integer', path: string): Alternative[] {
    const ranges = numbers.flatMap(({ format }) => {
      const range = format === undefined ? undefined : numberFormats[format];
      return range ? [range] : [];
    });
    const [min, minExclusive] = strictest(numbers, 'minimum', 'exclusiveMinimum', 1);
    const [max, maxExclusive] = strictest(numbers, 'maximum', 'exclusiveMaximum', -1);
    if (kind === 'any' && ranges.length === 0) {
      const low = min === undefined ? 'none' : boundOf(min, minExclusive);
      const high = max === undefined ? 'none' : boundOf(max, maxExclusive);
      if (low === 'none' && high === 'none') return [[this.#json.number]];
      const decimals = low && high && decimalsBetween(this.#rules, low, high);
      if (decimals) return decimals;
      // too many digits to follow: between whole bounds whole numbers are left
      if (![min, max].every((bound) => bound === undefined || Number.isInteger(bound))) {
        throw new FreeholdError('unsupported', `The bounds of the number at ${path} have over 14 digits.`, {
          field: path,
          hint: 'Round them.',
        });
      }
    }
    const mins = ranges.map(([least]) => least);
    const maxes = ranges.map(([, greatest]) => greatest);
    if (min !== undefined) mins.push(integerAbove(min, minExclusive));
    if (max !== undefined) maxes.push(-integerAbove(-max, maxExclusive));
    const from = mins.reduce<bigint | undefined>((a, b) => (a !== undefined && a > b ? a : b), undefined);
    const to = maxes.reduce<bigint | undefined>((a, b) => (a !== undefined && a < b ? a : b), undefined);
    return integersBetween(this.#rules, from, to);
  }

  #array(arrays: readonly ArrayKeywords[]): Alternative[] {
    if (arrays.length === 0) return [[this.#json.array]];
    const min = Math.max(0, ...arrays.map(({ minItems }) => minItems ?? 0));
    let max = Math.min(...arrays.map(({ maxItems }) => maxItems ?? Number.POSITIVE_INFINITY));
    const tuple = Math.max(0, ...arrays.map(({ prefix }) => prefix?.length ?? 0));
    // a tuple is complete unless something says what else may come
    if (tuple >= Math.max(1, min) && arrays.every(({ items }) => !items)) max = Math.min(max, tuple);
    if (min > max) return [];
    const prefix = Array.from({ length: Math.min(tuple, max) }, (_, i) => this.#ruleOf(elementParts(arrays, i)));
    const rest = max > tuple ? this.#ruleOf(elementParts(arrays, tuple)) : undefined;
    return [arrayAlternative(this.#json, { prefix, rest, min, max })];
  }

  #object(objects: readonly ObjectKeywords[], path: string): Alternative[] {
    if (objects.length === 0) return [[this.#json.object]];
    const required = new Set(objects.flatMap(({ required }) => required ?? []));
    const listed = new Set([...objects.flatMap(({ properties }) => [...(properties?.keys() ?? [])]), ...required]);
    const naming = objects.flatMap(({ names }) => names ?? []);
    const properties: PropertyRule[] = [];
    for (const name of listed) {
      const allowed = naming.every((part) => this.#fits(name, part));
      if (!allowed && required.has(name)) return [];
      if (!allowed) continue;
      properties.push({
        name,
        value: this.#ruleOf(propertyParts(objects, name)),
        required: required.has(name),
      });
    }
    const stated = objects.some(({ additional }) => additional);
    const open = stated || objects.every(({ properties }) => !properties);
    if (!open) return [objectAlternative(this.#json, properties, undefined)];
    const value = this.#ruleOf(objects.flatMap(({ additional }) => additional ?? []));
    const names = this.#otherNames(naming, [...listed], path);
    return [objectAlternative(this.#json, properties, { names, value })];
  }

  #otherNames(naming: readonly Part[], taken: readonly string[], path: string): Alternative[] {
    if (naming.length === 0) return this.#strings.otherName(taken, undefined, path);
    const shapes = this.#shapes.of(naming).filter(({ string }) => string);
    const values = shapes.flatMap((shape) => this.#enumerated(shape));
    const free = values.filter((value) => typeof value === 'string' && !taken.includes(value));
    const patterns = shapes.filter(({ values }) => !values).map(placedStrings);
    const alternatives = patterns.length === 0 ? [] : this.#strings.otherName(taken, patterns, path);
    return [...alternatives, ...oneOfValues(this.#json, free)];
  }
}

function placedStrings({ parts }: Shape): PlacedString[] {
  return parts.flatMap(({ path, strings }) => (strings ? [{ path, keywords: strings }] : []));
}

/** The bound that implies the others. @param direction 1 for lower bounds, -1 for upper ones */
function strictest(
  numbers: readonly NumberKeywords[],
  inclusive: 'minimum' | 'maximum',
  exclusive: 'exclusiveMinimum' | 'exclusiveMaximum',
  direction: 1 | -1,
): [bound: number | undefined, exclusive: boolean] {
  const bounds = numbers.flatMap((keywords) =>
    [
      { bound: keywords[inclusive], exclusive: false },
      { bound: keywords[exclusive], exclusive: true },
    ].flatMap(({ bound, exclusive }) => (bound === undefined ? [] : [{ bound, exclusive }])),
  );
  // no number that is written goes as far as this: it limits nothing
  const felt = bounds.filter(({ bound }) => direction * bound > -(10 ** numberDigits.integer));
  felt.sort((a, b) => direction * (b.bound - a.bound) || Number(b.exclusive) - Number(a.exclusive));
  return [felt[0]?.bound, felt[0]?.exclusive ?? false];
}

/** The least integer not below a bound, or above an exclusive one. */
function integerAbove(bound: number, exclusive: boolean): bigint {
  const least = BigInt(Math.ceil(bound));
  if (!exclusive || !Number.isInteger(bound)) return least;
  // beyond 2^53 whoever parses the text rounds it: far enough not to be rounded to the bound
  const size = least < 0n ? -least : least;
  return least + 1n + (size >> 51n);
}
