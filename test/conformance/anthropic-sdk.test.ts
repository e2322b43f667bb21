// The real Anthropic SDK, unmodified, against a listening server: only base URL and key are changed.
import Anthropic from '@anthropic-ai/sdk';
import { zodOutputFormat } from '@anthropic-ai/sdk/helpers/zod';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { FreeholdError } from '../../src/lib/errors.ts';
import { endless, failing, type Generate } from '../support/fake-model.ts';
import { startTestServer, type TestServer } from '../support/server.ts';

/** How long to wait for what must come; a busy machine may need it. */
const soon = { timeout: 30_000 };

let server: TestServer;
let client: Anthropic;
beforeAll(async () => {
  server = await startTestServer();
  client = new Anthropic({ baseURL: server.url, apiKey: server.key, maxRetries: 0 });
});
afterAll(() => server.stop());
afterEach(() => {
  server.model.behaviour = undefined;
});

const ask = { model: 'default', max_tokens: 100, messages: [{ role: 'user' as const, content: 'hello there' }] };

describe('messages', () => {
  it('answers whole', async () => {
    const message = await client.messages.create(ask);
    expect(message).toMatchObject({
      type: 'message',
      role: 'assistant',
      model: 'fake',
      content: [{ type: 'text', text: 'Hello from the fake model.' }],
      stop_reason: 'end_turn',
      stop_sequence: null,
      usage: { input_tokens: 1, cache_read_input_tokens: 1, cache_creation_input_tokens: 0, output_tokens: 6 },
    });
    expect(message.id).toMatch(/^msg_/);
    expect(message._request_id).toMatch(/^req_/);
  });

  it('streams, and the SDK puts the same message together', async () => {
    const stream = client.messages.stream(ask);
    const texts: string[] = [];
    stream.on('text', (text) => texts.push(text));
    const message = await stream.finalMessage();
    expect(texts).toEqual(['Hello', ' from', ' the', ' fake', ' model', '.']);
    expect(message).toMatchObject({
      model: 'fake',
      content: [{ type: 'text', text: 'Hello from the fake model.' }],
      stop_reason: 'end_turn',
      usage: { input_tokens: 1, cache_read_input_tokens: 1, output_tokens: 6 },
    });
  });

  it('streams raw events in the order of the vendor', async () => {
    const types: string[] = [];
    for await (const event of await client.messages.create({ ...ask, stream: true })) types.push(event.type);
    // the SDK drops pings
    expect(types).toEqual([
      'message_start',
      'content_block_start',
      ...Array<string>(6).fill('content_block_delta'),
      'content_block_stop',
      'message_delta',
      'message_stop',
    ]);
  });

  it('stops at max_tokens and at stop sequences', async () => {
    expect(await client.messages.create({ ...ask, max_tokens: 2 })).toMatchObject({
      stop_reason: 'max_tokens',
      content: [{ text: 'Hello from' }],
      usage: { output_tokens: 2 },
    });
    expect(await client.messages.create({ ...ask, stop_sequences: ['fake'] })).toMatchObject({
      stop_reason: 'stop_sequence',
      stop_sequence: 'fake',
      content: [{ text: 'Hello from the' }],
    });
  });

  it('counts tokens', async () => {
    const { max_tokens: _, ...prompt } = ask;
    expect(await client.messages.countTokens({ ...prompt, system: 'be brief' })).toEqual({ input_tokens: 4 });
  });

  it('takes a bearer token as well as a key', async () => {
    const bearer = new Anthropic({ baseURL: server.url, apiKey: null, authToken: server.key, maxRetries: 0 });
    expect((await bearer.messages.create(ask)).content).toHaveLength(1);
  });

  it('works through the beta path', async () => {
    const message = await client.beta.messages.create({ ...ask, betas: ['some-beta-2030-01-01'] });
    expect(message.content).toMatchObject([{ type: 'text', text: 'Hello from the fake model.' }]);
  });
});

describe('structured output', () => {
  const format = zodOutputFormat(z.object({ answer: z.string(), sure: z.boolean() }));
  const schema = {
    type: 'object',
    properties: { answer: { type: 'string' }, sure: { type: 'boolean' } },
    required: ['answer', 'sure'],
  };
  const json: Generate = async function* () {
    yield { type: 'start', inputTokens: 1, cachedTokens: 0 };
    yield { type: 'text-delta', text: '{"answer":"yes",' };
    yield { type: 'text-delta', text: '"sure":true}' };
    yield { type: 'usage', inputTokens: 1, cachedTokens: 0, outputTokens: 2 };
    yield { type: 'stop', reason: 'end-turn' };
  };

  it('is parsed by the SDK, whole and streamed; its schema reaches the model', async () => {
    server.model.behaviour = json;
    const whole = await client.messages.parse({ ...ask, output_config: { format } });
    expect(whole.parsed_output).toEqual({ answer: 'yes', sure: true });
    expect(server.model.requests.at(-1)?.responseSchema).toMatchObject(schema);
    const streamed = await client.messages.stream({ ...ask, output_config: { format } }).finalMessage();
    expect(streamed.parsed_output).toEqual({ answer: 'yes', sure: true });
  });

  it('is taken where the beta had it', async () => {
    server.model.behaviour = json;
    await client.beta.messages.create({ ...ask, output_format: { type: 'json_schema', schema } });
    expect(server.model.requests.at(-1)?.responseSchema).toEqual(schema);
  });

  it('with a schema that cannot be enforced is an error about its place', async () => {
    server.model.behaviour = failing(
      new FreeholdError('unsupported', 'The keyword not is not supported.', { field: '#/properties/a/not' }),
    );
    await expect(client.messages.create({ ...ask, output_config: { format } })).rejects.toMatchObject({
      status: 400,
      message: expect.stringContaining('output_config.format.schema: The keyword not'),
    });
  });
});

it('takes the sampling settings that older SDKs have', async () => {
  await client.messages.create({ ...ask, ...{ temperature: 0.5, top_p: 0.9, top_k: 5 } });
  expect(server.model.requests.at(-1)?.sampling).toEqual({ temperature: 0.5, topP: 0.9, topK: 5 });
});

describe('errors become the SDK’s own classes', () => {
  const wrongKey = () => new Anthropic({ baseURL: server.url, apiKey: 'fh_wrong', maxRetries: 0 });

  it('for a request at fault', async () => {
    await expect(client.messages.create({ ...ask, messages: [] })).rejects.toBeInstanceOf(Anthropic.BadRequestError);
    await expect(wrongKey().messages.create(ask)).rejects.toBeInstanceOf(Anthropic.AuthenticationError);
    const missing = client.messages.create({ ...ask, model: 'fak' });
    await expect(missing).rejects.toBeInstanceOf(Anthropic.NotFoundError);
    await expect(missing).rejects.toMatchObject({
      requestID: expect.stringMatching(/^req_/),
      message: expect.stringContaining('Did you mean fake'),
    });
  });

  it('for a server that is busy or fails', async () => {
    server.model.behaviour = failing(new FreeholdError('rate_limited', 'slow down', { retryAfterMs: 20 }));
    await expect(client.messages.create(ask)).rejects.toBeInstanceOf(Anthropic.RateLimitError);
    server.model.behaviour = failing(new FreeholdError('overloaded', 'full'));
    await expect(client.messages.create(ask)).rejects.toMatchObject({
      status: 529,
      error: { error: { type: 'overloaded_error' } },
    });
    server.model.behaviour = failing(new Error('secret detail'));
    await expect(client.messages.create(ask)).rejects.toBeInstanceOf(Anthropic.InternalServerError);
  });

  it('in the middle of a stream', async () => {
    server.model.behaviour = failing(
      new FreeholdError('model_process_lost', 'The process that ran the model died.'),
      2,
    );
    const texts: string[] = [];
    const read = async () => {
      for await (const event of await client.messages.create({ ...ask, stream: true })) {
        if (event.type === 'content_block_delta' && event.delta.type === 'text_delta') texts.push(event.delta.text);
      }
    };
    await expect(read()).rejects.toMatchObject({
      error: { error: { type: 'api_error', message: expect.stringContaining('died') } },
    });
    expect(texts).toEqual(['piece 0 ', 'piece 1 ']);
  });
});

describe('retries', () => {
  it('follow retry-after and succeed', async () => {
    const patient = new Anthropic({ baseURL: server.url, apiKey: server.key, maxRetries: 2 });
    const before = server.model.requests.length;
    let failures = 2;
    const error = new FreeholdError('model_process_lost', 'lost', { retryAfterMs: 5 });
    server.model.behaviour = async function* (request, signal) {
      if (failures > 0) {
        failures -= 1;
        yield* failing(error)(request, signal);
      }
      yield { type: 'start', inputTokens: 1, cachedTokens: 0 };
      yield { type: 'text-delta', text: 'back' };
      yield { type: 'usage', inputTokens: 1, cachedTokens: 0, outputTokens: 1 };
      yield { type: 'stop', reason: 'end-turn' };
    };
    expect((await patient.messages.create(ask)).content).toMatchObject([{ text: 'back' }]);
    expect(server.model.requests.length - before).toBe(3);
  });

  it('do not happen where they cannot help', async () => {
    const patient = new Anthropic({ baseURL: server.url, apiKey: server.key, maxRetries: 2 });
    const before = server.model.requests.length;
    server.model.behaviour = failing(new FreeholdError('model_failed', 'broken'));
    await expect(patient.messages.create(ask)).rejects.toMatchObject({ status: 500 });
    expect(server.model.requests.length - before).toBe(1);
  });
});

it('ends the generation when the caller aborts', async () => {
  server.model.behaviour = endless();
  const before = server.model.aborted;
  const stream = client.messages.stream(ask);
  stream.on('text', () => stream.abort());
  await expect(stream.finalMessage()).rejects.toBeInstanceOf(Anthropic.APIUserAbortError);
  await expect.poll(() => server.model.aborted, soon).toBe(before + 1);
});

it('lists models', async () => {
  const page = await client.models.list();
  expect(page.data).toMatchObject([{ type: 'model', id: 'fake', display_name: 'Fake' }]);
  expect(await client.models.retrieve('fake')).toMatchObject({ id: 'fake', created_at: '2023-11-14T22:13:20.000Z' });
  await expect(client.models.retrieve('none')).rejects.toBeInstanceOf(Anthropic.NotFoundError);
});
