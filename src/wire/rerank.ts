// `POST /v1/rerank`: documents sorted by how relevant they are to a query. The shape that Jina and Cohere share; OpenAI
// and Anthropic have none. Pure.
import { z } from 'zod';
import type { RerankRequest, RerankResult } from '../lib/text-model.ts';
import type { RequestContext } from './completion.ts';
import { validate } from './validate.ts';

/** Most documents of one request. */
export const mostDocuments = 2048;

export const rerankSchema = z.looseObject({
  model: z.string().min(1).max(500),
  query: z.string().min(1),
  documents: z
    .array(z.union([z.string(), z.looseObject({ text: z.string() })]))
    .min(1)
    .max(mostDocuments),
  top_n: z.int().min(1).nullish(),
  return_documents: z.boolean().nullish(),
});

export interface ParsedRerank {
  model: string;
  /** Results to answer with, at most. */
  count: number;
  /** Whether results repeat their document. Default false. */
  returnDocuments: boolean;
  request: RerankRequest;
}

/**
 * @param body the parsed JSON of the request
 * @throws FreeholdError invalid_request, naming the field
 */
export function parseRerank(body: unknown, { tenant, traceId }: RequestContext): ParsedRerank {
  const given = validate(rerankSchema, body, 'brackets');
  const documents = given.documents.map((each) => (typeof each === 'string' ? each : each.text));
  return {
    model: given.model,
    count: Math.min(given.top_n ?? documents.length, documents.length),
    returnDocuments: given.return_documents ?? false,
    request: { query: given.query, documents, tenant, traceId },
  };
}

/** The most relevant first; equal ones in the order they came. */
export function rerankBody({ scores, inputTokens }: RerankResult, parsed: ParsedRerank, model: string) {
  const results = scores
    .map((relevance_score, index) => ({
      index,
      relevance_score,
      ...(parsed.returnDocuments ? { document: { text: parsed.request.documents[index] } } : {}),
    }))
    .sort((a, b) => b.relevance_score - a.relevance_score)
    .slice(0, parsed.count);
  return { object: 'list', model, results, usage: { prompt_tokens: inputTokens, total_tokens: inputTokens } };
}
