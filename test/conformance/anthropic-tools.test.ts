// Tools through the real Anthropic SDK: definitions, choices, calls whole and streamed, results, and the SDK's own loop.
import Anthropic from '@anthropic-ai/sdk';
import { betaTool } from '@anthropic-ai/sdk/helpers/beta/json-schema';
import { betaMemoryTool } from '@anthropic-ai/sdk/helpers/beta/memory';
import { betaZodTool } from '@anthropic-ai/sdk/helpers/beta/zod';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { answer, answering, calls, says } from '../support/model-script.ts';
import { startTestServer, type TestServer } from '../support/server.ts';

let server: TestServer;
let client: Anthropic;
beforeAll(async () => {
  server = await startTestServer();
  client = new Anthropic({ baseURL: server.url, apiKey: server.key, maxRetries: 0 });
});
afterAll(() => server.stop());
afterEach(() => {
  server.model.behaviour = undefined;
});

const weather: Anthropic.Tool = {
  name: 'get_weather',
  description: 'Weather of a place.',
  input_schema: { type: 'object', properties: { place: { type: 'string' } }, required: ['place'] },
};
const ask = {
  model: 'default',
  max_tokens: 200,
  tools: [weather],
  messages: [{ role: 'user' as const, content: 'How is the weather in Zürich?' }],
};
const lastRequest = () => server.model.requests.at(-1);

describe('a call', () => {
  const place = 'Zürich "Höngg"\n😀';

  it('comes whole', async () => {
    server.model.behaviour = answering([...says('Let me look.'), ...calls('get_weather', { place })]);
    const message = await client.messages.create({ ...ask, tool_choice: { type: 'auto' } });
    expect(message.stop_reason).toBe('tool_use');
    expect(message.content).toMatchObject([
      { type: 'text', text: 'Let me look.' },
      { type: 'tool_use', name: 'get_weather', input: { place }, id: expect.stringMatching(/^toolu_\w{24}$/) },
    ]);
    expect(lastRequest()).toMatchObject({
      tools: [{ name: 'get_weather', description: 'Weather of a place.', inputSchema: weather.input_schema }],
      toolChoice: { type: 'auto' },
    });
  });

  it('streams: the SDK puts its input together as it comes', async () => {
    server.model.behaviour = answering([...says('Let me look.'), ...calls('get_weather', { place })]);
    const stream = client.messages.stream(ask);
    const partial: string[] = [];
    const snapshots: unknown[] = [];
    stream.on('inputJson', (json, snapshot) => {
      partial.push(json);
      snapshots.push(snapshot);
    });
    const message = await stream.finalMessage();
    expect(partial.join('')).toBe(JSON.stringify({ place }));
    expect(partial.length).toBeGreaterThan(3);
    expect(snapshots.at(-1)).toEqual({ place });
    expect(message.content[1]).toMatchObject({ type: 'tool_use', name: 'get_weather', input: { place } });
    expect(message.stop_reason).toBe('tool_use');
  });

  it('streams as raw events in the order of the vendor', async () => {
    server.model.behaviour = answering(calls('get_weather', { place: 'Bern' }, 'call_abc'));
    const events: Anthropic.RawMessageStreamEvent[] = [];
    for await (const event of await client.messages.create({ ...ask, stream: true })) events.push(event);
    expect(events[1]).toMatchObject({
      type: 'content_block_start',
      index: 0,
      content_block: { type: 'tool_use', id: 'toolu_abc', name: 'get_weather', input: {} },
    });
    expect(events[2]).toMatchObject({ delta: { type: 'input_json_delta', partial_json: '' } });
    expect(events.slice(-3).map(({ type }) => type)).toEqual(['content_block_stop', 'message_delta', 'message_stop']);
  });

  it('may be one of several', async () => {
    const two = [...calls('get_weather', { place: 'Bern' }), ...calls('get_weather', { place: 'Basel' })];
    server.model.behaviour = answering(two);
    const contents: readonly { type: string }[][] = [
      (await client.messages.create(ask)).content,
      (await client.messages.stream(ask).finalMessage()).content,
      (await client.beta.messages.stream(ask).finalMessage()).content,
    ];
    for (const content of contents) {
      expect(content).toMatchObject([{ input: { place: 'Bern' } }, { input: { place: 'Basel' } }]);
      expect(new Set(content.map((block) => (block as { id?: string }).id)).size).toBe(2);
    }
  });

  it('that is cut off says so', async () => {
    const [start, ...pieces] = calls('get_weather', { place: 'Zürich' });
    if (!start) throw new Error('no call');
    server.model.behaviour = async function* () {
      yield* answer([start, ...pieces.slice(0, 2)], 'max-tokens');
    };
    const message = await client.messages.stream(ask).finalMessage();
    expect(message).toMatchObject({ stop_reason: 'max_tokens', content: [{ type: 'tool_use', name: 'get_weather' }] });
  });

  it.each([
    [
      { type: 'any', disable_parallel_tool_use: true },
      { toolChoice: { type: 'any' }, parallelToolCalls: false },
    ],
    [{ type: 'tool', name: 'get_weather' }, { toolChoice: { type: 'tool', name: 'get_weather' } }],
    [{ type: 'none' }, { toolChoice: { type: 'none' } }],
  ] as const)('is chosen by %j', async (choice, expected) => {
    await client.messages.create({ ...ask, tool_choice: choice });
    expect(lastRequest()).toMatchObject(expected);
  });
});

describe('a result', () => {
  const turns = (...content: Anthropic.ToolResultBlockParam[]): Anthropic.MessageParam[] => [
    ...ask.messages,
    {
      role: 'assistant',
      content: content.map(({ tool_use_id: id }) => ({ type: 'tool_use', id, name: 'get_weather', input: {} })),
    },
    { role: 'user', content },
  ];

  it('reaches the model, with the id of its call', async () => {
    server.model.behaviour = answering(calls('get_weather', { place: 'Bern' }), says('It rains.'));
    const first = await client.messages.create(ask);
    const use = first.content.find((block) => block.type === 'tool_use');
    if (!use) throw new Error('no call');
    const second = await client.messages.create({
      ...ask,
      messages: [
        ...ask.messages,
        { role: 'assistant', content: first.content },
        { role: 'user', content: [{ type: 'tool_result', tool_use_id: use.id, content: 'rain' }] },
      ],
    });
    expect(second).toMatchObject({ stop_reason: 'end_turn', content: [{ type: 'text', text: 'It rains.' }] });
    const id = use.id.replace('toolu_', 'call_');
    expect(lastRequest()?.messages.slice(1)).toEqual([
      { role: 'assistant', content: [{ type: 'tool-use', id, name: 'get_weather', input: { place: 'Bern' } }] },
      { role: 'user', content: [{ type: 'tool-result', toolUseId: id, content: [{ type: 'text', text: 'rain' }] }] },
    ]);
  });

  it('may be of blocks, empty, or an error', async () => {
    const messages = turns(
      { type: 'tool_result', tool_use_id: 'toolu_a', content: [{ type: 'text', text: 'rain' }] },
      { type: 'tool_result', tool_use_id: 'toolu_b' },
      { type: 'tool_result', tool_use_id: 'toolu_c', content: 'no such place', is_error: true },
    );
    await client.messages.create({ ...ask, messages });
    expect(lastRequest()?.messages.at(-1)?.content).toEqual([
      { type: 'tool-result', toolUseId: 'call_a', content: [{ type: 'text', text: 'rain' }] },
      { type: 'tool-result', toolUseId: 'call_b', content: [] },
      { type: 'tool-result', toolUseId: 'call_c', content: [{ type: 'text', text: 'no such place' }], isError: true },
    ]);
  });

  it('without its call is the SDK’s BadRequestError, and names the block', async () => {
    const request = client.messages.create({
      ...ask,
      messages: [{ role: 'user', content: [{ type: 'tool_result', tool_use_id: 'toolu_x', content: 'rain' }] }],
    });
    await expect(request).rejects.toBeInstanceOf(Anthropic.BadRequestError);
    await expect(request).rejects.toMatchObject({
      type: 'invalid_request_error',
      message: expect.stringContaining('messages.0.content.0: unexpected `tool_use_id`'),
    });
  });
});

describe('tools known by their type', () => {
  it('that the client runs reach the model with their schema', async () => {
    server.model.behaviour = answering(calls('bash', { command: 'ls' }));
    const message = await client.messages.create({
      ...ask,
      tools: [
        { type: 'bash_20250124', name: 'bash' },
        { type: 'text_editor_20250728', name: 'str_replace_based_edit_tool', max_characters: 10_000 },
        { type: 'memory_20250818', name: 'memory' },
      ],
    });
    expect(message.content).toMatchObject([{ type: 'tool_use', name: 'bash', input: { command: 'ls' } }]);
    expect(lastRequest()?.tools?.map(({ name }) => name)).toEqual(['bash', 'str_replace_based_edit_tool', 'memory']);
  });

  it.each([
    { type: 'web_search_20250305', name: 'web_search' },
    { type: 'web_fetch_20250910', name: 'web_fetch' },
    { type: 'code_execution_20250825', name: 'code_execution' },
    { type: 'computer_toolset_20260801' },
  ] as const)('that the vendor runs are refused by name: %j', async (tool) => {
    await expect(client.messages.create({ ...ask, tools: [tool] })).rejects.toMatchObject({
      status: 400,
      message: expect.stringContaining(`tools.0.type: Tools of type '${tool.type}' are not supported`),
    });
  });
});

describe('the SDK’s own loop', () => {
  it('runs tools until the model is done', async () => {
    server.model.behaviour = answering(
      [...calls('add', { a: 2, b: 3 }), ...calls('shout', { text: 'five' })],
      says('It is FIVE.'),
    );
    const asked: unknown[] = [];
    const add = betaZodTool({
      name: 'add',
      description: 'Adds.',
      inputSchema: z.object({ a: z.number(), b: z.number() }),
      run: ({ a, b }) => {
        asked.push([a, b]);
        return String(a + b);
      },
    });
    const shout = betaTool({
      name: 'shout',
      description: 'Shouts.',
      inputSchema: { type: 'object', properties: { text: { type: 'string' } }, required: ['text'] },
      run: ({ text }) => {
        asked.push(text);
        return text.toUpperCase();
      },
    });
    const runner = client.beta.messages.toolRunner({ ...ask, tools: [add, shout] });
    expect((await runner).content).toMatchObject([{ type: 'text', text: 'It is FIVE.' }]);
    expect(asked).toEqual([[2, 3], 'five']);
    const results = lastRequest()?.messages.at(-1)?.content;
    expect(results).toMatchObject([{ content: [{ text: '5' }] }, { content: [{ text: 'FIVE' }] }]);
  });

  it('runs them from streams too', async () => {
    server.model.behaviour = answering(calls('add', { a: 2, b: 3 }), says('It is 5.'));
    const add = betaZodTool({
      name: 'add',
      description: 'Adds.',
      inputSchema: z.object({ a: z.number(), b: z.number() }),
      run: ({ a, b }) => String(a + b),
    });
    const texts: string[] = [];
    for await (const stream of client.beta.messages.toolRunner({ ...ask, tools: [add], stream: true })) {
      stream.on('text', (text) => texts.push(text));
      await stream.finalMessage();
    }
    expect(texts.join('')).toBe('It is 5.');
  });

  it('runs the memory tool that it brings', async () => {
    server.model.behaviour = answering(calls('memory', { command: 'view', path: '/memories' }), says('Nothing yet.'));
    const unused = () => 'unused';
    const memory = betaMemoryTool({
      view: ({ path }) => `${path} is empty`,
      create: unused,
      str_replace: unused,
      insert: unused,
      delete: unused,
      rename: unused,
    });
    const message = await client.beta.messages.toolRunner({ ...ask, tools: [memory] });
    expect(message.content).toMatchObject([{ text: 'Nothing yet.' }]);
    expect(lastRequest()?.messages.at(-1)?.content).toMatchObject([{ content: [{ text: '/memories is empty' }] }]);
  });
});

it('a conversation held by the server is refused as the SDK’s own class, with what to do', async () => {
  const thread = client.beta.messages.thread({ model: 'default', max_tokens: 100 });
  await expect(thread.send({ role: 'user', content: 'hello' })).rejects.toMatchObject({
    status: 400,
    errorCode: 'thread_unsupported_request',
  });
  const unthreaded = client.beta.messages.thread({
    model: 'default',
    max_tokens: 100,
    unsupportedRequestBehavior: 'continue_unthreaded',
  });
  await unthreaded.send({ role: 'user', content: 'hello' });
  await unthreaded.send({ role: 'user', content: 'again' });
  expect(lastRequest()?.messages).toHaveLength(3);
});

it('tools count in the prompt', async () => {
  const { max_tokens: _, ...prompt } = ask;
  const original = server.model.countTokens;
  server.model.countTokens = async ({ tools }) => 100 * (tools?.length ?? 0);
  try {
    expect(await client.messages.countTokens(prompt)).toEqual({ input_tokens: 100 });
    expect(await client.beta.messages.countTokens(prompt)).toMatchObject({ input_tokens: 100 });
  } finally {
    server.model.countTokens = original;
  }
});
