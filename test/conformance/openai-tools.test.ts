// The real OpenAI SDK calls tools through chat completions, unmodified: whole, streamed, by its own loop, in the older way.
import OpenAI from 'openai';
import { zodFunction, zodResponseFormat } from 'openai/helpers/zod';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { FreeholdError } from '../../src/lib/errors.ts';
import type { GenerateEvent, GenerateRequest } from '../../src/lib/text-model.ts';
import { failing } from '../support/fake-model.ts';
import { startTestServer, type TestServer } from '../support/server.ts';

let server: TestServer;
let client: OpenAI;
beforeAll(async () => {
  server = await startTestServer();
  client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: server.key, maxRetries: 0 });
});
afterAll(() => server.stop());
afterEach(() => {
  server.model.behaviour = undefined;
});

const call = (id: string, name: string, ...pieces: string[]): GenerateEvent[] => [
  { type: 'tool-use-start', id, name },
  ...pieces.map((json): GenerateEvent => ({ type: 'tool-use-delta', json })),
  { type: 'tool-use-stop' },
];
const say = (...texts: string[]): GenerateEvent[] => texts.map((text) => ({ type: 'text-delta', text }));
const think = (...texts: string[]): GenerateEvent[] => texts.map((text) => ({ type: 'thinking-delta', text }));

/** The model gives these answers, one after another; the last one again and again. */
function script(...answers: GenerateEvent[][]): void {
  let next = 0;
  server.model.behaviour = async function* () {
    const events = answers[Math.min(next++, answers.length - 1)] ?? [];
    const calls = events.some(({ type }) => type === 'tool-use-start');
    yield { type: 'start', inputTokens: 9, cachedTokens: 3 };
    yield* events;
    const thinkingTokens = events.filter(({ type }) => type === 'thinking-delta').length;
    yield { type: 'usage', inputTokens: 9, cachedTokens: 3, outputTokens: events.length, thinkingTokens };
    yield { type: 'stop', reason: calls ? 'tool-use' : 'end-turn' };
  };
}
const lastRequest = () => server.model.requests.at(-1) as GenerateRequest;

const messages = [{ role: 'user' as const, content: 'What is the weather in Ulm and in Bonn?' }];
const ask = { model: 'default', messages };
const weather = {
  type: 'function' as const,
  function: {
    name: 'weather',
    description: 'Tells the weather.',
    strict: true,
    parameters: {
      type: 'object',
      properties: { city: { type: 'string' } },
      required: ['city'],
      additionalProperties: false,
    },
  },
};

describe('tools', () => {
  it('are called, whole', async () => {
    script([...say('Let me see.'), ...call('call_1', 'weather', '{"city":', '"Ulm"}')]);
    const { choices, usage } = await client.chat.completions.create({
      ...ask,
      tools: [weather],
      tool_choice: 'required',
    });
    expect(choices[0]).toMatchObject({
      finish_reason: 'tool_calls',
      message: {
        content: 'Let me see.',
        tool_calls: [{ id: 'call_1', type: 'function', function: { name: 'weather', arguments: '{"city":"Ulm"}' } }],
      },
    });
    expect(usage?.prompt_tokens_details?.cached_tokens).toBe(3);
    expect(lastRequest()).toMatchObject({
      tools: [{ name: 'weather', inputSchema: weather.function.parameters }],
      toolChoice: { type: 'any' },
    });
  });

  it('are called side by side, streamed, and the SDK puts the arguments together', async () => {
    script([...call('call_1', 'weather', '{"ci', 'ty":"Ulm"}'), ...call('call_2', 'weather', '{"city":"Bonn"}')]);
    const stream = client.chat.completions.stream({ ...ask, tools: [weather] });
    const deltas: string[] = [];
    stream.on('tool_calls.function.arguments.delta', ({ index, arguments_delta }) =>
      deltas.push(`${index}${arguments_delta}`),
    );
    const done: unknown[] = [];
    stream.on('tool_calls.function.arguments.done', ({ arguments: text }) => done.push(text));
    const { choices } = await stream.finalChatCompletion();
    expect(choices[0]?.finish_reason).toBe('tool_calls');
    expect(choices[0]?.message.tool_calls).toMatchObject([
      { id: 'call_1', function: { name: 'weather', arguments: '{"city":"Ulm"}' } },
      { id: 'call_2', function: { name: 'weather', arguments: '{"city":"Bonn"}' } },
    ]);
    expect(deltas).toContain('0{"ci');
    expect(done).toEqual(['{"city":"Ulm"}', '{"city":"Bonn"}']);
  });

  it('are parsed by the SDK’s own schemas', async () => {
    script(call('call_1', 'weather', '{"city":"Ulm"}'));
    const { choices } = await client.chat.completions.parse({
      ...ask,
      tools: [zodFunction({ name: 'weather', parameters: z.object({ city: z.string() }) })],
    });
    expect(choices[0]?.message.tool_calls?.[0]?.function.parsed_arguments).toEqual({ city: 'Ulm' });
  });

  it.each([false, true])('are run by the SDK’s own loop until it is answered (stream: %s)', async (stream) => {
    script(
      [...call('call_1', 'weather', '{"city":"Ulm"}'), ...call('call_2', 'weather', '{"city":"Bonn"}')],
      say('Rain', ' in Ulm.'),
    );
    const asked: string[] = [];
    const runner = client.chat.completions.runTools({
      ...ask,
      stream: stream as true,
      tools: [
        {
          type: 'function',
          function: {
            name: 'weather',
            description: 'Tells the weather.',
            parameters: { type: 'object', properties: { city: { type: 'string' } } },
            parse: JSON.parse as (text: string) => { city: string },
            function: ({ city }: { city: string }) => {
              asked.push(city);
              return `rain in ${city}`;
            },
          },
        },
      ],
    });
    expect(await runner.finalContent()).toBe('Rain in Ulm.');
    expect(asked).toEqual(['Ulm', 'Bonn']);
    expect(lastRequest().messages).toMatchObject([
      { role: 'user' },
      {
        role: 'assistant',
        content: [
          { type: 'tool-use', id: 'call_1', name: 'weather', input: { city: 'Ulm' } },
          { type: 'tool-use', id: 'call_2' },
        ],
      },
      {
        role: 'user',
        content: [
          { type: 'tool-result', toolUseId: 'call_1', content: [{ type: 'text', text: 'rain in Ulm' }] },
          { type: 'tool-result', toolUseId: 'call_2', content: [{ type: 'text', text: 'rain in Bonn' }] },
        ],
      },
    ]);
  });

  it('are chosen among', async () => {
    script(say('No.'));
    const clock = { type: 'function' as const, function: { name: 'clock' } };
    await client.chat.completions.create({
      ...ask,
      tools: [weather, clock],
      tool_choice: {
        type: 'allowed_tools',
        allowed_tools: { mode: 'required', tools: [{ type: 'function', function: { name: 'clock' } }] },
      },
      parallel_tool_calls: false,
    });
    expect(lastRequest()).toMatchObject({
      tools: [{ name: 'clock' }],
      toolChoice: { type: 'any' },
      parallelToolCalls: false,
    });
    await client.chat.completions.create({
      ...ask,
      tools: [weather],
      tool_choice: { type: 'function', function: { name: 'weather' } },
    });
    expect(lastRequest().toolChoice).toEqual({ type: 'tool', name: 'weather' });
  });

  it('are called in the older way, too', async () => {
    script(call('call_1', 'weather', '{"city":"Ulm"}'));
    const older = { ...ask, functions: [weather.function], function_call: { name: 'weather' } };
    const { choices } = await client.chat.completions.create(older);
    expect(choices[0]).toMatchObject({
      finish_reason: 'function_call',
      message: { content: null, function_call: { name: 'weather', arguments: '{"city":"Ulm"}' } },
    });
    await client.chat.completions.create({
      ...older,
      messages: [
        ...messages,
        { role: 'assistant', content: null, function_call: { name: 'weather', arguments: '{"city":"Ulm"}' } },
        { role: 'function', name: 'weather', content: 'rain' },
      ],
    });
    expect(lastRequest().messages.at(-1)).toMatchObject({ content: [{ type: 'tool-result', toolUseId: 'call_1' }] });
  });

  it('that are none of ours are refused by name', async () => {
    const custom = client.chat.completions.create({
      ...ask,
      tools: [{ type: 'custom', custom: { name: 'shell' } }],
    });
    await expect(custom).rejects.toMatchObject({ status: 400, param: 'tools[0]', code: 'unsupported_parameter' });
    const search = client.chat.completions.create({ ...ask, web_search_options: {} });
    await expect(search).rejects.toMatchObject({ status: 400, param: 'web_search_options' });
  });

  it('with a schema that cannot be enforced name its place', async () => {
    server.model.behaviour = failing(
      new FreeholdError('unsupported', 'The keyword not is not supported.', {
        field: 'tools.0.input_schema.properties.city.not',
      }),
    );
    await expect(client.chat.completions.create({ ...ask, tools: [weather] })).rejects.toMatchObject({
      status: 400,
      param: 'tools[0].function.parameters.properties.city.not',
    });
  });
});

describe('thoughts', () => {
  type Thinking = { reasoning_content?: string };

  it('come apart from the answer, whole and streamed, and are counted', async () => {
    script([...think('hm', ', rain'), ...say('Rain.')]);
    const asked = { ...ask, reasoning_effort: 'low' as const };
    const { choices, usage } = await client.chat.completions.create(asked);
    expect(choices[0]?.message).toMatchObject({ content: 'Rain.', reasoning_content: 'hm, rain' });
    expect(usage?.completion_tokens_details?.reasoning_tokens).toBe(2);
    expect(lastRequest().thinking).toEqual({ type: 'enabled', budgetTokens: 1024 });
    let thought = '';
    let said = '';
    for await (const chunk of await client.chat.completions.create({ ...asked, stream: true })) {
      const delta = chunk.choices[0]?.delta;
      thought += (delta as Thinking | undefined)?.reasoning_content ?? '';
      said += delta?.content ?? '';
    }
    expect([thought, said]).toEqual(['hm, rain', 'Rain.']);
  });

  it('are left out where none are wanted', async () => {
    await client.chat.completions.create({ ...ask, reasoning_effort: 'none' });
    expect(lastRequest().thinking).toEqual({ type: 'disabled' });
  });
});

it('tools and a schema for the answer go together', async () => {
  script(say('{"rain":true}'));
  const { choices } = await client.chat.completions.parse({
    ...ask,
    tools: [zodFunction({ name: 'weather', parameters: z.object({ city: z.string() }) })],
    response_format: zodResponseFormat(z.object({ rain: z.boolean() }), 'answer'),
  });
  expect(choices[0]?.message.parsed).toEqual({ rain: true });
  expect(lastRequest()).toMatchObject({ responseSchema: { type: 'object' }, tools: [{ name: 'weather' }] });
});

it('fields that say nothing to a model here are taken', async () => {
  const { choices } = await client.chat.completions.create({
    ...ask,
    store: true,
    metadata: { a: 'b' },
    service_tier: 'auto',
    user: 'someone',
    safety_identifier: 'x',
    prompt_cache_key: 'y',
    verbosity: 'low',
    modalities: ['text'],
    prediction: { type: 'content', content: 'x' },
  });
  expect(choices[0]?.message.content).toBe('Hello from the fake model.');
});

describe('files and pictures', () => {
  it('files of text are read, by id and in place', async () => {
    const uploaded = await client.files.create({
      file: new File(['the bees are well'], 'bees.txt', { type: 'text/plain' }),
      purpose: 'user_data',
    });
    const data = Buffer.from('so is the honey').toString('base64');
    await client.chat.completions.create({
      ...ask,
      messages: [
        {
          role: 'user',
          content: [
            { type: 'file', file: { file_id: uploaded.id } },
            { type: 'file', file: { file_data: `data:text/plain;base64,${data}`, filename: 'honey.txt' } },
            { type: 'text', text: 'How are they?' },
          ],
        },
      ],
    });
    expect(lastRequest().messages[0]?.content).toEqual([
      { type: 'document', title: 'bees.txt', text: 'the bees are well' },
      { type: 'document', title: 'honey.txt', text: 'so is the honey' },
      { type: 'text', text: 'How are they?' },
    ]);
  });

  it('pictures are refused, with models that could', async () => {
    const picture = client.chat.completions.create({
      ...ask,
      messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'data:image/png;base64,AA==' } }] }],
    });
    await expect(picture).rejects.toMatchObject({
      status: 400,
      param: 'messages[0].content[0]',
      message: expect.stringContaining('Qwen2.5-VL'),
    });
  });
});
