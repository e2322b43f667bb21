// `POST /v1/embeddings`: what a request may hold, how it becomes a canonical one, and the answer in the API's shape.
// Pure. Fields it does not know are accepted; what it knows and cannot do is refused by name, never dropped.
import { z } from 'zod';
import type { EmbedRequest, EmbedResult } from '../../lib/text-model.ts';
import type { RequestContext } from '../completion.ts';
import { fieldError, validate } from '../validate.ts';

/** Most inputs of one request, as the vendor has it. */
export const mostInputs = 2048;

const input = z.union([
  z.string().min(1),
  z
    .array(z.union([z.string().min(1), z.int(), z.array(z.int())]))
    .min(1)
    .max(mostInputs),
]);

export const embeddingsSchema = z.looseObject({
  model: z.string().min(1).max(500),
  input,
  encoding_format: z.enum(['float', 'base64']).nullish(),
  dimensions: z.int().min(1).nullish(),
});

export interface ParsedEmbeddings {
  model: string;
  encoding: 'float' | 'base64';
  request: EmbedRequest;
}

/**
 * @param body the parsed JSON of the request
 * @throws FreeholdError invalid_request or unsupported, naming the field
 */
export function parseEmbeddings(body: unknown, { tenant, traceId }: RequestContext): ParsedEmbeddings {
  const given = validate(embeddingsSchema, body, 'brackets');
  const all = typeof given.input === 'string' ? [given.input] : given.input;
  const inputs = all.map((each, index) => {
    if (typeof each === 'string') return each;
    throw fieldError('unsupported', ['input', index], 'Tokens are not read.', 'brackets', 'Send the text itself.');
  });
  const request: EmbedRequest = { inputs, tenant, traceId };
  if (typeof given.dimensions === 'number') request.dimensions = given.dimensions;
  return { model: given.model, encoding: given.encoding_format ?? 'float', request };
}

/** @param model name of the model that made them */
export function embeddingsBody({ embeddings, inputTokens }: EmbedResult, encoding: 'float' | 'base64', model: string) {
  return {
    object: 'list',
    data: embeddings.map((vector, index) => ({
      object: 'embedding',
      index,
      embedding: encoding === 'base64' ? base64(vector) : Array.from(vector),
    })),
    model,
    usage: { prompt_tokens: inputTokens, total_tokens: inputTokens },
  };
}

/** Little-endian f32, as the vendor's SDK reads it. */
function base64({ buffer, byteOffset, byteLength }: Float32Array): string {
  return Buffer.from(buffer, byteOffset, byteLength).toString('base64');
}
