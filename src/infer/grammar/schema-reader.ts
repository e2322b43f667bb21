// Reads a JSON schema (drafts 7 to 2020-12, and what OpenAPI 3 adds) into parts. Every keyword is known here: enforced,
// an annotation that changes nothing, or refused by name. Only what the root reaches is read, so a definition that
// nothing refers to may hold anything.
import { FreeholdError } from '../../lib/errors.ts';
import { numberFormats, stringFormats } from './regular/formats.ts';
import { maxRepetitions } from './rules.ts';
import { type JsonType, jsonTypes, type Part } from './schema-parts.ts';
import { resolveReference, step } from './schema-pointer.ts';

/** Most schema objects and deepest nesting that is read. */
export const schemaLimits = { parts: 10_000, depth: 64 } as const;

/** Most parts that refer to each other without a step into a value in between. */
const maxChain = 500;

/** Keywords that describe and do not constrain. Names that begin with `x-` are annotations too. */
const annotations = new Set([
  ...[
    'title',
    'description',
    'default',
    'example',
    'examples',
    'deprecated',
    'readOnly',
    'writeOnly',
    '$comment',
    'id',
  ],
  ...['$schema', '$id', '$anchor', '$defs', 'definitions', '$vocabulary'],
  ...['contentMediaType', 'contentEncoding', 'discriminator', 'xml', 'externalDocs'],
]);

/** Keywords that constrain and cannot be enforced while text is written from left to right, or not yet. */
const refused = new Set([
  ...['not', 'if', 'then', 'else', 'patternProperties', 'uniqueItems', 'contains', 'minContains', 'maxContains'],
  ...['dependentRequired', 'dependentSchemas', 'dependencies', 'unevaluatedItems', 'unevaluatedProperties'],
  ...['minProperties', 'maxProperties', '$dynamicRef', '$dynamicAnchor', '$recursiveRef', '$recursiveAnchor'],
  ...['contentSchema'],
]);

type Raw = Record<string, unknown>;

/**
 * @param schema an object, true or false
 * @returns the part of the root, none of whose parts leads to itself without a step into a value
 * @throws FreeholdError unsupported for a keyword that cannot be enforced, invalid_request for a malformed schema;
 *   `field` is the place, as `#/properties/name/minLength`
 */
export function readSchema(schema: unknown): Part {
  return new SchemaReader(schema).read();
}

interface Waiting {
  part: Part;
  raw: Raw;
  depth: number;
}

class SchemaReader {
  readonly #root: unknown;
  readonly #known = new Map<object, Part>();
  readonly #waiting: Waiting[] = [];
  #count = 0;

  constructor(root: unknown) {
    this.#root = root;
  }

  read(): Part {
    const root = this.#part(this.#root, '#', 0);
    for (const { part, raw, depth } of this.#waiting) this.#fill(part, raw, depth);
    checkChains(this.#waiting.map(({ part }) => part));
    return root;
  }

  #part(raw: unknown, path: string, depth: number): Part {
    if (typeof raw === 'boolean') {
      const part = this.#newPart(path);
      if (!raw) part.types = new Set();
      return part;
    }
    if (!isObject(raw)) {
      throw malformed(path, `A schema is an object, true or false; at ${path} it is ${describe(raw)}.`);
    }
    const known = this.#known.get(raw);
    if (known) return known;
    if (depth > schemaLimits.depth) {
      throw new FreeholdError('unsupported', `The schema is nested over ${schemaLimits.depth} deep at ${path}.`, {
        field: path,
      });
    }
    const part = this.#newPart(path);
    this.#known.set(raw, part);
    this.#waiting.push({ part, raw, depth });
    return part;
  }

  #newPart(path: string): Part {
    this.#count += 1;
    if (this.#count > schemaLimits.parts) {
      throw new FreeholdError('unsupported', `The schema holds over ${schemaLimits.parts} schemas.`, { field: path });
    }
    return { id: this.#count, path, all: [], choices: [] };
  }

  #fill(part: Part, raw: Raw, depth: number): void {
    const { path } = part;
    for (const keyword of Object.keys(raw)) this.#checkKeyword(keyword, raw, path);
    const read = new Keywords(raw, path);
    const child = (value: unknown, ...steps: string[]) =>
      this.#part(
        value,
        steps.reduce((place, name) => step(place, name), path),
        depth + 1,
      );
    const children = (keyword: string) => read.list(keyword)?.map((value, i) => child(value, keyword, String(i)));

    part.types = read.types();
    part.values = read.values();
    part.strings = read.strings();
    part.numbers = read.numbers();
    this.#fillArrays(part, read, child);
    this.#fillObjects(part, read, child);

    const reference = read.text('$ref');
    if (reference !== undefined) {
      const target = resolveReference(this.#root, reference, step(path, '$ref'));
      // the nesting of what is referred to is counted where it stands
      part.all.push(this.#part(target.value, target.path, target.depth));
    }
    part.all.push(...(children('allOf') ?? []));
    for (const keyword of ['anyOf', 'oneOf']) {
      const alternatives = children(keyword);
      if (alternatives) part.choices.push(alternatives);
    }
    if (raw.nullable === true) this.#makeNullable(part);
  }

  #checkKeyword(keyword: string, raw: Raw, path: string): void {
    if (enforced.has(keyword) || annotations.has(keyword) || keyword.startsWith('x-')) return;
    // says nothing with this value
    if (keyword === 'uniqueItems' && raw[keyword] === false) return;
    const place = step(path, keyword);
    const name = JSON.stringify(keyword);
    throw new FreeholdError(
      'unsupported',
      refused.has(keyword)
        ? `The schema uses ${name} at ${path}, which answers cannot be held to.`
        : `The schema uses ${name} at ${path}, which is not a keyword that is known here.`,
      {
        field: place,
        hint: refused.has(keyword)
          ? 'Leave it out and check the answer for it, or say the same with other keywords.'
          : 'Check its spelling. A keyword of your own begins with "x-".',
      },
    );
  }

  #fillArrays(part: Part, read: Keywords, child: (raw: unknown, ...steps: string[]) => Part): void {
    const { raw } = read;
    // draft 7 writes a tuple as a list of items, and what follows it as additionalItems
    const tuple = raw.prefixItems !== undefined ? 'prefixItems' : Array.isArray(raw.items) ? 'items' : undefined;
    const rest = tuple === 'items' ? 'additionalItems' : 'items';
    const prefix = tuple && read.list(tuple)?.map((value, i) => child(value, tuple, String(i)));
    const items = raw[rest] === undefined ? undefined : child(raw[rest], rest);
    const minItems = read.count('minItems');
    const maxItems = read.count('maxItems');
    read.inOrder('minItems', minItems, 'maxItems', maxItems);
    if (prefix || items || minItems !== undefined || maxItems !== undefined) {
      part.arrays = { prefix, items, minItems, maxItems };
    }
  }

  #fillObjects(part: Part, read: Keywords, child: (raw: unknown, ...steps: string[]) => Part): void {
    const { raw } = read;
    const listed = read.object('properties');
    const properties =
      listed && new Map(Object.entries(listed).map(([name, value]) => [name, child(value, 'properties', name)]));
    const additional =
      raw.additionalProperties === undefined ? undefined : child(raw.additionalProperties, 'additionalProperties');
    const names = raw.propertyNames === undefined ? undefined : child(raw.propertyNames, 'propertyNames');
    const required = read.texts('required');
    if (properties || additional || names || required) part.objects = { properties, additional, names, required };
  }

  /** OpenAPI's: with a type beside it null is one more type; without one, null is an alternative to all the rest. */
  #makeNullable(part: Part): void {
    if (part.types) {
      part.types = new Set([...part.types, 'null']);
      return;
    }
    const { id: _, path, ...rest } = part;
    const otherwise: Part = { ...this.#newPart(path), ...rest };
    const nothing: Part = { ...this.#newPart(path), types: new Set(['null']) };
    for (const key of ['values', 'strings', 'numbers', 'arrays', 'objects'] as const) delete part[key];
    part.all = [];
    part.choices = [[otherwise, nothing]];
  }
}

const enforced = new Set([
  ...['type', 'enum', 'const', 'nullable', '$ref', 'allOf', 'anyOf', 'oneOf'],
  ...['properties', 'required', 'additionalProperties', 'propertyNames'],
  ...['items', 'prefixItems', 'additionalItems', 'minItems', 'maxItems'],
  ...['minLength', 'maxLength', 'pattern', 'format'],
  ...['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'multipleOf'],
]);

/** The keywords of one schema object, each checked as it is read. */
class Keywords {
  readonly raw: Raw;
  readonly #path: string;

  constructor(raw: Raw, path: string) {
    this.raw = raw;
    this.#path = path;
  }

  #wrong(keyword: string, expected: string): FreeholdError {
    const place = step(this.#path, keyword);
    return malformed(place, `${place} is ${describe(this.raw[keyword])}; ${expected} was expected.`);
  }

  #read<T>(keyword: string, check: (value: unknown) => value is T, expected: string): T | undefined {
    const value = this.raw[keyword];
    if (value === undefined) return undefined;
    if (!check(value)) throw this.#wrong(keyword, expected);
    return value;
  }

  text(keyword: string): string | undefined {
    return this.#read(keyword, (value) => typeof value === 'string', 'a string');
  }

  texts(keyword: string): string[] | undefined {
    const check = (value: unknown): value is string[] =>
      Array.isArray(value) && value.every((item) => typeof item === 'string');
    return this.#read(keyword, check, 'an array of strings');
  }

  number(keyword: string): number | undefined {
    const hint = keyword.startsWith('exclusive') ? 'a number (the bound itself, not true or false)' : 'a number';
    return this.#read(keyword, (value): value is number => Number.isFinite(value), hint);
  }

  /** @throws FreeholdError unsupported for a least count that cannot be enforced */
  count(keyword: string): number | undefined {
    const check = (value: unknown): value is number => Number.isInteger(value) && (value as number) >= 0;
    const count = this.#read(keyword, check, 'a whole number');
    if (keyword.startsWith('min') && count !== undefined && count > maxRepetitions) {
      const field = step(this.#path, keyword);
      throw new FreeholdError('unsupported', `${field} is ${count}; at most ${maxRepetitions} can be enforced.`, {
        field,
      });
    }
    return count;
  }

  list(keyword: string): unknown[] | undefined {
    const check = (value: unknown): value is unknown[] => Array.isArray(value) && value.length > 0;
    return this.#read(keyword, check, 'an array that is not empty');
  }

  object(keyword: string): Raw | undefined {
    return this.#read(keyword, isObject, 'an object');
  }

  inOrder(low: string, least: number | undefined, high: string, most: number | undefined): void {
    if (least === undefined || most === undefined || least <= most) return;
    const place = step(this.#path, low);
    throw malformed(place, `At ${this.#path} ${low} is ${least} and ${high} is ${most}: nothing is both.`);
  }

  types(): Set<JsonType> | undefined {
    const { type } = this.raw;
    if (type === undefined) return undefined;
    const list: unknown[] = Array.isArray(type) ? type : [type];
    const isType = (name: unknown): name is JsonType => jsonTypes.some((known) => known === name);
    if (list.length === 0 || !list.every(isType)) {
      throw this.#wrong('type', `one of ${jsonTypes.join(', ')}, or an array of them,`);
    }
    return new Set(list);
  }

  values(): unknown[] | undefined {
    const values = this.list('enum');
    for (const keyword of ['enum', 'const']) {
      if (!isDeeper(this.raw[keyword], schemaLimits.depth)) continue;
      const field = step(this.#path, keyword);
      throw new FreeholdError('unsupported', `${field} holds values nested over ${schemaLimits.depth} deep.`, {
        field,
      });
    }
    if (!('const' in this.raw)) return values;
    const only = JSON.stringify(this.raw.const);
    if (values && !values.some((value) => JSON.stringify(value) === only)) {
      throw malformed(step(this.#path, 'const'), `At ${this.#path} const is not among the values of enum.`);
    }
    return [this.raw.const];
  }

  strings(): Part['strings'] {
    const minLength = this.count('minLength');
    const maxLength = this.count('maxLength');
    this.inOrder('minLength', minLength, 'maxLength', maxLength);
    const pattern = this.text('pattern');
    const format = this.#format();
    const ofStrings = format !== undefined && Object.hasOwn(stringFormats, format) ? format : undefined;
    if (minLength === undefined && maxLength === undefined && pattern === undefined && ofStrings === undefined) {
      return undefined;
    }
    return { minLength, maxLength, pattern, format: ofStrings };
  }

  #format(): string | undefined {
    const format = this.text('format');
    const known = (name: string) => Object.hasOwn(stringFormats, name) || Object.hasOwn(numberFormats, name);
    if (format === undefined || known(format)) return format;
    const field = step(this.#path, 'format');
    throw new FreeholdError('unsupported', `The schema uses the format ${JSON.stringify(format)} at ${this.#path}.`, {
      field,
      hint: `Formats that can be enforced are ${[...Object.keys(stringFormats), ...Object.keys(numberFormats)].join(', ')}; a pattern can stand in for others.`,
    });
  }

  numbers(): Part['numbers'] {
    const minimum = this.number('minimum');
    const maximum = this.number('maximum');
    const exclusiveMinimum = this.number('exclusiveMinimum');
    const exclusiveMaximum = this.number('exclusiveMaximum');
    this.inOrder('minimum', minimum, 'maximum', maximum);
    this.inOrder('exclusiveMinimum', exclusiveMinimum, 'exclusiveMaximum', exclusiveMaximum);
    const format = this.#format();
    const ofNumbers = format !== undefined && Object.hasOwn(numberFormats, format) ? format : undefined;
    const whole = this.#multipleOfOne();
    const bounds = [minimum, maximum, exclusiveMinimum, exclusiveMaximum];
    if (bounds.every((bound) => bound === undefined) && !whole && ofNumbers === undefined) return undefined;
    return { minimum, maximum, exclusiveMinimum, exclusiveMaximum, whole, format: ofNumbers };
  }

  #multipleOfOne(): boolean {
    const divisor = this.number('multipleOf');
    if (divisor === undefined) return false;
    if (divisor <= 0) throw this.#wrong('multipleOf', 'a number above 0');
    if (divisor === 1) return true;
    const field = step(this.#path, 'multipleOf');
    throw new FreeholdError('unsupported', `The schema asks for multiples of ${divisor} at ${this.#path}.`, {
      field,
      hint: 'Only multipleOf 1 can be enforced; check the answer for others.',
    });
  }
}

function isObject(value: unknown): value is Raw {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Whether a value is nested over `limit` deep, found level by level: values may be deeper than any stack. */
function isDeeper(value: unknown, limit: number): boolean {
  let level = [value];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > limit) return true;
    level = level.flatMap((item) => (typeof item === 'object' && item !== null ? Object.values(item) : []));
  }
  return false;
}

function malformed(field: string, message: string): FreeholdError {
  return new FreeholdError('invalid_request', message, { field });
}

/** A value as messages show it. */
function describe(value: unknown): string {
  if (Array.isArray(value)) return value.length === 0 ? 'an empty array' : 'an array';
  if (value === undefined) return 'missing';
  if (typeof value === 'object' && value !== null) return 'an object';
  const text = JSON.stringify(value) ?? typeof value;
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}

/** A part may not hold because it holds: `{"$ref": "#"}` at the root says nothing. */
function checkChains(parts: readonly Part[]): void {
  const done = new Set<Part>();
  const open = new Set<Part>();
  const visit = (part: Part): void => {
    if (done.has(part)) return;
    if (open.has(part)) {
      throw malformed(part.path, `The schema at ${part.path} refers to itself with nothing in between.`);
    }
    if (open.size >= maxChain) {
      throw malformed(part.path, `The schema at ${part.path} stands behind over ${maxChain} references in a row.`);
    }
    open.add(part);
    for (const next of [...part.all, ...part.choices.flat()]) visit(next);
    open.delete(part);
    done.add(part);
  };
  for (const part of parts) visit(part);
}
