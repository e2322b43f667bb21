import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FreeholdError } from '../../lib/errors.ts';
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
        thinking: { type: 'disabled' },
        ...context,
      },
      thoughts: 'hidden',
      warming: false,
    });
  });

  it('leaves out what was not given', () => {
    expect(parse({ system: null, temperature: null, stop_sequences: [] }).request).toEqual({
      messages: [{ role: 'user', content: [{ type: 'text', text: 'hi' }] }],
      maxTokens: 10,
      sampling: {},
      thinking: { type: 'disabled' },
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
      /'user', 'assistant' or 'system', but "robot" was given/,
    ],
    ['nobody but the system', { messages: [{ role: 'system', content: 'x' }] }, 'messages', /nothing to answer/],
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
    ['negative max_tokens', { max_tokens: -1 }, 'max_tokens', /greater than or equal to 0, but -1/],
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

  it('nor whatever blocks and tools are sent', () => {
    const any = fc.jsonValue({ maxDepth: 3 });
    const typed = (types: readonly string[], ...fields: string[]) =>
      fc.record(
        { type: fc.constantFrom(...types), ...Object.fromEntries(fields.map((field) => [field, any])) },
        { requiredKeys: ['type'] },
      );
    const source = typed(['text', 'content', 'base64', 'url', 'file'], 'data', 'content', 'media_type', 'file_id');
    const id = fc.constantFrom('a', 'b', 'toolu_a', 'call_a');
    const block = fc.oneof(
      typed(['text', 'thinking', 'redacted_thinking', 'server_tool_use'], 'text', 'thinking', 'cache_control'),
      fc.record({ type: fc.constantFrom('image', 'document'), source, citations: any, title: any }),
      fc.record({ type: fc.constant('tool_use'), id, name: fc.constant('x'), input: fc.oneof(fc.constant({}), any) }),
      fc.record({ type: fc.constant('tool_result'), tool_use_id: id, content: any, is_error: fc.boolean() }),
    );
    const message = fc.record({
      role: fc.constantFrom('user', 'assistant', 'system'),
      content: fc.oneof(fc.string(), fc.array(block, { maxLength: 4 })),
    });
    const tool = typed(['custom', 'bash_20250124', 'web_search_20250305', '__proto__'], 'name', 'input_schema');
    const request = fc.record(
      {
        messages: fc.array(message, { minLength: 1, maxLength: 4 }),
        tools: fc.array(tool, { maxLength: 3 }),
        tool_choice: typed(['auto', 'any', 'tool', 'none'], 'name', 'disable_parallel_tool_use'),
        thinking: typed(['enabled', 'adaptive', 'between_tools', 'disabled'], 'budget_tokens', 'display'),
        output_config: any,
      },
      { requiredKeys: ['messages'] },
    );
    fc.assert(
      fc.property(request, (body) => {
        try {
          parse(body);
        } catch (error) {
          expect(error).toBeInstanceOf(FreeholdError);
        }
      }),
      { numRuns: 300 },
    );
  });
});
