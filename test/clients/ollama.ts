// Ollama's client: only the host and the key are changed.
import { type Message, Ollama, type Tool } from 'ollama';
import { z } from 'zod';

const ollama = new Ollama({
  host: process.env.FREEHOLD_URL,
  headers: { authorization: `Bearer ${process.env.FREEHOLD_KEY}` },
});
const model = 'default';
const hello: Message[] = [{ role: 'user', content: 'Say hello.' }];

// chat
const answer = await ollama.chat({ model, messages: hello });
console.log('chat:', answer.message.content);

// stream
let streamed = '';
for await (const { message } of await ollama.chat({ model, messages: hello, stream: true }))
  streamed += message.content;
console.log('stream:', streamed);

// tools
const tools: Tool[] = [
  {
    type: 'function',
    function: {
      name: 'weather',
      description: 'The weather in a city',
      parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
    },
  },
];
const messages: Message[] = [{ role: 'user', content: 'What is the weather in Paris?' }];
const { message: call } = await ollama.chat({ model, messages, tools });
const use = call.tool_calls?.[0]?.function;
if (use) {
  messages.push(call, { role: 'tool', tool_name: use.name, content: '21 degrees' });
  const told = await ollama.chat({ model, messages, tools });
  console.log('tools:', use.name, JSON.stringify(use.arguments), told.message.content);
} else console.log('tools: the model called none');

// JSON schema
const City = z.object({ city: z.string(), country: z.string() });
const held = await ollama.chat({
  model,
  messages: [{ role: 'user', content: 'Where is Paris?' }],
  format: z.toJSONSchema(City),
});
console.log('schema:', JSON.stringify(City.parse(JSON.parse(held.message.content))));

// embeddings
const embeddingModel = process.env.FREEHOLD_EMBEDDING_MODEL ?? 'qwen3-embedding-0.6b';
const { embeddings } = await ollama.embed({ model: embeddingModel, input: ['a text', 'another'] });
console.log('embeddings:', embeddings.length, embeddings[0]?.length);
