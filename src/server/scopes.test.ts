// What a key with limits may do, asked of the application.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestApp, type TestApp } from '../../test/support/app.ts';
import { type KeyScopes, routeScopes } from '../lib/scopes.ts';
import { createKey } from '../store/keys.ts';
import { createSession } from '../store/sessions.ts';
import { apiRoutes } from './api-paths.ts';

let test: TestApp;
beforeAll(async () => {
  const served = (id: string, details = {}) => ({ id, title: id, createdSeconds: 0, owner: 'file', details });
  test = await createTestApp(
    {},
    {
      listModels: async () => [
        served('default', { model: 'fake' }),
        served('fake'),
        served('fake+poet', { model: 'fake', adapter: 'poet' }),
        served('vectors'),
      ],
    },
  );
});
afterAll(() => test.stop());

const keyFor = async (scopes: Partial<KeyScopes>) => {
  const all = { routes: ['*'], models: ['*'], ...scopes } as KeyScopes;
  const { key } = await createKey(test.services.store, { name: 'limited', role: 'admin', scopes: all });
  return { 'x-api-key': key };
};
const talk = { model: 'default', max_tokens: 5, messages: [{ role: 'user', content: 'hi' }] };

describe('scopes of routes', () => {
  const guarded = apiRoutes.filter(({ scope }) => scope !== 'open' && scope !== 'session');

  it('has routes of every scope but those that come later', () => {
    const used = new Set<string>(guarded.map(({ scope }) => scope));
    for (const scope of ['chat', 'embeddings', 'rerank', 'models', 'metrics']) expect(used).toContain(scope);
    for (const scope of used) expect(routeScopes).toContain(scope);
  });

  it.each(guarded)('$path asks for "$scope"', async ({ path, methods, scope, protocol }) => {
    const url = path.replace(/:\w+(\{[^}]*\})?/g, 'some-id');
    const without = routeScopes.filter((each) => each !== scope);
    const refused = await test.send(methods[0] as string, url, undefined, await keyFor({ routes: without }));
    expect(refused.status).toBe(403);
    const text = await refused.text();
    expect(text).toContain(`no scope \\"${scope}\\"`);
    if (protocol === 'anthropic') expect(JSON.parse(text).error.type).toBe('permission_error');
    if (protocol === 'openai') expect(JSON.parse(text).error.code).toBe('forbidden');
    const given = await test.send(methods[0] as string, url, undefined, await keyFor({ routes: [scope as 'chat'] }));
    expect(given.status).not.toBe(403);
    expect(given.status).not.toBe(401);
  });

  it('bind the sign-ins that a key makes, too', async () => {
    const scopes: KeyScopes = { routes: ['models'], models: ['*'] };
    const { id } = await createKey(test.services.store, { name: 'm', role: 'member', scopes });
    const token = await createSession(test.services.store, { keyId: id, name: 'm', role: 'member' });
    const headers = { 'x-api-key': undefined, cookie: `freehold_session=${token}` };
    expect((await test.send('GET', '/v1/models', undefined, headers)).status).toBe(200);
    expect((await test.send('POST', '/v1/messages', talk, headers)).status).toBe(403);
  });

  it('are told apart from a key that is not known, and from a path that is not there', async () => {
    const headers = await keyFor({ routes: ['models'] });
    expect((await test.send('GET', '/v1/nothing', undefined, headers)).status).toBe(404);
    expect((await test.send('GET', '/v1/nothing', undefined, { 'x-api-key': 'fh_x' })).status).toBe(401);
  });
});

describe('scopes of models', () => {
  const asks: [string, (model: string) => object][] = [
    ['/v1/messages', (model) => ({ ...talk, model })],
    ['/v1/messages/count_tokens', (model) => ({ model, messages: talk.messages })],
    ['/v1/chat/completions', (model) => ({ ...talk, model })],
    ['/v1/embeddings', (model) => ({ model, input: 'a' })],
    ['/v1/rerank', (model) => ({ model, query: 'a', documents: ['b'] })],
  ];

  it.each(asks)('POST %s answers as for a model that is not here', async (path, body) => {
    const headers = await keyFor({ models: ['other'] });
    const [here, nowhere] = await Promise.all(
      ['fake', 'nope'].map((model) => test.send('POST', path, body(model), headers)),
    );
    expect(here?.status).toBe(404);
    const [hereText, nowhereText] = [await here?.text(), await nowhere?.text()];
    const anonymous = (text?: string) => text?.replace(/req_\w+/, '').replace(/\\"(fake|nope)\\"/, '');
    expect(anonymous(hereText)).toBe(anonymous(nowhereText));
    expect(hereText).toContain('It is for: other.');
  });

  it('let through by the name that was asked for, and by the model’s own', async () => {
    const ask = async (models: string[], model: string) =>
      (await test.send('POST', '/v1/messages', { ...talk, model }, await keyFor({ models }))).status;
    expect(await ask(['default'], 'default')).toBe(200);
    expect(await ask(['fake'], 'fake')).toBe(200);
    expect(await ask(['fake'], 'default')).toBe(200);
    // the operator may make another model the default: a key for `default` is not one for the model it is today
    expect(await ask(['default'], 'fake')).toBe(404);
    expect(await ask(['fake'], 'fake+poet')).toBe(404);
  });

  it.each(
    apiRoutes.filter(
      ({ path, methods, scope }) => scope === 'models' && methods.includes('GET') && !path.includes(':'),
    ),
  )('$path lists nothing that the key is not for', async ({ path }) => {
    // so that it runs, too
    await test.send('POST', '/v1/messages', talk);
    const seen = await (await test.send('GET', path)).text();
    const limited = await test.send('GET', path, undefined, await keyFor({ models: ['other'] }));
    expect(limited.status).toBe(200);
    expect(await limited.text()).not.toMatch(/fake|vectors/);
    if (path !== '/api/version' && path !== '/inference-profiles') expect(seen).toContain('fake');
  });

  it('do not tell what is here in the hint for a model of theirs that is not', async () => {
    const response = await test.send(
      'POST',
      '/v1/messages',
      { ...talk, model: 'other' },
      await keyFor({ models: ['other'] }),
    );
    expect(response.status).toBe(404);
    expect(await response.text()).not.toContain('fake');
  });

  it.each([
    [['fake'], ['default', 'fake']],
    [['default'], ['default']],
    [['fake+poet'], ['fake+poet']],
    [['nothing'], []],
    [['*'], ['default', 'fake', 'fake+poet', 'vectors']],
  ])('a key for %j lists %j', async (models, listed) => {
    const headers = await keyFor({ models });
    const ids = async (more = {}) => {
      const response = await test.send('GET', '/v1/models', undefined, { ...headers, ...more });
      return ((await response.json()) as { data: { id: string }[] }).data.map(({ id }) => id);
    };
    expect(await ids()).toEqual(listed);
    expect(await ids({ 'anthropic-version': '2023-06-01' })).toEqual(listed);
    const one = await test.send('GET', '/v1/models/vectors', undefined, headers);
    expect(one.status).toBe(listed.includes('vectors') ? 200 : 404);
  });
});
