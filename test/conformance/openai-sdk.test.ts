// The real OpenAI SDK, unmodified, against a listening server: only base URL and key are changed.
import OpenAI from 'openai';
import { zodResponseFormat } from 'openai/helpers/zod';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
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

const answerOf = z.object({ answer: z.string(), sure: z.boolean() });

describe('structured output', () => {
  const json = (text: string) =>
    async function* () {
      yield { type: 'start' as const, inputTokens: 1, cachedTokens: 0 };
      yield { type: 'text-delta' as const, text: text.slice(0, 5) };
      yield { type: 'text-delta' as const, text: text.slice(5) };
      yield { type: 'usage' as const, inputTokens: 1, cachedTokens: 0, outputTokens: 2 };
      yield { type: 'stop' as const, reason: 'end-turn' as const };
    };
  const format = zodResponseFormat(answerOf, 'answer');

  it('is parsed by the SDK, whole and streamed; its schema reaches the model', async () => {
    server.model.behaviour = json('{"answer":"yes","sure":true}');
    const whole = await client.chat.completions.parse({ ...ask, response_format: format });
    expect(whole.choices[0]?.message.parsed).toEqual({ answer: 'yes', sure: true });
    expect(server.model.requests.at(-1)?.responseSchema).toMatchObject({
      type: 'object',
      properties: { answer: { type: 'string' }, sure: { type: 'boolean' } },
      required: ['answer', 'sure'],
      additionalProperties: false,
    });
    const stream = client.chat.completions.stream({ ...ask, response_format: format });
    expect((await stream.finalChatCompletion()).choices[0]?.message.parsed).toEqual({ answer: 'yes', sure: true });
  });

  it('is any object in JSON mode', async () => {
    await client.chat.completions.create({ ...ask, response_format: { type: 'json_object' } });
    expect(server.model.requests.at(-1)?.responseSchema).toEqual({ type: 'object' });
  });

  it('with a schema that cannot be enforced is an error about its place', async () => {
    server.model.behaviour = failing(
      new FreeholdError('unsupported', 'The keyword not is not supported.', { field: '#/properties/a/not' }),
    );
    for (const stream of [false, true]) {
      await expect(client.chat.completions.create({ ...ask, stream, response_format: format })).rejects.toMatchObject({
        status: 400,
        code: 'unsupported_parameter',
        param: 'response_format.json_schema.schema#/properties/a/not',
        message: expect.stringContaining('The keyword not'),
      });
    }
  });
});

describe('log probabilities', () => {
  const asked = { ...ask, logprobs: true, top_logprobs: 2 };
  const first = {
    token: 'Hello',
    logprob: -0.5,
    bytes: [...Buffer.from('Hello')],
    top_logprobs: [
      { token: 'Hello', logprob: -0.5 },
      { token: 'Hell', logprob: -1.5 },
    ],
  };

  it('come whole', async () => {
    const { choices } = await client.chat.completions.create(asked);
    expect(choices[0]?.logprobs?.content).toHaveLength(6);
    expect(choices[0]?.logprobs?.content?.[0]).toMatchObject(first);
  });

  it('come streamed, and the SDK puts the same together', async () => {
    const stream = client.chat.completions.stream(asked);
    const { choices } = await stream.finalChatCompletion();
    expect(choices[0]?.logprobs?.content).toHaveLength(6);
    expect(choices[0]?.logprobs?.content?.[0]).toMatchObject(first);
  });
});

describe('several answers', () => {
  it('come whole, with the prompt counted once', async () => {
    const { choices, usage } = await client.chat.completions.create({ ...ask, n: 3, seed: 7 });
    expect(choices).toMatchObject(
      [0, 1, 2].map((index) => ({ index, message: { content: 'Hello from the fake model.' } })),
    );
    expect(usage).toMatchObject({ prompt_tokens: 4, completion_tokens: 18, total_tokens: 22 });
    expect(server.model.requests.slice(-3).map(({ sampling }) => sampling?.seed)).toEqual([7, 8, 9]);
  });

  it('come streamed, and the SDK tells them apart', async () => {
    const stream = client.chat.completions.stream({ ...ask, n: 3, stream_options: { include_usage: true } });
    const { choices, usage } = await stream.finalChatCompletion();
    expect(choices.map(({ message }) => message.content)).toEqual(Array(3).fill('Hello from the fake model.'));
    expect(usage).toMatchObject({ prompt_tokens: 4, completion_tokens: 18 });
  });

  it('all end when the caller aborts', async () => {
    server.model.behaviour = endless();
    const before = server.model.aborted;
    const stream = await client.chat.completions.create({ ...ask, n: 3, stream: true });
    const seen = new Set<number | undefined>();
    for await (const chunk of stream) {
      seen.add(chunk.choices[0]?.index);
      if (seen.size === 3) break;
    }
    await expect.poll(() => server.model.aborted, soon).toBe(before + 3);
  });
});

it('takes the sampling settings of the SDK, and those of other local servers', async () => {
  await client.chat.completions.create({
    ...ask,
    temperature: 0.5,
    top_p: 0.9,
    presence_penalty: 0.5,
    frequency_penalty: -0.5,
    logit_bias: { '50': -100 },
    seed: 3,
    ...{ top_k: 5, min_p: 0.1, repeat_penalty: 1.1, dry_multiplier: 0.8, ignore_eos: true },
  });
  expect(server.model.requests.at(-1)).toMatchObject({
    ignoreEnd: true,
    sampling: {
      temperature: 0.5,
      topP: 0.9,
      topK: 5,
      minP: 0.1,
      presencePenalty: 0.5,
      frequencyPenalty: -0.5,
      repetitionPenalty: 1.1,
      dry: { multiplier: 0.8 },
      logitBias: { 50: -100 },
      seed: 3,
    },
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
    await expect(client.chat.completions.create({ ...ask, modalities: ['audio'] })).rejects.toMatchObject({
      status: 400,
      param: 'modalities',
      code: 'unsupported_parameter',
    });
    await expect(client.chat.completions.create({ ...ask, n: 33 })).rejects.toMatchObject({ status: 400, param: 'n' });
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
