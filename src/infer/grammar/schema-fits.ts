// Whether a value fits parts of a schema: which members of an enumeration the other keywords leave, and which names
// propertyNames allows. Covers what schema-reader.ts lets through, nothing more.
import { numberFormats } from './regular/formats.ts';
import type { ArrayKeywords, NumberKeywords, ObjectKeywords, Part, StringKeywords } from './schema-parts.ts';
import { elementParts, propertyParts } from './schema-shapes.ts';

/** Decides the keywords of a string. */
export type StringCheck = (text: string, keywords: StringKeywords, part: Part) => boolean;

/** Whether the value fits the part. What was found out is remembered: parts may reach one another in many ways. */
export type Fits = (value: unknown, part: Part) => boolean;

export function fitting(checkString: StringCheck): Fits {
  const known = new Map<Part, Map<unknown, boolean>>();
  const enumerated = new Map<Part, Set<string>>();
  const textsOf = (part: Part, values: readonly unknown[]): Set<string> => {
    const texts = enumerated.get(part) ?? new Set(values.map(canonical));
    enumerated.set(part, texts);
    return texts;
  };
  const fits: Fits = (value, part) => {
    const results = known.get(part) ?? new Map<unknown, boolean>();
    known.set(part, results);
    const result = results.get(value) ?? (fitsItself(value, part) && fitsOthers(value, part));
    results.set(value, result);
    return result;
  };
  const fitsAll = (value: unknown, parts: readonly Part[]) => parts.every((part) => fits(value, part));

  const fitsOthers: Fits = (value, part) =>
    fitsAll(value, part.all) && part.choices.every((choice) => choice.some((other) => fits(value, other)));

  const fitsItself: Fits = (value, part) => {
    if (part.types && !hasType(value, part.types)) return false;
    if (part.values && !textsOf(part, part.values).has(canonical(value))) return false;
    if (typeof value === 'string') return !part.strings || checkString(value, part.strings, part);
    if (typeof value === 'number') return !part.numbers || fitsNumber(value, part.numbers);
    if (Array.isArray(value)) return !part.arrays || fitsArray(value, part.arrays);
    if (typeof value === 'object' && value !== null) return !part.objects || fitsObject(value, part.objects);
    return true;
  };

  const fitsArray = (value: unknown[], keywords: ArrayKeywords): boolean => {
    const { minItems = 0, maxItems = Number.POSITIVE_INFINITY } = keywords;
    if (value.length < minItems || value.length > maxItems) return false;
    return value.every((item, i) => fitsAll(item, elementParts([keywords], i)));
  };

  const fitsObject = (value: object, keywords: ObjectKeywords): boolean => {
    const { required = [], names } = keywords;
    return (
      required.every((name) => Object.hasOwn(value, name)) &&
      Object.entries(value).every(
        ([name, inner]) => (!names || fits(name, names)) && fitsAll(inner, propertyParts([keywords], name)),
      )
    );
  };

  return fits;
}

function hasType(value: unknown, types: ReadonlySet<string>): boolean {
  if (value === null) return types.has('null');
  if (Array.isArray(value)) return types.has('array');
  if (typeof value === 'number') return types.has('number') || (types.has('integer') && Number.isInteger(value));
  return types.has(typeof value);
}

function fitsNumber(value: number, keywords: NumberKeywords): boolean {
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum, whole, format } = keywords;
  if (minimum !== undefined && value < minimum) return false;
  if (maximum !== undefined && value > maximum) return false;
  if (exclusiveMinimum !== undefined && value <= exclusiveMinimum) return false;
  if (exclusiveMaximum !== undefined && value >= exclusiveMaximum) return false;
  if (whole && !Number.isInteger(value)) return false;
  const range = format === undefined ? undefined : numberFormats[format];
  return !range || (Number.isInteger(value) && value >= Number(range[0]) && value <= Number(range[1]));
}

/** One text for equal JSON values: the order of properties does not matter. */
export function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([name, inner]) => `${JSON.stringify(name)}:${canonical(inner)}`).join()}}`;
}
