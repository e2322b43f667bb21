import { describe, expect, it } from 'vitest';
import { GrammarReader } from '../../../test/support/gbnf.ts';
import { schemaCorpus } from '../../../test/support/schema-corpus.ts';
import { compileSchema, jsonObjectGrammar } from './compile-schema.ts';

const reader = (schema: unknown) => new GrammarReader(compileSchema(schema));

describe('the grammar of a schema', () => {
  for (const { name, schema, fits, fails } of schemaCorpus) {
    it(`takes what fits and nothing else: ${name}`, () => {
      const grammar = reader(schema);
      const compact = new GrammarReader(compileSchema(schema, { whiteSpace: 'none' }));
      for (const value of fits) {
        const text = JSON.stringify(value);
        expect([text, grammar.takes(text), compact.takes(text)]).toEqual([text, true, true]);
        const indented = JSON.stringify(value, null, 2);
        expect([indented, grammar.takes(indented)]).toEqual([indented, true]);
      }
      for (const value of fails) expect([value, grammar.takes(JSON.stringify(value))]).toEqual([value, false]);
    });
  }
});

describe('an enumeration beside other keywords', () => {
  for (const { name, schema, fits, fails } of schemaCorpus) {
    if (typeof schema !== 'object' || schema === null || 'enum' in schema || 'const' in schema) continue;
    // an enumeration at the root of a schema that refers to its root would hold for its parts too
    if (JSON.stringify(schema).includes('"#"')) continue;
    it(`is narrowed to the values that fit: ${name}`, () => {
      const grammar = reader({ ...schema, enum: [...fits, ...fails] });
      for (const value of fits) expect([value, grammar.takes(JSON.stringify(value))]).toEqual([value, true]);
      for (const value of fails) expect([value, grammar.takes(JSON.stringify(value))]).toEqual([value, false]);
    });
  }

  it('holds objects and arrays with white space like any other', () => {
    const grammar = reader({ enum: [{}, [], { a: [1] }] });
    for (const text of ['{}', '{ }', '[\n]', '{ "a": [ 1 ] }'])
      expect([text, grammar.takes(text)]).toEqual([text, true]);
    for (const text of ['{  }', '{"a":[]}', '{"a":[1,1]}']) expect([text, grammar.takes(text)]).toEqual([text, false]);
  });

  it('is narrowed by formats of numbers', () => {
    const grammar = reader({ type: 'number', format: 'uint8', enum: [-1, 0, 1.5, 255, 256] });
    const taken = ['-1', '0', '1.5', '255', '256'].filter((text) => grammar.takes(text));
    expect(taken).toEqual(['0', '255']);
  });
});

describe('the text of a grammar', () => {
  it('is the same for the same schema, and has a rule root', () => {
    for (const { schema } of schemaCorpus) {
      const text = compileSchema(schema);
      expect(text).toBe(compileSchema(structuredClone(schema)));
      expect(text).toMatch(/^root ::= /);
    }
  });

  it('uses what libllama counts correctly: no repetition operators', () => {
    for (const { schema } of schemaCorpus) {
      const terminals = /"(?:[^"\\]|\\.)*"|\[(?:[^\]\\]|\\.)*\]/g;
      expect(compileSchema(schema).replace(terminals, '')).not.toMatch(/[*+?{}()]/);
    }
  });

  it('grows with the logarithm or the square root of bounds, not with bounds', () => {
    const length = (maxLength: number) => compileSchema({ type: 'string', maxLength }).length;
    expect(length(100_000)).toBeLessThan(3 * length(5000));
    expect(compileSchema({ type: 'array', minItems: 100_000 }).length).toBeLessThan(10_000);
  });

  it('counts exactly at every boundary', () => {
    const json = (count: number) => JSON.stringify('x'.repeat(count));
    for (const bound of [0, 1, 63, 64, 65, 128, 4095, 4096, 4097]) {
      const most = reader({ type: 'string', maxLength: bound });
      const least = reader({ type: 'string', minLength: bound });
      const exact = reader({ type: 'string', minLength: bound, maxLength: bound });
      for (const count of [bound - 1, bound, bound + 1]) {
        if (count < 0) continue;
        const taken = [most, least, exact].map((grammar) => grammar.takes(json(count)));
        expect([bound, count, taken]).toEqual([bound, count, [count <= bound, count >= bound, count === bound]]);
      }
    }
  });
});

describe('white space', () => {
  const schema = { type: 'object', properties: { a: { type: 'array' } } };

  it('is what people indent with', () => {
    const grammar = reader(schema);
    for (const text of [
      '{}',
      '{ }',
      '{"a":[]}',
      '{"a": [1, 2]}',
      '{\n  "a": [\n    1\n  ]\n}',
      '{\n\n}',
      '{"a" :[]}',
      '{\t}',
      ' {}',
      '{} ',
      '{"a":  []}',
    ]) {
      expect([text, grammar.takes(text)]).toEqual([text, !/\n\n|" :|\t|^ |\} $|: {2}/.test(text)]);
    }
  });

  it('is bounded, so that nobody can write it for ever', () => {
    const grammar = reader(schema);
    expect(grammar.takes(`{\n${' '.repeat(40)}}`)).toBe(true);
    expect(grammar.takes(`{\n${' '.repeat(41)}}`)).toBe(false);
  });

  it('is left out on demand', () => {
    const grammar = new GrammarReader(compileSchema(schema, { whiteSpace: 'none' }));
    expect(grammar.takes('{"a":[{"b":1}]}')).toBe(true);
    for (const text of ['{ }', '{"a": []}', '{"a":[1, 2]}']) expect(grammar.takes(text)).toBe(false);
  });
});

describe('texts of strings', () => {
  it('may be spelled in any way JSON allows where no pattern counts them, but not as half a character', () => {
    const grammar = reader({ type: 'string', maxLength: 2 });
    for (const text of ['"\\u00e9\\/"', '"\\ud83d\\ude42\\"" ', '"\\uD7ff\\uE000"', '"🙂é"'])
      expect(grammar.takes(text.trim())).toBe(true);
    for (const text of [
      '"\\ud83d"',
      '"\\ude42"',
      '"\\ude42\\ude42"',
      '"\\ud83d\\u0041"',
      '"\n"',
      '"\u0000"',
      '"\\x41"',
      '"\\u00e"',
    ]) {
      expect([text, grammar.takes(text)]).toEqual([text, false]);
    }
  });

  it('cannot hide a listed name among other names', () => {
    const grammar = reader({
      type: 'object',
      properties: { a: { type: 'integer' } },
      additionalProperties: { type: 'string' },
    });
    expect(grammar.takes('{"b":"x"}')).toBe(true);
    for (const text of ['{"a":"x"}', '{"\\u0061":"x"}', '{"a":1,"a":"x"}']) expect(grammar.takes(text)).toBe(false);
  });
});

describe('jsonObjectGrammar', () => {
  it('takes every object and nothing else', () => {
    const grammar = new GrammarReader(jsonObjectGrammar());
    for (const text of ['{}', '{"a": {"b": [1, null, true, "x"]}}', '{"a":1,"a":2}'])
      expect(grammar.takes(text)).toBe(true);
    for (const text of ['', '[]', '1', '{', '{"a"}', '{a:1}', '{"a":1,}', '{} {}'])
      expect(grammar.takes(text)).toBe(false);
  });
});
