import { describe, expect, it } from 'vitest';
import { anthropicModelList } from './models.ts';

describe('the list of models', () => {
  const models = ['a', 'b', 'c'].map((id) => ({ id, title: id, createdSeconds: 0, owner: 'o', details: {} }));
  const ids = (parameters: Record<string, string>) => {
    const page = anthropicModelList(models, parameters) as { data: { id: string }[]; has_more: boolean };
    return [page.data.map(({ id }) => id).join(''), page.has_more];
  };
  it('comes in pages, forwards and backwards', () => {
    expect(ids({})).toEqual(['abc', false]);
    expect(ids({ limit: '2' })).toEqual(['ab', true]);
    expect(ids({ limit: '2', after_id: 'b' })).toEqual(['c', false]);
    expect(ids({ limit: '1', before_id: 'c' })).toEqual(['b', true]);
    expect(() => ids({ limit: '0' })).toThrow(expect.objectContaining({ field: 'limit' }));
    expect(() => ids({ limit: 'x' })).toThrow(expect.objectContaining({ field: 'limit' }));
  });
});
