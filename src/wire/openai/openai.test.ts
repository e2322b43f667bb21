import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FreeholdError } from '../../lib/errors.ts';
import type { GenerateEvent } from '../../lib/text-model.ts';
import { type AnswerMeta, gather } from '../completion.ts';
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
      request: {
        system: [{ type: 'text', text: 'one\n\ntwo' }],
        messages: [
          { role: 'user', content: [{ type: 'text', text: 'hi' }] },
          { role: 'assistant', content: [{ type: 'text', text: 'yes' }] },
          { role: 'user', content: [{ type: 'text', text: 'and' }] },
        ],
        maxTokens: 7,
        sampling: { temperature: 1.5, topP: 0.9, topK: 3, minP: 0.2, seed: 42 },
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
      request: { messages: [{ role: 'user', content: [{ type: 'text', text: 'hi' }] }], sampling: {}, ...context },
    });
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
  ])('%s', (_, changes, field, message) => {
    expect(() => parse(changes)).toThrow(
      expect.objectContaining({ code: 'invalid_request', status: 400, field, message: expect.stringMatching(message) }),
    );
  });

  it.each<[string, object, string]>([
    ['several answers', { n: 2 }, 'n'],
    ['log probabilities', { logprobs: true }, 'logprobs'],
    ['tools', { tools: [{ type: 'function' }] }, 'tools'],
    ['a tool choice', { tool_choice: 'required' }, 'tool_choice'],
    ['structured output', { response_format: { type: 'json_schema', json_schema: {} } }, 'response_format'],
    ['penalties', { presence_penalty: 0.5 }, 'presence_penalty'],
    ['logit biases', { logit_bias: { 5: 1 } }, 'logit_bias'],
    ['audio', { modalities: ['text', 'audio'] }, 'modalities'],
    ['tool results', { messages: [user, { role: 'tool', content: 'x', tool_call_id: '1' }] }, 'messages[1].role'],
    [
      'tool calls',
      { messages: [user, { role: 'assistant', content: null, tool_calls: [{}] }] },
      'messages[1].tool_calls',
    ],
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
  { type: 'usage', inputTokens: 10, cachedTokens: 4, outputTokens: 7 },
  { type: 'stop', reason: 'tool-use' },
];

async function* from(events: readonly GenerateEvent[]) {
  yield* events;
}

describe('an answer', () => {
  it('is a completion', async () => {
    expect(chatBody(await gather(from(answer)), meta)).toEqual({
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
      usage: { prompt_tokens: 10, completion_tokens: 7, total_tokens: 17, prompt_tokens_details: { cached_tokens: 4 } },
      freehold: { model: 'm', timeToFirstTokenMs: 5, tokensPerSecond: 7 },
    });
  });

  it('streams the role first and [DONE] last, with usage only when asked', () => {
    const lines = (includeUsage: boolean) => {
      const encoder = chatStream(meta, includeUsage);
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
    expect(JSON.parse(withUsage.at(-2)!)).toMatchObject({ choices: [], usage: { total_tokens: 17 } });
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
    expect(chatStream(meta, false).encode({ type: 'stop', reason })).toContain(`"finish_reason":"${expected}"`);
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
