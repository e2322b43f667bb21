import { expect, it } from 'vitest';
import type { LocalModel } from '../hub/types.ts';
import { type ServedModelsInput, servedModels } from './served-models.ts';

const model: LocalModel = { name: 'a', file: '/a.gguf', sizeBytes: 1, origin: 'freehold', contextTokens: 8192 };
const list = (given: Partial<ServedModelsInput>) =>
  servedModels({
    local: [model],
    loaded: [],
    defaultName: 'a',
    defaultIsFile: false,
    contextFor: (trained) => Math.min(4096, trained ?? 4096),
    ...given,
  });

it('tells the context that is served, and the trained one beside it', () => {
  const [byDefault, own] = list({});
  expect(byDefault).toMatchObject({ id: 'default', details: { model: 'a', contextTokens: 4096 } });
  expect(own).toMatchObject({
    id: 'a',
    details: { contextTokens: 4096, trainedContextTokens: 8192, state: 'unloaded' },
  });
  const loaded = [{ name: 'a', state: 'ready' as const, pid: 1, contextTokens: 2048 }];
  expect(list({ loaded })[1]?.details).toMatchObject({ contextTokens: 2048, state: 'ready' });
});

it('leaves out a model that was removed while it runs, as default too', () => {
  const loaded = [{ name: 'a', state: 'ready' as const, pid: 1 }];
  expect(list({ local: [], loaded })).toEqual([]);
  expect(list({ local: [{ ...model, name: 'b' }], loaded }).map(({ id }) => id)).toEqual(['b']);
});

it('names the default model that the operator gave as a file', () => {
  const loaded = [{ name: 'mine', state: 'ready' as const, pid: 1, contextTokens: 512 }];
  const served = list({ local: [], loaded, defaultName: 'mine', defaultIsFile: true });
  expect(served.map(({ id }) => id)).toEqual(['default', 'mine']);
  expect(served[1]).toMatchObject({ owner: 'file', details: { state: 'ready', contextTokens: 512 } });
});

it('lists a model once more for each adapter that fits it', () => {
  const served = list({ adaptersOf: new Map([['a', ['legal', 'poet']]]) });
  expect(served.map(({ id }) => id)).toEqual(['default', 'a', 'a+legal', 'a+poet']);
  expect(served[2]).toMatchObject({ details: { model: 'a', adapter: 'legal', contextTokens: 4096 } });
  expect(served[1]?.details).not.toHaveProperty('adapter');
  const named = list({
    local: [],
    defaultName: 'mine',
    defaultIsFile: true,
    adaptersOf: new Map([['mine', ['legal']]]),
  });
  expect(named.map(({ id }) => id)).toEqual(['default', 'mine', 'mine+legal']);
});
