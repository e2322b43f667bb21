// The real AWS SDK, unmodified, against a listening server: only endpoint and credentials are changed. It speaks HTTP/2.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { FreeholdError } from '../../src/lib/errors.ts';
import { createAwsCredential } from '../../src/store/aws-credentials.ts';
import { createKey } from '../../src/store/keys.ts';
import { openStore, type Store } from '../../src/store/open.ts';
import { client as load } from '../clients/load.ts';
import { endless, failing, type Generate, silent } from '../support/fake-model.ts';
import { startTestServer, type TestServer } from '../support/server.ts';

/** How long to wait for what must come; a busy machine may need it. */
const soon = { timeout: 30_000 };

// biome-ignore lint/suspicious/noExplicitAny: the SDK's types are not installed beside ours
type Loose = any;
interface Client {
  send(command: unknown, options?: { abortSignal?: AbortSignal }): Promise<Loose>;
  destroy(): void;
}
let sdk: Record<string, new (input: object) => Loose>;
let control: Record<string, new (input: object) => Loose>;
let http1: new () => object;
let server: TestServer;
let store: Store;
let credentials: { id: string; accessKeyId: string; secretAccessKey: string };
let client: Client;
const clients: Client[] = [];

/** A client of the SDK, as its users make it. */
function connect(settings: object = {}, from = sdk.BedrockRuntimeClient): Client {
  const Chosen = from as new (input: object) => Client;
  const made = new Chosen({
    endpoint: server.url,
    region: 'us-east-1',
    credentials,
    maxAttempts: 1,
    ...settings,
  });
  clients.push(made);
  return made;
}
/** A command of the SDK by its name. */
const command = (name: string, input: object): unknown => {
  const Command = (sdk[`${name}Command`] ?? control[`${name}Command`]) as new (input: object) => unknown;
  return new Command(input);
};
const send = (name: string, input: object, settings: { abortSignal?: AbortSignal } = {}) =>
  client.send(command(name, input), settings);

beforeAll(async () => {
  vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
  sdk = await load('@aws-sdk/client-bedrock-runtime');
  control = await load('@aws-sdk/client-bedrock');
  http1 = (await load<{ NodeHttpHandler: new () => object }>('@smithy/node-http-handler')).NodeHttpHandler;
  server = await startTestServer();
  store = openStore(server.home);
  credentials = await createAwsCredential(store, { name: 'sdk', role: 'service' });
});
afterAll(async () => {
  for (const each of clients) each.destroy();
  await store.close();
  await server.stop();
  vi.restoreAllMocks();
});
beforeEach(() => {
  client = connect();
});
afterEach(() => {
  server.model.behaviour = undefined;
  vi.unstubAllEnvs();
});

const messages = [{ role: 'user', content: [{ text: 'hello there' }] }];
const ask = { modelId: 'default', messages };
const thinks: Generate = async function* () {
  yield { type: 'start', inputTokens: 3, cachedTokens: 1 };
  yield { type: 'thinking-delta', text: 'Let me ' };
  yield { type: 'thinking-delta', text: 'think.' };
  yield { type: 'text-delta', text: 'Done.' };
  yield { type: 'usage', inputTokens: 3, cachedTokens: 1, outputTokens: 4 };
  yield { type: 'stop', reason: 'end-turn' };
};
const callsTools: Generate = async function* () {
  yield { type: 'start', inputTokens: 3, cachedTokens: 0 };
  yield { type: 'text-delta', text: 'Looking.' };
  yield { type: 'tool-use-start', id: 'call_abc', name: 'weather' };
  yield { type: 'tool-use-delta', json: '{"city":' };
  yield { type: 'tool-use-delta', json: '"Bern"}' };
  yield { type: 'tool-use-stop' };
  yield { type: 'tool-use-start', id: 'call_def', name: 'time' };
  yield { type: 'tool-use-stop' };
  yield { type: 'usage', inputTokens: 3, cachedTokens: 0, outputTokens: 9 };
  yield { type: 'stop', reason: 'tool-use' };
};
const collect = async <Item>(stream: AsyncIterable<Item>): Promise<Item[]> => {
  const items: Item[] = [];
  for await (const item of stream) items.push(item);
  return items;
};
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
    expect(server.model.requests.at(-1)).toMatchObject({
      system: [{ type: 'text', text: 'Be brief.' }],
      messages: [{ role: 'user', content: [{ type: 'text', text: 'hello there' }] }],
      maxTokens: 50,
      sampling: { temperature: 0.5, topP: 0.25, topK: 7 },
      stop: ['END'],
      tenant: credentials.id,
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
    expect(server.model.requests.at(-1)?.messages[0]?.content[1]).toEqual({
      type: 'document',
      title: 'Note',
      text: 'größer',
    });
  });

  it('over HTTP/1 answers the same', async () => {
    const other = connect({ requestHandler: new http1() });
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
    server.model.behaviour = thinks;
  });

  it('is shown where it was asked for', async () => {
    const answer = await send('Converse', { ...ask, additionalModelRequestFields });
    expect(answer.output.message.content).toEqual([
      { reasoningContent: { reasoningText: { text: 'Let me think.', signature: expect.any(String) } } },
      { text: 'Done.' },
    ]);
    expect(server.model.requests.at(-1)?.thinking).toEqual({ type: 'enabled', budgetTokens: 1024 });
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
    expect(server.model.requests.at(-1)?.thinking).toEqual({ type: 'disabled' });
  });
});

describe('tools', () => {
  const toolConfig = { tools: [weather, { cachePoint: { type: 'default' } }] };
  it('are called, and their results taken', async () => {
    server.model.behaviour = callsTools;
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
    expect(server.model.requests.at(-1)?.tools).toEqual([
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
    expect(server.model.requests.at(-1)?.messages.slice(1)).toEqual([
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
    server.model.behaviour = callsTools;
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
    expect(server.model.requests.at(-1)?.toolChoice).toEqual(expected);
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
  expect(server.model.requests.at(-1)?.responseSchema).toEqual(schema);
});

describe('InvokeModel', () => {
  const text = (bytes: Uint8Array): Loose => JSON.parse(Buffer.from(bytes).toString());
  const claude = {
    anthropic_version: 'bedrock-2023-05-31',
    max_tokens: 100,
    messages: [{ role: 'user', content: 'hello there' }],
  };
  const invoke = (body: object, name = 'InvokeModel') =>
    send(name, {
      modelId: 'fake',
      body: JSON.stringify(body),
      contentType: 'application/json',
      accept: 'application/json',
    });
  const chunksOf = async (body: object) => {
    const answer = await invoke(body, 'InvokeModelWithResponseStream');
    return (await collect<Loose>(answer.body)).map(({ chunk }) => text(chunk.bytes));
  };

  it("answers Claude's messages", async () => {
    const answer = await invoke(claude);
    expect(answer.contentType).toMatch(/^application\/json/);
    expect(text(answer.body)).toMatchObject({
      type: 'message',
      content: [{ type: 'text', text: 'Hello from the fake model.' }],
      stop_reason: 'end_turn',
      usage: { input_tokens: 1, output_tokens: 6 },
    });
  });

  it("streams Claude's messages, the last chunk with metrics", async () => {
    const chunks = await chunksOf(claude);
    expect(chunks.map(({ type }) => type)).toEqual([
      'message_start',
      'content_block_start',
      ...Array<string>(6).fill('content_block_delta'),
      'content_block_stop',
      'message_delta',
      'message_stop',
    ]);
    expect(chunks.at(-1)['amazon-bedrock-invocationMetrics']).toEqual({
      inputTokenCount: 2,
      outputTokenCount: 6,
      invocationLatency: expect.any(Number),
      firstByteLatency: expect.any(Number),
    });
  });

  it("answers and streams OpenAI's chat completions", async () => {
    const chat = { messages: [{ role: 'user', content: 'hello there' }], max_completion_tokens: 100 };
    expect(text((await invoke(chat)).body)).toMatchObject({
      object: 'chat.completion',
      choices: [{ message: { content: 'Hello from the fake model.' }, finish_reason: 'stop' }],
    });
    const chunks = await chunksOf(chat);
    expect(chunks.map(({ choices }) => choices[0]?.delta?.content ?? '').join('')).toBe('Hello from the fake model.');
    expect(chunks.at(-1)['amazon-bedrock-invocationMetrics']).toMatchObject({ outputTokenCount: 6 });
  });

  it("answers and streams Nova's messages", async () => {
    const nova = { schemaVersion: 'messages-v1', messages, inferenceConfig: { maxTokens: 100, topK: 5 } };
    expect(text((await invoke(nova)).body)).toMatchObject({
      output: { message: { content: [{ text: 'Hello from the fake model.' }] } },
    });
    expect(server.model.requests.at(-1)).toMatchObject({ maxTokens: 100, sampling: { topK: 5 } });
    const chunks = await chunksOf(nova);
    expect(chunks.map((chunk) => Object.keys(chunk)[0])).toContain('contentBlockDelta');
  });

  it.each([
    ['a prompt in a template', { prompt: '<s>[INST] hi', max_gen_len: 5 }, /no shape that is known/],
    ['no JSON', undefined, /not valid JSON/],
    ['a field out of range', { ...claude, max_tokens: 'many' }, /max_tokens: Input should be/],
  ])('refuses %s', async (_, body, message) => {
    const input = { modelId: 'fake', body: body === undefined ? '{"a' : JSON.stringify(body) };
    await expect(send('InvokeModel', input)).rejects.toMatchObject({
      name: 'ValidationException',
      message: expect.stringMatching(message),
    });
  });

  it('refuses guardrails', async () => {
    const input = { modelId: 'fake', body: JSON.stringify(claude), guardrailIdentifier: 'abc', guardrailVersion: '1' };
    await expect(send('InvokeModel', input)).rejects.toMatchObject({
      name: 'ValidationException',
      message: /guardrail/,
    });
  });

  it('counts the tokens of an invocation', async () => {
    const body = new TextEncoder().encode(JSON.stringify(claude));
    expect(await send('CountTokens', { modelId: 'fake', input: { invokeModel: { body } } })).toMatchObject({
      inputTokens: 2,
    });
  });
});

describe('errors are the exceptions of the vendor', () => {
  it.each<[string, FreeholdError, string, number]>([
    ['a queue that is full', new FreeholdError('overloaded', 'Full.'), 'ThrottlingException', 429],
    ['a model that is coming back', new FreeholdError('model_process_lost', 'Lost.'), 'ModelNotReadyException', 429],
    ['a model that fails', new FreeholdError('model_failed', 'Failed.'), 'ModelErrorException', 424],
    ['a prompt too long', new FreeholdError('context_exceeded', 'Long.'), 'ValidationException', 400],
    ['a server that stops', new FreeholdError('shutting_down', 'Stopping.'), 'ServiceUnavailableException', 503],
    ['a bug', new FreeholdError('internal', 'Oh.'), 'InternalServerException', 500],
  ])('%s', async (_, error, name, status) => {
    server.model.behaviour = failing(error);
    const thrown = await send('Converse', ask).catch((caught: unknown) => caught);
    expect(thrown).toMatchObject({
      name,
      $metadata: { httpStatusCode: status, requestId: expect.stringMatching(/^req_/) },
    });
    expect(thrown).toBeInstanceOf(sdk[name] as never);
    expect((thrown as Error).message).toContain(error.message);
  });

  it('words programs look for when a conversation is too long', async () => {
    server.model.behaviour = failing(new FreeholdError('context_exceeded', 'The prompt is long.'));
    await expect(send('Converse', ask)).rejects.toThrow(/^Input is too long for requested model\./);
  });

  it('a model that is not here, with those that are', async () => {
    const asked = send('Converse', { modelId: 'anthropic.claude-3-haiku-20240307-v1:0', messages });
    await expect(asked).rejects.toMatchObject({
      name: 'ResourceNotFoundException',
      message: expect.stringMatching(/Models here: default, fake/),
    });
  });

  it.each<[string, object, RegExp]>([
    [
      'an image',
      { content: [{ image: { format: 'png', source: { bytes: new Uint8Array(8) } } }] },
      /images.*Qwen2.5-VL/,
    ],
    [
      'a PDF',
      { content: [{ document: { name: 'a', format: 'pdf', source: { bytes: new Uint8Array(8) } } }] },
      /'pdf' are not read/,
    ],
    ['a document of S3', { content: [{ document: { name: 'a', source: { s3Location: { uri: 's3://a/b' } } } }] }, /S3/],
    ['guarded content', { content: [{ guardContent: { text: { text: 'a' } } }] }, /no guardrails/],
    ['blank text', { content: [{ text: '' }] }, /messages\.0\.content\.0\.text: .*blank/],
    ['a result without its call', { content: [{ toolResult: { toolUseId: 'x', content: [] } }] }, /no toolUse block x/],
  ])('%s is refused by name', async (_, message, expected) => {
    const asked = send('Converse', { modelId: 'fake', messages: [{ role: 'user', ...message }] });
    await expect(asked).rejects.toMatchObject({
      name: 'ValidationException',
      message: expect.stringMatching(expected),
    });
  });

  it('after a stream began end it', async () => {
    server.model.behaviour = failing(new FreeholdError('overloaded', 'Full.'), 2);
    const { stream } = await send('ConverseStream', ask);
    const seen: object[] = [];
    const read = async () => {
      for await (const event of stream) seen.push(event);
    };
    await expect(read()).rejects.toMatchObject({
      name: 'ThrottlingException',
      message: expect.stringMatching(/^Full\./),
    });
    expect(seen).toHaveLength(3);
  });

  it('of the model after a stream began are told as such', async () => {
    server.model.behaviour = failing(new FreeholdError('model_process_lost', 'Lost.'), 1);
    const { stream } = await send('ConverseStream', ask);
    await expect(collect(stream)).rejects.toMatchObject({ name: 'ModelStreamErrorException' });
  });

  it.each(['overloaded', 'model_process_lost', 'shutting_down'] as const)(
    'that pass are tried again: %s',
    async (code) => {
      let tries = 0;
      server.model.behaviour = async function* (request, signal) {
        tries += 1;
        if (tries < 3) throw new FreeholdError(code, 'Wait.', { retryAfterMs: 1 });
        yield* thinks(request, signal);
      };
      const patient = connect({ maxAttempts: 3 });
      expect((await patient.send(command('Converse', ask))).$metadata.attempts).toBe(3);
    },
  );

  it('that stay are not', async () => {
    let tries = 0;
    server.model.behaviour = async function* () {
      tries += 1;
      yield* [];
      throw new FreeholdError('model_failed', 'Failed.');
    };
    await expect(connect({ maxAttempts: 3 }).send(command('Converse', ask))).rejects.toMatchObject({
      name: 'ModelErrorException',
    });
    expect(tries).toBe(1);
  });
});

describe('whoever goes away ends the generation', () => {
  it('while it is streamed', async () => {
    server.model.behaviour = endless();
    const before = server.model.aborted;
    const abort = new AbortController();
    const { stream } = await send('ConverseStream', ask, { abortSignal: abort.signal });
    const read = async () => {
      for await (const event of stream) if ((event as Loose).contentBlockDelta) break;
    };
    await read();
    abort.abort();
    await vi.waitFor(() => expect(server.model.aborted).toBe(before + 1), soon);
  });

  it('while it has said nothing', async () => {
    server.model.behaviour = silent;
    const before = server.model.aborted;
    const asked = server.model.requests.length;
    const abort = new AbortController();
    const answer = send('Converse', ask, { abortSignal: abort.signal });
    await vi.waitFor(() => expect(server.model.requests.length).toBe(asked + 1), soon);
    abort.abort();
    await expect(answer).rejects.toMatchObject({ name: 'AbortError' });
    await vi.waitFor(() => expect(server.model.aborted).toBe(before + 1), soon);
  });
});

describe('who is asking', () => {
  it('is known by a key as a token of its own', async () => {
    const bearer = connect({
      credentials: undefined,
      token: { token: server.key },
      authSchemePreference: ['httpBearerAuth'],
    });
    expect((await bearer.send(command('Converse', ask))).stopReason).toBe('end_turn');
  });

  it('is known by a key in AWS_BEARER_TOKEN_BEDROCK', async () => {
    vi.stubEnv('AWS_BEARER_TOKEN_BEDROCK', server.key);
    const bearer = connect({ credentials: undefined });
    expect((await bearer.send(command('Converse', ask))).stopReason).toBe('end_turn');
    expect(server.model.requests.at(-1)?.tenant).toMatch(/^key_/);
  });

  it('is refused with a secret that is wrong', async () => {
    const other = connect({ credentials: { ...credentials, secretAccessKey: 'wrong' } });
    await expect(other.send(command('Converse', ask))).rejects.toMatchObject({
      name: 'InvalidSignatureException',
      $metadata: { httpStatusCode: 403 },
    });
  });

  it.each([
    ['an access key that is unknown', { credentials: { accessKeyId: 'FHIAAAAAAAAAAAAAAAAA', secretAccessKey: 'x' } }],
    [
      'a token that is unknown',
      { credentials: undefined, token: { token: 'x' }, authSchemePreference: ['httpBearerAuth'] },
    ],
  ])('is refused with %s', async (_, settings) => {
    await expect(connect(settings).send(command('Converse', ask))).rejects.toMatchObject({
      name: 'UnrecognizedClientException',
      $metadata: { httpStatusCode: 403 },
    });
  });

  it('is refused outside the scopes of its credential', async () => {
    const limited = await createAwsCredential(store, {
      name: 'lists',
      role: 'service',
      scopes: { routes: ['models'], models: ['*'] },
    });
    await expect(connect({ credentials: limited }).send(command('Converse', ask))).rejects.toMatchObject({
      name: 'AccessDeniedException',
    });
  });

  it('may send a session token, which is signed and says nothing', async () => {
    const other = connect({ credentials: { ...credentials, sessionToken: 'token/+=' } });
    expect((await other.send(command('Converse', ask))).stopReason).toBe('end_turn');
  });

  it.each([
    [-3_600_000, /^Signature expired/],
    [3_600_000, /^Signature not yet current/],
  ])(
    'may have a clock that is wrong by %i ms: the SDK is told the time, and sets it right',
    async (offset, message) => {
      const other = connect({ systemClockOffset: offset });
      await expect(other.send(command('Converse', ask))).rejects.toMatchObject({
        name: 'InvalidSignatureException',
        message: expect.stringMatching(message),
      });
      expect((await other.send(command('Converse', ask))).stopReason).toBe('end_turn');
    },
  );
});

describe('the control plane', () => {
  let lists: Client;
  beforeEach(() => {
    lists = connect({}, control.BedrockClient);
  });

  it('lists the models', async () => {
    const { modelSummaries } = await lists.send(command('ListFoundationModels', {}));
    expect(modelSummaries).toEqual([
      expect.objectContaining({
        modelId: 'fake',
        modelName: 'Fake',
        providerName: 'file',
        inputModalities: ['TEXT'],
        outputModalities: ['TEXT'],
        responseStreamingSupported: true,
        modelLifecycle: { status: 'ACTIVE' },
      }),
    ]);
  });

  it.each([
    [{ byProvider: 'FILE' }, 1],
    [{ byProvider: 'anthropic' }, 0],
    [{ byOutputModality: 'EMBEDDING' }, 0],
    [{ byInferenceType: 'ON_DEMAND' }, 1],
  ])('lists those that are asked for: %j', async (query, count) => {
    expect((await lists.send(command('ListFoundationModels', query))).modelSummaries).toHaveLength(count);
  });

  it('describes a model, by name or ARN', async () => {
    const { modelSummaries } = await lists.send(command('ListFoundationModels', {}));
    for (const modelIdentifier of ['fake', modelSummaries[0].modelArn]) {
      const { modelDetails } = await lists.send(command('GetFoundationModel', { modelIdentifier }));
      expect(modelDetails.modelId).toBe('fake');
    }
    await expect(lists.send(command('GetFoundationModel', { modelIdentifier: 'nope' }))).rejects.toMatchObject({
      name: 'ResourceNotFoundException',
    });
  });

  it('has no inference profiles', async () => {
    expect((await lists.send(command('ListInferenceProfiles', {}))).inferenceProfileSummaries).toEqual([]);
  });

  it('shows a key only the models it may use', async () => {
    const { key } = await createKey(store, {
      name: 'other',
      role: 'service',
      scopes: { routes: ['*'], models: ['other'] },
    });
    const limited = connect(
      { credentials: undefined, token: { token: key }, authSchemePreference: ['httpBearerAuth'] },
      control.BedrockClient,
    );
    expect((await limited.send(command('ListFoundationModels', {}))).modelSummaries).toEqual([]);
  });
});
