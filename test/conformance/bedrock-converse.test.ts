// Converse and ConverseStream through the AWS SDK.
import { beforeEach, describe, expect, it } from 'vitest';
import { client as load } from '../clients/load.ts';
import { ask, callsTools, collect, type Loose, messages, thinks, useBedrock } from '../support/bedrock.ts';

const bedrock = useBedrock();
const { connect, command, send } = bedrock;

const weather = {
  toolSpec: {
    name: 'weather',
    description: 'The weather in a city.',
    inputSchema: { json: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] } },
  },
};

describe('Converse', () => {
  it('answers whole', async () => {
    const answer = await send('Converse', ask);
    expect(answer).toMatchObject({
      output: { message: { role: 'assistant', content: [{ text: 'Hello from the fake model.' }] } },
      stopReason: 'end_turn',
      usage: { inputTokens: 1, outputTokens: 6, totalTokens: 8, cacheReadInputTokens: 1, cacheWriteInputTokens: 0 },
    });
    expect(answer.metrics.latencyMs).toBeTypeOf('number');
    expect(answer.$metadata).toMatchObject({ httpStatusCode: 200, requestId: expect.stringMatching(/^req_/) });
  });

  it('hands on what was asked', async () => {
    await send('Converse', {
      ...ask,
      system: [{ text: 'Be brief.' }, { cachePoint: { type: 'default' } }],
      inferenceConfig: { maxTokens: 50, temperature: 0.5, topP: 0.25, stopSequences: ['END'] },
      additionalModelRequestFields: { top_k: 7 },
      performanceConfig: { latency: 'optimized' },
      requestMetadata: { who: 'me' },
    });
    expect(bedrock.server.model.requests.at(-1)).toMatchObject({
      system: [{ type: 'text', text: 'Be brief.' }],
      messages: [{ role: 'user', content: [{ type: 'text', text: 'hello there' }] }],
      maxTokens: 50,
      sampling: { temperature: 0.5, topP: 0.25, topK: 7 },
      stop: ['END'],
      tenant: bedrock.credentials.id,
    });
  });

  it('streams events in the order of the vendor', async () => {
    const { stream } = await send('ConverseStream', ask);
    const events = await collect<Record<string, Loose>>(stream);
    expect(events.map((event) => Object.keys(event)[0])).toEqual([
      'messageStart',
      ...Array<string>(6).fill('contentBlockDelta'),
      'contentBlockStop',
      'messageStop',
      'metadata',
    ]);
    expect(events[0]?.messageStart).toEqual({ role: 'assistant' });
    expect(events.map((event) => event.contentBlockDelta?.delta.text ?? '').join('')).toBe(
      'Hello from the fake model.',
    );
    expect(events.at(-2)?.messageStop).toEqual({ stopReason: 'end_turn' });
    expect(events.at(-1)?.metadata).toMatchObject({
      usage: { inputTokens: 1, outputTokens: 6, totalTokens: 8, cacheReadInputTokens: 1, cacheWriteInputTokens: 0 },
      metrics: { latencyMs: expect.any(Number) },
    });
  });

  it('tells which stop sequence ended the answer, where that is asked for', async () => {
    const inferenceConfig = { stopSequences: ['fake'] };
    const asked = { ...ask, inferenceConfig, additionalModelResponseFieldPaths: ['/stop_sequence'] };
    expect(await send('Converse', asked)).toMatchObject({
      stopReason: 'stop_sequence',
      additionalModelResponseFields: { stop_sequence: 'fake' },
    });
    const [stop] = (await collect<Record<string, Loose>>((await send('ConverseStream', asked)).stream)).slice(-2);
    expect(stop?.messageStop).toEqual({
      stopReason: 'stop_sequence',
      additionalModelResponseFields: { stop_sequence: 'fake' },
    });
  });

  it.each([1, 3])('says that max tokens ended the answer: %i', async (maxTokens) => {
    const answer = await send('Converse', { ...ask, inferenceConfig: { maxTokens } });
    expect(answer).toMatchObject({ stopReason: 'max_tokens', usage: { outputTokens: maxTokens } });
  });

  it.each([
    'fake',
    'default',
    'arn:aws:bedrock:us-east-1:123456789012:inference-profile/fake',
    'arn:aws:bedrock:eu-west-1::foundation-model/default',
    'some/where/fake',
  ])('finds the model behind %s', async (modelId) => {
    expect((await send('Converse', { modelId, messages })).stopReason).toBe('end_turn');
    expect((await send('CountTokens', { modelId, input: { converse: { messages } } })).inputTokens).toBe(2);
  });

  it('reads documents of text', async () => {
    const content = [
      { text: 'What does it say?' },
      { document: { name: 'Note', format: 'txt', source: { bytes: new TextEncoder().encode('größer') } } },
    ];
    await send('Converse', { modelId: 'fake', messages: [{ role: 'user', content }] });
    expect(bedrock.server.model.requests.at(-1)?.messages[0]?.content[1]).toEqual({
      type: 'document',
      title: 'Note',
      text: 'größer',
    });
  });

  it('over HTTP/1 answers the same', async () => {
    const { NodeHttpHandler } = await load<{ NodeHttpHandler: new () => object }>('@smithy/node-http-handler');
    const other = connect({ requestHandler: new NodeHttpHandler() });
    expect((await other.send(command('Converse', ask))).output.message.content).toEqual([
      { text: 'Hello from the fake model.' },
    ]);
    const { stream } = await other.send(command('ConverseStream', ask));
    expect(await collect(stream)).toHaveLength(10);
  });
});

describe('thinking', () => {
  const additionalModelRequestFields = { thinking: { type: 'enabled', budget_tokens: 1024 } };
  beforeEach(() => {
    bedrock.server.model.behaviour = thinks;
  });

  it('is shown where it was asked for', async () => {
    const answer = await send('Converse', { ...ask, additionalModelRequestFields });
    expect(answer.output.message.content).toEqual([
      { reasoningContent: { reasoningText: { text: 'Let me think.', signature: expect.any(String) } } },
      { text: 'Done.' },
    ]);
    expect(bedrock.server.model.requests.at(-1)?.thinking).toEqual({ type: 'enabled', budgetTokens: 1024 });
    // and is taken back as it was given
    await send('Converse', { ...ask, messages: [...messages, answer.output.message, ...messages] });
  });

  it('is streamed as a block of its own, its signature last', async () => {
    const { stream } = await send('ConverseStream', { ...ask, additionalModelRequestFields });
    expect((await collect<Record<string, Loose>>(stream)).slice(1, -2)).toEqual([
      { contentBlockDelta: { contentBlockIndex: 0, delta: { reasoningContent: { text: 'Let me ' } } } },
      { contentBlockDelta: { contentBlockIndex: 0, delta: { reasoningContent: { text: 'think.' } } } },
      { contentBlockDelta: { contentBlockIndex: 0, delta: { reasoningContent: { signature: expect.any(String) } } } },
      { contentBlockStop: { contentBlockIndex: 0 } },
      { contentBlockDelta: { contentBlockIndex: 1, delta: { text: 'Done.' } } },
      { contentBlockStop: { contentBlockIndex: 1 } },
    ]);
  });

  it('is neither done nor shown otherwise', async () => {
    const answer = await send('Converse', ask);
    expect(answer.output.message.content).toEqual([{ text: 'Done.' }]);
    expect(bedrock.server.model.requests.at(-1)?.thinking).toEqual({ type: 'disabled' });
  });
});

describe('tools', () => {
  const toolConfig = { tools: [weather, { cachePoint: { type: 'default' } }] };
  it('are called, and their results taken', async () => {
    bedrock.server.model.behaviour = callsTools;
    const answer = await send('Converse', { ...ask, toolConfig });
    expect(answer).toMatchObject({
      stopReason: 'tool_use',
      output: {
        message: {
          content: [
            { text: 'Looking.' },
            { toolUse: { toolUseId: 'tooluse_abc', name: 'weather', input: { city: 'Bern' } } },
            { toolUse: { toolUseId: 'tooluse_def', name: 'time', input: {} } },
          ],
        },
      },
    });
    expect(bedrock.server.model.requests.at(-1)?.tools).toEqual([
      { name: 'weather', description: 'The weather in a city.', inputSchema: weather.toolSpec.inputSchema.json },
    ]);
    const results = [
      { toolResult: { toolUseId: 'tooluse_abc', content: [{ json: { degrees: 7 } }] } },
      { toolResult: { toolUseId: 'tooluse_def', content: [{ text: 'no clock' }], status: 'error' } },
    ];
    await send('Converse', {
      ...ask,
      toolConfig,
      messages: [...messages, answer.output.message, { role: 'user', content: results }],
    });
    expect(bedrock.server.model.requests.at(-1)?.messages.slice(1)).toEqual([
      {
        role: 'assistant',
        content: [
          { type: 'text', text: 'Looking.' },
          { type: 'tool-use', id: 'call_abc', name: 'weather', input: { city: 'Bern' } },
          { type: 'tool-use', id: 'call_def', name: 'time', input: {} },
        ],
      },
      {
        role: 'user',
        content: [
          { type: 'tool-result', toolUseId: 'call_abc', content: [{ type: 'text', text: '{"degrees":7}' }] },
          { type: 'tool-result', toolUseId: 'call_def', content: [{ type: 'text', text: 'no clock' }], isError: true },
        ],
      },
    ]);
  });

  it('are streamed with their partial arguments', async () => {
    bedrock.server.model.behaviour = callsTools;
    const { stream } = await send('ConverseStream', { ...ask, toolConfig });
    expect((await collect<Record<string, Loose>>(stream)).slice(1, -1)).toEqual([
      { contentBlockDelta: { contentBlockIndex: 0, delta: { text: 'Looking.' } } },
      { contentBlockStop: { contentBlockIndex: 0 } },
      {
        contentBlockStart: { contentBlockIndex: 1, start: { toolUse: { toolUseId: 'tooluse_abc', name: 'weather' } } },
      },
      { contentBlockDelta: { contentBlockIndex: 1, delta: { toolUse: { input: '{"city":' } } } },
      { contentBlockDelta: { contentBlockIndex: 1, delta: { toolUse: { input: '"Bern"}' } } } },
      { contentBlockStop: { contentBlockIndex: 1 } },
      { contentBlockStart: { contentBlockIndex: 2, start: { toolUse: { toolUseId: 'tooluse_def', name: 'time' } } } },
      { contentBlockStop: { contentBlockIndex: 2 } },
      { messageStop: { stopReason: 'tool_use' } },
    ]);
  });

  it.each([
    [{ any: {} }, { type: 'any' }],
    [{ auto: {} }, { type: 'auto' }],
    [{ tool: { name: 'weather' } }, { type: 'tool', name: 'weather' }],
  ])('are chosen as asked: %j', async (toolChoice, expected) => {
    await send('Converse', { ...ask, toolConfig: { ...toolConfig, toolChoice } });
    expect(bedrock.server.model.requests.at(-1)?.toolChoice).toEqual(expected);
  });
});

it('structured output holds the answer to its schema', async () => {
  const schema = {
    type: 'object',
    properties: { a: { type: 'integer' } },
    required: ['a'],
    additionalProperties: false,
  };
  const structure = { jsonSchema: { name: 'answer', schema: JSON.stringify(schema) } };
  await send('Converse', { ...ask, outputConfig: { textFormat: { type: 'json_schema', structure } } });
  expect(bedrock.server.model.requests.at(-1)?.responseSchema).toEqual(schema);
});
