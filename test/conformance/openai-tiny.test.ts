// The OpenAI SDK, a listening server and a model process with the fixture's weights: what only a real engine shows. Its
// weights are noise, so what it says is held by schemas, compared and counted, not read.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import OpenAI from 'openai';
import { zodFunction, zodTextFormat } from 'openai/helpers/zod';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { resolveConfig } from '../../src/lib/config.ts';
import { silentLogger } from '../../src/lib/log.ts';
import { type RunningServer, startServer } from '../../src/server/start.ts';

const fixture = path.join(import.meta.dirname, '../fixtures/tiny.gguf');

let home: string;
let server: RunningServer;
let client: OpenAI;
beforeAll(async () => {
  home = mkdtempSync(path.join(tmpdir(), 'freehold-conformance-'));
  const { values } = resolveConfig(
    { home, port: 0, defaultModel: fixture, device: 'cpu', threads: 1, maxSequences: 2 },
    {},
  );
  server = await startServer(values, silentLogger);
  client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: server.firstAdminKey ?? '', maxRetries: 0 });
});
afterAll(async () => {
  await server?.close();
  rmSync(home, { recursive: true, force: true });
});

const input = z.object({ place: z.enum(['Bern', 'Basel']), days: z.int().min(1).max(3) });
const messages = [{ role: 'user' as const, content: 'How is the weather in Bern?' }];
const ask = { model: 'default', max_tokens: 400, temperature: 0, messages };
const weather = zodFunction({ name: 'get_weather', description: 'Weather of a place.', parameters: input });

describe('a call that is demanded', () => {
  it('satisfies the tool’s schema, whole and streamed', async () => {
    const asked = { ...ask, tools: [weather], tool_choice: 'required' as const, parallel_tool_calls: false };
    const whole = await client.chat.completions.parse(asked);
    const streamed = await client.chat.completions.stream(asked).finalChatCompletion();
    for (const { choices } of [whole, streamed]) {
      expect(choices[0]?.finish_reason).toBe('tool_calls');
      expect(choices[0]?.message.tool_calls).toHaveLength(1);
      const call = choices[0]?.message.tool_calls?.[0];
      expect(call).toMatchObject({ id: expect.stringMatching(/^call_/), function: { name: 'get_weather' } });
      expect(input.safeParse(JSON.parse(call?.function.arguments ?? '')).error).toBeUndefined();
    }
  });

  it('is answered, and its result is part of the next prompt', async () => {
    const tools = [{ type: 'function' as const, strict: true, name: 'get_weather', parameters: z.toJSONSchema(input) }];
    const first = await client.responses.create({
      model: 'default',
      input: 'How is the weather in Bern?',
      temperature: 0,
      max_output_tokens: 300,
      tools,
      tool_choice: { type: 'function', name: 'get_weather' },
    });
    const call = first.output.find((item) => item.type === 'function_call');
    expect(input.safeParse(JSON.parse(call?.arguments ?? '')).error).toBeUndefined();
    const result = (output: string) =>
      client.responses.create({
        model: 'default',
        previous_response_id: first.id,
        tools,
        input: [{ type: 'function_call_output', call_id: call?.call_id ?? '', output }],
        max_output_tokens: 5,
        temperature: 0,
      });
    const [short, long] = [await result('rain'), await result('rain '.repeat(40))];
    expect(short.usage?.input_tokens).toBeGreaterThan(first.usage?.input_tokens ?? 0);
    expect(long.usage?.input_tokens).toBeGreaterThan((short.usage?.input_tokens ?? 0) + 30);
    // what both have in common was computed once
    expect(long.usage?.input_tokens_details.cached_tokens).toBeGreaterThan(0);
  });
});

it('a strict tool whose schema cannot be held to is refused by the place of what is wrong', async () => {
  const parameters = { type: 'object', properties: { at: { type: 'string', pattern: '(' } } };
  const chat = client.chat.completions.create({
    ...ask,
    tools: [{ type: 'function', function: { name: 'look', parameters, strict: true } }],
  });
  await expect(chat).rejects.toMatchObject({
    status: 400,
    param: expect.stringMatching(/^tools\[0\]\.function\.parameters\.properties\.at/),
  });
  const response = client.responses.create({
    model: 'default',
    input: 'hi',
    tools: [{ type: 'function', name: 'look', parameters, strict: true }],
  });
  await expect(response).rejects.toMatchObject({
    status: 400,
    param: expect.stringMatching(/^tools\[0\]\.parameters\.properties\.at/),
  });
});

it('a tool that is not strict may ask for what cannot be enforced; all else holds', async () => {
  const place = { type: 'array', items: { enum: ['Bern', 'Basel'] }, minItems: 1, maxItems: 2, uniqueItems: true };
  const parameters = { type: 'object', properties: { place }, required: ['place'], additionalProperties: false };
  const asked = (strict?: boolean) =>
    client.chat.completions.create({
      ...ask,
      tools: [{ type: 'function', function: { name: 'look', parameters, ...(strict && { strict }) } }],
      tool_choice: 'required',
      parallel_tool_calls: false,
    });
  await expect(asked(true)).rejects.toMatchObject({ status: 400, code: 'unsupported_parameter' });
  const { choices } = await asked();
  const call = choices[0]?.message.tool_calls?.[0];
  const given = JSON.parse(call?.type === 'function' ? call.function.arguments : '');
  expect(
    z
      .object({
        place: z
          .array(z.enum(['Bern', 'Basel']))
          .min(1)
          .max(2),
      })
      .safeParse(given).error,
  ).toBeUndefined();
});

it('a schema holds a response', async () => {
  const answer = z.object({ label: z.enum(['good', 'bad']), score: z.int().min(0).max(9) });
  const { output_parsed } = await client.responses.parse({
    model: 'default',
    input: 'Is honey good?',
    max_output_tokens: 200,
    text: { format: zodTextFormat(answer, 'answer') },
  });
  expect(answer.safeParse(output_parsed).error).toBeUndefined();
});

describe('completions', () => {
  const prompt = 'The quick brown fox';

  it('take the prompt as it stands: no template adds to it, and no text of it is a control token', async () => {
    const tokens = async (text: string) =>
      (await client.completions.create({ model: 'default', prompt: text, max_tokens: 1 })).usage?.prompt_tokens ?? 0;
    const raw = await tokens(prompt);
    const chat = await client.chat.completions.create({
      ...ask,
      max_tokens: 1,
      messages: [{ role: 'user', content: prompt }],
    });
    expect(raw).toBeLessThan(chat.usage?.prompt_tokens ?? 0);
    const end = '<|im_end|>';
    expect(await tokens(`${prompt}${end}`)).toBeGreaterThan(raw + 1);
  });

  it('go on the same, whole, streamed and beside others', async () => {
    const asked = { model: 'default', temperature: 0, max_tokens: 8, echo: true };
    const one = (await client.completions.create({ ...asked, prompt })).choices[0]?.text;
    expect(one?.startsWith(prompt)).toBe(true);
    let streamed = '';
    for await (const chunk of await client.completions.create({ ...asked, prompt, stream: true })) {
      streamed += chunk.choices[0]?.text ?? '';
    }
    expect(streamed).toBe(one);
    const { choices, usage } = await client.completions.create({ ...asked, prompt: [prompt, 'Once upon'] });
    expect(choices.map(({ text }) => text.slice(0, 9))).toEqual([prompt.slice(0, 9), 'Once upon']);
    expect(usage?.completion_tokens).toBe(16);
  });

  it('that are too long say so by their own field', async () => {
    const long = client.completions.create({ model: 'default', prompt: 'word '.repeat(20_000) });
    await expect(long).rejects.toMatchObject({ code: 'context_length_exceeded', param: 'prompt' });
  });
});

it('truncation auto lets a conversation go on that no longer fits', async () => {
  const turns = Array.from({ length: 60 }, (_, index) => ({
    role: 'user' as const,
    content: `${index} ${'word '.repeat(200)}`,
  }));
  const asked = { model: 'default', input: turns, max_output_tokens: 4 };
  await expect(client.responses.create(asked)).rejects.toMatchObject({
    code: 'context_length_exceeded',
    param: 'input',
  });
  const { usage } = await client.responses.create({ ...asked, truncation: 'auto' });
  expect(usage?.input_tokens).toBeGreaterThan(200);
});
