// `GET /v1/models` as the Anthropic API answers it, pages included.
import { z } from 'zod';
import type { ServedModel } from '../models.ts';
import { validate } from '../validate.ts';
import { invalid } from './errors-at.ts';

/** The query of `GET /v1/models`. */
export const modelsQuery = z.looseObject({
  limit: z.coerce.number().int().min(1).max(1000).default(20),
  after_id: z.string().optional(),
  before_id: z.string().optional(),
});

export function anthropicModel(model: ServedModel): unknown {
  const { contextTokens } = model.details;
  const context = typeof contextTokens === 'number' ? contextTokens : null;
  return {
    type: 'model',
    id: model.id,
    display_name: model.title,
    created_at: new Date(model.createdSeconds * 1000).toISOString(),
    // prompt and answer share one context
    max_input_tokens: context,
    max_tokens: context,
    // what a model can do is known once its file is open, and these may be asked for before
    capabilities: null,
    lifecycle: 'active',
    line: null,
    deprecated_at: null,
    retires_at: null,
    freehold: model.details,
  };
}

/**
 * One page of models.
 * @param parameters the query of the request
 * @throws FreeholdError invalid_request for a bad limit, and for a place in the list that is not there
 */
export function anthropicModelList(models: readonly ServedModel[], parameters: Record<string, string>): unknown {
  const { limit, after_id: after, before_id: before } = validate(modelsQuery, parameters, 'dots');
  const from = after === undefined ? 0 : placeOf(models, after, 'after_id') + 1;
  const until = before === undefined ? models.length : placeOf(models, before, 'before_id');
  const range = models.slice(from, until);
  const page = before === undefined ? range.slice(0, limit) : range.slice(-limit);
  return {
    data: page.map(anthropicModel),
    has_more: page.length < range.length,
    first_id: page[0]?.id ?? null,
    last_id: page.at(-1)?.id ?? null,
  };
}

function placeOf(models: readonly ServedModel[], id: string, field: string): number {
  const place = models.findIndex((model) => model.id === id);
  if (place < 0) throw invalid([field], `There is no model "${id.slice(0, 100)}" in the list.`, 'Begin without it.');
  return place;
}
