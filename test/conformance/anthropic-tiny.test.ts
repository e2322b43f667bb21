// The Anthropic SDK, a listening server and a model process with the fixture's weights: what only a real engine shows.
// Its weights are noise, so what it says is held by schemas and counted, not read.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import Anthropic from '@anthropic-ai/sdk';
import { zodOutputFormat } from '@anthropic-ai/sdk/helpers/zod';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { resolveConfig } from '../../src/lib/config.ts';
import { silentLogger } from '../../src/lib/log.ts';
import { type RunningServer, startServer } from '../../src/server/start.ts';

const fixture = path.join(import.meta.dirname, '../fixtures/tiny.gguf');

let home: string;
let server: RunningServer;
let client: Anthropic;
beforeAll(async () => {
  home = mkdtempSync(path.join(tmpdir(), 'freehold-conformance-'));
  const { values } = resolveConfig(
    { home, port: 0, defaultModel: fixture, device: 'cpu', threads: 1, maxSequences: 2 },
    {},
  );
  server = await startServer(values, silentLogger);
  client = new Anthropic({ baseURL: server.url, apiKey: server.firstAdminKey ?? '', maxRetries: 0 });
});
afterAll(async () => {
  await server?.close();
  rmSync(home, { recursive: true, force: true });
});

const messages: Anthropic.MessageParam[] = [{ role: 'user', content: 'How is the weather in Bern?' }];
const ask = { model: 'default', max_tokens: 400, temperature: 0, messages };

const input = z.strictObject({ place: z.enum(['Bern', 'Basel']), days: z.int().min(1).max(3) });
const weather: Anthropic.Tool = {
  name: 'get_weather',
  description: 'Weather of a place.',
  input_schema: z.toJSONSchema(input) as Anthropic.Tool.InputSchema,
};
const bash: Anthropic.ToolUnion = { type: 'bash_20250124', name: 'bash' };

describe('a call that is demanded', () => {
  const tool_choice = { type: 'tool', name: 'get_weather', disable_parallel_tool_use: true } as const;

  it('satisfies the tool’s schema, whole and streamed', async () => {
    const whole = await client.messages.create({ ...ask, tools: [bash, weather], tool_choice });
    const streamed = await client.messages.stream({ ...ask, tools: [bash, weather], tool_choice }).finalMessage();
    for (const message of [whole, streamed]) {
      expect(message.stop_reason).toBe('tool_use');
      const uses = message.content.filter((block) => block.type === 'tool_use');
      expect(uses).toHaveLength(1);
      expect(uses[0]).toMatchObject({ name: 'get_weather', id: expect.stringMatching(/^toolu_/) });
      expect(input.safeParse(uses[0]?.input).error).toBeUndefined();
    }
  });

  it('and its result are part of the next prompt', async () => {
    const first = await client.messages.create({ ...ask, tools: [weather], tool_choice });
    const use = first.content.find((block) => block.type === 'tool_use');
    const next: Anthropic.MessageParam[] = [
      ...messages,
      { role: 'assistant', content: first.content },
      { role: 'user', content: [{ type: 'tool_result', tool_use_id: use?.id ?? '', content: 'Rain, and more rain.' }] },
    ];
    const prompt = { model: 'default', messages: next, tools: [weather] };
    const { input_tokens: counted } = await client.messages.countTokens(prompt);
    const { input_tokens: before } = await client.messages.countTokens({ ...prompt, messages });
    expect(counted).toBeGreaterThan(before);
    const { usage } = await client.messages.create({ ...ask, ...prompt, max_tokens: 4 });
    expect(usage.input_tokens + (usage.cache_read_input_tokens ?? 0)).toBe(counted);
  });
});

it('tools, and thinking, count in the prompt as they are charged', async () => {
  for (const extra of [{ tools: [weather, bash] }, { thinking: { type: 'enabled', budget_tokens: 1024 } as const }]) {
    const { input_tokens: counted } = await client.messages.countTokens({ model: 'default', messages, ...extra });
    const { usage } = await client.messages.create({ ...ask, max_tokens: 1025, stop_sequences: ['e'], ...extra });
    expect(usage.input_tokens + (usage.cache_read_input_tokens ?? 0)).toBe(counted);
  }
});

it('the cache reads what it has, and the parts sum up to the prompt', async () => {
  const long = [{ role: 'user' as const, content: 'Some words that are new here. '.repeat(20) }];
  const { input_tokens: counted } = await client.messages.countTokens({ model: 'default', messages: long });
  const cold = await client.messages.create({ ...ask, max_tokens: 1, messages: long });
  const warm = await client.messages.create({ ...ask, max_tokens: 1, messages: long });
  for (const { usage } of [cold, warm]) {
    expect(usage.input_tokens + (usage.cache_read_input_tokens ?? 0)).toBe(counted);
    expect(usage.cache_creation_input_tokens).toBe(0);
  }
  expect(warm.usage.cache_read_input_tokens).toBeGreaterThan((cold.usage.cache_read_input_tokens ?? 0) + 50);
});

it('a prompt can be computed before it is needed', async () => {
  const soon = [{ role: 'user' as const, content: 'Words that will be asked for soon. '.repeat(20) }];
  const warming = await client.messages.create({ ...ask, max_tokens: 0, messages: soon });
  expect(warming).toMatchObject({ content: [], stop_reason: 'max_tokens', usage: { output_tokens: 0 } });
  const { usage } = await client.messages.create({ ...ask, max_tokens: 1, messages: soon });
  expect(usage.cache_read_input_tokens).toBeGreaterThan((warming.usage.cache_read_input_tokens ?? 0) + 50);
});

it('an answer held to a schema is parsed by the SDK', async () => {
  // the SDK passes on no bounds of numbers, so there are none
  const verdict = z.object({ place: z.enum(['Bern', 'Basel']), sure: z.boolean() });
  const output_config = { format: zodOutputFormat(verdict) };
  expect((await client.messages.parse({ ...ask, output_config })).parsed_output).toMatchObject({
    sure: expect.any(Boolean),
  });
  const streamed = await client.messages.stream({ ...ask, output_config }).finalMessage();
  expect(verdict.safeParse(streamed.parsed_output).error).toBeUndefined();
});

it('a document is read as part of the prompt', async () => {
  const source = {
    type: 'text',
    media_type: 'text/plain',
    data: 'A letter of a dozen words, which is not very long.',
  } as const;
  const count = async (content: Anthropic.ContentBlockParam[]) =>
    (await client.messages.countTokens({ model: 'default', messages: [{ role: 'user', content }] })).input_tokens;
  const question = { type: 'text', text: 'What does it say?' } as const;
  expect(await count([{ type: 'document', source }, question])).toBeGreaterThan((await count([question])) + 10);
});
