// The real OpenAI SDK, unmodified, against a listening server: only base URL and key are changed.
import OpenAI from 'openai';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { FreeholdError } from '../../src/lib/errors.ts';
import { endless, failing } from '../support/fake-model.ts';
import { startTestServer, type TestServer } from '../support/server.ts';

/** How long to wait for what must come; a busy machine may need it. */
const soon = { timeout: 30_000 };

let server: TestServer;
let client: OpenAI;
beforeAll(async () => {
  server = await startTestServer();
  client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: server.key, maxRetries: 0 });
});
afterAll(() => server.stop());
afterEach(() => {
  server.model.behaviour = undefined;
});

const ask = {
  model: 'default',
  messages: [
    { role: 'system' as const, content: 'be brief' },
    { role: 'user' as const, content: 'hello there' },
  ],
};

describe('chat completions', () => {
  it('answers whole', async () => {
    const completion = await client.chat.completions.create(ask);
    expect(completion).toMatchObject({
      object: 'chat.completion',
      model: 'fake',
      choices: [
        { index: 0, finish_reason: 'stop', message: { role: 'assistant', content: 'Hello from the fake model.' } },
      ],
      usage: { prompt_tokens: 4, completion_tokens: 6, total_tokens: 10, prompt_tokens_details: { cached_tokens: 1 } },
    });
    expect(completion._request_id).toMatch(/^req_/);
  });

  it('streams, with usage when asked', async () => {
    const chunks: OpenAI.ChatCompletionChunk[] = [];
    const stream = await client.chat.completions.create({
      ...ask,
      stream: true,
      stream_options: { include_usage: true },
    });
    for await (const chunk of stream) chunks.push(chunk);
    expect(chunks[0]?.choices[0]?.delta).toMatchObject({ role: 'assistant' });
    expect(chunks.map((chunk) => chunk.choices[0]?.delta.content ?? '').join('')).toBe('Hello from the fake model.');
    expect(chunks.at(-2)?.choices[0]?.finish_reason).toBe('stop');
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { prompt_tokens: 4, completion_tokens: 6 } });
    expect(new Set(chunks.map(({ id }) => id)).size).toBe(1);
  });

  it('is put together by the SDK’s own stream helper', async () => {
    const stream = client.chat.completions.stream(ask);
    expect(await stream.finalContent()).toBe('Hello from the fake model.');
  });

  it('stops at a limit and at stop strings', async () => {
    expect((await client.chat.completions.create({ ...ask, max_completion_tokens: 2 })).choices[0]).toMatchObject({
      finish_reason: 'length',
      message: { content: 'Hello from' },
    });
    expect((await client.chat.completions.create({ ...ask, stop: 'fake' })).choices[0]).toMatchObject({
      finish_reason: 'stop',
      message: { content: 'Hello from the' },
    });
  });
});

describe('errors become the SDK’s own classes', () => {
  it('for a request at fault', async () => {
    await expect(client.chat.completions.create({ ...ask, messages: [] })).rejects.toBeInstanceOf(
      OpenAI.BadRequestError,
    );
    const wrongKey = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'fh_wrong', maxRetries: 0 });
    await expect(wrongKey.chat.completions.create(ask)).rejects.toMatchObject({ status: 401, code: 'invalid_api_key' });
    await expect(wrongKey.models.list()).rejects.toBeInstanceOf(OpenAI.AuthenticationError);
    await expect(client.chat.completions.create({ ...ask, model: 'nothing' })).rejects.toMatchObject({
      status: 404,
      code: 'model_not_found',
      param: 'model',
    });
    await expect(client.chat.completions.create({ ...ask, n: 2 })).rejects.toMatchObject({
      status: 400,
      param: 'n',
      code: 'unsupported_parameter',
    });
  });

  it('for a server that is busy or fails', async () => {
    server.model.behaviour = failing(new FreeholdError('overloaded', 'full'));
    await expect(client.chat.completions.create(ask)).rejects.toMatchObject({ status: 503 });
    server.model.behaviour = failing(new FreeholdError('rate_limited', 'slow down'));
    await expect(client.chat.completions.create(ask)).rejects.toBeInstanceOf(OpenAI.RateLimitError);
    server.model.behaviour = failing(new Error('secret detail'));
    await expect(client.chat.completions.create(ask)).rejects.toBeInstanceOf(OpenAI.InternalServerError);
  });

  it('in the middle of a stream', async () => {
    server.model.behaviour = failing(
      new FreeholdError('model_process_lost', 'The process that ran the model died.'),
      2,
    );
    let text = '';
    const read = async () => {
      for await (const chunk of await client.chat.completions.create({ ...ask, stream: true })) {
        text += chunk.choices[0]?.delta.content ?? '';
      }
    };
    await expect(read()).rejects.toMatchObject({
      code: 'model_process_lost',
      message: expect.stringContaining('died'),
    });
    expect(text).toBe('piece 0 piece 1 ');
  });
});

it('retries what may succeed later', async () => {
  const patient = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: server.key, maxRetries: 1 });
  let failures = 1;
  server.model.behaviour = async function* (request, signal) {
    if (failures > 0) {
      failures -= 1;
      yield* failing(new FreeholdError('overloaded', 'full', { retryAfterMs: 5 }))(request, signal);
    }
    yield { type: 'start', inputTokens: 1, cachedTokens: 0 };
    yield { type: 'text-delta', text: 'back' };
    yield { type: 'usage', inputTokens: 1, cachedTokens: 0, outputTokens: 1 };
    yield { type: 'stop', reason: 'end-turn' };
  };
  expect((await patient.chat.completions.create(ask)).choices[0]?.message.content).toBe('back');
});

it('ends the generation when the caller aborts', async () => {
  server.model.behaviour = endless();
  const before = server.model.aborted;
  const stream = await client.chat.completions.create({ ...ask, stream: true });
  for await (const _ of stream) break;
  await expect.poll(() => server.model.aborted, soon).toBe(before + 1);
});

it('lists models', async () => {
  expect((await client.models.list()).data).toMatchObject([
    { id: 'fake', object: 'model', created: 1_700_000_000, owned_by: 'file' },
  ]);
  expect(await client.models.retrieve('fake')).toMatchObject({ id: 'fake' });
  await expect(client.models.retrieve('none')).rejects.toBeInstanceOf(OpenAI.NotFoundError);
});
