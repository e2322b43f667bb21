// InvokeModel, its stream and CountTokens through the AWS SDK.
import { describe, expect, it } from 'vitest';
import { collect, type Loose, messages, useBedrock } from '../support/bedrock.ts';

const bedrock = useBedrock();
const { send } = bedrock;

describe('InvokeModel', () => {
  const text = (bytes: Uint8Array): Loose => JSON.parse(Buffer.from(bytes).toString());
  const claude = {
    anthropic_version: 'bedrock-2023-05-31',
    max_tokens: 100,
    messages: [{ role: 'user', content: 'hello there' }],
  };
  const invoke = (body: object, name = 'InvokeModel') =>
    send(name, {
      modelId: 'fake',
      body: JSON.stringify(body),
      contentType: 'application/json',
      accept: 'application/json',
    });
  const chunksOf = async (body: object) => {
    const answer = await invoke(body, 'InvokeModelWithResponseStream');
    return (await collect<Loose>(answer.body)).map(({ chunk }) => text(chunk.bytes));
  };

  it("answers Claude's messages", async () => {
    const answer = await invoke(claude);
    expect(answer.contentType).toMatch(/^application\/json/);
    expect(text(answer.body)).toMatchObject({
      type: 'message',
      content: [{ type: 'text', text: 'Hello from the fake model.' }],
      stop_reason: 'end_turn',
      usage: { input_tokens: 1, output_tokens: 6 },
    });
  });

  it("streams Claude's messages, the last chunk with metrics", async () => {
    const chunks = await chunksOf(claude);
    expect(chunks.map(({ type }) => type)).toEqual([
      'message_start',
      'content_block_start',
      ...Array<string>(6).fill('content_block_delta'),
      'content_block_stop',
      'message_delta',
      'message_stop',
    ]);
    expect(chunks.at(-1)['amazon-bedrock-invocationMetrics']).toEqual({
      inputTokenCount: 2,
      outputTokenCount: 6,
      invocationLatency: expect.any(Number),
      firstByteLatency: expect.any(Number),
    });
  });

  it("answers and streams OpenAI's chat completions", async () => {
    const chat = { messages: [{ role: 'user', content: 'hello there' }], max_completion_tokens: 100 };
    expect(text((await invoke(chat)).body)).toMatchObject({
      object: 'chat.completion',
      choices: [{ message: { content: 'Hello from the fake model.' }, finish_reason: 'stop' }],
    });
    const chunks = await chunksOf(chat);
    expect(chunks.map(({ choices }) => choices[0]?.delta?.content ?? '').join('')).toBe('Hello from the fake model.');
    expect(chunks.at(-1)['amazon-bedrock-invocationMetrics']).toMatchObject({ outputTokenCount: 6 });
  });

  it("answers and streams Nova's messages", async () => {
    const nova = { schemaVersion: 'messages-v1', messages, inferenceConfig: { maxTokens: 100, topK: 5 } };
    expect(text((await invoke(nova)).body)).toMatchObject({
      output: { message: { content: [{ text: 'Hello from the fake model.' }] } },
    });
    expect(bedrock.server.model.requests.at(-1)).toMatchObject({ maxTokens: 100, sampling: { topK: 5 } });
    const chunks = await chunksOf(nova);
    expect(chunks.map((chunk) => Object.keys(chunk)[0])).toContain('contentBlockDelta');
  });

  it.each([
    ['a prompt in a template', { prompt: '<s>[INST] hi', max_gen_len: 5 }, /no shape that is known/],
    ['no JSON', undefined, /not valid JSON/],
    ['a field out of range', { ...claude, max_tokens: 'many' }, /max_tokens: Input should be/],
  ])('refuses %s', async (_, body, message) => {
    const input = { modelId: 'fake', body: body === undefined ? '{"a' : JSON.stringify(body) };
    await expect(send('InvokeModel', input)).rejects.toMatchObject({
      name: 'ValidationException',
      message: expect.stringMatching(message),
    });
  });

  it('refuses guardrails', async () => {
    const input = { modelId: 'fake', body: JSON.stringify(claude), guardrailIdentifier: 'abc', guardrailVersion: '1' };
    await expect(send('InvokeModel', input)).rejects.toMatchObject({
      name: 'ValidationException',
      message: /guardrail/,
    });
  });

  it('counts the tokens of an invocation', async () => {
    const body = new TextEncoder().encode(JSON.stringify(claude));
    expect(await send('CountTokens', { modelId: 'fake', input: { invokeModel: { body } } })).toMatchObject({
      inputTokens: 2,
    });
  });
});
