// Other programs' clients of the Anthropic API, unmodified: the Vercel AI SDK and LangChain with their own readings of the
// vendor's answers, which are stricter than the vendor's SDK here and there.
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { client } from '../clients/load.ts';
import { answering, calls, says, thinks } from '../support/model-script.ts';
import { startTestServer, type TestServer } from '../support/server.ts';

interface AiSdk {
  generateText(given: object): Promise<{
    text: string;
    reasoningText: string | undefined;
    finishReason: string;
    usage: object;
    output: unknown;
  }>;
  streamText(given: object): {
    textStream: AsyncIterable<string>;
    text: PromiseLike<string>;
    reasoningText: PromiseLike<string | undefined>;
    finishReason: PromiseLike<string>;
    usage: PromiseLike<object>;
  };
  tool<Input>(given: {
    description: string;
    inputSchema: z.ZodType<Input>;
    execute(input: Input): Promise<unknown>;
  }): object;
  Output: { object(given: { schema: z.ZodType }): object };
  stepCountIs(count: number): unknown;
}
interface AiSdkAnthropic {
  createAnthropic(given: { baseURL: string; apiKey: string }): (model: string) => object;
}

interface LangChainMessage {
  content: unknown;
  text: string;
  usage_metadata?: object;
  tool_calls?: object[];
  concat(other: LangChainMessage): LangChainMessage;
}
interface LangChainModel {
  invoke(text: string): Promise<LangChainMessage>;
  stream(text: string): Promise<AsyncIterable<LangChainMessage>>;
  bindTools(tools: object[], given: object): LangChainModel;
  withStructuredOutput(schema: z.ZodType, given: object): { invoke(text: string): Promise<unknown> };
}
interface LangChainAnthropic {
  ChatAnthropic: new (given: object) => LangChainModel;
}
interface LangChainTools {
  tool<Input>(
    run: (input: Input) => Promise<string>,
    given: { name: string; description: string; schema: z.ZodType<Input> },
  ): object;
}

let server: TestServer;
beforeAll(async () => {
  Object.assign(globalThis, { AI_SDK_LOG_WARNINGS: false });
  server = await startTestServer();
});
afterAll(() => server.stop());
afterEach(() => {
  server.model.behaviour = undefined;
});
const lastRequest = () => server.model.requests.at(-1);

describe('the Vercel AI SDK', async () => {
  const { generateText, streamText, tool, Output, stepCountIs } = await client<AiSdk>('ai');
  const { createAnthropic } = await client<AiSdkAnthropic>('@ai-sdk/anthropic');
  const model = () => createAnthropic({ baseURL: `${server.url}/v1`, apiKey: server.key })('default');
  const add = tool({
    description: 'Adds.',
    inputSchema: z.object({ a: z.number(), b: z.number() }),
    execute: async ({ a, b }) => a + b,
  });

  it('answers whole and streamed, with usage', async () => {
    server.model.behaviour = answering(says('Hello', ' there.'));
    const whole = await generateText({ model: model(), prompt: 'hello', maxRetries: 0 });
    expect(whole).toMatchObject({ text: 'Hello there.', finishReason: 'stop' });
    expect(whole.usage).toMatchObject({ inputTokens: 10, outputTokens: 2 });
    const stream = streamText({ model: model(), prompt: 'hello', maxRetries: 0 });
    const pieces: string[] = [];
    for await (const piece of stream.textStream) pieces.push(piece);
    expect(pieces).toEqual(['Hello', ' there.']);
    expect(await stream.usage).toMatchObject({ inputTokens: 10, outputTokens: 2 });
  });

  it('runs tools in steps, whole and streamed', async () => {
    const script = () => answering([...says('I add.'), ...calls('add', { a: 2, b: 3 })], says('It is 5.'));
    const given = { tools: { add }, stopWhen: stepCountIs(3), prompt: 'What is 2 + 3?', maxRetries: 0 };
    server.model.behaviour = script();
    const whole = await generateText({ model: model(), ...given });
    expect(whole.text).toBe('It is 5.');
    expect(lastRequest()?.messages.at(-1)?.content).toMatchObject([{ type: 'tool-result', content: [{ text: '5' }] }]);
    server.model.behaviour = script();
    const stream = streamText({ model: model(), ...given });
    expect(await stream.text).toBe('It is 5.');
    expect(await stream.finishReason).toBe('stop');
  });

  it('shows thoughts', async () => {
    server.model.behaviour = answering([...thinks('Hm.'), ...says('Yes.')]);
    const providerOptions = { anthropic: { thinking: { type: 'enabled', budgetTokens: 1024 } } };
    const whole = await generateText({ model: model(), prompt: 'hello', providerOptions, maxRetries: 0 });
    expect([whole.reasoningText, whole.text]).toEqual(['Hm.', 'Yes.']);
    const stream = streamText({ model: model(), prompt: 'hello', providerOptions, maxRetries: 0 });
    expect([await stream.reasoningText, await stream.text]).toEqual(['Hm.', 'Yes.']);
  });

  it('parses structured output', async () => {
    const output = Output.object({ schema: z.object({ sure: z.boolean() }) });
    // to names of models that it does not know it offers a tool that holds the schema
    server.model.behaviour = answering(calls('json', { sure: true }));
    const { output: parsed } = await generateText({ model: model(), prompt: 'sure?', output, maxRetries: 0 });
    expect(parsed).toEqual({ sure: true });
    expect(lastRequest()).toMatchObject({ toolChoice: { type: 'any' }, tools: [{ name: 'json' }] });
  });
});

describe('LangChain', async () => {
  const { ChatAnthropic } = await client<LangChainAnthropic>('@langchain/anthropic');
  const { tool } = await client<LangChainTools>('@langchain/core/tools');
  const chat = (more: object = {}) =>
    new ChatAnthropic({
      model: 'default',
      anthropicApiUrl: server.url,
      apiKey: server.key,
      maxTokens: 2000,
      maxRetries: 0,
      ...more,
    });

  it('answers whole and streamed, with usage', async () => {
    server.model.behaviour = answering(says('Hello', ' there.'));
    const whole = await chat().invoke('hello');
    expect(whole.content).toBe('Hello there.');
    expect(whole.usage_metadata).toMatchObject({ input_tokens: 10, output_tokens: 2 });
    let text = '';
    for await (const chunk of await chat().stream('hello')) text += chunk.text;
    expect(text).toBe('Hello there.');
  });

  it('calls tools, whole and streamed', async () => {
    const add = tool(async ({ a, b }) => String(a + b), {
      name: 'add',
      description: 'Adds.',
      schema: z.object({ a: z.number(), b: z.number() }),
    });
    server.model.behaviour = answering(calls('add', { a: 2, b: 3 }));
    const bound = chat().bindTools([add], { tool_choice: 'add' });
    const call = { name: 'add', args: { a: 2, b: 3 } };
    expect((await bound.invoke('2 + 3?')).tool_calls).toMatchObject([call]);
    expect(lastRequest()?.toolChoice).toEqual({ type: 'tool', name: 'add' });
    const chunks: LangChainMessage[] = [];
    for await (const chunk of await bound.stream('2 + 3?')) chunks.push(chunk);
    const [first, ...rest] = chunks;
    const whole = rest.reduce((sum, chunk) => sum?.concat(chunk), first);
    expect(whole?.tool_calls).toMatchObject([call]);
  });

  it('shows thoughts', async () => {
    server.model.behaviour = answering([...thinks('Hm.'), ...says('Yes.')]);
    const message = await chat({ thinking: { type: 'enabled', budget_tokens: 1024 } }).invoke('hello');
    expect(message.content).toMatchObject([
      { type: 'thinking', thinking: 'Hm.' },
      { type: 'text', text: 'Yes.' },
    ]);
  });

  it('parses structured output', async () => {
    server.model.behaviour = answering(says('{"sure":true}'));
    const sure = z.object({ sure: z.boolean() });
    expect(await chat().withStructuredOutput(sure, { method: 'jsonSchema' }).invoke('sure?')).toEqual({ sure: true });
    expect(lastRequest()?.responseSchema).toMatchObject({ properties: { sure: { type: 'boolean' } } });
  });
});
