import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FreeholdError } from '../../lib/errors.ts';
import type { GenerateEvent } from '../../lib/text-model.ts';
import { type AnswerMeta, type Completion, startGathering } from '../completion.ts';
import { chatBody, chatStream } from './answer.ts';
import { openaiError } from './errors.ts';
import { parseChat } from './request.ts';

const context = { tenant: 't', traceId: 'trace' };
const user = { role: 'user', content: 'hi' };
const parse = (changes: object) => parseChat({ model: 'm', messages: [user], ...changes }, context);

describe('a request', () => {
  it('becomes canonical', () => {
    expect(
      parse({
        messages: [
          { role: 'system', content: 'one' },
          user,
          { role: 'developer', content: [{ type: 'text', text: 'two' }] },
          { role: 'assistant', content: [{ type: 'text', text: 'yes' }], name: 'x' },
          { role: 'user', content: [{ type: 'text', text: 'and' }] },
        ],
        max_tokens: 5,
        max_completion_tokens: 7,
        stop: 'END',
        temperature: 1.5,
        top_p: 0.9,
        top_k: 3,
        min_p: 0.2,
        seed: 42,
        stream: true,
        stream_options: { include_usage: true },
        n: 1,
        logprobs: false,
        frequency_penalty: 0,
        tools: [],
        tool_choice: 'auto',
        response_format: { type: 'text' },
        user: 'someone',
        some_new_field: 1,
      }),
    ).toEqual({
      model: 'm',
      stream: true,
      includeUsage: true,
      answers: 1,
      request: {
        system: [{ type: 'text', text: 'one\n\ntwo' }],
        messages: [
          { role: 'user', content: [{ type: 'text', text: 'hi' }] },
          { role: 'assistant', content: [{ type: 'text', text: 'yes' }] },
          { role: 'user', content: [{ type: 'text', text: 'and' }] },
        ],
        maxTokens: 7,
        sampling: { temperature: 1.5, topP: 0.9, topK: 3, minP: 0.2, frequencyPenalty: 0, seed: 42 },
        stop: ['END'],
        ...context,
      },
    });
  });

  it('needs nothing but a model and messages', () => {
    expect(parse({ stop: null, max_tokens: null })).toEqual({
      model: 'm',
      stream: false,
      includeUsage: false,
      answers: 1,
      request: { messages: [{ role: 'user', content: [{ type: 'text', text: 'hi' }] }], sampling: {}, ...context },
    });
  });
});

describe('what an answer is held to', () => {
  const schema = { type: 'object', properties: { a: { type: 'string' } } };
  it.each<[string, object, object | undefined, string | undefined]>([
    ['text', { type: 'text' }, undefined, undefined],
    ['any object', { type: 'json_object' }, { type: 'object' }, 'response_format.schema'],
    ['an object in llama-server’s way', { type: 'json_object', schema }, schema, 'response_format.schema'],
    [
      'a schema',
      { type: 'json_schema', json_schema: { name: 'x', strict: true, schema } },
      schema,
      'response_format.json_schema.schema',
    ],
    [
      'a schema that is not strict',
      { type: 'json_schema', json_schema: { schema } },
      schema,
      'response_format.json_schema.schema',
    ],
  ])('%s', (_, response_format, responseSchema, schemaField) => {
    const parsed = parse({ response_format });
    expect([parsed.request.responseSchema, parsed.schemaField]).toEqual([responseSchema, schemaField]);
  });
});

describe('log probabilities and several answers', () => {
  it('are asked for', () => {
    expect(parse({ logprobs: true }).request.sampling).toEqual({ logprobs: 0 });
    expect(parse({ logprobs: true, top_logprobs: 4 }).request.sampling).toEqual({ logprobs: 4 });
    expect(parse({ logprobs: false, top_logprobs: 0 }).request.sampling).toEqual({});
    expect(parse({ n: 32 }).answers).toBe(32);
  });
});

describe('a bad request names the field and what was expected', () => {
  it.each<[string, object, string, RegExp]>([
    ['no model', { model: undefined }, 'model', /Field required/],
    ['empty messages', { messages: [] }, 'messages', /At least 1 item/],
    [
      'a wrong role',
      { messages: [{ role: 'robot', content: 'x' }] },
      'messages[0].role',
      /^messages\[0\]\.role: .*'system'.*but "robot"/,
    ],
    ['no content', { messages: [{ role: 'user' }] }, 'messages[0].content', /Field required/],
    ['nothing but emptiness', { messages: [{ role: 'user', content: '' }] }, 'messages', /empty/],
    [
      'an unknown part',
      { messages: [{ role: 'user', content: [{ type: 'smell' }] }] },
      'messages[0].content[0].type',
      /but "smell"/,
    ],
    ['negative temperature', { temperature: -1 }, 'temperature', /greater than or equal to 0/],
    ['huge temperature', { temperature: 2.1 }, 'temperature', /less than or equal to 2/],
    ['top_p beyond 1', { top_p: 2 }, 'top_p', /less than or equal to 1/],
    ['negative top_k', { top_k: -5 }, 'top_k', /greater than or equal to 0/],
    ['max_tokens of 0', { max_tokens: 0 }, 'max_tokens', /greater than or equal to 1/],
    ['a negative limit', { max_completion_tokens: -1 }, 'max_completion_tokens', /greater than or equal to 1/],
    ['five stop strings', { stop: ['a', 'b', 'c', 'd', 'e'] }, 'stop', /At most 4 items/],
    ['a stop string too long', { stop: 'x'.repeat(1001) }, 'stop', /At most 1000 characters/],
    ['one of several too long', { stop: ['a', 'x'.repeat(1001)] }, 'stop[1]', /At most 1000 characters/],
    ['an empty stop string', { stop: ['a', ''] }, 'stop[1]', /not be empty/],
    ['n of 0', { n: 0 }, 'n', /greater than or equal to 1/],
    ['too many answers', { n: 33 }, 'n', /less than or equal to 32, but 33/],
    ['log probabilities not asked for', { top_logprobs: 3 }, 'top_logprobs', /logprobs/],
    ['too many of them', { logprobs: true, top_logprobs: 21 }, 'top_logprobs', /less than or equal to 20/],
    ['a format of another type', { response_format: { type: 'xml' } }, 'response_format.type', /'text', 'json_object'/],
    [
      'a format without its schema',
      { response_format: { type: 'json_schema', json_schema: { name: 'x' } } },
      'response_format.json_schema.schema',
      /Field required/,
    ],
    [
      'a schema that is no object',
      { response_format: { type: 'json_schema', json_schema: { schema: [] } } },
      'response_format.json_schema.schema',
      /a record|an object/,
    ],
    ['JSON without an end', { response_format: { type: 'json_object' }, ignore_eos: true }, 'ignore_eos', /structured/],
    [
      'JSON that goes on from other text',
      { response_format: { type: 'json_object' }, messages: [user, { role: 'assistant', content: '{' }] },
      'messages',
      /last message/,
    ],
  ])('%s', (_, changes, field, message) => {
    expect(() => parse(changes)).toThrow(
      expect.objectContaining({ code: 'invalid_request', status: 400, field, message: expect.stringMatching(message) }),
    );
  });

  it.each<[string, object, string]>([
    ['structured output in another server’s way', { guided_json: { type: 'object' } }, 'guided_json'],
    ['a grammar', { grammar: 'root ::= "a"' }, 'grammar'],
    ['sampling that is not done here', { mirostat: 2 }, 'mirostat'],
    ['token ids to stop at', { stop_token_ids: [2] }, 'stop_token_ids'],
    ['audio', { modalities: ['text', 'audio'] }, 'modalities'],
    [
      'images',
      { messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'x' } }] }] },
      'messages[0].content[0]',
    ],
  ])('%s are refused by name', (_, changes, field) => {
    expect(() => parse(changes)).toThrow(expect.objectContaining({ code: 'unsupported', status: 400, field }));
  });

  it('never fails in any other way, whatever is sent', () => {
    const request = fc.record(
      {
        model: fc.jsonValue(),
        messages: fc.oneof(
          fc.jsonValue(),
          fc.array(
            fc.record({ role: fc.constantFrom('user', 'assistant', 'system', 'tool'), content: fc.jsonValue() }),
          ),
        ),
        stop: fc.jsonValue(),
        seed: fc.double(),
        logit_bias: fc.jsonValue(),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(request, (body) => {
        try {
          parseChat(body, context);
        } catch (error) {
          expect(error).toBeInstanceOf(FreeholdError);
        }
      }),
    );
  });
});

const meta: AnswerMeta = {
  id: 'chatcmpl_1',
  model: 'm',
  createdSeconds: 1,
  timing: () => ({ timeToFirstTokenMs: 5, tokensPerSecond: 7 }),
};

const answer: GenerateEvent[] = [
  { type: 'start', inputTokens: 10, cachedTokens: 4 },
  { type: 'thinking-delta', text: 'hm' },
  { type: 'text-delta', text: 'hello' },
  { type: 'tool-use-start', id: 'call_1', name: 'look' },
  { type: 'tool-use-delta', json: '{"at":1}' },
  { type: 'tool-use-stop' },
  { type: 'usage', inputTokens: 10, cachedTokens: 4, outputTokens: 7, thinkingTokens: 2 },
  { type: 'stop', reason: 'tool-use' },
];

function gathered(events: readonly GenerateEvent[]): Completion {
  const gathering = startGathering();
  for (const event of events) gathering.add(event);
  return gathering.end();
}

/** The JSON of a stream's lines, `[DONE]` left out. */
const chunksOf = (stream: string) =>
  stream
    .split('\n\n')
    .map((line) => line.replace(/^data: /, ''))
    .filter((line) => line !== '' && line !== '[DONE]')
    .map((line) => JSON.parse(line));

describe('an answer', () => {
  it('is a completion', () => {
    expect(chatBody([gathered(answer)], meta)).toEqual({
      id: 'chatcmpl_1',
      object: 'chat.completion',
      created: 1,
      model: 'm',
      choices: [
        {
          index: 0,
          message: {
            role: 'assistant',
            content: 'hello',
            refusal: null,
            reasoning_content: 'hm',
            tool_calls: [{ id: 'call_1', type: 'function', function: { name: 'look', arguments: '{"at":1}' } }],
          },
          logprobs: null,
          finish_reason: 'tool_calls',
        },
      ],
      usage: {
        prompt_tokens: 10,
        completion_tokens: 7,
        total_tokens: 17,
        prompt_tokens_details: { cached_tokens: 4 },
        completion_tokens_details: { reasoning_tokens: 2 },
      },
      freehold: { model: 'm', timeToFirstTokenMs: 5, tokensPerSecond: 7 },
    });
  });

  it('streams the role first and [DONE] last, with usage only when asked', () => {
    const lines = (includeUsage: boolean) => {
      const encoder = chatStream(meta, { includeUsage });
      return answer
        .map((event) => encoder.encode(event))
        .join('')
        .split('\n\n')
        .filter(Boolean)
        .map((line) => line.replace(/^data: /, ''));
    };
    const plain = lines(false);
    expect(plain.at(-1)).toBe('[DONE]');
    const chunks = plain.slice(0, -1).map((line) => JSON.parse(line));
    expect(chunks[0].choices[0].delta).toEqual({ role: 'assistant', content: '', refusal: null });
    expect(chunks.slice(1).map((chunk) => chunk.choices[0].delta)).toEqual([
      { reasoning_content: 'hm' },
      { content: 'hello' },
      { tool_calls: [{ index: 0, id: 'call_1', type: 'function', function: { name: 'look', arguments: '' } }] },
      { tool_calls: [{ index: 0, function: { arguments: '{"at":1}' } }] },
      {},
    ]);
    expect(chunks.at(-1).choices[0].finish_reason).toBe('tool_calls');
    expect(chunks.every((chunk) => !('usage' in chunk))).toBe(true);
    const withUsage = lines(true);
    expect(JSON.parse(withUsage.at(-2)!)).toMatchObject({
      choices: [],
      usage: { total_tokens: 17, completion_tokens_details: { reasoning_tokens: 2 } },
    });
    expect(JSON.parse(withUsage[0]!).usage).toBeNull();
  });

  it.each([
    ['end-turn', 'stop'],
    ['stop-sequence', 'stop'],
    ['max-tokens', 'length'],
    ['context-full', 'length'],
    ['tool-use', 'tool_calls'],
    ['refusal', 'content_filter'],
  ] as const)('that ended by %s says %s', (reason, expected) => {
    expect(chatStream(meta).encode({ type: 'stop', reason })).toContain(`"finish_reason":"${expected}"`);
  });
});

const token = (text: number[], logprob: number) => ({ token: 1, logprob, bytes: text });

describe('log probabilities', () => {
  const smile = [...Buffer.from('🙂')];
  const events: GenerateEvent[] = [
    { type: 'start', inputTokens: 1, cachedTokens: 0 },
    {
      type: 'text-delta',
      text: 'hi',
      logprobs: [{ ...token([104, 105], -0.5), top: [token([104, 105], -0.5), token([], -Infinity)] }],
    },
    // a half of a character adds no text yet
    { type: 'text-delta', text: '', logprobs: [{ ...token(smile.slice(0, 2), -1), top: [] }] },
    { type: 'text-delta', text: '🙂', logprobs: [{ ...token(smile.slice(2), -2), top: [] }] },
    { type: 'usage', inputTokens: 1, cachedTokens: 0, outputTokens: 3 },
    { type: 'stop', reason: 'end-turn' },
  ];
  const content = [
    {
      token: 'hi',
      logprob: -0.5,
      bytes: [104, 105],
      top_logprobs: [
        { token: 'hi', logprob: -0.5, bytes: [104, 105] },
        { token: '', logprob: -9999, bytes: [] },
      ],
    },
    { token: '\ufffd', logprob: -1, bytes: smile.slice(0, 2), top_logprobs: [] },
    { token: '\ufffd\ufffd', logprob: -2, bytes: smile.slice(2), top_logprobs: [] },
  ];

  it('stand in a whole answer, token by token', () => {
    const body = chatBody([gathered(events)], meta) as { choices: object[] };
    expect(body.choices).toMatchObject([{ message: { content: 'hi🙂' }, logprobs: { content, refusal: null } }]);
  });

  it('come with the chunks of a stream, those without text too', () => {
    const encoder = chatStream(meta);
    const chunks = chunksOf(events.map((event) => encoder.encode(event)).join(''));
    expect(chunks.flatMap(({ choices }) => choices[0].logprobs?.content ?? [])).toEqual(content);
    expect(chunks.map(({ choices }) => choices[0].delta.content ?? '').join('')).toBe('hi🙂');
  });

  it('are null where nobody asked', () => {
    expect(chatBody([gathered(answer)], meta)).toMatchObject({ choices: [{ logprobs: null }] });
  });
});

describe('several answers', () => {
  const of = (text: string, outputTokens: number): GenerateEvent[] => [
    { type: 'start', inputTokens: 10, cachedTokens: 4 },
    { type: 'text-delta', text },
    { type: 'usage', inputTokens: 10, cachedTokens: 9, outputTokens },
    { type: 'stop', reason: 'end-turn' },
  ];
  const usage = {
    prompt_tokens: 10,
    completion_tokens: 5,
    total_tokens: 15,
    prompt_tokens_details: { cached_tokens: 9 },
  };

  it('are choices of one completion; the prompt counts once', () => {
    expect(chatBody([gathered(of('one', 2)), gathered(of('two', 3))], meta)).toMatchObject({
      choices: [
        { index: 0, message: { content: 'one' } },
        { index: 1, message: { content: 'two' } },
      ],
      usage,
    });
  });

  it('stream side by side, each chunk with its index, and end together', () => {
    const encoder = chatStream(meta, { includeUsage: true, answers: 2 });
    const [one, two] = [of('one', 2), of('two', 3)];
    const stream = one
      .map((event, i) => encoder.encode(two[i] as GenerateEvent, 1) + encoder.encode(event, 0))
      .join('');
    const chunks = chunksOf(stream);
    const textOf = (index: number) =>
      chunks.map(({ choices }) => (choices[0]?.index === index ? (choices[0].delta.content ?? '') : '')).join('');
    expect([textOf(0), textOf(1)]).toEqual(['one', 'two']);
    expect(chunks.filter(({ choices }) => choices[0]?.finish_reason === 'stop')).toHaveLength(2);
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage });
    expect(stream.endsWith('data: [DONE]\n\n')).toBe(true);
    expect(stream.match(/\[DONE\]/g)).toHaveLength(1);
  });
});

describe('an error', () => {
  it.each([
    ['invalid_request', 400, 'invalid_request_error', 'invalid_request'],
    ['unauthorized', 401, 'invalid_request_error', 'invalid_api_key'],
    ['forbidden', 403, 'permission_error', 'forbidden'],
    ['model_not_found', 404, 'invalid_request_error', 'model_not_found'],
    ['context_exceeded', 400, 'invalid_request_error', 'context_length_exceeded'],
    ['rate_limited', 429, 'rate_limit_error', 'rate_limit_exceeded'],
    ['internal', 500, 'server_error', 'internal'],
    ['overloaded', 503, 'server_error', 'overloaded'],
  ] as const)('%s has status %i, type %s and code %s', (given, status, type, code) => {
    const error = new FreeholdError(given, 'It broke.', { hint: 'Mend it.', field: 'x' });
    expect(openaiError(error)).toMatchObject({
      status,
      body: { error: { message: 'It broke. Mend it.', type, param: 'x', code } },
    });
  });
});
