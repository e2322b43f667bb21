// The JSON schema a caller wants its answer to satisfy: how it is taken from a request, and how what is wrong with it is
// told. Whether it can be enforced is for whoever runs the model to say. Pure.
import { FreeholdError } from '../lib/errors.ts';
import type { GenerateRequest } from '../lib/text-model.ts';
import { fieldError, fieldName, type PathStyle } from './validate.ts';

export type Schema = Record<string, unknown>;

/** A schema, and the place of the request it stands at. */
export interface GivenSchema {
  schema: Schema;
  path: readonly (string | number)[];
}

/**
 * Holds the answer to a schema.
 * @param from the field that turned structured output on, for messages
 * @returns the place of the schema, as the protocol spells it
 * @throws FreeholdError invalid_request where the rest of the request contradicts it
 */
export function holdTo(request: GenerateRequest, given: GivenSchema, from: string, style: PathStyle): string {
  if (request.messages.at(-1)?.role === 'assistant') {
    const message = `The last message is the assistant's: an answer that continues it cannot be JSON of its own.`;
    throw fieldError('invalid_request', ['messages'], message, style, `End with a user message, or leave out ${from}.`);
  }
  if (request.ignoreEnd) {
    const message = 'Contradicts structured output, which ends where its JSON does.';
    throw fieldError('invalid_request', ['ignore_eos'], message, style, `Leave out ignore_eos or ${from}.`);
  }
  request.responseSchema = given.schema;
  return fieldName(given.path, style);
}

/**
 * Names the place of a schema's error in the request: `#/properties/a` becomes `FIELD#/properties/a`.
 * @param schemaField the place of the schema; undefined where there is none
 * @returns other errors as they are
 */
export function inSchema(error: unknown, schemaField: string | undefined): unknown {
  if (!(error instanceof FreeholdError) || schemaField === undefined || !error.field?.startsWith('#')) return error;
  return new FreeholdError(error.code, `${schemaField}: ${error.message}`, {
    field: schemaField + (error.field === '#' ? '' : error.field),
    ...(error.hint === undefined ? {} : { hint: error.hint }),
    ...(error.cause === undefined ? {} : { cause: error.cause }),
  });
}
