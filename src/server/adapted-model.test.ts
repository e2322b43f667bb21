import { describe, expect, it } from 'vitest';
import { createFakeModel } from '../../test/support/fake-model.ts';
import type { GenerateRequest } from '../lib/text-model.ts';
import { withAdapter } from './adapted-model.ts';

describe('a model with an adapter', () => {
  const request: GenerateRequest = { messages: [], tenant: 'someone', traceId: '' };
  const adapterOf = async (asked: object) => {
    const model = createFakeModel('fake');
    for await (const _ of withAdapter(model, 'pirate').generate({ ...request, ...asked }));
    return model.requests[0]?.adapter;
  };

  it('answers with it, unless a request names another', async () => {
    expect(await adapterOf({})).toBe('pirate');
    expect(await adapterOf({ adapter: undefined })).toBe('pirate');
    expect(await adapterOf({ adapter: 'poet' })).toBe('poet');
  });
});
