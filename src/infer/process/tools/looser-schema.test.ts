// Schemas of tools that are not strict: what cannot be enforced goes, all else stays.
import { describe, expect, it } from 'vitest';
import { FreeholdError } from '../../../lib/errors.ts';
import { compileSchema } from '../../grammar/compile-schema.ts';
import { withoutUnenforced } from './looser-schema.ts';

/** What is left when everything that is refused is taken out. */
function enforced(schema: Record<string, unknown>): Record<string, unknown> {
  for (let left = schema; ; ) {
    try {
      compileSchema(left);
      return left;
    } catch (error) {
      const looser = withoutUnenforced(left, error);
      if (!looser) throw error;
      left = looser;
    }
  }
}

describe('a schema', () => {
  it('loses the keywords that cannot be enforced, and no others', () => {
    const tags = { type: 'array', items: { type: 'string', maxLength: 3 }, maxItems: 2 };
    const schema = {
      type: 'object',
      properties: {
        tags: { ...tags, uniqueItems: true, contains: { const: 'x' } },
        path: { type: 'string', format: 'path', minLength: 1 },
        step: { anyOf: [{ type: 'number', multipleOf: 0.5 }, { type: 'null' }] },
        'a/b~c': { type: 'object', minProperties: 1, properties: {} },
        not: { type: 'string', not: { const: 'x' } },
        properties: { type: 'boolean', not: {} },
      },
      required: ['tags'],
      if: { required: ['path'] },
      // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
      then: { required: ['step'] },
      $defs: { unused: { type: 'string', format: 'regexp' } },
    };
    const before = structuredClone(schema);
    expect(enforced(schema)).toEqual({
      type: 'object',
      properties: {
        tags,
        path: { type: 'string', minLength: 1 },
        step: { anyOf: [{ type: 'number' }, { type: 'null' }] },
        'a/b~c': { type: 'object', properties: {} },
        not: { type: 'string' },
        properties: { type: 'boolean' },
      },
      required: ['tags'],
      $defs: { unused: expect.objectContaining({ type: 'string' }) },
    });
    expect(schema).toEqual(before);
  });

  it('within it says nothing any more where it is refused as a whole', () => {
    const schema = { properties: { a: { type: 'number', minimum: 0.1, maximum: 123_456_789_012_345.5 } } };
    expect(enforced(schema)).toEqual({ properties: { a: {} } });
  });

  it.each([
    new FreeholdError('unsupported', 'Too long.', { field: '#' }),
    new FreeholdError('unsupported', 'Elsewhere.', { field: '#/properties/b/not' }),
    new FreeholdError('unsupported', 'Elsewhere.', { field: '#/__proto__/not' }),
    new FreeholdError('unsupported', 'No place.'),
    new FreeholdError('invalid_request', 'Malformed.', { field: '#/properties/a/not' }),
    new Error('x'),
  ])('stays what it is: %s', (error) => {
    expect(withoutUnenforced({ properties: { a: { not: {} } } }, error)).toBeUndefined();
  });
});
