import { describe, expect, it } from 'vitest';
import type { StoredItem } from './items.ts';
import { inputItemsPage, parseRetrieve } from './list.ts';

describe('a page of items', () => {
  const items = ['a', 'b', 'c'].map((id): StoredItem => ({ id, type: 'message' }));
  const page = (query: Record<string, string>) =>
    inputItemsPage(items, query) as { data: StoredItem[]; has_more: boolean; first_id: string | null };

  it('begins with the latest', () => {
    expect(page({}).data.map(({ id }) => id)).toEqual(['c', 'b', 'a']);
    expect(page({ order: 'asc', limit: '2' })).toMatchObject({ first_id: 'a', last_id: 'b', has_more: true });
    expect(page({ order: 'asc', after: 'b' })).toMatchObject({ data: [{ id: 'c' }], has_more: false });
    expect(page({ after: 'a' })).toMatchObject({ data: [], first_id: null, has_more: false });
  });

  it.each([
    [{ limit: '0' }, 'limit'],
    [{ limit: '101' }, 'limit'],
    [{ limit: 'x' }, 'limit'],
    [{ order: 'up' }, 'order'],
    [{ after: 'z' }, 'after'],
  ])('refuses %j', (query, field) => {
    expect(() => page(query as Record<string, string>)).toThrow(
      expect.objectContaining({ code: 'invalid_request', field }),
    );
  });

  it('and how a response is asked for', () => {
    expect(parseRetrieve({})).toEqual({ stream: false, after: -1 });
    expect(parseRetrieve({ stream: 'true', starting_after: '4' })).toEqual({ stream: true, after: 4 });
    expect(() => parseRetrieve({ starting_after: '-1' })).toThrow(expect.objectContaining({ field: 'starting_after' }));
  });
});
