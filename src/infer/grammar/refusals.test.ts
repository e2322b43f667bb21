import { describe, expect, it } from 'vitest';
import { FreeholdError } from '../../lib/errors.ts';
import { compileSchema } from './compile-schema.ts';
import { maxGrammarLength, maxRepetitions } from './rules.ts';
import { schemaLimits } from './schema-reader.ts';

/** The error of a schema, or how long its grammar is. */
function refusal(
  schema: unknown,
): { code: string; field: string | undefined; message: string; hint?: string } | number {
  try {
    return compileSchema(schema).length;
  } catch (error) {
    if (!(error instanceof FreeholdError)) throw error;
    const { code, field, message, hint } = error;
    return { code, field, message, ...(hint !== undefined && { hint }) };
  }
}

/** Puts a schema where a reader has to look for it. */
const nested = (schema: unknown) => ({ type: 'object', properties: { 'a/b': { type: 'array', items: schema } } });
const place = '#/properties/a~1b/items';

describe('a keyword that answers cannot be held to', () => {
  const refused: Record<string, unknown> = {
    not: { type: 'string' },
    if: { const: 1 },
    else: { const: 1 },
    patternProperties: { '^a': {} },
    uniqueItems: true,
    contains: {},
    minContains: 1,
    maxContains: 1,
    dependentRequired: { a: ['b'] },
    dependentSchemas: { a: {} },
    dependencies: { a: ['b'] },
    unevaluatedItems: false,
    unevaluatedProperties: false,
    minProperties: 1,
    maxProperties: 2,
    $dynamicRef: '#a',
    $dynamicAnchor: 'a',
    $recursiveRef: '#',
    $recursiveAnchor: true,
    contentSchema: {},
  };
  for (const [keyword, value] of [...Object.entries(refused), ['then', true] as const]) {
    it(`is refused by its name and place: ${keyword}`, () => {
      const field = `${place}/${keyword}`;
      for (const beside of [{}, { type: 'object' }, { type: 'array' }]) {
        expect(refusal(nested({ ...beside, [keyword]: value }))).toMatchObject({
          code: 'unsupported',
          field,
          message: expect.stringContaining(JSON.stringify(keyword)),
          hint: expect.any(String),
        });
      }
      expect(refusal({ [keyword]: value })).toMatchObject({ code: 'unsupported', field: `#/${keyword}` });
    });
  }

  it('is refused too when nobody knows it, a slip of the pen perhaps', () => {
    for (const keyword of ['minlength', 'maximumLength', 'Required', 'constructor', '__proto__x']) {
      expect(refusal(nested({ type: 'string', [keyword]: 3 }))).toMatchObject({
        code: 'unsupported',
        field: `${place}/${keyword}`,
        message: expect.stringContaining(keyword),
      });
    }
  });

  it('does no harm where nothing refers to it, or where it says nothing', () => {
    expect(refusal({ type: 'string', $defs: { unused: { not: {} } } })).toBeGreaterThan(0);
    expect(refusal({ type: 'array', uniqueItems: false })).toBeGreaterThan(0);
    expect(refusal({ enum: [{ not: 1, if: 2 }] })).toBeGreaterThan(0);
    expect(refusal({ type: 'object', properties: { not: { type: 'string' }, if: {} } })).toBeGreaterThan(0);
  });

  it('is refused with the values that cannot be enforced', () => {
    for (const [schema, field] of [
      [{ type: 'integer', multipleOf: 5 }, `${place}/multipleOf`],
      [{ type: 'number', multipleOf: 0.01 }, `${place}/multipleOf`],
      [{ type: 'string', format: 'phone' }, `${place}/format`],
      [{ type: 'string', format: 'toString' }, `${place}/format`],
      [{ type: 'string', pattern: '(a)\\1' }, `${place}/pattern`],
      [{ $ref: 'https://example.org/schema.json' }, `${place}/$ref`],
      [{ $ref: '#name' }, `${place}/$ref`],
      [{ type: 'string', minLength: maxRepetitions + 1 }, `${place}/minLength`],
      [{ type: 'array', minItems: maxRepetitions + 1 }, `${place}/minItems`],
    ] as const) {
      expect(refusal(nested(schema))).toMatchObject({ code: 'unsupported', field });
    }
  });
});

describe('a malformed schema', () => {
  it('is an invalid request that names the place', () => {
    for (const [schema, field] of [
      [{ type: 'text' }, 'type'],
      [{ type: [] }, 'type'],
      [{ type: null }, 'type'],
      [{ enum: [] }, 'enum'],
      [{ enum: 'a' }, 'enum'],
      [{ enum: ['a'], const: 'b' }, 'const'],
      [{ const: [Number.POSITIVE_INFINITY] }, 'const'],
      [{ required: true }, 'required'],
      [{ required: [1] }, 'required'],
      [{ properties: [] }, 'properties'],
      [{ properties: { a: 'string' } }, 'properties/a'],
      [{ additionalProperties: 'no' }, 'additionalProperties'],
      [{ items: 3 }, 'items'],
      [{ prefixItems: {} }, 'prefixItems'],
      [{ anyOf: [] }, 'anyOf'],
      [{ allOf: [null] }, 'allOf/0'],
      [{ oneOf: {} }, 'oneOf'],
      [{ minLength: -1 }, 'minLength'],
      [{ maxLength: 1.5 }, 'maxLength'],
      [{ minItems: '2' }, 'minItems'],
      [{ minimum: '2' }, 'minimum'],
      [{ minimum: 1, exclusiveMinimum: true }, 'exclusiveMinimum'],
      [{ multipleOf: 0 }, 'multipleOf'],
      [{ pattern: '(' }, 'pattern'],
      [{ pattern: 3 }, 'pattern'],
      [{ format: 3 }, 'format'],
      [{ nullable: 'yes' }, 'nullable'],
      [{ $ref: 3 }, '$ref'],
      [{ $ref: '#/$defs/missing' }, '$ref'],
      [{ $ref: '#/properties/constructor' }, '$ref'],
      [{ minLength: 3, maxLength: 2 }, 'minLength'],
      [{ minItems: 3, maxItems: 2 }, 'minItems'],
      [{ minimum: 3, maximum: 2 }, 'minimum'],
    ] as const) {
      expect([schema, refusal(nested(schema))]).toMatchObject([
        {},
        { code: 'invalid_request', field: `${place}/${field}` },
      ]);
    }
    for (const schema of [null, 3, 'object', [], undefined]) {
      expect(refusal(schema)).toMatchObject({ code: 'invalid_request', field: '#' });
    }
  });

  it('is one that no value satisfies', () => {
    for (const schema of [
      false,
      { type: 'string', enum: [1, 2] },
      { allOf: [{ type: 'string' }, { type: 'integer' }] },
      { allOf: [{ minimum: 3 }, { maximum: 2 }], type: 'number' },
      { type: 'integer', exclusiveMinimum: 1, exclusiveMaximum: 2 },
      { type: 'string', pattern: 'a^' },
      { type: 'string', pattern: '^a{3}$', maxLength: 2 },
      { type: 'object', properties: { a: {} }, required: ['b'], additionalProperties: false },
      { type: 'object', properties: { ab: {} }, required: ['ab'], propertyNames: { maxLength: 1 } },
      { type: 'array', prefixItems: [{}], items: false, minItems: 2 },
      { anyOf: [false, { type: 'array', items: false, minItems: 1 }] },
      { allOf: [{ const: 1 }, { enum: [2, 3] }] },
    ]) {
      expect([schema, refusal(schema)]).toMatchObject([schema, { code: 'invalid_request' }]);
    }
  });

  it('is one that contains itself without an end', () => {
    for (const schema of [
      { $ref: '#' },
      { allOf: [{ $ref: '#' }] },
      {
        anyOf: [{ $ref: '#/$defs/a' }, { type: 'string' }],
        $defs: { a: { $ref: '#/$defs/b' }, b: { anyOf: [{ $ref: '#/$defs/a' }, {}] } },
      },
      { type: 'object', properties: { next: { $ref: '#' } }, required: ['next'] },
      { type: 'array', items: { $ref: '#' }, minItems: 1 },
      { $defs: { a: { type: 'array', prefixItems: [{ $ref: '#/$defs/a' }], minItems: 1 } }, $ref: '#/$defs/a' },
    ]) {
      expect([schema, refusal(schema)]).toMatchObject([schema, { code: 'invalid_request' }]);
    }
  });
});

describe('limits', () => {
  const chain = (depth: number): unknown =>
    depth === 0 ? { type: 'null' } : { type: 'array', items: chain(depth - 1) };

  it('of nesting and number of schemas end in an error', () => {
    expect(refusal(chain(schemaLimits.depth))).toBeGreaterThan(0);
    expect(refusal(chain(schemaLimits.depth + 1))).toMatchObject({
      code: 'unsupported',
      message: expect.stringContaining('deep'),
    });
    const many = (count: number) => ({ anyOf: Array.from({ length: count }, (_, i) => ({ const: i })) });
    expect(refusal({ type: 'array', prefixItems: [many(900)] })).toBeGreaterThan(0);
    expect(refusal(many(schemaLimits.parts))).toMatchObject({ code: 'unsupported' });
    let value: unknown = 1;
    for (let depth = 0; depth < 100_000; depth++) value = [value];
    expect(refusal({ const: value })).toMatchObject({ code: 'unsupported', field: '#/const' });
  });

  it('of choices inside choices end in an error, not in waiting', () => {
    const pair = (i: number) => ({ anyOf: [{ required: [`a${i}`] }, { required: [`b${i}`] }] });
    expect(refusal({ allOf: Array.from({ length: 5 }, (_, i) => pair(i)) })).toBeGreaterThan(0);
    expect(refusal({ allOf: Array.from({ length: 30 }, (_, i) => pair(i)) })).toMatchObject({
      code: 'unsupported',
      message: expect.stringContaining('combinations'),
    });
    // many ways to the same few choices are few choices
    const diamonds = Object.fromEntries(
      Array.from({ length: 60 }, (_, i) => [
        `d${i}`,
        { anyOf: [{ $ref: `#/$defs/d${i + 1}` }, { allOf: [{ $ref: `#/$defs/d${i + 1}` }] }] },
      ]),
    );
    expect(refusal({ $ref: '#/$defs/d0', $defs: { ...diamonds, d60: { type: 'string' } } })).toBeGreaterThan(0);
    const values = {
      enum: [{ a: 1 }, { a: 'x' }],
      $ref: '#/$defs/d0',
      $defs: { ...diamonds, d60: { properties: { a: { type: 'string' } } } },
    };
    expect(refusal(values)).toBeGreaterThan(0);
  });

  it('of enumerations do not multiply', () => {
    const many = (from: number) => Array.from({ length: 20_000 }, (_, i) => ({ a: from + i, b: 0 }));
    const reordered = many(39_990).map(({ a, b }) => ({ b, a }));
    const narrowed = { allOf: [{ enum: many(20_000) }, { enum: reordered }] };
    expect(refusal(narrowed)).toBeLessThan(5000);
  });

  it('of length end in an error', () => {
    const long = { enum: Array.from({ length: 400 }, (_, i) => `${i}-`.repeat(1000)) };
    expect(refusal(long)).toMatchObject({
      code: 'unsupported',
      message: expect.stringContaining(String(maxGrammarLength)),
    });
    expect(refusal({ type: 'string', pattern: 'a.{30}b' })).toMatchObject({ code: 'unsupported', field: '#' });
    expect(refusal({ type: 'string', pattern: '^[a-z]+$', maxLength: 60_000 })).toMatchObject({ code: 'unsupported' });
  });

  it('of counts are generous: an upper bound beyond them is as good as the limit', () => {
    for (const schema of [
      { type: 'string', maxLength: 2_147_483_647 },
      { type: 'string', minLength: 10_000, maxLength: 20_000 },
      { type: 'array', items: {}, minItems: 5000, maxItems: 9_007_199_254_740_991 },
      { type: 'string', pattern: '^[a-z]+$', maxLength: 5000 },
    ]) {
      expect(refusal(schema)).toBeGreaterThan(0);
    }
  });
});
