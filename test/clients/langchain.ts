// LangChain with four of its integrations: only URLs and keys are changed.

import { BedrockRuntimeClient } from '@aws-sdk/client-bedrock-runtime';
import { ChatAnthropic } from '@langchain/anthropic';
import { BedrockEmbeddings, ChatBedrockConverse } from '@langchain/aws';
import type { Embeddings } from '@langchain/core/embeddings';
import type { BaseChatModel } from '@langchain/core/language_models/chat_models';
import { HumanMessage } from '@langchain/core/messages';
import { tool } from '@langchain/core/tools';
import { ChatOllama, OllamaEmbeddings } from '@langchain/ollama';
import { ChatOpenAI, OpenAIEmbeddings } from '@langchain/openai';
import { z } from 'zod';

const url = process.env.FREEHOLD_URL ?? '';
const apiKey = process.env.FREEHOLD_KEY ?? '';
const model = 'default';
const maxTokens = 1000;
const headers = { authorization: `Bearer ${apiKey}` };
const bedrockClient = new BedrockRuntimeClient({
  endpoint: url,
  region: 'us-east-1',
  token: { token: apiKey },
  authSchemePreference: ['httpBearerAuth'],
});

const models: Record<string, BaseChatModel> = {
  anthropic: new ChatAnthropic({ model, maxTokens, apiKey, anthropicApiUrl: url }),
  openai: new ChatOpenAI({ model, maxTokens, apiKey, configuration: { baseURL: `${url}/v1` } }),
  aws: new ChatBedrockConverse({
    model,
    maxTokens,
    region: 'us-east-1',
    client: bedrockClient,
    supportsToolChoiceValues: ['auto', 'any', 'tool'],
  }),
  ollama: new ChatOllama({ model, numPredict: maxTokens, baseUrl: url, headers }),
};

const weather = tool(async ({ city }: { city: string }) => `21 degrees in ${city}`, {
  name: 'weather',
  description: 'The weather in a city',
  schema: z.object({ city: z.string() }),
});

for (const [integration, chat] of Object.entries(models)) {
  // chat
  const { text } = await chat.invoke('Say hello.');
  console.log(`${integration} chat:`, text);

  // stream
  let streamed = '';
  for await (const piece of await chat.stream('Say hello.')) streamed += piece.text;
  console.log(`${integration} stream:`, streamed);

  // tools
  const question = new HumanMessage('What is the weather in Paris?');
  const withTools = chat.bindTools?.([weather]);
  const call = await withTools?.invoke([question]);
  const use = call?.tool_calls?.[0];
  if (withTools && call && use) {
    const told = await withTools.invoke([question, call, await weather.invoke({ ...use, type: 'tool_call' })]);
    console.log(`${integration} tools:`, use.name, JSON.stringify(use.args), told.text);
  } else console.log(`${integration} tools: the model called none`);

  // JSON schema
  const City = z.object({ city: z.string(), country: z.string() });
  const output = await chat.withStructuredOutput(City, { name: 'city' }).invoke('Where is Paris?');
  console.log(`${integration} schema:`, JSON.stringify(output));
}

// embeddings
const embeddingModel = process.env.FREEHOLD_EMBEDDING_MODEL ?? 'qwen3-embedding-0.6b';
const embedders: Record<string, Embeddings> = {
  openai: new OpenAIEmbeddings({ model: embeddingModel, apiKey, configuration: { baseURL: `${url}/v1` } }),
  aws: new BedrockEmbeddings({ model: embeddingModel, region: 'us-east-1', client: bedrockClient }),
  ollama: new OllamaEmbeddings({ model: embeddingModel, baseUrl: url, headers }),
};
for (const [integration, embedder] of Object.entries(embedders)) {
  const vectors = await embedder.embedDocuments(['a text', 'another']);
  console.log(`${integration} embeddings:`, vectors.length, vectors[0]?.length);
}
