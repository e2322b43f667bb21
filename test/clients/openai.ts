// OpenAI's SDK: only the URL and the key are changed.
import OpenAI from 'openai';
import { zodResponseFormat } from 'openai/helpers/zod';
import { z } from 'zod';

const client = new OpenAI({ baseURL: `${process.env.FREEHOLD_URL}/v1`, apiKey: process.env.FREEHOLD_KEY });
const model = 'default';

// chat, as chat completions and as responses
const answer = await client.chat.completions.create({ model, messages: [{ role: 'user', content: 'Say hello.' }] });
console.log('chat:', answer.choices[0]?.message.content);
const response = await client.responses.create({ model, input: 'Say hello.' });
console.log('response:', response.output_text);

// stream
let streamed = '';
const stream = await client.chat.completions.create({
  model,
  stream: true,
  messages: [{ role: 'user', content: 'Say hello.' }],
});
for await (const chunk of stream) streamed += chunk.choices[0]?.delta.content ?? '';
console.log('stream:', streamed);

// tools
const tools: OpenAI.ChatCompletionFunctionTool[] = [
  {
    type: 'function',
    function: {
      name: 'weather',
      description: 'The weather in a city',
      parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
    },
  },
];
const messages: OpenAI.ChatCompletionMessageParam[] = [{ role: 'user', content: 'What is the weather in Paris?' }];
const call = (await client.chat.completions.create({ model, tools, messages })).choices[0]?.message;
const use = call?.tool_calls?.[0];
if (call && use?.type === 'function') {
  messages.push(call, { role: 'tool', tool_call_id: use.id, content: '21 degrees' });
  const told = await client.chat.completions.create({ model, tools, messages });
  console.log('tools:', use.function.name, use.function.arguments, told.choices[0]?.message.content);
} else console.log('tools: the model called none');

// JSON schema
const City = z.object({ city: z.string(), country: z.string() });
const parsed = await client.chat.completions.parse({
  model,
  messages: [{ role: 'user', content: 'Where is Paris?' }],
  response_format: zodResponseFormat(City, 'city'),
});
console.log('schema:', JSON.stringify(parsed.choices[0]?.message.parsed));

// embeddings
const embeddingModel = process.env.FREEHOLD_EMBEDDING_MODEL ?? 'qwen3-embedding-0.6b';
const { data } = await client.embeddings.create({ model: embeddingModel, input: ['a text', 'another'] });
console.log('embeddings:', data.length, data[0]?.embedding.length);
