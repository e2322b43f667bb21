// Clients that bring their own signatures and their own readers of the event stream: the Vercel AI SDK and LangChain.
import { describe, expect, it } from 'vitest';
import { client as load } from '../clients/load.ts';
import { callsTools, type Loose, thinks, useBedrock } from '../support/bedrock.ts';

const bedrock = useBedrock();
const schema = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] };

describe('the Vercel AI SDK', () => {
  const modelsOf = async (by: 'signature' | 'key'): Promise<(id: string) => Loose> => {
    const { createAmazonBedrock } = await load<Loose>('@ai-sdk/amazon-bedrock');
    const { accessKeyId, secretAccessKey } = bedrock.credentials;
    return createAmazonBedrock({
      baseURL: bedrock.server.url,
      region: 'us-east-1',
      ...(by === 'key' ? { apiKey: bedrock.server.key } : { accessKeyId, secretAccessKey }),
    });
  };

  it.each([
    ['fake', 'signature'],
    ['arn:aws:bedrock:us-east-1:123456789012:inference-profile/fake', 'signature'],
    ['default', 'key'],
  ] as const)('answers and streams: %s by %s', async (id, by) => {
    const { generateText, streamText } = await load<Loose>('ai');
    const model = (await modelsOf(by))(id);
    const { text, usage } = await generateText({ model, prompt: 'hello there', maxRetries: 0 });
    expect(text).toBe('Hello from the fake model.');
    expect(usage).toMatchObject({ inputTokens: 2, cachedInputTokens: 1, outputTokens: 6 });
    expect(await streamText({ model, prompt: 'hello there', maxRetries: 0 }).text).toBe('Hello from the fake model.');
  });

  it('calls tools, whole and streamed', async () => {
    const { generateText, streamText, tool, jsonSchema } = await load<Loose>('ai');
    bedrock.server.model.behaviour = callsTools;
    const model = (await modelsOf('signature'))('fake');
    const tools = {
      weather: tool({ inputSchema: jsonSchema(schema) }),
      time: tool({ inputSchema: jsonSchema({ type: 'object' }) }),
    };
    const asked = { model, prompt: 'hello', tools, maxRetries: 0 };
    const expected = [
      { toolCallId: 'tooluse_abc', toolName: 'weather', input: { city: 'Bern' } },
      { toolCallId: 'tooluse_def', toolName: 'time', input: {} },
    ];
    expect((await generateText(asked)).toolCalls).toMatchObject(expected);
    expect(await streamText(asked).toolCalls).toMatchObject(expected);
  });

  it('shows thoughts', async () => {
    const { generateText, streamText } = await load<Loose>('ai');
    bedrock.server.model.behaviour = thinks;
    const providerOptions = { bedrock: { reasoningConfig: { type: 'enabled', maxReasoningEffort: 'low' } } };
    const asked = { model: (await modelsOf('signature'))('fake'), prompt: 'hello', providerOptions, maxRetries: 0 };
    expect(await generateText(asked)).toMatchObject({ reasoningText: 'Let me think.', text: 'Done.' });
    expect(await streamText(asked).reasoningText).toBe('Let me think.');
    expect(bedrock.server.model.requests.at(-1)?.thinking).toEqual({ type: 'enabled', budgetTokens: 1024 });
  });
});

describe('LangChain', () => {
  const chatOf = async (): Promise<Loose> => {
    const { ChatBedrockConverse } = await load<Loose>('@langchain/aws');
    return new ChatBedrockConverse({
      model: 'fake',
      region: 'us-east-1',
      credentials: bedrock.credentials,
      // its own option for the endpoint puts https:// before it
      client: bedrock.connect(),
      maxRetries: 0,
    });
  };

  it('answers and streams', async () => {
    const chat = await chatOf();
    const answer = await chat.invoke('hello there');
    expect(answer.content).toBe('Hello from the fake model.');
    expect(answer.usage_metadata).toMatchObject({ output_tokens: 6 });
    let text = '';
    for await (const { content } of await chat.stream('hello there')) text += content;
    expect(text).toBe('Hello from the fake model.');
  });

  it('calls tools', async () => {
    bedrock.server.model.behaviour = callsTools;
    const chat = (await chatOf()).bindTools([{ name: 'weather', description: 'x', schema }]);
    expect((await chat.invoke('hello')).tool_calls).toMatchObject([
      { id: 'tooluse_abc', name: 'weather', args: { city: 'Bern' } },
      { id: 'tooluse_def', name: 'time', args: {} },
    ]);
  });
});
