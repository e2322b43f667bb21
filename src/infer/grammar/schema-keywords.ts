// The keywords a schema may use, and their values checked one by one. Every keyword is known here: enforced, an
// annotation that changes nothing, or refused by name.
import { FreeholdError } from '../../lib/errors.ts';
import { numberFormats, patternNames, stringFormats } from './regular/formats.ts';
import { maxRepetitions } from './rules.ts';
import { canonical } from './schema-fits.ts';
import { type JsonType, jsonTypes, type Part } from './schema-parts.ts';
import { step } from './schema-pointer.ts';

export type RawSchema = Record<string, unknown>;

/** Deepest nesting of a value of enum or const. */
const maxValueDepth = 64;

const enforced = new Set([
  ...['type', 'enum', 'const', 'nullable', '$ref', 'allOf', 'anyOf', 'oneOf'],
  ...['properties', 'required', 'additionalProperties', 'propertyNames'],
  ...['items', 'prefixItems', 'additionalItems', 'minItems', 'maxItems'],
  ...['minLength', 'maxLength', 'pattern', 'format'],
  ...['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'multipleOf'],
]);

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
  ...['$schema', '$id', '$anchor', '$defs', 'definitions', '$vocabulary', 'components'],
  ...['contentMediaType', 'contentEncoding', 'discriminator', 'xml', 'externalDocs'],
]);

/** Keywords that constrain and cannot be enforced while text is written from left to right, or not yet. */
const refused = new Set([
  ...['not', 'if', 'then', 'else', 'patternProperties', 'uniqueItems', 'contains', 'minContains', 'maxContains'],
  ...['dependentRequired', 'dependentSchemas', 'dependencies', 'unevaluatedItems', 'unevaluatedProperties'],
  ...['minProperties', 'maxProperties', '$dynamicRef', '$dynamicAnchor', '$recursiveRef', '$recursiveAnchor'],
  ...['contentSchema'],
]);

/** Whether answers are held to a keyword, for some of its values at least. */
export function isEnforced(keyword: string): boolean {
  return enforced.has(keyword);
}

/** The keywords of one schema object, each checked as it is read. */
export class Keywords {
  readonly raw: RawSchema;
  readonly #path: string;

  constructor(raw: RawSchema, path: string) {
    this.raw = raw;
    this.#path = path;
  }

  /** @throws FreeholdError unsupported for a keyword that cannot be enforced or that nobody knows */
  checkNames(): void {
    for (const keyword of Object.keys(this.raw)) this.#checkName(keyword);
  }

  #checkName(keyword: string): void {
    if (enforced.has(keyword) || annotations.has(keyword) || keyword.startsWith('x-')) return;
    // says nothing with this value
    if (keyword === 'uniqueItems' && this.raw[keyword] === false) return;
    const place = step(this.#path, keyword);
    const name = JSON.stringify(keyword);
    throw new FreeholdError(
      'unsupported',
      refused.has(keyword)
        ? `The schema uses ${name} at ${this.#path}, which answers cannot be held to.`
        : `The schema uses ${name} at ${this.#path}, which is not a keyword that is known here.`,
      {
        field: place,
        hint: refused.has(keyword)
          ? 'Leave it out and check the answer for it, or say the same with other keywords.'
          : 'Check its spelling. A keyword of your own begins with "x-".',
      },
    );
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

  flag(keyword: string): boolean | undefined {
    return this.#read(keyword, (value) => typeof value === 'boolean', 'true or false');
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

  object(keyword: string): RawSchema | undefined {
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
    for (const keyword of ['enum', 'const']) this.#checkValues(keyword);
    if (!('const' in this.raw)) return values;
    const only = canonical(this.raw.const);
    if (values && !values.some((value) => canonical(value) === only)) {
      throw malformed(step(this.#path, 'const'), `At ${this.#path} const is not among the values of enum.`);
    }
    return [this.raw.const];
  }

  /** Level by level: values may be deeper than any stack. */
  #checkValues(keyword: string): void {
    const field = step(this.#path, keyword);
    let level = [this.raw[keyword]];
    for (let depth = 0; level.length > 0; depth++) {
      if (depth > maxValueDepth) {
        const message = `${field} holds values nested over ${maxValueDepth} deep.`;
        throw new FreeholdError('unsupported', message, { field });
      }
      // 1e999 is read as infinity, which no JSON text stands for
      if (level.some((value) => typeof value === 'number' && !Number.isFinite(value))) {
        throw malformed(field, `${field} holds a number beyond the range of doubles.`);
      }
      level = level.flatMap((value) => (typeof value === 'object' && value !== null ? Object.values(value) : []));
    }
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
    if (patternNames.has(format) && this.raw.pattern !== undefined) return undefined;
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

export function isObject(value: unknown): value is RawSchema {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function malformed(field: string, message: string): FreeholdError {
  return new FreeholdError('invalid_request', message, { field });
}

/** A value as messages show it. */
export function describe(value: unknown): string {
  if (Array.isArray(value)) return value.length === 0 ? 'an empty array' : 'an array';
  if (value === undefined) return 'missing';
  if (typeof value === 'object' && value !== null) return 'an object';
  const text = JSON.stringify(value) ?? typeof value;
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
