import { describe, expect, it } from 'vitest';
import { FreeholdError } from '../lib/errors.ts';
import { inSchema } from './response-schema.ts';

describe('an error about a schema', () => {
  const at = (field: string) => new FreeholdError('unsupported', 'No.', { field, hint: 'Mend it.' });

  it('names the place of the schema and the place in it', () => {
    expect(inSchema(at('#/properties/a'), 'output_format.schema')).toMatchObject({
      code: 'unsupported',
      message: 'output_format.schema: No.',
      hint: 'Mend it.',
      field: 'output_format.schema#/properties/a',
    });
    expect(inSchema(at('#'), 'output_format.schema')).toMatchObject({ field: 'output_format.schema' });
  });

  it('is told from others, which stay as they are', () => {
    for (const error of [at('messages'), new FreeholdError('internal', 'No.'), new TypeError('no'), undefined]) {
      expect(inSchema(error, 'x')).toBe(error);
    }
    const other = at('#/a');
    expect(inSchema(other, undefined)).toBe(other);
  });
});
