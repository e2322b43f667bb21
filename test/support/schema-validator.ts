// The judge of schema-constrained answers: ajv, by the draft the schema names.
import type { ValidateFunction } from 'ajv';
import { Ajv } from 'ajv';
import { Ajv2020 } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';

const addFormats = formats as unknown as typeof formats.default;
const options = { strict: false, allErrors: true, allowUnionTypes: true } as const;

export function schemaValidator(schema: unknown): ValidateFunction {
  const draft7 = typeof schema === 'object' && JSON.stringify(schema).includes('draft-07');
  const ajv = draft7 ? new Ajv(options) : new Ajv2020(options);
  addFormats(ajv as Ajv);
  return ajv.compile(schema as object);
}
