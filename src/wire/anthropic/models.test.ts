import { describe, expect, it } from 'vitest';
import { anthropicModel, anthropicModelList } from './models.ts';

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

  it('begins nowhere but at a model that is in it', () => {
    for (const field of ['after_id', 'before_id']) {
      expect(() => ids({ [field]: 'gone' })).toThrow(expect.objectContaining({ code: 'invalid_request', field }));
    }
  });

  it('says how much a model reads, where that is known', () => {
    const [model] = models;
    if (!model) throw new Error('no model');
    expect(anthropicModel({ ...model, details: { contextTokens: 4096 } })).toMatchObject({
      type: 'model',
      id: 'a',
      lifecycle: 'active',
      max_input_tokens: 4096,
      max_tokens: 4096,
    });
    expect(anthropicModel(model)).toMatchObject({ max_input_tokens: null });
  });
});
