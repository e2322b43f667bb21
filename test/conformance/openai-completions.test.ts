// The real OpenAI SDK asks for completions, the older API, unmodified: raw prompts, several at once, streamed.
import OpenAI from 'openai';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { FreeholdError } from '../../src/lib/errors.ts';
import { endless, failing } from '../support/fake-model.ts';
import { startTestServer, type TestServer } from '../support/server.ts';

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

const ask = { model: 'default', prompt: 'Once upon a time' };
const whole = 'Hello from the fake model.';

describe('completions', () => {
  it('go on from a raw prompt', async () => {
    expect(await client.completions.create(ask)).toMatchObject({
      id: expect.stringMatching(/^cmpl_/),
      object: 'text_completion',
      model: 'fake',
      choices: [{ index: 0, text: whole, finish_reason: 'stop', logprobs: null }],
      usage: { prompt_tokens: 4, completion_tokens: 6, total_tokens: 10 },
    });
    expect(server.model.requests.at(-1)).toMatchObject({ prompt: ask.prompt, messages: [], maxTokens: 16 });
  });

  it('stream', async () => {
    let text = '';
    let usage: OpenAI.CompletionUsage | null | undefined;
    let finish: string | null | undefined;
    const stream = await client.completions.create({
      ...ask,
      stream: true,
      stream_options: { include_usage: true },
      echo: true,
    });
    for await (const chunk of stream) {
      text += chunk.choices[0]?.text ?? '';
      finish = chunk.choices[0]?.finish_reason ?? finish;
      usage = chunk.usage ?? usage;
    }
    expect([text, finish]).toEqual([ask.prompt + whole, 'stop']);
    expect(usage).toMatchObject({ prompt_tokens: 4, completion_tokens: 6 });
  });

  it('answer several prompts, several times', async () => {
    const { choices, usage } = await client.completions.create({ ...ask, prompt: ['one two', 'three'], n: 2, seed: 5 });
    expect(choices).toMatchObject([0, 1, 2, 3].map((index) => ({ index, text: whole })));
    expect(usage).toMatchObject({ prompt_tokens: 3, completion_tokens: 24 });
    const asked = server.model.requests.slice(-4).map(({ prompt, sampling }) => [prompt, sampling?.seed]);
    expect(asked.toSorted()).toEqual([
      ['one two', 5],
      ['one two', 6],
      ['three', 5],
      ['three', 6],
    ]);
  });

  it('stop at a limit and at stop strings, and tell log probabilities', async () => {
    expect((await client.completions.create({ ...ask, max_tokens: 2 })).choices[0]).toMatchObject({
      text: 'Hello from',
      finish_reason: 'length',
    });
    const { choices } = await client.completions.create({ ...ask, stop: ['fake'], logprobs: 2 });
    expect(choices[0]).toMatchObject({
      text: 'Hello from the',
      logprobs: {
        tokens: ['Hello', ' from', ' the'],
        token_logprobs: [-0.5, -0.5, -0.5],
        text_offset: [0, 5, 10],
        top_logprobs: [{ Hello: -0.5, Hell: -1.5 }, {}, {}],
      },
    });
  });

  it('end when the caller aborts', async () => {
    server.model.behaviour = endless();
    const before = server.model.aborted;
    for await (const _ of await client.completions.create({ ...ask, stream: true })) break;
    await expect.poll(() => server.model.aborted, soon).toBe(before + 1);
  });

  it('are refused with the class and the field of the error', async () => {
    await expect(client.completions.create({ ...ask, suffix: 'end' })).rejects.toBeInstanceOf(OpenAI.BadRequestError);
    await expect(client.completions.create({ ...ask, suffix: 'end' })).rejects.toMatchObject({ param: 'suffix' });
    await expect(client.completions.create({ ...ask, prompt: [1, 2] })).rejects.toMatchObject({ param: 'prompt[0]' });
    await expect(client.completions.create({ ...ask, best_of: 2 })).rejects.toMatchObject({ param: 'best_of' });
    server.model.behaviour = failing(new FreeholdError('context_exceeded', 'Too long.', { field: 'messages' }));
    await expect(client.completions.create(ask)).rejects.toMatchObject({
      param: 'prompt',
      code: 'context_length_exceeded',
    });
    server.model.behaviour = failing(new FreeholdError('overloaded', 'full', { retryAfterMs: 5 }));
    await expect(client.completions.create(ask)).rejects.toMatchObject({ status: 503 });
  });
});
