// Schemas that cannot be enforced: what is left out, what remains, what stays an error.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GrammarReader } from '../../../test/support/gbnf.ts';
import { FreeholdError } from '../../lib/errors.ts';
import { compileSchema } from './compile-schema.ts';
import { compileRelaxed } from './relaxed-schema.ts';

const relaxed = (schema: unknown) => new GrammarReader(compileRelaxed(JSON.stringify(schema)));
/** An object with the property `a`. */
const having = (a: unknown, beside: object = {}) => ({ type: 'object', properties: { a }, required: ['a'], ...beside });
const string = { type: 'string' };

describe('a schema that cannot be enforced', () => {
  it.each([
    ['uniqueItems', having({ type: 'array', items: { type: 'integer' }, uniqueItems: true }), '[1, 1]', '["x"]'],
    ['contains', having({ type: 'array', items: string, contains: { const: 'x' }, maxItems: 1 }), '[]', '["", ""]'],
    ['not', having({ type: 'string', not: { const: 'x' } }), '"x"', '1'],
    ['multipleOf', having({ type: 'integer', multipleOf: 5 }), '3', '0.5'],
    ['format', having({ type: 'string', format: 'path', maxLength: 1 }), '"/"', '"/x"'],
    ['a pattern too large', having({ type: 'string', pattern: 'a.{30}b' }), '"x"', '{}'],
    ['a pattern of no automaton', having({ type: 'string', pattern: '(a)\\1', maxLength: 1 }), '"x"', '"xy"'],
    ['a pattern of another language', having({ type: 'string', pattern: '(?i)a' }), '"x"', '1'],
    ['a bound of draft 4', having({ type: 'integer', minimum: 3, exclusiveMinimum: true }), '3', '2'],
    ['bounds of too many digits', having({ type: 'number', minimum: 0.1, maximum: 123456789012345.5 }), '0', '"x"'],
    ['a keyword nobody knows', having({ type: 'string', minlength: 3 }), '""', '1'],
    ['minProperties', having({ type: 'object', additionalProperties: string, minProperties: 2 }), '{}', '{"x": 1}'],
    ['dependentRequired', having(string, { dependentRequired: { a: ['b'] } }), '"x"', '1'],
    ['a count too great', having({ type: 'array', minItems: 1e9, items: string }), '[]', '[1]'],
    ['nesting too deep', having(nested(80)), '[[[]]]', '1'],
  ])('is held to all but %s', (_, schema, taken, refused) => {
    const reader = relaxed(schema);
    expect([reader.takes(`{"a": ${taken}}`), reader.takes(`{"a": ${refused}}`)]).toEqual([true, false]);
  });

  it('takes what references to elsewhere may mean, with what stands beside them', () => {
    for (const $ref of ['https://example.com/x.json', '#/$defs/nope', '#anchor', 'other.json#/x']) {
      const reader = relaxed(having({ $ref }, { additionalProperties: false }));
      for (const value of ['1', '"x"', '{"y": 1}', '[]']) expect(reader.takes(`{"a": ${value}}`)).toBe(true);
      expect(reader.takes('{"b": 1}')).toBe(false);
    }
    expect(relaxed(having({ $ref: '#x', properties: { b: string } })).takes('{"a": {"b": "", "c": 1}}')).toBe(true);
  });

  it('keeps recursion', () => {
    const schema = {
      type: 'object',
      properties: { name: { type: 'string', format: 'path' }, inner: { type: 'array', items: { $ref: '#' } } },
      uniqueItems: true,
    };
    const reader = relaxed(schema);
    expect(reader.takes('{"name": "a", "inner": [{"name": "b", "inner": []}]}')).toBe(true);
    expect(reader.takes('{"inner": [{"name": 1}]}')).toBe(false);
  });

  it('allows the names that are left out with a keyword', () => {
    const kinds = { kind: { enum: ['file', 'url'] } };
    const isFile = { properties: { kind: { const: 'file' } } };
    const more = { properties: { path: string }, required: ['path'] };
    for (const schema of [
      // biome-ignore-start lint/suspicious/noThenProperty: a keyword of JSON Schema
      { type: 'object', properties: kinds, if: isFile, then: more },
      { type: 'object', properties: kinds, allOf: [{ if: isFile, then: more }] },
      // biome-ignore-end lint/suspicious/noThenProperty: as above
      { type: 'object', properties: kinds, dependentSchemas: { kind: more } },
      { type: 'object', properties: kinds, patternProperties: { '^p': string }, additionalProperties: false },
      { type: 'object', properties: kinds, allOf: [{ $ref: 'https://example.com/path.json' }] },
      { type: 'object', properties: kinds, unevaluatedProperties: string },
    ]) {
      const reader = relaxed(schema);
      expect([schema, reader.takes('{"kind": "file", "path": "x"}')]).toEqual([schema, true]);
      expect(reader.takes('{"kind": "other"}')).toBe(false);
    }
    // with nothing left out these are closed
    const conditions = { type: 'object', properties: kinds, if: isFile, else: { required: ['kind'] } };
    expect(relaxed(conditions).takes('{"path": "x"}')).toBe(false);
  });

  it('tells properties from keywords of the same name', () => {
    const reader = relaxed({
      type: 'object',
      properties: { not: string, if: { type: 'number', not: {} }, properties: { type: 'null' } },
      minProperties: 1,
    });
    expect(reader.takes('{"not": "", "if": 1, "properties": null}')).toBe(true);
    for (const name of ['not', 'if', 'properties']) expect(reader.takes(`{"${name}": true}`)).toBe(false);
  });

  it('loses a keyword wherever it stands, and only what is refused', () => {
    const properties = Object.fromEntries(
      Array.from({ length: 300 }, (_, i) => [
        `p${i}`,
        { type: 'string', format: i % 2 ? 'path' : 'date', title: `${i}` },
      ]),
    );
    const reader = relaxed({ type: 'object', properties });
    expect(reader.takes('{"p0": "2020-01-01", "p1": "x"}')).toBe(true);
    expect([reader.takes('{"p0": "x"}'), reader.takes('{"p1": 1}')]).toEqual([false, false]);
  });

  it('loses all choices and patterns where many of them are too large, and then all', () => {
    const many = (each: (i: number) => object) =>
      Object.fromEntries(Array.from({ length: 12 }, (_, i) => [`p${i}`, each(i)]));
    const patterns = { type: 'object', properties: many((i) => ({ ...string, pattern: `a.{3${i % 10}}b${i}` })) };
    expect([relaxed(patterns).takes('{"p11": "x"}'), relaxed(patterns).takes('{"p11": 1}')]).toEqual([true, false]);
    const choices = Array.from({ length: 30 }, (_, i) => ({
      anyOf: [{ required: [`a${i}`] }, { required: [`b${i}`] }],
    }));
    const chosen = { type: 'object', properties: { z: string }, allOf: choices };
    expect([relaxed(chosen).takes('{"z": ""}'), relaxed(chosen).takes('{"z": 1}')]).toEqual([true, false]);
    expect(relaxed({ type: 'object', properties: wordy(90) }).takes('{"anything": [1]}')).toBe(true);
    const long = { enum: Array.from({ length: 400 }, (_, i) => `${i}-`.repeat(1000)) };
    const reader = relaxed({ type: 'object', properties: { a: long } });
    expect([reader.takes('{"b": 1}'), reader.takes('[]')]).toEqual([true, false]);
  });

  it('is never refused for what cannot be enforced, whatever it says, and is what it was where all can', () => {
    const value = fc.letrec<{ schema: object }>((tie) => ({
      schema: fc.dictionary(
        fc.constantFrom(
          ...['type', 'properties', 'not', 'if', 'then', 'allOf', 'anyOf', 'items', 'patternProperties', 'pattern'],
          ...['format', '$ref', 'multipleOf', 'enum', 'required', '__proto__', 'constructor', 'a/b~c', 'components'],
        ),
        fc.oneof(
          { depthSize: 'small', withCrossShrink: true },
          fc.constantFrom<unknown>(
            'object',
            'string',
            'path',
            '(?i)x',
            '#',
            '#/not',
            '#/properties/a',
            'x.json',
            0.5,
            true,
          ),
          tie('schema'),
          fc.array(tie('schema'), { maxLength: 3, minLength: 1 }),
          fc.dictionary(fc.constantFrom('a', 'not', 'properties', '__proto__'), tie('schema')),
        ),
        { maxKeys: 4 },
      ),
    })).schema;
    const outcome = (compile: () => string) => {
      try {
        return compile();
      } catch (error) {
        if (!(error instanceof FreeholdError)) throw error;
        return error.code;
      }
    };
    let relaxed = 0;
    fc.assert(
      fc.property(value, (schema) => {
        const json = JSON.stringify({ ...schema, type: 'object' });
        const [loose, strict] = [outcome(() => compileRelaxed(json)), outcome(() => compileSchema(JSON.parse(json)))];
        expect(loose).not.toBe('unsupported');
        if (strict.startsWith('root')) expect(loose).toBe(strict);
        else if (loose.startsWith('root')) relaxed += 1;
      }),
      { numRuns: 300 },
    );
    expect(relaxed).toBeGreaterThan(20);
  });

  it('is an error where it is malformed, or where no value satisfies it', () => {
    for (const [schema, field] of [
      [having({ type: 'text', not: {} }), '#/properties/a/type'],
      [having({ enum: [] }, { minProperties: 1 }), '#/properties/a/enum'],
      [having({ $ref: 5 }), '#/properties/a/$ref'],
      [having({ minLength: '3', uniqueItems: true }), '#/properties/a/minLength'],
      [having(false, { not: {} }), '#/properties/a'],
      [3, '#'],
    ] as const) {
      expect(() => compileRelaxed(JSON.stringify(schema))).toThrow(
        expect.objectContaining({ code: 'invalid_request', field }),
      );
    }
  });
});

function nested(depth: number): object {
  return depth === 0 ? { type: 'null' } : { type: 'array', items: nested(depth - 1) };
}

/** Properties each with a keyword of its own that nobody knows. */
function wordy(count: number): object {
  return Object.fromEntries(Array.from({ length: count }, (_, i) => [`p${i}`, { type: 'string', [`word${i}`]: 1 }]));
}
