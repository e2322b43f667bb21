// Random schemas, each with values that fit it: both are built side by side, so the values need no validator.
import fc from 'fast-check';

interface Sample {
  schema: Record<string, unknown>;
  /** Values that fit, written as answers are: properties in the schema's order, unlisted ones last. */
  valid: fc.Arbitrary<unknown>;
  /** Definitions that `schema` refers to. */
  definitions: Record<string, unknown>;
}

const sample = (schema: Record<string, unknown>, valid: fc.Arbitrary<unknown>, ...parts: Sample[]): Sample => ({
  schema,
  valid,
  definitions: Object.assign({}, ...parts.map(({ definitions }) => definitions)),
});

const text = (minLength = 0, maxLength = 6) =>
  fc.string({ unit: fc.constantFrom(...'abcXYZ 019_-"\\/\n\t\u0001é日🙂{}[],:'), minLength, maxLength });
const range = (most: number) =>
  fc.tuple(fc.nat(most), fc.nat(most)).map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const);
// JavaScript would move names that look like indices to the front
const name = fc
  .oneof(fc.constantFrom('id', 'name', 'names', 'a', 'b', 'ab', 'type', 'value', 'é "x"', ''), text(1, 4))
  .filter((key) => key !== '__proto__' && !/^\d+$/.test(key));
const names = (most: number) => fc.uniqueArray(name, { maxLength: most });

const patterns = [
  '^[a-z]{2,5}$',
  '^\\d+$',
  '^(yes|no|maybe)$',
  'ab+',
  '^[^a-z"]{0,4}$',
  '^\\w+@\\w+\\.(com|org)$',
  '^.?x',
  '[0-9]$',
];
const examples: Record<string, string[]> = {
  date: ['2024-02-29', '1999-12-31'],
  'date-time': ['2026-11-22T10:00:00Z'],
  time: ['10:00:00+01:00'],
  email: ['a.b@example.org'],
  uuid: ['123e4567-e89b-12d3-a456-426614174000'],
  ipv4: ['127.0.0.1'],
  ipv6: ['2001:db8::1'],
  uri: ['https://example.org/a?b=c#d'],
  hostname: ['example.org'],
};

const scalars: fc.Arbitrary<Sample>[] = [
  fc.constant(sample({ type: 'null' }, fc.constant(null))),
  fc.constant(sample({ type: 'boolean' }, fc.boolean())),
  fc.constant(sample({ type: 'integer' }, fc.integer())),
  fc.constant(sample({ type: 'string' }, text())),
  fc
    .tuple(fc.integer({ min: -500, max: 500 }), fc.nat(300))
    .map(([minimum, width]) =>
      sample(
        { type: 'integer', minimum, maximum: minimum + width },
        fc.integer({ min: minimum, max: minimum + width }),
      ),
    ),
  fc.tuple(fc.integer({ min: -5000, max: 5000 }), fc.nat(3000), fc.boolean()).map(([low, width, exclusive]) => {
    const [minimum, maximum] = [low / 100, (low + width + 2) / 100];
    const valid = fc.integer({ min: low + 1, max: low + width + 1 }).map((value) => value / 100);
    return sample(
      exclusive
        ? { type: 'number', exclusiveMinimum: minimum, exclusiveMaximum: maximum }
        : { type: 'number', minimum, maximum },
      valid,
    );
  }),
  range(5).map(([minLength, maxLength]) =>
    sample({ type: 'string', minLength, maxLength }, text(minLength, maxLength)),
  ),
  fc.constantFrom(...patterns).map((pattern) =>
    sample(
      { type: 'string', pattern, maxLength: 40 },
      fc
        .stringMatching(new RegExp(pattern, 'u'), { size: 'xsmall' })
        .filter((value) => [...value].length <= 40 && value.isWellFormed()),
    ),
  ),
  fc
    .constantFrom(...Object.entries(examples))
    .map(([format, values]) => sample({ type: 'string', format }, fc.constantFrom(...values))),
  fc
    .uniqueArray(
      fc.oneof(text(0, 4), fc.integer({ min: -20, max: 20 }), fc.boolean(), fc.constant(null), fc.constant({ a: [1] })),
      { minLength: 1, maxLength: 6 },
    )
    .map((values) => sample({ enum: values }, fc.constantFrom(...values))),
  fc.oneof(text(), fc.integer()).map((value) => sample({ const: value }, fc.constant(value))),
];

/** An object with each property present as the mask says, those beyond its end absent. */
function objectOf(
  entries: readonly (readonly [string, fc.Arbitrary<unknown>, boolean])[],
): fc.Arbitrary<Record<string, unknown>> {
  const present = entries.map(([key, value, required]) =>
    fc
      .tuple(value, required ? fc.constant(true) : fc.boolean())
      .map(([found, kept]) => (kept ? [[key, found] as const] : [])),
  );
  return fc.tuple(...present).map((lists) => Object.fromEntries(lists.flat()));
}

const { any } = fc.letrec<{
  any: Sample;
  array: Sample;
  tuple: Sample;
  object: Sample;
  map: Sample;
  either: Sample;
  both: Sample;
  reference: Sample;
  list: Sample;
}>((tie) => {
  const some = tie('any');
  return {
    any: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      ...scalars.map((arbitrary) => ({ arbitrary, weight: 1 })),
      ...(['array', 'tuple', 'object', 'object', 'map', 'either', 'both', 'reference', 'list'] as const).map(
        (kind) => ({ arbitrary: tie(kind), weight: 2 }),
      ),
    ),
    array: fc
      .tuple(some, range(4))
      .map(([item, [minItems, maxItems]]) =>
        sample(
          { type: 'array', items: item.schema, minItems, maxItems },
          fc.array(item.valid, { minLength: minItems, maxLength: maxItems }),
          item,
        ),
      ),
    tuple: fc.tuple(fc.array(some, { minLength: 1, maxLength: 3 }), some).map(([items, rest]) =>
      sample(
        { type: 'array', prefixItems: items.map(({ schema }) => schema), items: rest.schema, minItems: items.length },
        fc
          .tuple(fc.tuple(...items.map(({ valid }) => valid)), fc.array(rest.valid, { maxLength: 2 }))
          .map((lists) => lists.flat()),
        rest,
        ...items,
      ),
    ),
    object: fc
      .tuple(
        names(4),
        fc.array(some, { minLength: 4, maxLength: 4 }),
        fc.array(fc.boolean(), { minLength: 4, maxLength: 4 }),
      )
      .map(([keys, values, needed]) => {
        const entries = keys.map(
          (key, i) => [key, values[i]?.valid as fc.Arbitrary<unknown>, needed[i] as boolean] as const,
        );
        const used = values.slice(0, keys.length);
        return sample(
          {
            type: 'object',
            properties: Object.fromEntries(keys.map((key, i) => [key, values[i]?.schema])),
            required: keys.filter((_, i) => needed[i]),
            additionalProperties: false,
          },
          objectOf(entries),
          ...used,
        );
      }),
    map: fc.tuple(names(2), some, some).map(([keys, value, other]) =>
      sample(
        {
          type: 'object',
          properties: Object.fromEntries(keys.map((key) => [key, value.schema])),
          additionalProperties: other.schema,
        },
        fc
          .tuple(
            objectOf(keys.map((key) => [key, value.valid, false] as const)),
            fc.dictionary(
              name.filter((key) => !keys.includes(key)),
              other.valid,
              { maxKeys: 2 },
            ),
          )
          .map(([first, rest]) => ({ ...first, ...rest })),
        value,
        other,
      ),
    ),
    either: fc
      .array(some, { minLength: 1, maxLength: 3 })
      .map((choices) =>
        sample(
          { anyOf: choices.map(({ schema }) => schema) },
          fc.oneof(...choices.map(({ valid }) => valid)),
          ...choices,
        ),
      ),
    both: fc.tuple(names(2), names(2), some, some).map(([left, right, a, b]) => {
      const later = right.filter((key) => !left.includes(key));
      return sample(
        {
          type: 'object',
          allOf: [
            { properties: Object.fromEntries(left.map((key) => [key, a.schema])) },
            { properties: Object.fromEntries(later.map((key) => [key, b.schema])), required: later },
          ],
        },
        objectOf([
          ...left.map((key) => [key, a.valid, false] as const),
          ...later.map((key) => [key, b.valid, true] as const),
        ]),
        a,
        b,
      );
    }),
    reference: fc.tuple(some, fc.uuid()).map(([target, id]) => {
      const reference = sample({ $ref: `#/$defs/${id}` }, target.valid, target);
      reference.definitions[id] = target.schema;
      return reference;
    }),
    list: fc.tuple(some, fc.uuid()).map(([item, id]) => {
      const $ref = `#/$defs/${id}`;
      const list = sample(
        { anyOf: [{ type: 'null' }, { $ref }] },
        fc
          .array(item.valid, { maxLength: 3 })
          .map((values) => values.reduceRight<unknown>((next, value) => ({ value, next }), null)),
        item,
      );
      list.definitions[id] = {
        type: 'object',
        properties: { value: item.schema, next: { anyOf: [{ $ref }, { type: 'null' }] } },
        required: ['value', 'next'],
      };
      return list;
    }),
  };
});

/** A schema and three values that fit it. */
export const randomSchema: fc.Arbitrary<{ schema: Record<string, unknown>; values: unknown[] }> = any.chain(
  ({ schema, valid, definitions }) =>
    fc
      .array(valid, { minLength: 3, maxLength: 3 })
      .map((values) => ({ schema: { ...schema, $defs: definitions }, values })),
);
