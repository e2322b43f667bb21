// Anthropic's SDK: only the URL and the key are changed. (Anthropic has no embeddings.)
import Anthropic from '@anthropic-ai/sdk';
import { zodOutputFormat } from '@anthropic-ai/sdk/helpers/zod';
import { z } from 'zod';

const client = new Anthropic({ baseURL: process.env.FREEHOLD_URL, apiKey: process.env.FREEHOLD_KEY });
const model = 'default';
const max_tokens = 1000;

// chat
const answer = await client.messages.create({ model, max_tokens, messages: [{ role: 'user', content: 'Say hello.' }] });
console.log('chat:', answer.content.map((block) => (block.type === 'text' ? block.text : '')).join(''));

// stream
let streamed = '';
const stream = client.messages.stream({ model, max_tokens, messages: [{ role: 'user', content: 'Say hello.' }] });
for await (const event of stream) {
  if (event.type === 'content_block_delta' && event.delta.type === 'text_delta') streamed += event.delta.text;
}
console.log('stream:', streamed);

// tools
const tools: Anthropic.Tool[] = [
  {
    name: 'weather',
    description: 'The weather in a city',
    input_schema: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
  },
];
const question: Anthropic.MessageParam = { role: 'user', content: 'What is the weather in Paris?' };
const call = await client.messages.create({ model, max_tokens, tools, messages: [question] });
const use = call.content.find((block) => block.type === 'tool_use');
if (use) {
  const result: Anthropic.ToolResultBlockParam = { type: 'tool_result', tool_use_id: use.id, content: '21 degrees' };
  const told = await client.messages.create({
    model,
    max_tokens,
    tools,
    messages: [question, { role: 'assistant', content: call.content }, { role: 'user', content: [result] }],
  });
  const text = told.content.map((block) => (block.type === 'text' ? block.text : '')).join('');
  console.log('tools:', use.name, JSON.stringify(use.input), text);
} else console.log('tools: the model called none');

// JSON schema
const City = z.object({ city: z.string(), country: z.string() });
const { parsed_output } = await client.messages.parse({
  model,
  max_tokens,
  messages: [{ role: 'user', content: 'Where is Paris?' }],
  output_config: { format: zodOutputFormat(City) },
});
console.log('schema:', JSON.stringify(parsed_output));
