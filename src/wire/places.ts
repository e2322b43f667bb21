// Where in the request an error belongs. Engines know one canonical request and name its parts; the caller wrote another,
// and reads the name of the field as it wrote it. Pure; knows no protocol.
import { FreeholdError } from '../lib/errors.ts';
import { inSchema } from './response-schema.ts';

/** Names of fields, as the protocol of a request spells them; what is left out stays as engines name it. */
export interface RequestPlaces {
  /** The schema the answer is held to. Engines say `#`. */
  schemaField?: string;
  /** The conversation or the prompt. Engines say `messages`. */
  promptField?: string;
  /** The schema of each tool of the canonical request. Engines say `tools.0.input_schema`. */
  toolFields?: readonly string[];
}

/**
 * Names the place of an error as the caller knows it.
 * @returns other errors as they are
 */
export function inRequest(error: unknown, { schemaField, promptField, toolFields }: RequestPlaces): unknown {
  if (!(error instanceof FreeholdError) || error.field === undefined) return error;
  const tool = /^tools\.(\d+)\.input_schema(.*)$/s.exec(error.field);
  const toolField = toolFields?.[Number(tool?.[1])];
  if (tool && toolField !== undefined) return at(error, toolField + tool[2]);
  if (error.field === 'messages' && promptField !== undefined) return at(error, promptField);
  return inSchema(error, schemaField);
}

function at(error: FreeholdError, field: string): FreeholdError {
  return new FreeholdError(error.code, error.message, {
    field,
    ...(error.hint === undefined ? {} : { hint: error.hint }),
    ...(error.cause === undefined ? {} : { cause: error.cause }),
    ...(error.retryAfterMs === undefined ? {} : { retryAfterMs: error.retryAfterMs }),
    ...(error.tokens === undefined ? {} : { tokens: error.tokens }),
  });
}
