import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FreeholdError } from '../../lib/errors.ts';
import type { GenerateEvent } from '../../lib/text-model.ts';
import { type AnswerMeta, type Completion, startGathering } from '../completion.ts';
import { messageBody, messageStream } from './answer.ts';
import { anthropicError } from './errors.ts';
import { anthropicModelList } from './models.ts';
import { parseCountTokens, parseMessages } from './request.ts';

const context = { tenant: 't', traceId: 'trace' };
const user = { role: 'user', content: 'hi' };
const anyObject = { type: 'json_schema', schema: { type: 'object' } };
const valid = { model: 'm', max_tokens: 10, messages: [user] };
const parse = (changes: object) => parseMessages({ ...valid, ...changes }, context);

describe('a request', () => {
  it('becomes canonical', () => {
    expect(
      parse({
        system: [
          { type: 'text', text: 'one', cache_control: { type: 'ephemeral' } },
          { type: 'text', text: 'two' },
        ],
        messages: [user, { role: 'assistant', content: [{ type: 'text', text: 'yes' }] }, user],
        stop_sequences: ['END'],
        temperature: 0.5,
        top_p: 0.9,
        top_k: 5,
        min_p: 0.1,
        seed: -1,
        stream: true,
        metadata: { user_id: 'someone' },
        some_new_field: { of: 'a later release' },
      }),
    ).toEqual({
      model: 'm',
      stream: true,
      request: {
        system: [{ type: 'text', text: 'one\n\ntwo' }],
        messages: [
          { role: 'user', content: [{ type: 'text', text: 'hi' }] },
          { role: 'assistant', content: [{ type: 'text', text: 'yes' }] },
          { role: 'user', content: [{ type: 'text', text: 'hi' }] },
        ],
        maxTokens: 10,
        sampling: { temperature: 0.5, topP: 0.9, topK: 5, minP: 0.1, seed: 4294967295 },
        stop: ['END'],
        ...context,
      },
    });
  });

  it('leaves out what was not given', () => {
    expect(parse({ system: null, temperature: null, stop_sequences: [] }).request).toEqual({
      messages: [{ role: 'user', content: [{ type: 'text', text: 'hi' }] }],
      maxTokens: 10,
      sampling: {},
      ...context,
    });
  });

  it('leaves texts as they were sent: joining turns is for the engine', () => {
    expect(parse({ messages: [user, { role: 'user', content: 'there' }] }).request.messages).toEqual([
      { role: 'user', content: [{ type: 'text', text: 'hi' }] },
      { role: 'user', content: [{ type: 'text', text: 'there' }] },
    ]);
  });

  it('keeps a final assistant message for the answer to continue, and drops an empty one', () => {
    expect(parse({ messages: [user, { role: 'assistant', content: 'Sure' }] }).request.messages.at(-1)?.role).toBe(
      'assistant',
    );
    expect(parse({ messages: [user, { role: 'assistant', content: '' }] }).request.messages).toHaveLength(1);
  });

  it('drops thoughts of earlier turns', () => {
    const content = [
      { type: 'thinking', thinking: 'hm', signature: 's' },
      { type: 'redacted_thinking', data: 'x' },
      { type: 'text', text: 'yes' },
    ];
    expect(parse({ messages: [user, { role: 'assistant', content }, user] }).request.messages[1]?.content).toEqual([
      { type: 'text', text: 'yes' },
    ]);
  });

  it('needs no max_tokens to count tokens', () => {
    expect(parseCountTokens({ model: 'm', messages: [user] }, context).request.messages).toHaveLength(1);
  });
});

describe('a bad request names the field and what was expected', () => {
  const image = { type: 'image', source: { type: 'base64', media_type: 'image/png', data: '' } };
  it.each<[string, object, string, RegExp]>([
    ['no model', { model: undefined }, 'model', /^model: Field required/],
    ['empty model', { model: '' }, 'model', /^model: Must not be empty/],
    ['no messages', { messages: undefined }, 'messages', /Field required/],
    ['empty messages', { messages: [] }, 'messages', /^messages: At least 1 item is required/],
    ['messages of another type', { messages: 'hi' }, 'messages', /should be an array, but "hi" was given/],
    [
      'a wrong role',
      { messages: [{ role: 'robot', content: 'x' }] },
      'messages.0.role',
      /'user' or 'assistant', but "robot" was given/,
    ],
    ['a system role', { messages: [{ role: 'system', content: 'x' }] }, 'messages.0.role', /'user' or 'assistant'/],
    ['no content', { messages: [{ role: 'user' }] }, 'messages.0.content', /Field required/],
    [
      'content of another type',
      { messages: [{ role: 'user', content: 4 }] },
      'messages.0.content',
      /a string or an array, but 4/,
    ],
    ['empty content', { messages: [{ role: 'user', content: '' }] }, 'messages.0.content', /not be empty/],
    [
      'an empty block',
      { messages: [{ role: 'user', content: [{ type: 'text', text: '' }] }] },
      'messages.0.content.0.text',
      /not be empty/,
    ],
    [
      'text of another type',
      { messages: [{ role: 'user', content: [{ type: 'text', text: 1 }] }] },
      'messages.0.content.0.text',
      /a string, but 1/,
    ],
    [
      'an unknown block',
      { messages: [{ role: 'user', content: [{ type: 'smell' }] }] },
      'messages.0.content.0.type',
      /'text', 'image'.*but "smell"/,
    ],
    ['no max_tokens', { max_tokens: undefined }, 'max_tokens', /Field required/],
    ['max_tokens of 0', { max_tokens: 0 }, 'max_tokens', /greater than or equal to 1, but 0/],
    ['a fraction', { max_tokens: 1.5 }, 'max_tokens', /an integer, but 1.5/],
    ['a number as text', { max_tokens: '10' }, 'max_tokens', /a number, but "10"/],
    ['huge max_tokens', { max_tokens: 1e300 }, 'max_tokens', /./],
    ['negative temperature', { temperature: -0.1 }, 'temperature', /greater than or equal to 0, but -0.1/],
    ['huge temperature', { temperature: 1e9 }, 'temperature', /less than or equal to 1, but 1000000000/],
    ['infinite temperature', { temperature: Number.POSITIVE_INFINITY }, 'temperature', /a number/],
    ['top_p beyond 1', { top_p: 1.01 }, 'top_p', /less than or equal to 1/],
    ['negative top_k', { top_k: -1 }, 'top_k', /greater than or equal to 0/],
    ['an empty stop sequence', { stop_sequences: [''] }, 'stop_sequences.0', /not be empty/],
    ['a stop sequence alone', { stop_sequences: 'END' }, 'stop_sequences', /an array/],
    ['stream as text', { stream: 'yes' }, 'stream', /a boolean, but "yes"/],
  ])('%s', (_, changes, field, message) => {
    expect(() => parse(changes)).toThrow(
      expect.objectContaining({ code: 'invalid_request', status: 400, field, message: expect.stringMatching(message) }),
    );
  });

  it.each<[string, object, string]>([
    [
      'images',
      { messages: [{ role: 'user', content: [{ type: 'text', text: 'see' }, image] }] },
      'messages.0.content.1',
    ],
    ['documents', { messages: [{ role: 'user', content: [{ type: 'document' }] }] }, 'messages.0.content.0'],
    ['tool results', { messages: [{ role: 'user', content: [{ type: 'tool_result' }] }] }, 'messages.0.content.0'],
    ['tools', { tools: [{ name: 'x' }] }, 'tools'],
    ['a tool choice', { tool_choice: { type: 'any' } }, 'tool_choice'],
    ['thinking', { thinking: { type: 'enabled', budget_tokens: 1024 } }, 'thinking.type'],
  ])('%s are refused by name', (_, changes, field) => {
    expect(() => parse(changes)).toThrow(expect.objectContaining({ code: 'unsupported', status: 400, field }));
  });

  it('says of images that local models cannot read them', () => {
    expect(() => parse({ messages: [{ role: 'user', content: [image] }] })).toThrow(/Local models cannot read images/);
  });

  it.each([[null], [[]], ['text'], [4], [true]])('%j is no request', (body) => {
    expect(() => parseMessages(body, context)).toThrow(expect.objectContaining({ code: 'invalid_request' }));
  });

  it.each<[string, object, string]>([
    ['no schema', { output_config: { format: { type: 'json_schema' } } }, 'output_config.format.schema'],
    ['another format', { output_config: { format: { type: 'xml', schema: {} } } }, 'output_config.format.type'],
    ['two formats', { output_config: { format: anyObject }, output_format: anyObject }, 'output_format'],
    ['no end', { output_config: { format: anyObject }, ignore_eos: true }, 'ignore_eos'],
    [
      'text to go on from',
      { output_format: anyObject, messages: [user, { role: 'assistant', content: '{' }] },
      'messages',
    ],
  ])('structured output with %s', (_, changes, field) => {
    expect(() => parse(changes)).toThrow(expect.objectContaining({ code: 'invalid_request', status: 400, field }));
  });

  it('never fails in any other way, whatever is sent', () => {
    const request = fc.record(
      {
        model: fc.jsonValue(),
        max_tokens: fc.jsonValue(),
        messages: fc.oneof(
          fc.jsonValue(),
          fc.array(fc.record({ role: fc.constantFrom('user', 'assistant', 'x'), content: fc.jsonValue() })),
        ),
        system: fc.jsonValue(),
        tools: fc.jsonValue(),
        seed: fc.double(),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(request, (body) => {
        try {
          parseMessages(body, context);
        } catch (error) {
          expect(error).toBeInstanceOf(FreeholdError);
        }
      }),
    );
  });
});

const meta: AnswerMeta = {
  id: 'msg_1',
  model: 'm',
  createdSeconds: 1,
  timing: (outputTokens) => ({ timeToFirstTokenMs: 5, tokensPerSecond: outputTokens }),
};

const answer: GenerateEvent[] = [
  { type: 'start', inputTokens: 10, cachedTokens: 4 },
  { type: 'thinking-delta', text: 'hm' },
  { type: 'text-delta', text: 'a\nb' },
  { type: 'tool-use-start', id: 'toolu_1', name: 'look' },
  { type: 'tool-use-delta', json: '{"at":' },
  { type: 'tool-use-delta', json: '1}' },
  { type: 'tool-use-stop' },
  { type: 'usage', inputTokens: 10, cachedTokens: 4, outputTokens: 7 },
  { type: 'stop', reason: 'tool-use' },
];

function gathered(events: readonly GenerateEvent[]): Completion {
  const gathering = startGathering();
  for (const event of events) gathering.add(event);
  return gathering.end();
}

/** Reads an event stream as the vendor's SDK does: by its `event:` lines. */
function readStream(text: string): { event: string; data: Record<string, unknown> }[] {
  return text
    .split('\n\n')
    .filter(Boolean)
    .map((block) => {
      const [event, data] = block.split('\n') as [string, string];
      return { event: event.replace('event: ', ''), data: JSON.parse(data.replace('data: ', '')) };
    });
}

describe('an answer', () => {
  it('is a message with its blocks in order', async () => {
    expect(messageBody(gathered(answer), meta)).toEqual({
      id: 'msg_1',
      type: 'message',
      role: 'assistant',
      model: 'm',
      content: [
        { type: 'thinking', thinking: 'hm', signature: '' },
        { type: 'text', text: 'a\nb' },
        { type: 'tool_use', id: 'toolu_1', name: 'look', input: { at: 1 } },
      ],
      stop_reason: 'tool_use',
      stop_sequence: null,
      usage: { input_tokens: 6, cache_creation_input_tokens: 0, cache_read_input_tokens: 4, output_tokens: 7 },
      freehold: { model: 'm', timeToFirstTokenMs: 5, tokensPerSecond: 7 },
    });
  });

  it('streams as the vendor does', () => {
    const encoder = messageStream(meta);
    const events = readStream(answer.map((event) => encoder.encode(event)).join(''));
    expect(events.map(({ event }) => event)).toEqual([
      'message_start',
      'content_block_start',
      'ping',
      'content_block_delta',
      'content_block_delta',
      'content_block_stop',
      'content_block_start',
      'content_block_delta',
      'content_block_stop',
      'content_block_start',
      'content_block_delta',
      'content_block_delta',
      'content_block_stop',
      'message_delta',
      'message_stop',
    ]);
    for (const { event, data } of events) expect(data.type).toBe(event);
    expect(events[0]?.data).toMatchObject({ message: { usage: { input_tokens: 6, cache_read_input_tokens: 4 } } });
    // a signature arrives just before its thinking block stops
    expect(events[4]?.data).toMatchObject({ index: 0, delta: { type: 'signature_delta' } });
    expect(events[7]?.data).toEqual({
      type: 'content_block_delta',
      index: 1,
      delta: { type: 'text_delta', text: 'a\nb' },
    });
    expect(events[10]?.data).toMatchObject({ index: 2, delta: { type: 'input_json_delta', partial_json: '{"at":' } });
    expect(events[13]?.data).toMatchObject({
      delta: { stop_reason: 'tool_use', stop_sequence: null },
      usage: { output_tokens: 7 },
      freehold: { model: 'm', timeToFirstTokenMs: 5, tokensPerSecond: 7 },
    });
  });

  it('holds the same text whole and streamed, whatever the text', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.string({ unit: 'binary' }), { minLength: 1 }), async (pieces) => {
        const events: GenerateEvent[] = [
          { type: 'start', inputTokens: 1, cachedTokens: 0 },
          ...pieces.map((text) => ({ type: 'text-delta' as const, text })),
          { type: 'usage', inputTokens: 1, cachedTokens: 0, outputTokens: pieces.length },
          { type: 'stop', reason: 'end-turn' },
        ];
        const encoder = messageStream(meta);
        const streamed = readStream(events.map((event) => encoder.encode(event)).join(''))
          .map(({ data }) => (data.delta as { text?: string } | undefined)?.text ?? '')
          .join('');
        const whole = messageBody(gathered(events), meta) as { content: { text: string }[] };
        expect(streamed).toBe(whole.content[0]?.text);
      }),
    );
  });

  it.each([
    ['end-turn', 'end_turn'],
    ['max-tokens', 'max_tokens'],
    ['stop-sequence', 'stop_sequence'],
    ['tool-use', 'tool_use'],
    ['context-full', 'model_context_window_exceeded'],
    ['refusal', 'refusal'],
  ] as const)('that ended by %s says %s', (reason, expected) => {
    const text = messageStream(meta).encode({ type: 'stop', reason });
    expect(readStream(text)[0]?.data).toMatchObject({ delta: { stop_reason: expected } });
  });
});

describe('an error', () => {
  it.each([
    ['invalid_request', 400, 'invalid_request_error'],
    ['unauthorized', 401, 'authentication_error'],
    ['forbidden', 403, 'permission_error'],
    ['model_not_found', 404, 'not_found_error'],
    ['payload_too_large', 413, 'request_too_large'],
    ['rate_limited', 429, 'rate_limit_error'],
    ['internal', 500, 'api_error'],
    ['model_process_lost', 503, 'api_error'],
    ['overloaded', 529, 'overloaded_error'],
  ] as const)('%s has status %i and type %s', (code, status, type) => {
    const answer = anthropicError(new FreeholdError(code, 'It broke.', { hint: 'Mend it.' }), 'req_1');
    expect(answer).toMatchObject({
      status,
      body: { type: 'error', error: { type, message: 'It broke. Mend it.' }, request_id: 'req_1' },
    });
  });

  it('of a prompt over context has the words of the vendor', () => {
    expect(anthropicError(new FreeholdError('context_exceeded', 'It has 9 tokens.'), 'r').body).toMatchObject({
      error: { message: 'prompt is too long: It has 9 tokens.' },
    });
    const counted = new FreeholdError('context_exceeded', 'The prompt is 9 tokens long.', {
      hint: 'Shorten it.',
      tokens: { prompt: 9, context: 8 },
    });
    expect(anthropicError(counted, 'r').body).toMatchObject({
      error: { message: 'prompt is too long: 9 tokens > 8 maximum. Shorten it.' },
    });
  });

  it('says whether and when to try again', () => {
    const headers = (retryAfterMs?: number) =>
      anthropicError(new FreeholdError('overloaded', 'x', retryAfterMs === undefined ? {} : { retryAfterMs }), 'r')
        .headers;
    expect(headers(10)).toMatchObject({ 'x-should-retry': 'true', 'retry-after': '1', 'retry-after-ms': '10' });
    expect(headers(2500)).toMatchObject({ 'retry-after': '3' });
    expect(headers()).toMatchObject({ 'retry-after': '1' });
    expect(anthropicError(new FreeholdError('does_not_fit', 'x'), 'r').headers).toEqual({ 'x-should-retry': 'false' });
  });
});

describe('the list of models', () => {
  const models = ['a', 'b', 'c'].map((id) => ({ id, title: id, createdSeconds: 0, owner: 'o', details: {} }));
  const ids = (parameters: Record<string, string>) => {
    const page = anthropicModelList(models, parameters) as { data: { id: string }[]; has_more: boolean };
    return [page.data.map(({ id }) => id).join(''), page.has_more];
  };
  it('comes in pages, forwards and backwards', () => {
    expect(ids({})).toEqual(['abc', false]);
    expect(ids({ limit: '2' })).toEqual(['ab', true]);
    expect(ids({ limit: '2', after_id: 'b' })).toEqual(['c', false]);
    expect(ids({ limit: '1', before_id: 'c' })).toEqual(['b', true]);
    expect(() => ids({ limit: '0' })).toThrow(expect.objectContaining({ field: 'limit' }));
    expect(() => ids({ limit: 'x' })).toThrow(expect.objectContaining({ field: 'limit' }));
  });
});
