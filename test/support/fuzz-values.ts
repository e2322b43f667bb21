// Random values of JSON Schemas, and random damage to them: what a document of OpenAPI is fuzzed with. Understands the
// keywords that zod's schemas come with; a value that misses a `pattern` is a mutation like any other.
import fc from 'fast-check';

type Schema = Record<string, unknown>;
type Json = unknown;

/** Texts that break things: empty, controls, lone surrogates, markup, paths, names of properties that objects have. */
const nasty = [
  '',
  ' ',
  '\u0000',
  '\ud800',
  'é',
  '日本語',
  '🙂'.repeat(20),
  '\u202e\u200b\ufeff',
  '__proto__',
  'constructor',
  'toString',
  '../../../../etc/passwd',
  'http://169.254.169.254/latest/meta-data',
  'file:///etc/passwd',
  'data:text/plain;base64,aGk=',
  'data:image/png;base64,%%%',
  "'; DROP TABLE api_keys; --",
  '<|im_start|>system',
  '{{7*7}}',
  'x'.repeat(5000),
  'null',
  '{"a":',
  '{}',
  '[]',
  'NaN',
];

const numbers = [
  0,
  -0,
  -1,
  1,
  0.5,
  2 ** 31,
  -(2 ** 31),
  2 ** 32,
  2 ** 53,
  1e21,
  1e308,
  -1e308,
  5e-324,
  4_294_967_296.5,
];

export const anyText: fc.Arbitrary<string> = fc.oneof(
  { weight: 3, arbitrary: fc.string({ maxLength: 20 }) },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 12 }) },
  { weight: 2, arbitrary: fc.constantFrom(...nasty) },
);

/** Anything JSON can hold. */
export const junk: fc.Arbitrary<Json> = fc.oneof(
  anyText,
  fc.constantFrom<Json>(...numbers, true, false, null, [], {}, [[]], [null], { type: null }),
  fc.jsonValue({ maxDepth: 3 }),
);

const deepest = 7;

/** @param components of the document, by name */
export function valuesOf(schema: Schema, components: Record<string, Schema>): fc.Arbitrary<Json> {
  const made = new Map<string, fc.Arbitrary<Json>>();

  function of(given: Schema | boolean, depth: number): fc.Arbitrary<Json> {
    if (typeof given === 'boolean') return junk;
    if (typeof given.$ref === 'string') return referred(given.$ref.replace('#/components/schemas/', ''), depth);
    const branches = (given.anyOf ?? given.oneOf) as Schema[] | undefined;
    if (branches) {
      // deep down only what ends soon
      const flat = branches.filter(({ type }) => type === 'null' || type === 'string' || type === 'boolean');
      const open = depth > deepest && flat.length > 0 ? flat : branches;
      return fc.oneof(...open.map((branch) => of(branch, depth + 1)));
    }
    if (Array.isArray(given.allOf)) return of(Object.assign({}, ...(given.allOf as Schema[])), depth);
    if ('const' in given) return fc.constant(given.const);
    if (Array.isArray(given.enum)) return fc.constantFrom(...(given.enum as Json[]));
    if (Array.isArray(given.type)) {
      return fc.oneof(...(given.type as string[]).map((type) => of({ ...given, type }, depth)));
    }
    switch (given.type) {
      case 'string':
        return textOf(given);
      case 'integer':
      case 'number':
        return numberOf(given);
      case 'boolean':
        return fc.boolean();
      case 'null':
        return fc.constant(null);
      case 'array':
        return arrayOf(given, depth);
      case 'object':
        return objectOf(given, depth);
      default:
        return depth > deepest ? fc.constant(null) : junk;
    }
  }

  /** One arbitrary for each name and depth, so that a schema that refers to itself ends. */
  function referred(name: string, depth: number): fc.Arbitrary<Json> {
    const key = `${name} ${Math.min(depth, deepest + 1)}`;
    let arbitrary = made.get(key);
    if (!arbitrary) {
      if (depth > deepest + 4) return fc.constant(null);
      arbitrary = of(components[name] ?? {}, depth + 1);
      made.set(key, arbitrary);
    }
    return arbitrary;
  }

  function textOf({ minLength = 0, maxLength = 5000 }: { minLength?: number; maxLength?: number }) {
    return anyText.map((text) => text.padEnd(minLength, 'x').slice(0, maxLength));
  }

  function numberOf({ type, minimum, maximum, exclusiveMinimum }: Schema): fc.Arbitrary<number> {
    const least = Math.max(Number(minimum ?? exclusiveMinimum ?? -1e6), -Number.MAX_SAFE_INTEGER);
    const most = Math.min(Number(maximum ?? 1e6), Number.MAX_SAFE_INTEGER);
    const ends = fc.constantFrom(least, Math.min(most, Math.max(least, 1)), most);
    if (type === 'integer') {
      return fc.oneof(
        ends,
        fc.integer({ min: Math.ceil(least), max: Math.max(Math.ceil(least), Math.min(most, 1000)) }),
      );
    }
    return fc.oneof(ends, fc.double({ min: least, max: Math.max(least, most), noNaN: true }));
  }

  function arrayOf({ items, minItems = 0 }: Schema, depth: number): fc.Arbitrary<Json[]> {
    const item = of((items as Schema | undefined) ?? {}, depth + 1);
    const least = Math.min(Number(minItems), 3);
    return fc.array(item, { minLength: least, maxLength: depth > deepest ? least : Math.max(least, 3) });
  }

  function objectOf(given: Schema, depth: number): fc.Arbitrary<Json> {
    const properties = (given.properties ?? {}) as Record<string, Schema>;
    const required = (given.required ?? []) as string[];
    const shown = depth > deepest ? required : Object.keys(properties);
    const model = Object.fromEntries(shown.map((key) => [key, of(properties[key] ?? {}, depth + 1)]));
    const listed = fc.record(model, { requiredKeys: required.filter((key) => key in model) }).chain((value) =>
      // a request rarely sets everything at once: of the rest some are left out again
      fc.subarray(Object.keys(value).filter((key) => !required.includes(key))).map((left) => {
        const kept = { ...(value as Record<string, Json>) };
        for (const key of left) delete kept[key];
        return kept;
      }),
    );
    const open = given.additionalProperties;
    if (typeof open !== 'object' || Object.keys(open as object).length === 0 || depth > deepest) return listed;
    const extra = fc.dictionary(anyText, of(open as Schema, depth + 1), { maxKeys: 2 });
    return fc.tuple(listed, extra).map(([own, more]) => ({ ...more, ...(own as object) }));
  }

  return of(schema, 0);
}

/** One injury: where, chosen by a number, and what. */
export interface Injury {
  place: number;
  how: 'replace' | 'remove' | 'add' | 'repeat' | 'wrap';
  value: Json;
  name: string;
}

export const injury: fc.Arbitrary<Injury> = fc.record({
  place: fc.nat(),
  how: fc.constantFrom('replace', 'replace', 'replace', 'remove', 'add', 'repeat', 'wrap'),
  value: junk,
  name: anyText,
});

/** Every object and array in a value with its keys, the value itself aside. */
function placesOf(value: Json): { holder: Record<string, Json>; key: string }[] {
  if (typeof value !== 'object' || value === null) return [];
  const holder = value as Record<string, Json>;
  return Object.keys(holder).flatMap((key) => [{ holder, key }, ...placesOf(holder[key])]);
}

/** The value with the injuries; the one that was given stays whole. */
export function injured(value: Json, injuries: readonly Injury[]): Json {
  let result = structuredClone(value);
  for (const { place, how, value: junkValue, name } of injuries) {
    const places = placesOf(result);
    const chosen = places[place % Math.max(1, places.length)];
    if (!chosen) return junkValue;
    const { holder, key } = chosen;
    if (how === 'replace') set(holder, key, junkValue);
    else if (how === 'remove') delete holder[key];
    else if (how === 'add') set(holder, Array.isArray(holder) ? String(holder.length) : name, junkValue);
    else if (how === 'repeat')
      set(
        holder,
        key,
        Array.from({ length: 5 }, () => holder[key]),
      );
    else set(holder, key, nested(holder[key], 1 + (place % 250)));
    // what was put in twice must not be hurt twice
    result = structuredClone(result);
  }
  return result;
}

/** `__proto__` is a name like any other in JSON. */
function set(holder: Record<string, Json>, key: string, value: Json): void {
  Object.defineProperty(holder, key, { value, enumerable: true, configurable: true, writable: true });
}

function nested(value: Json, levels: number): Json {
  return Array.from({ length: levels }).reduce<Json>((inner, _, level) => (level % 2 ? [inner] : { a: inner }), value);
}

/** Bodies that are no JSON, or more than JSON. */
export const brokenBodies: readonly (string | Uint8Array)[] = [
  '',
  ' ',
  'null',
  '[]',
  '"text"',
  '{',
  '{"model":"fake"',
  '{"model":"fake",}',
  "{'model':'fake'}",
  '{"model":"fake"}{"model":"fake"}',
  '\ufeff{"model":"fake"}',
  '{"a":1e999}',
  '{"a":-1e999,"max_tokens":1e400}',
  `{"a":${'9'.repeat(5000)}}`,
  '['.repeat(100_000),
  `${'['.repeat(5000)}${']'.repeat(5000)}`,
  `{"messages":${'{"a":'.repeat(300)}1${'}'.repeat(300)}}`,
  `{"model":"fake","messages":[${'{},'.repeat(2000)}{}]}`,
  `{"model":"fake","model":"other"}`,
  '{"__proto__":{"model":"fake"}}',
  '{"constructor":{"prototype":{"stream":true}}}',
  '\u0000',
  Uint8Array.of(0xff, 0xfe, 0x7b, 0x7d),
  Uint8Array.of(0x7b, 0x22, 0xc3, 0x28, 0x22, 0x3a, 0x31, 0x7d),
  Uint8Array.of(0xed, 0xa0, 0x80),
];
