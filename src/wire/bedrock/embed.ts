// `POST /model/:id/invoke` with bodies for embeddings, in Titan's shape (one text) and Cohere's (several). Pure.
import { z } from 'zod';
import type { EmbedRequest, EmbedResult } from '../../lib/text-model.ts';
import type { RequestContext } from '../completion.ts';
import { validate } from '../validate.ts';
import { unsupported } from './errors-at.ts';

const titanSchema = z.looseObject({
  inputText: z.string().min(1),
  dimensions: z.int().min(1).nullish(),
  normalize: z.boolean().nullish(),
  embeddingTypes: z.array(z.string()).nullish(),
  inputImage: z.unknown().optional(),
});

const cohereSchema = z.looseObject({
  texts: z.array(z.string().min(1)).min(1).max(2048),
  output_dimension: z.int().min(1).nullish(),
  embedding_types: z.array(z.string()).nullish(),
  images: z.array(z.unknown()).nullish(),
});

export interface ParsedEmbed {
  request: EmbedRequest;
  /** @param id of the answer */
  body(result: EmbedResult, id: string): object;
}

/**
 * @returns undefined for a body that is not for embeddings
 * @throws FreeholdError invalid_request or unsupported, naming the field
 */
export function parseEmbed(body: unknown, context: RequestContext): ParsedEmbed | undefined {
  if (typeof body !== 'object' || body === null) return undefined;
  if ('inputText' in body) return parseTitan(body, context);
  return 'texts' in body ? parseCohere(body, context) : undefined;
}

function parseTitan(body: unknown, { tenant, traceId }: RequestContext): ParsedEmbed {
  const given = validate(titanSchema, body, 'dots');
  requireFloats(given.embeddingTypes, 'embeddingTypes');
  if (given.inputImage) throw unsupported(['inputImage'], 'Images are not embedded here.');
  const request: EmbedRequest = { inputs: [given.inputText], tenant, traceId };
  if (typeof given.dimensions === 'number') request.dimensions = given.dimensions;
  if (typeof given.normalize === 'boolean') request.normalize = given.normalize;
  return {
    request,
    body({ embeddings: [vector = new Float32Array()], inputTokens }) {
      const embedding = Array.from(vector);
      return { embedding, embeddingsByType: { float: embedding }, inputTextTokenCount: inputTokens };
    },
  };
}

function parseCohere(body: unknown, { tenant, traceId }: RequestContext): ParsedEmbed {
  const given = validate(cohereSchema, body, 'dots');
  requireFloats(given.embedding_types, 'embedding_types');
  if (given.images && given.images.length > 0) throw unsupported(['images'], 'Images are not embedded here.');
  const request: EmbedRequest = { inputs: given.texts, tenant, traceId };
  if (typeof given.output_dimension === 'number') request.dimensions = given.output_dimension;
  const byType = (given.embedding_types ?? []).length > 0;
  return {
    request,
    body({ embeddings }, id) {
      const vectors = embeddings.map((vector) => Array.from(vector));
      return {
        id,
        texts: given.texts,
        response_type: byType ? 'embeddings_by_type' : 'embeddings_floats',
        embeddings: byType ? { float: vectors } : vectors,
      };
    },
  };
}

function requireFloats(types: readonly string[] | null | undefined, field: string): void {
  const other = types?.findIndex((type) => type !== 'float') ?? -1;
  if (other >= 0) throw unsupported([field, other], "Only 'float' embeddings are made here.");
}
