// `GET /v1/responses/{id}/input_items` and the query of `GET /v1/responses/{id}`. Pure.
import { z } from 'zod';
import { fieldError, validate } from '../../validate.ts';
import type { StoredItem } from './items.ts';

const wholeNumber = z.string().regex(/^\d{1,9}$/, { message: 'Input should be a whole number' });

export const inputItemsQuery = z.looseObject({
  limit: wholeNumber.optional(),
  order: z.enum(['asc', 'desc']).optional(),
  after: z.string().max(200).optional(),
});

const retrieveQuery = z.looseObject({
  stream: z.enum(['true', 'false']).optional(),
  starting_after: wholeNumber.optional(),
});

/** @throws FreeholdError invalid_request, naming the field */
export function parseRetrieve(query: Record<string, string>): { stream: boolean; after: number } {
  const given = validate(retrieveQuery, query, 'brackets');
  return { stream: given.stream === 'true', after: Number(given.starting_after ?? -1) };
}

/**
 * One page of items.
 * @param items in the order they were sent
 * @throws FreeholdError invalid_request, naming the field
 */
export function inputItemsPage(items: readonly StoredItem[], query: Record<string, string>): object {
  const given = validate(inputItemsQuery, query, 'brackets');
  const limit = Number(given.limit ?? 20);
  if (limit < 1 || limit > 100) {
    throw fieldError('invalid_request', ['limit'], 'Input should be 1 to 100.', 'brackets');
  }
  const ordered = given.order === 'asc' ? items : items.toReversed();
  const before = given.after === undefined ? -1 : ordered.findIndex(({ id }) => id === given.after);
  if (given.after !== undefined && before < 0) {
    throw fieldError('invalid_request', ['after'], 'There is no item of that id in the list.', 'brackets');
  }
  const data = ordered.slice(before + 1, before + 1 + limit);
  return {
    object: 'list',
    data,
    first_id: data[0]?.id ?? null,
    last_id: data.at(-1)?.id ?? null,
    has_more: before + 1 + limit < ordered.length,
  };
}
