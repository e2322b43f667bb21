// The Vercel AI SDK with four of its providers: only URLs and keys are changed.
import { createAmazonBedrock } from '@ai-sdk/amazon-bedrock';
import { createAnthropic } from '@ai-sdk/anthropic';
import { createOpenAI } from '@ai-sdk/openai';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { embedMany, generateText, type LanguageModel, Output, stepCountIs, streamText, tool } from 'ai';
import { z } from 'zod';

const url = process.env.FREEHOLD_URL ?? '';
const apiKey = process.env.FREEHOLD_KEY ?? '';
const maxOutputTokens = 1000;

const openai = createOpenAI({ baseURL: `${url}/v1`, apiKey });
const compatible = createOpenAICompatible({
  name: 'freehold',
  baseURL: `${url}/v1`,
  apiKey,
  supportsStructuredOutputs: true,
});
const bedrock = createAmazonBedrock({ baseURL: url, apiKey, region: 'us-east-1' });
const models: Record<string, LanguageModel> = {
  anthropic: createAnthropic({ baseURL: `${url}/v1`, apiKey })('default'),
  openai: openai('default'),
  'openai-compatible': compatible('default'),
  'amazon-bedrock': bedrock('default'),
};

const weather = tool({
  description: 'The weather in a city',
  inputSchema: z.object({ city: z.string() }),
  execute: async ({ city }) => `21 degrees in ${city}`,
});

for (const [provider, model] of Object.entries(models)) {
  // chat
  const { text } = await generateText({ model, maxOutputTokens, prompt: 'Say hello.' });
  console.log(`${provider} chat:`, text);

  // stream
  let streamed = '';
  for await (const piece of streamText({ model, maxOutputTokens, prompt: 'Say hello.' }).textStream) streamed += piece;
  console.log(`${provider} stream:`, streamed);

  // tools
  const told = await generateText({
    model,
    maxOutputTokens,
    tools: { weather },
    stopWhen: stepCountIs(3),
    prompt: 'What is the weather in Paris?',
  });
  const [use] = told.steps.flatMap(({ toolCalls }) => toolCalls);
  if (use) console.log(`${provider} tools:`, use.toolName, JSON.stringify(use.input), told.text);
  else console.log(`${provider} tools: the model called none`);

  // JSON schema
  const { output } = await generateText({
    model,
    maxOutputTokens,
    output: Output.object({ schema: z.object({ city: z.string(), country: z.string() }) }),
    prompt: 'Where is Paris?',
  });
  console.log(`${provider} schema:`, JSON.stringify(output));
}

// embeddings
const embeddingModel = process.env.FREEHOLD_EMBEDDING_MODEL ?? 'qwen3-embedding-0.6b';
const values = ['a text', 'another'];
const embedders = {
  openai: openai.textEmbeddingModel(embeddingModel),
  'openai-compatible': compatible.textEmbeddingModel(embeddingModel),
  'amazon-bedrock': bedrock.textEmbeddingModel(embeddingModel),
};
for (const [provider, model] of Object.entries(embedders)) {
  const { embeddings } = await embedMany({ model, values });
  console.log(`${provider} embeddings:`, embeddings.length, embeddings[0]?.length);
}
