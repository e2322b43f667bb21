// `GET /v1/models` as the Anthropic API answers it, pages included.
import { z } from 'zod';
import type { ServedModel } from '../models.ts';
import { validate } from '../validate.ts';

const query = z.looseObject({
  limit: z.coerce.number().int().min(1).max(1000).default(20),
  after_id: z.string().optional(),
  before_id: z.string().optional(),
});

export function anthropicModel(model: ServedModel): unknown {
  return {
    type: 'model',
    id: model.id,
    display_name: model.title,
    created_at: new Date(model.createdSeconds * 1000).toISOString(),
    freehold: model.details,
  };
}

/**
 * One page of models.
 * @param parameters the query of the request
 * @throws FreeholdError invalid_request for a bad limit
 */
export function anthropicModelList(models: readonly ServedModel[], parameters: Record<string, string>): unknown {
  const { limit, after_id: after, before_id: before } = validate(query, parameters, 'dots');
  const from = after === undefined ? 0 : models.findIndex(({ id }) => id === after) + 1;
  const until = before === undefined ? models.length : models.findIndex(({ id }) => id === before);
  const range = models.slice(from, until < 0 ? models.length : until);
  const page = before === undefined ? range.slice(0, limit) : range.slice(-limit);
  return {
    data: page.map(anthropicModel),
    has_more: page.length < range.length,
    first_id: page[0]?.id ?? null,
    last_id: page.at(-1)?.id ?? null,
  };
}
