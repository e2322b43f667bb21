// The AWS SDK for Bedrock: only the endpoint and the key are changed. In place of the key as a bearer token, credentials
// of `freehold keys create --type aws` sign requests as they do at AWS.
import {
  BedrockRuntimeClient,
  ConverseCommand,
  ConverseStreamCommand,
  InvokeModelCommand,
  type Message,
  type ToolConfiguration,
} from '@aws-sdk/client-bedrock-runtime';

const client = new BedrockRuntimeClient({
  endpoint: process.env.FREEHOLD_URL,
  region: 'us-east-1',
  token: { token: process.env.FREEHOLD_KEY ?? '' },
  authSchemePreference: ['httpBearerAuth'],
});
const modelId = 'default';
const inferenceConfig = { maxTokens: 1000 };
const ask = (text: string): Message => ({ role: 'user', content: [{ text }] });
const textOf = (message: Message | undefined) => message?.content?.map(({ text }) => text ?? '').join('');

// chat
const answer = await client.send(new ConverseCommand({ modelId, inferenceConfig, messages: [ask('Say hello.')] }));
console.log('chat:', textOf(answer.output?.message));

// stream
let streamed = '';
const { stream } = await client.send(
  new ConverseStreamCommand({ modelId, inferenceConfig, messages: [ask('Say hello.')] }),
);
for await (const { contentBlockDelta } of stream ?? []) streamed += contentBlockDelta?.delta?.text ?? '';
console.log('stream:', streamed);

// tools
const toolConfig: ToolConfiguration = {
  tools: [
    {
      toolSpec: {
        name: 'weather',
        description: 'The weather in a city',
        inputSchema: { json: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] } },
      },
    },
  ],
};
const messages = [ask('What is the weather in Paris?')];
const call = (await client.send(new ConverseCommand({ modelId, inferenceConfig, messages, toolConfig }))).output
  ?.message;
const use = call?.content?.find(({ toolUse }) => toolUse)?.toolUse;
if (call && use) {
  const toolResult = { toolUseId: use.toolUseId, content: [{ text: '21 degrees' }] };
  messages.push(call, { role: 'user', content: [{ toolResult }] });
  const told = await client.send(new ConverseCommand({ modelId, inferenceConfig, messages, toolConfig }));
  console.log('tools:', use.name, JSON.stringify(use.input), textOf(told.output?.message));
} else console.log('tools: the model called none');

// JSON schema
const schema = {
  type: 'object',
  properties: { city: { type: 'string' }, country: { type: 'string' } },
  required: ['city', 'country'],
  additionalProperties: false,
};
const held = await client.send(
  new ConverseCommand({
    modelId,
    inferenceConfig,
    messages: [ask('Where is Paris?')],
    outputConfig: {
      textFormat: {
        type: 'json_schema',
        structure: { jsonSchema: { name: 'city', schema: JSON.stringify(schema) } },
      },
    },
  }),
);
console.log('schema:', JSON.stringify(JSON.parse(textOf(held.output?.message) ?? '')));

// embeddings
const embeddingModel = process.env.FREEHOLD_EMBEDDING_MODEL ?? 'qwen3-embedding-0.6b';
const vectors = await Promise.all(
  ['a text', 'another'].map(async (inputText) => {
    const { body } = await client.send(
      new InvokeModelCommand({ modelId: embeddingModel, body: JSON.stringify({ inputText }) }),
    );
    return JSON.parse(new TextDecoder().decode(body)).embedding as number[];
  }),
);
console.log('embeddings:', vectors.length, vectors[0]?.length);
