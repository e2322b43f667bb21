import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestApp, type TestApp } from '../../test/support/app.ts';
import { FreeholdError } from '../lib/errors.ts';
import { createKey, revokeKey } from '../store/keys.ts';

let test: TestApp;
beforeAll(async () => {
  test = await createTestApp();
});
afterAll(() => test.stop());

const message = { model: 'default', max_tokens: 50, messages: [{ role: 'user', content: 'hi' }] };
const json = async (response: Response) => (await response.json()) as Record<string, never>;

describe('answers', () => {
  it('name the model, its speed and their own id', async () => {
    const response = await test.send('POST', '/v1/messages', message);
    expect(response.headers.get('freehold-model')).toBe('fake');
    expect(response.headers.get('cache-control')).toBe('no-store');
    const body = await json(response);
    expect(body).toMatchObject({ model: 'fake', freehold: { model: 'fake', timeToFirstTokenMs: expect.any(Number) } });
  });

  it('stream as server-sent events that nothing buffers', async () => {
    const response = await test.send('POST', '/v1/messages', { ...message, stream: true });
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
      'freehold-model': 'fake',
    });
    const text = await response.text();
    expect(text).toMatch(/event: message_delta\ndata: .*"freehold":\{"model":"fake","timeToFirstTokenMs":/);
  });

  it('pass the tenant and the trace on', async () => {
    const response = await test.send('POST', '/v1/messages', message);
    expect(test.model.requests.at(-1)).toMatchObject({
      tenant: expect.stringMatching(/^key_/),
      traceId: response.headers.get('request-id'),
    });
  });

  it('count tokens', async () => {
    const { max_tokens: _, ...prompt } = message;
    expect(await json(await test.send('POST', '/v1/messages/count_tokens', prompt))).toEqual({ input_tokens: 1 });
  });

  it('of counts are not made for callers who left', async () => {
    const { max_tokens: _, ...prompt } = message;
    const { countTokens } = test.model;
    const abort = new AbortController();
    let told: AbortSignal | undefined;
    test.model.countTokens = async (_request, signal) => {
      told = signal;
      abort.abort();
      throw new FreeholdError('cancelled', 'The request was cancelled.');
    };
    await test.app.request('/v1/messages/count_tokens', {
      method: 'POST',
      headers: { 'x-api-key': test.key },
      body: JSON.stringify(prompt),
      signal: abort.signal,
    });
    test.model.countTokens = countTokens;
    expect(told?.aborted).toBe(true);
  });
});

describe('shared paths', () => {
  const anthropic = { 'anthropic-version': '2023-06-01' };
  it('have the shape of the caller’s protocol', async () => {
    expect(await json(await test.send('GET', '/v1/models'))).toMatchObject({
      object: 'list',
      data: [{ id: 'fake', object: 'model' }],
    });
    expect(await json(await test.send('GET', '/v1/models', undefined, anthropic))).toMatchObject({
      data: [{ id: 'fake', type: 'model' }],
      has_more: false,
    });
    expect(await json(await test.send('GET', '/v1/models/nope'))).toMatchObject({ error: { code: 'model_not_found' } });
    expect(await json(await test.send('GET', '/v1/models/nope', undefined, anthropic))).toMatchObject({
      type: 'error',
      error: { type: 'not_found_error' },
    });
    expect(await json(await test.send('GET', '/v1/models', undefined, { 'x-api-key': 'x' }))).toMatchObject({
      error: { code: 'invalid_api_key' },
    });
    expect(
      await json(await test.send('GET', '/v1/models', undefined, { 'x-api-key': 'x', ...anthropic })),
    ).toMatchObject({ error: { type: 'authentication_error' } });
  });

  it('that do not exist say which do; other methods say which are possible', async () => {
    const missing = await test.send('POST', '/v1/nothing', {});
    expect([missing.status, await missing.text()]).toEqual([404, expect.stringContaining('/v1/chat/completions')]);
    const method = await test.send('GET', '/v1/messages');
    expect([method.status, method.headers.get('allow')]).toEqual([405, 'POST']);
    expect(await json(method)).toMatchObject({
      type: 'error',
      error: { message: expect.stringContaining('Use POST') },
    });
  });
});

describe('sessions', () => {
  const cookieOf = (response: Response) => response.headers.get('set-cookie') ?? '';
  const noKey = { 'x-api-key': undefined };
  const signIn = (body: unknown, headers: Record<string, string | undefined> = {}) =>
    test.send('POST', '/api/session', body, { ...noKey, ...headers });

  it('open with a one-time token, once, and close', async () => {
    const token = test.services.signIn.issue();
    const response = await signIn({ token });
    expect(await json(response)).toEqual({ name: 'owner', role: 'admin' });
    expect(cookieOf(response)).toMatch(/^freehold_session=\w{43}; Max-Age=\d+; Path=\/; HttpOnly; SameSite=Strict$/);
    expect((await signIn({ token })).status).toBe(401);
    const cookie = cookieOf(response).split(';')[0]!;
    expect(await json(await test.send('GET', '/api/session', undefined, { ...noKey, cookie }))).toEqual({
      name: 'owner',
      role: 'admin',
    });
    expect((await test.send('POST', '/v1/messages', message, { ...noKey, cookie })).status).toBe(200);
    expect((await test.send('DELETE', '/api/session', undefined, { ...noKey, cookie })).status).toBe(204);
    expect((await test.send('GET', '/api/session', undefined, { ...noKey, cookie })).status).toBe(401);
  });

  it('open with a key and end when it is revoked', async () => {
    const { id, key } = await createKey(test.services.store, { name: 'page', role: 'member' });
    const response = await signIn({ key: ` ${key}\n` });
    expect(await json(response)).toEqual({ name: 'page', role: 'member' });
    const cookie = cookieOf(response).split(';')[0]!;
    await revokeKey(test.services.store, id);
    expect((await test.send('GET', '/v1/models', undefined, { ...noKey, cookie })).status).toBe(401);
  });

  it('do not open with anything else', async () => {
    expect((await signIn({ token: 'guess' })).status).toBe(401);
    expect((await signIn({ key: 'guess' })).status).toBe(401);
    expect((await signIn({})).status).toBe(400);
    expect((await signIn({ token: 'x'.repeat(5000) })).status).toBe(413);
  });

  it('cannot be used by a page of another origin', async () => {
    const cookie = cookieOf(await signIn({ token: test.services.signIn.issue() })).split(';')[0]!;
    const send = (headers: Record<string, string>) =>
      test.send('POST', '/v1/messages', message, { ...noKey, cookie, ...headers });
    expect((await send({ origin: 'http://localhost' })).status).toBe(200);
    expect((await send({ origin: 'http://localhost', 'sec-fetch-site': 'same-origin' })).status).toBe(200);
    for (const headers of [
      { origin: 'https://evil.example' },
      { origin: 'null' },
      { origin: 'http://localhost:81' },
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site' },
    ] as Record<string, string>[]) {
      expect((await send(headers)).status).toBe(403);
      expect((await signIn({ token: test.services.signIn.issue() }, headers)).status).toBe(403);
    }
  });
});

describe('the Host header', () => {
  it('must name this machine while the server listens to it only', async () => {
    for (const host of ['localhost', 'localhost:8080', '127.0.0.1:1', '[::1]:8080', 'LOCALHOST']) {
      expect([host, (await test.send('GET', '/health', undefined, { host })).status]).toEqual([host, 200]);
    }
    for (const host of [
      'evil.example',
      'evil.example:8080',
      '192.168.1.5',
      'localhost.evil.example',
      '127.0.0.1.evil.example',
    ]) {
      expect([host, (await test.send('GET', '/health', undefined, { host })).status]).toEqual([host, 403]);
    }
  });

  it('is free where others are let in', async () => {
    const open = await createTestApp({ host: '0.0.0.0' });
    expect((await open.send('GET', '/health', undefined, { host: 'my.example' })).status).toBe(200);
    await open.stop();
  });
});

describe('with auth off', () => {
  it('everyone on this machine is let in, pages of other origins are not', async () => {
    const open = await createTestApp({ auth: false });
    const noKey = { 'x-api-key': undefined };
    expect((await open.send('POST', '/v1/messages', message, noKey)).status).toBe(200);
    expect((await open.send('POST', '/v1/messages', message, { 'x-api-key': 'anything' })).status).toBe(200);
    expect(await json(await open.send('GET', '/api/session', undefined, noKey))).toEqual({
      name: 'local',
      role: 'admin',
    });
    expect(
      (await open.send('POST', '/v1/messages', message, { ...noKey, origin: 'https://evil.example' })).status,
    ).toBe(403);
    await open.stop();
  });
});

describe('operations', () => {
  it('health tells anyone that the server lives, and nothing secret', async () => {
    await test.send('POST', '/v1/messages', message);
    const response = await test.send('GET', '/health', undefined, { 'x-api-key': undefined });
    expect(await json(response)).toEqual({
      status: 'ok',
      version: '0.0.0',
      models: { ready: 1 },
    });
  });

  it('metrics count requests by their route, whatever the path', async () => {
    for (const route of ['/v1/embeddings', '/v1/rerank', '/v1/messages', '/v1/models', '/api/session', '/metrics']) {
      await test.send('GET', route);
    }
    await test.send('GET', '/health');
    await test.send('GET', '/v1/models/one/two');
    await test.send('GET', '/v1/models/');
    await test.send('GET', '/v1/constructor');
    const text = await (await test.send('GET', '/metrics')).text();
    const routes = new Set(
      [...text.matchAll(/^http_server_requests_total\{method="GET",route="([^"]*)"/gm)].map(([, route]) => route),
    );
    expect([...routes].sort()).toEqual([
      '/api/session',
      '/health',
      '/metrics',
      '/v1/embeddings',
      '/v1/messages',
      '/v1/models',
      '/v1/models/:id',
      '/v1/rerank',
      'unknown',
    ]);
  });

  it('metrics need a key and count requests, tokens and models', async () => {
    expect((await test.send('GET', '/metrics', undefined, { 'x-api-key': undefined })).status).toBe(401);
    await test.send('POST', '/v1/messages', message);
    await test.send('POST', '/v1/messages', { ...message, stream: true }).then((response) => response.text());
    await test.send('GET', '/v1/models/a-name-that-a-caller-invented');
    const text = await (await test.send('GET', '/metrics')).text();
    for (const line of [
      /^http_server_requests_total\{method="POST",route="\/v1\/messages",status="200"\} \d+$/m,
      /^gen_ai_server_tokens_total\{gen_ai_request_model="fake",gen_ai_token_type="output"\} \d+$/m,
      /^gen_ai_server_time_to_first_token_seconds_count\{gen_ai_request_model="fake",gen_ai_operation_name="chat"\} \d+$/m,
      /^freehold_inter_token_latency_seconds_count\{model="fake"\} \d+$/m,
      /^freehold_model_queued_requests\{model="fake"\} 1$/m,
      /^process_resident_memory_bytes \d+$/m,
    ]) {
      expect(text).toMatch(line);
    }
    expect(text).not.toContain('invented');
  });
});

describe('the page', () => {
  it('is served with a strict policy, its own routes included, and nothing beside it', async () => {
    const root = path.join(test.home, 'web');
    expect((await test.app.request('/')).status).toBe(404);
    mkdirSync(path.join(root, 'assets'), { recursive: true });
    writeFileSync(path.join(root, 'index.html'), '<!doctype html>page');
    writeFileSync(path.join(root, 'assets/a-1.js'), 'js');
    writeFileSync(path.join(root, '.built'), 'hidden');
    const page = await test.app.request('/');
    expect([page.status, await page.text(), page.headers.get('content-type')]).toEqual([
      200,
      '<!doctype html>page',
      'text/html; charset=utf-8',
    ]);
    expect(page.headers.get('content-security-policy')).toMatch(/default-src 'self'.*frame-ancestors 'none'/);
    expect(page.headers.get('content-security-policy')).not.toMatch(/unsafe/);
    expect(page.headers.get('x-content-type-options')).toBe('nosniff');
    expect(page.headers.get('referrer-policy')).toBe('no-referrer');
    const script = await test.app.request('/assets/a-1.js');
    expect([await script.text(), script.headers.get('cache-control')]).toEqual([
      'js',
      expect.stringContaining('immutable'),
    ]);
    for (const other of [
      '/settings/keys',
      '/.built',
      '/assets/../../fake.gguf',
      '/%2e%2e/fake.gguf',
      '/..%2ffake.gguf',
    ]) {
      expect([other, await (await test.app.request(other)).text()]).toEqual([other, '<!doctype html>page']);
    }
    expect((await test.app.request('/assets/old.js')).status).toBe(404);
    expect((await test.app.request('/api/nothing')).headers.get('content-type')).toContain('json');
  });
});
