// Other programs' clients of the OpenAI API, unmodified: the Vercel AI SDK (responses, chat, completions, and its provider
// for compatible servers) and LangChain, with their own readings of the vendor's answers.
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { client } from '../clients/load.ts';
import { createFakeModel, fakePieces } from '../support/fake-model.ts';
import { answering, calls, says, thinks } from '../support/model-script.ts';
import { startTestServer, type TestServer } from '../support/server.ts';

interface AiSdk {
  generateText(given: object): Promise<{
    text: string;
    reasoningText: string | undefined;
    finishReason: string;
    usage: object;
    output: unknown;
    response: { messages: object[] };
  }>;
  streamText(given: object): {
    textStream: AsyncIterable<string>;
    text: PromiseLike<string>;
    reasoningText: PromiseLike<string | undefined>;
    finishReason: PromiseLike<string>;
    usage: PromiseLike<object>;
  };
  embedMany(given: object): Promise<{ embeddings: number[][] }>;
  tool(given: object): object;
  Output: { object(given: { schema: z.ZodType }): object };
  stepCountIs(count: number): unknown;
}
interface Provider {
  (model: string): object;
  chat(model: string): object;
  completion(model: string): object;
  textEmbeddingModel(model: string): object;
}
interface AiSdkOpenAI {
  createOpenAI(given: object): Provider;
}
interface AiSdkCompatible {
  createOpenAICompatible(given: object): { chatModel(model: string): object };
}

interface LangChainMessage {
  content: unknown;
  text: string;
  usage_metadata?: object;
  tool_calls?: { id?: string }[];
  additional_kwargs: object;
  concat(other: LangChainMessage): LangChainMessage;
}
interface LangChainModel {
  invoke(input: unknown): Promise<LangChainMessage>;
  stream(input: unknown): Promise<AsyncIterable<LangChainMessage>>;
  bindTools(tools: object[], given?: object): LangChainModel;
  withStructuredOutput(schema: z.ZodType, given: object): { invoke(text: string): Promise<unknown> };
}
interface LangChainOpenAI {
  ChatOpenAI: new (given: object) => LangChainModel;
  OpenAIEmbeddings: new (given: object) => { embedDocuments(texts: string[]): Promise<number[][]> };
}
interface LangChainTools {
  tool(run: (input: { a: number; b: number }) => Promise<string>, given: object): object;
}
interface LangChainMessages {
  HumanMessage: new (text: string) => object;
  ToolMessage: new (given: object) => object;
}

let server: TestServer;
beforeAll(async () => {
  Object.assign(globalThis, { AI_SDK_LOG_WARNINGS: false });
  const fake = createFakeModel('fake');
  const vectors = createFakeModel('vectors', fakePieces, 'embedding');
  server = await startTestServer(
    {},
    {
      open: async ({ name }) => (name === 'vectors' ? vectors : fake),
      find: async (name) => {
        const file = import.meta.filename;
        if (name === 'vectors') return { name, file, kind: 'embedding' };
        return name === 'fake' ? { name, file } : undefined;
      },
    },
  );
  server.model = fake;
});
afterAll(() => server.stop());
afterEach(() => {
  server.model.behaviour = undefined;
});
const lastRequest = () => server.model.requests.at(-1);
const sum = z.object({ a: z.number(), b: z.number() });

describe('the Vercel AI SDK', async () => {
  const { generateText, streamText, embedMany, tool, Output, stepCountIs } = await client<AiSdk>('ai');
  const { createOpenAI } = await client<AiSdkOpenAI>('@ai-sdk/openai');
  const { createOpenAICompatible } = await client<AiSdkCompatible>('@ai-sdk/openai-compatible');
  const settings = () => ({ baseURL: `${server.url}/v1`, apiKey: server.key });
  const models: Record<string, () => object> = {
    responses: () => createOpenAI(settings())('default'),
    chat: () => createOpenAI(settings()).chat('default'),
    compatible: () =>
      createOpenAICompatible({ ...settings(), name: 'freehold', includeUsage: true }).chatModel('default'),
  };
  const add = tool({
    description: 'Adds.',
    inputSchema: sum,
    execute: async ({ a, b }: z.output<typeof sum>) => a + b,
  });

  describe.each(Object.entries(models))('by %s', (by, model) => {
    it('answers whole and streamed, with usage', async () => {
      server.model.behaviour = answering(says('Hello', ' there.'));
      const whole = await generateText({ model: model(), prompt: 'hello', maxRetries: 0 });
      expect(whole).toMatchObject({ text: 'Hello there.', finishReason: 'stop' });
      expect(whole.usage).toMatchObject({ inputTokens: 10, outputTokens: 2, cachedInputTokens: 4 });
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
      expect(lastRequest()?.messages.map(({ content }) => content.map(({ type }) => type))).toEqual([
        ['text'],
        ['text', 'tool-use'],
        ['tool-result'],
      ]);
      expect(lastRequest()?.messages.at(-1)?.content).toMatchObject([{ content: [{ text: '5' }] }]);
      server.model.behaviour = script();
      const stream = streamText({ model: model(), ...given });
      expect(await stream.text).toBe('It is 5.');
      expect(await stream.finishReason).toBe('stop');
    });

    it('goes on from its own messages', async () => {
      server.model.behaviour = answering([...thinks('Hm.'), ...says('Yes.')]);
      const first = await generateText({ model: model(), prompt: 'sure?', maxRetries: 0 });
      const messages = [
        { role: 'user', content: 'sure?' },
        ...first.response.messages,
        { role: 'user', content: 'why?' },
      ];
      await generateText({ model: model(), messages, maxRetries: 0 });
      const texts = lastRequest()?.messages.map(({ content }) => content.find(({ type }) => type === 'text'));
      expect(texts).toMatchObject([{ text: 'sure?' }, { text: 'Yes.' }, { text: 'why?' }]);
    });

    it('parses structured output', async () => {
      server.model.behaviour = answering(says('{"sure":true}'));
      const output = Output.object({ schema: z.object({ sure: z.boolean() }) });
      const { output: parsed } = await generateText({ model: model(), prompt: 'sure?', output, maxRetries: 0 });
      expect(parsed).toEqual({ sure: true });
      // without being told that the server can, the provider for compatible servers asks for any object
      const properties = by === 'compatible' ? {} : { properties: { sure: { type: 'boolean' } } };
      expect(lastRequest()?.responseSchema).toMatchObject({ type: 'object', ...properties });
    });
  });

  it('shows thoughts', async () => {
    server.model.behaviour = answering([...thinks('Hm.'), ...says('Yes.')]);
    const providerOptions = { openai: { reasoningSummary: 'auto', reasoningEffort: 'low', forceReasoning: true } };
    for (const model of [models.responses?.(), models.compatible?.()]) {
      const given = { model, prompt: 'hello', providerOptions, maxRetries: 0 };
      const whole = await generateText(given);
      expect([whole.reasoningText, whole.text]).toEqual(['Hm.', 'Yes.']);
      const stream = streamText(given);
      expect([await stream.reasoningText, await stream.text]).toEqual(['Hm.', 'Yes.']);
    }
  });

  it('completes a text, and makes vectors', async () => {
    const model = createOpenAI(settings()).completion('default');
    expect((await generateText({ model, prompt: 'Once', maxRetries: 0 })).text).toBe('Hello from the fake model.');
    const { embeddings } = await embedMany({
      model: createOpenAI(settings()).textEmbeddingModel('vectors'),
      values: ['One Two', 'a'],
    });
    expect(embeddings.map(({ length }) => length)).toEqual([4, 4]);
  });
});

describe('LangChain', async () => {
  const { ChatOpenAI, OpenAIEmbeddings } = await client<LangChainOpenAI>('@langchain/openai');
  const { tool } = await client<LangChainTools>('@langchain/core/tools');
  const { HumanMessage, ToolMessage } = await client<LangChainMessages>('@langchain/core/messages');
  const settings = () => ({
    model: 'default',
    apiKey: server.key,
    maxRetries: 0,
    configuration: { baseURL: `${server.url}/v1` },
  });
  const add = tool(async ({ a, b }) => String(a + b), { name: 'add', description: 'Adds.', schema: sum });

  describe.each([
    ['chat', false],
    ['responses', true],
  ])('by %s', (_, useResponsesApi) => {
    const chat = (more: object = {}) => new ChatOpenAI({ ...settings(), useResponsesApi, ...more });

    it('answers whole and streamed, with usage', async () => {
      server.model.behaviour = answering(says('Hello', ' there.'));
      const whole = await chat().invoke('hello');
      expect(whole.text).toBe('Hello there.');
      expect(whole.usage_metadata).toMatchObject({ input_tokens: 10, output_tokens: 2 });
      let text = '';
      for await (const chunk of await chat().stream('hello')) text += chunk.text;
      expect(text).toBe('Hello there.');
    });

    it('calls tools, whole and streamed, and answers their results', async () => {
      server.model.behaviour = answering(calls('add', { a: 2, b: 3 }));
      const bound = chat().bindTools([add], { tool_choice: 'add' });
      const call = { name: 'add', args: { a: 2, b: 3 } };
      const called = await bound.invoke('2 + 3?');
      expect(called.tool_calls).toMatchObject([call]);
      expect(lastRequest()?.toolChoice).toEqual({ type: 'tool', name: 'add' });
      const chunks: LangChainMessage[] = [];
      for await (const chunk of await bound.stream('2 + 3?')) chunks.push(chunk);
      const [first, ...rest] = chunks;
      expect(rest.reduce((whole, chunk) => whole?.concat(chunk), first)?.tool_calls).toMatchObject([call]);
      server.model.behaviour = answering(says('It is 5.'));
      const result = new ToolMessage({ content: '5', tool_call_id: called.tool_calls?.[0]?.id });
      const answer = await chat()
        .bindTools([add])
        .invoke([new HumanMessage('2 + 3?'), called, result]);
      expect(answer.text).toBe('It is 5.');
      expect(lastRequest()?.messages.at(-1)?.content).toMatchObject([
        { type: 'tool-result', content: [{ text: '5' }] },
      ]);
    });

    it('parses structured output', async () => {
      const sure = z.object({ sure: z.boolean() });
      server.model.behaviour = answering(says('{"sure":true}'));
      expect(await chat().withStructuredOutput(sure, { method: 'jsonSchema' }).invoke('sure?')).toEqual({ sure: true });
      expect(lastRequest()?.responseSchema).toMatchObject({ properties: { sure: { type: 'boolean' } } });
      server.model.behaviour = answering(calls('answer', { sure: true }));
      const byCall = chat().withStructuredOutput(sure, { method: 'functionCalling', name: 'answer' });
      expect(await byCall.invoke('sure?')).toEqual({ sure: true });
    });
  });

  it('makes vectors', async () => {
    const vectors = await new OpenAIEmbeddings({ ...settings(), model: 'vectors' }).embedDocuments(['One Two', 'a']);
    expect(vectors.map(({ length }) => length)).toEqual([4, 4]);
  });
});
