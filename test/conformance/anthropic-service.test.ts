// What stands around messages, through the real Anthropic SDK: lists of models, kinds of errors, retries, headers.
import Anthropic from '@anthropic-ai/sdk';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { FreeholdError } from '../../src/lib/errors.ts';
import { failing } from '../support/fake-model.ts';
import { answer, says } from '../support/model-script.ts';
import { startTestServer, type TestServer } from '../support/server.ts';

const models = Array.from({ length: 45 }, (_, index) => ({
  id: index === 44 ? 'owner/repo:q4' : `model-${index}`,
  title: `Model ${index}`,
  createdSeconds: 1_700_000_000 + index,
  owner: 'file',
  details: { contextTokens: 4096 },
}));

let server: TestServer;
let client: Anthropic;
beforeAll(async () => {
  server = await startTestServer({ bodyLimitBytes: 10_000 }, { listModels: async () => models });
  client = new Anthropic({ baseURL: server.url, apiKey: server.key, maxRetries: 0 });
});
afterAll(() => server.stop());
afterEach(() => {
  server.model.behaviour = undefined;
});

const ask = { model: 'default', max_tokens: 100, messages: [{ role: 'user' as const, content: 'hello' }] };

describe('models', () => {
  it('come in pages, which the SDK turns by itself', async () => {
    const ids: string[] = [];
    for await (const model of client.models.list({ limit: 20 })) ids.push(model.id);
    expect(ids).toEqual(models.map(({ id }) => id));
    const page = await client.models.list({ limit: 2, before_id: 'model-10' });
    expect(page.data.map(({ id }) => id)).toEqual(['model-8', 'model-9']);
    expect(page.hasNextPage()).toBe(true);
  });

  it('are found by id, slashes and colons in it', async () => {
    for (const retrieve of [client.models, client.beta.models]) {
      expect(await retrieve.retrieve('owner/repo:q4')).toMatchObject({
        type: 'model',
        id: 'owner/repo:q4',
        display_name: 'Model 44',
        lifecycle: 'active',
        max_input_tokens: 4096,
      });
    }
    await expect(client.models.retrieve('none')).rejects.toBeInstanceOf(Anthropic.NotFoundError);
    expect((await client.beta.models.list({ limit: 1 })).data).toHaveLength(1);
  });

  it('are listed from nowhere but a model of the list', async () => {
    await expect(client.models.list({ after_id: 'gone' })).rejects.toBeInstanceOf(Anthropic.BadRequestError);
    await expect(client.models.list({ limit: 0 })).rejects.toMatchObject({ type: 'invalid_request_error' });
  });
});

describe('errors', () => {
  it.each<[string, FreeholdError, new (...given: never[]) => Error, string]>([
    ['400', new FreeholdError('context_exceeded', 'long'), Anthropic.BadRequestError, 'invalid_request_error'],
    ['403', new FreeholdError('forbidden', 'no'), Anthropic.PermissionDeniedError, 'permission_error'],
    ['404', new FreeholdError('model_not_found', 'none'), Anthropic.NotFoundError, 'not_found_error'],
    ['429', new FreeholdError('rate_limited', 'slow down'), Anthropic.RateLimitError, 'rate_limit_error'],
    ['500', new FreeholdError('model_failed', 'broken'), Anthropic.InternalServerError, 'api_error'],
    ['503', new FreeholdError('model_process_lost', 'lost'), Anthropic.InternalServerError, 'api_error'],
    ['529', new FreeholdError('overloaded', 'full'), Anthropic.OverloadedError, 'overloaded_error'],
  ])('of status %s are of the SDK’s own class, whole and streamed', async (status, error, Class, type) => {
    server.model.behaviour = failing(error);
    for (const request of [
      client.messages.create(ask),
      client.messages.stream(ask).finalMessage(),
      client.beta.messages.create(ask),
    ]) {
      await expect(request).rejects.toBeInstanceOf(Class);
      await expect(request).rejects.toMatchObject({
        status: Number(status),
        type,
        requestID: expect.stringMatching(/^req_/),
        error: { type: 'error', error: { type }, request_id: expect.stringMatching(/^req_/) },
      });
    }
  });

  it('of a key that is not known or missing are authentication errors', async () => {
    for (const wrong of [{ apiKey: 'fh_wrong' }, { apiKey: null, authToken: 'fh_wrong' }]) {
      const other = new Anthropic({ baseURL: server.url, maxRetries: 0, ...wrong });
      await expect(other.messages.create(ask)).rejects.toBeInstanceOf(Anthropic.AuthenticationError);
      await expect(other.models.list()).rejects.toMatchObject({ type: 'authentication_error' });
    }
  });

  it('of a body too large are 413', async () => {
    const long = { ...ask, messages: [{ role: 'user' as const, content: 'x'.repeat(20_000) }] };
    await expect(client.messages.create(long)).rejects.toMatchObject({ status: 413, type: 'request_too_large' });
  });

  it('of paths that are not there have the vendor’s shape', async () => {
    await expect(client.post('/v1/messages/none', { body: {} })).rejects.toMatchObject({
      status: 404,
      type: 'not_found_error',
    });
    await expect(client.get('/v1/none')).rejects.toMatchObject({ status: 404, type: 'not_found_error' });
    await expect(client.get('/v1/messages')).rejects.toMatchObject({ status: 405, type: 'invalid_request_error' });
  });

  it('in mid-stream carry their type', async () => {
    server.model.behaviour = failing(new FreeholdError('overloaded', 'full'), 1);
    const stream = client.messages.stream(ask);
    await expect(stream.finalMessage()).rejects.toMatchObject({
      error: { type: 'error', error: { type: 'overloaded_error' } },
    });
  });

  it('that pass are tried again after the time they name', async () => {
    const patient = new Anthropic({ baseURL: server.url, apiKey: server.key, maxRetries: 1 });
    for (const code of ['rate_limited', 'overloaded'] as const) {
      let tries = 0;
      server.model.behaviour = async function* () {
        tries += 1;
        if (tries === 1) throw new FreeholdError(code, 'not now', { retryAfterMs: 5 });
        yield* answer(says('Now.'));
      };
      expect((await patient.messages.create(ask)).content).toMatchObject([{ text: 'Now.' }]);
      expect(tries).toBe(2);
    }
  });
});

describe('headers and paths', () => {
  it('name the request, and beta versions nobody knows change nothing', async () => {
    const { response, request_id } = await client.beta.messages
      .create(
        { ...ask, betas: ['interleaved-thinking-2025-05-14', 'from-the-future-2040-01-01'] },
        // as older releases of the SDK send it
        { query: { beta: 'true' } },
      )
      .withResponse();
    expect(new URL(response.url).search).toBe('?beta=true');
    expect(request_id).toMatch(/^req_/);
    expect(response.headers.get('request-id')).toBe(request_id);
  });

  it('of another version of the API are taken', async () => {
    const other = new Anthropic({
      baseURL: server.url,
      apiKey: server.key,
      defaultHeaders: { 'anthropic-version': '2030-01-01' },
    });
    expect((await other.messages.create(ask)).type).toBe('message');
  });

  it('fields of later releases are accepted', async () => {
    const message = await client.beta.messages.create({
      ...ask,
      context_management: { edits: [{ type: 'clear_tool_uses_20250919' }] },
      ...{ some_field: { of: 'a later release' } },
    });
    expect(message.stop_reason).toBe('end_turn');
  });
});
