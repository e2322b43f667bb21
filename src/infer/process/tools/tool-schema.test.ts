// What the parameters of a tool mean for the arguments of a call.
import { describe, expect, it } from 'vitest';
import { GrammarReader } from '../../../../test/support/gbnf.ts';
import { FreeholdError } from '../../../lib/errors.ts';
import { compileSchema } from '../../grammar/compile-schema.ts';
import { argumentsSchema, inTool } from './tool-schema.ts';

const argumentsOf = (inputSchema: Record<string, unknown>) =>
  new GrammarReader(compileSchema(argumentsSchema({ name: 'x', inputSchema }, 0)));

describe('arguments', () => {
  it.each([
    {},
    { type: 'object' },
    { type: 'object', description: 'nothing', required: [], $schema: 'https://json-schema.org/draft/2020-12/schema' },
    { type: 'object', properties: {} },
    { type: ['object', 'null'], properties: {}, additionalProperties: false },
  ])('are none where there are no properties: %j', (inputSchema) => {
    const reader = argumentsOf(inputSchema);
    expect([reader.takes('{}'), reader.takes('{"a": 1}'), reader.takes('null')]).toEqual([true, false, false]);
  });

  it('are any where the schema says so', () => {
    for (const inputSchema of [{ additionalProperties: true }, { type: 'object', additionalProperties: {} }]) {
      expect(argumentsOf(inputSchema).takes('{"a": [1]}')).toBe(true);
    }
  });

  it('are an object where the schema leaves it open', () => {
    const reader = argumentsOf({ $ref: '#/$defs/a', $defs: { a: { properties: { b: { type: 'null' } } } } });
    expect([reader.takes('{"b": null}'), reader.takes('"b"')]).toEqual([true, false]);
  });

  it.each(['string', ['array', 'null'], 7])('cannot be of the type %j', (type) => {
    expect(() => argumentsSchema({ name: 'x', inputSchema: { type } }, 3)).toThrow(
      expect.objectContaining({ code: 'invalid_request', field: 'tools.3.input_schema.type' }),
    );
  });
});

describe('an error of the parameters', () => {
  it('names the tool and the place', () => {
    const error = new FreeholdError('unsupported', 'No.', { field: '#/properties/a/not', hint: 'Leave it out.' });
    expect(inTool(error, { name: 'look', inputSchema: {} }, 2)).toMatchObject({
      code: 'unsupported',
      message: 'The parameters of the tool "look": No.',
      field: 'tools.2.input_schema.properties.a.not',
      hint: 'Leave it out.',
    });
  });

  it('stays what it is where it is not of them', () => {
    for (const error of [new FreeholdError('overloaded', 'Later.'), new Error('x')]) {
      expect(inTool(error, { name: 'look', inputSchema: {} }, 0)).toBe(error);
    }
  });
});
