// `POST /api/embed`, and `/api/embeddings`, which came before it: texts to vectors. Pure.
import { z } from 'zod';
import type { EmbedRequest, EmbedResult } from '../../lib/text-model.ts';
import type { RequestContext } from '../completion.ts';
import { validate } from '../validate.ts';
import { keepAliveSchema } from './chat.ts';
import { modelField, style, wantedModel } from './options.ts';

/** Most texts of one request, as for the other protocols. */
const mostInputs = 2048;

export const ollamaEmbedSchema = z.looseObject({
  model: modelField,
  input: z.union([z.string().min(1), z.array(z.string().min(1)).min(1).max(mostInputs)]),
  /** Taken note of only: a text longer than the model reads is refused, never cut off. */
  truncate: z.boolean().nullish(),
  dimensions: z.int().min(0).nullish(),
  options: z.looseObject({}).nullish(),
  keep_alive: keepAliveSchema,
});

export const ollamaEmbeddingsSchema = z.looseObject({
  model: modelField,
  prompt: z.string().min(1),
  options: z.looseObject({}).nullish(),
  keep_alive: keepAliveSchema,
});

export interface ParsedOllamaEmbed {
  model: string;
  request: EmbedRequest;
}

/**
 * @param body the parsed JSON of the request
 * @throws FreeholdError invalid_request, naming the field
 */
export function parseOllamaEmbed(body: unknown, { tenant, traceId }: RequestContext): ParsedOllamaEmbed {
  const given = validate(ollamaEmbedSchema, body, style);
  const inputs = typeof given.input === 'string' ? [given.input] : given.input;
  // 0 is how clients in Go leave it out
  const dimensions = given.dimensions || undefined;
  return {
    model: wantedModel(given.model),
    request: { inputs, ...(dimensions === undefined ? {} : { dimensions }), tenant, traceId },
  };
}

/** The older request: one text, and a vector of the model's own length. @throws as `parseOllamaEmbed` */
export function parseOllamaEmbeddings(body: unknown, { tenant, traceId }: RequestContext): ParsedOllamaEmbed {
  const given = validate(ollamaEmbeddingsSchema, body, style);
  return {
    model: wantedModel(given.model),
    request: { inputs: [given.prompt], normalize: false, tenant, traceId },
  };
}

/** @param totalMs since the request arrived */
export function ollamaEmbedBody({ embeddings, inputTokens }: EmbedResult, model: string, totalMs: number): object {
  return {
    model,
    embeddings: embeddings.map((vector) => Array.from(vector)),
    total_duration: Math.round(totalMs * 1e6),
    load_duration: 0,
    prompt_eval_count: inputTokens,
  };
}

export function ollamaEmbeddingsBody({ embeddings }: EmbedResult): object {
  return { embedding: Array.from(embeddings[0] ?? []) };
}
