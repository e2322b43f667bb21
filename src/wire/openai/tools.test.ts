import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FreeholdError } from '../../lib/errors.ts';
import type { GenerateEvent } from '../../lib/text-model.ts';
import { type AnswerMeta, type RequestFile, startGathering } from '../completion.ts';
import { chatBody, chatStream } from './answer.ts';
import { parseChat } from './request.ts';

const context = { tenant: 't', traceId: 'trace' };
const user = { role: 'user', content: 'hi' };
const parse = (changes: object, files?: Map<string, RequestFile>) =>
  parseChat({ model: 'm', messages: [user], ...changes }, { ...context, ...(files && { files }) });

const parameters = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] };
const weather = { type: 'function', function: { name: 'weather', description: 'Tells it.', parameters, strict: true } };
const clock = { type: 'function', function: { name: 'clock' } };
const canonicalWeather = { name: 'weather', description: 'Tells it.', inputSchema: parameters };
const canonicalClock = { name: 'clock', inputSchema: { type: 'object', properties: {}, additionalProperties: false } };

describe('tools', () => {
  it('become canonical; one without parameters takes none', () => {
    expect(parse({ tools: [weather, clock], parallel_tool_calls: false }).request).toMatchObject({
      tools: [canonicalWeather, canonicalClock],
      parallelToolCalls: false,
    });
    expect(parse({ tools: [weather] }).request).not.toHaveProperty('toolChoice');
    expect(parse({ tools: [], tool_choice: 'auto' }).request).not.toHaveProperty('tools');
  });

  it('are strict only where the caller says so', () => {
    const loose = { type: 'function', function: { name: 'clock', strict: false } };
    expect(parse({ tools: [weather, loose] }).request.tools).toEqual([
      { ...canonicalWeather, strict: true },
      canonicalClock,
    ]);
  });

  it.each<[string, unknown, object]>([
    ['auto', 'auto', { type: 'auto' }],
    ['none', 'none', { type: 'none' }],
    ['required', 'required', { type: 'any' }],
    ['one function', { type: 'function', function: { name: 'clock' } }, { type: 'tool', name: 'clock' }],
  ])('are chosen: %s', (_, tool_choice, toolChoice) => {
    expect(parse({ tools: [weather, clock], tool_choice }).request).toMatchObject({
      tools: [canonicalWeather, canonicalClock],
      toolChoice,
    });
  });

  it('that are not allowed are not shown', () => {
    const allowed = (mode: string) => ({
      type: 'allowed_tools',
      allowed_tools: { mode, tools: [{ type: 'function', function: { name: 'clock' } }] },
    });
    expect(parse({ tools: [weather, clock], tool_choice: allowed('required') }).request).toMatchObject({
      tools: [canonicalClock],
      toolChoice: { type: 'any' },
    });
    expect(parse({ tools: [weather, clock], tool_choice: allowed('auto') }).request.toolChoice).toEqual({
      type: 'auto',
    });
  });

  it.each<[string, object, string, string]>([
    ['a custom one', { tools: [{ type: 'custom', custom: { name: 'x' } }] }, 'unsupported', 'tools[0]'],
    [
      'the choice of a custom one',
      { tools: [clock], tool_choice: { type: 'custom', custom: { name: 'x' } } },
      'unsupported',
      'tool_choice',
    ],
    ['one without a function', { tools: [{ type: 'function' }] }, 'invalid_request', 'tools[0].function'],
    [
      'a name with a space',
      { tools: [{ type: 'function', function: { name: 'a b' } }] },
      'invalid_request',
      'tools[0].function.name',
    ],
    ['two of one name', { tools: [clock, clock] }, 'invalid_request', 'tools[1].function.name'],
    ['too many', { tools: Array(129).fill(clock) }, 'invalid_request', 'tools'],
    ['a choice among none', { tool_choice: 'required' }, 'invalid_request', 'tool_choice'],
    ['an unknown choice', { tools: [clock], tool_choice: 'any' }, 'invalid_request', 'tool_choice'],
    [
      'the choice of one that is not there',
      { tools: [clock], tool_choice: { type: 'function', function: { name: 'weather' } } },
      'invalid_request',
      'tool_choice.function.name',
    ],
    [
      'allowing one that is not there',
      {
        tools: [clock],
        tool_choice: {
          type: 'allowed_tools',
          allowed_tools: { mode: 'auto', tools: [{ type: 'function', function: { name: 'x' } }] },
        },
      },
      'invalid_request',
      'tool_choice.allowed_tools.tools',
    ],
    [
      'parameters that are no object',
      { tools: [{ type: 'function', function: { name: 'x', parameters: [] } }] },
      'invalid_request',
      'tools[0].function.parameters',
    ],
    ['functions beside tools', { tools: [clock], functions: [{ name: 'x' }] }, 'invalid_request', 'functions'],
  ])('refused: %s', (_, changes, code, field) => {
    expect(() => parse(changes)).toThrow(expect.objectContaining({ code, status: 400, field }));
  });
});

const called = (id: string, name: string, text: string) => ({
  id,
  type: 'function',
  function: { name, arguments: text },
});

describe('earlier calls and their results', () => {
  it('stand in the turns of whoever made them', () => {
    const { messages } = parse({
      messages: [
        user,
        {
          role: 'assistant',
          content: 'Let me see.',
          reasoning_content: 'It wants both.',
          tool_calls: [called('call_1', 'weather', '{"city":"Ulm"}'), called('call_2', 'clock', '')],
        },
        { role: 'tool', tool_call_id: 'call_1', content: 'rain' },
        { role: 'tool', tool_call_id: 'call_2', content: [{ type: 'text', text: 'noon' }] },
        { role: 'assistant', content: null, tool_calls: [called('call_3', 'weather', '{"city":')] },
        { role: 'tool', tool_call_id: 'call_3', content: '' },
        user,
      ],
    }).request;
    const text = (value: string) => ({ type: 'text', text: value });
    expect(messages).toEqual([
      { role: 'user', content: [text('hi')] },
      {
        role: 'assistant',
        content: [
          { type: 'thinking', text: 'It wants both.' },
          text('Let me see.'),
          { type: 'tool-use', id: 'call_1', name: 'weather', input: { city: 'Ulm' } },
          { type: 'tool-use', id: 'call_2', name: 'clock', input: {} },
        ],
      },
      {
        role: 'user',
        content: [
          { type: 'tool-result', toolUseId: 'call_1', content: [text('rain')] },
          { type: 'tool-result', toolUseId: 'call_2', content: [text('noon')] },
        ],
      },
      {
        role: 'assistant',
        content: [{ type: 'tool-use', id: 'call_3', name: 'weather', input: { partial_json: '{"city":' } }],
      },
      { role: 'user', content: [{ type: 'tool-result', toolUseId: 'call_3', content: [] }] },
      { role: 'user', content: [text('hi')] },
    ]);
  });

  it('may be written in the older way', () => {
    const parsed = parse({
      messages: [
        user,
        { role: 'assistant', content: null, function_call: { name: 'clock', arguments: '{}' } },
        { role: 'function', name: 'clock', content: 'noon' },
      ],
      functions: [{ name: 'clock' }],
      function_call: { name: 'clock' },
    });
    expect(parsed).toMatchObject({
      functionCall: true,
      request: {
        tools: [canonicalClock],
        toolChoice: { type: 'tool', name: 'clock' },
        parallelToolCalls: false,
        messages: [
          {},
          { role: 'assistant', content: [{ type: 'tool-use', id: 'call_1', name: 'clock', input: {} }] },
          { role: 'user', content: [{ type: 'tool-result', toolUseId: 'call_1' }] },
        ],
      },
    });
  });

  it.each<[string, object[], string]>([
    ['a result of no call', [user, { role: 'tool', tool_call_id: 'call_9', content: 'x' }], 'messages[1].tool_call_id'],
    [
      'a result before its call',
      [
        user,
        { role: 'tool', tool_call_id: 'call_1', content: 'x' },
        { role: 'assistant', tool_calls: [called('call_1', 'clock', '{}')] },
      ],
      'messages[1].tool_call_id',
    ],
    ['a result of no function', [user, { role: 'function', name: 'clock', content: 'x' }], 'messages[1].name'],
    ['a result without an id', [user, { role: 'tool', content: 'x' }], 'messages[1].tool_call_id'],
    [
      'a call without arguments',
      [user, { role: 'assistant', tool_calls: [{ id: 'a', type: 'function', function: { name: 'x' } }] }],
      'messages[1].tool_calls[0].function.arguments',
    ],
  ])('refused: %s', (_, messages, field) => {
    expect(() => parse({ messages })).toThrow(expect.objectContaining({ code: 'invalid_request', field }));
  });
});

describe('thinking', () => {
  it.each<[object, object | undefined]>([
    [{}, undefined],
    [{ reasoning_effort: null }, undefined],
    [{ reasoning_effort: 'none' }, { type: 'disabled' }],
    [{ reasoning_effort: 'minimal' }, { type: 'disabled' }],
    [{ reasoning_effort: 'low' }, { type: 'enabled', budgetTokens: 1024 }],
    [{ reasoning_effort: 'high' }, { type: 'enabled', budgetTokens: 16384 }],
    [{ reasoning_effort: 'xhigh' }, { type: 'enabled' }],
    [{ chat_template_kwargs: { enable_thinking: false } }, { type: 'disabled' }],
    [{ chat_template_kwargs: { enable_thinking: true } }, { type: 'enabled' }],
  ])('%j', (changes, thinking) => {
    expect(parse(changes).request.thinking).toEqual(thinking);
  });

  it('of an effort that does not exist is refused', () => {
    expect(() => parse({ reasoning_effort: 'extreme' })).toThrow(
      expect.objectContaining({ code: 'invalid_request', field: 'reasoning_effort' }),
    );
  });
});

describe('files in a message', () => {
  const files = new Map<string, RequestFile>([
    ['file_1', { name: 'notes.txt', mediaType: 'text/plain', text: 'bees' }],
    ['file_2', { name: 'scan.pdf', mediaType: 'application/pdf' }],
  ]);
  const withFile = (file: object) =>
    parse(
      {
        messages: [
          {
            role: 'user',
            content: [
              { type: 'file', file },
              { type: 'text', text: 'why?' },
            ],
          },
        ],
      },
      files,
    ).request.messages[0]?.content;
  const base64 = (text: string | Uint8Array) => Buffer.from(text).toString('base64');

  it('are documents, by id and in place', () => {
    expect(withFile({ file_id: 'file_1' })).toEqual([
      { type: 'document', title: 'notes.txt', text: 'bees' },
      { type: 'text', text: 'why?' },
    ]);
    expect(withFile({ file_data: `data:text/plain;base64,${base64('é')}`, filename: 'a.txt' })?.[0]).toEqual({
      type: 'document',
      title: 'a.txt',
      text: 'é',
    });
    expect(withFile({ file_data: base64('plain') })?.[0]).toEqual({ type: 'document', text: 'plain' });
  });

  it.each<[string, object, string, string]>([
    ['an id of nobody', { file_id: 'file_9' }, 'invalid_request', 'file_id'],
    ['a file that is no text', { file_id: 'file_2' }, 'unsupported', 'file_id'],
    ['a PDF', { file_data: `data:application/pdf;base64,${base64('%PDF-1.7')}` }, 'unsupported', 'file_data'],
    ['bytes', { file_data: base64(Uint8Array.of(255, 254, 0)) }, 'unsupported', 'file_data'],
    ['what is no base64', { file_data: 'data:text/plain;base64,$$$' }, 'invalid_request', 'file_data'],
    ['a URL that is not base64', { file_data: 'data:text/plain,hello' }, 'invalid_request', 'file_data'],
  ])('refused: %s', (_, file, code, field) => {
    expect(() => withFile(file)).toThrow(
      expect.objectContaining({ code, field: `messages[0].content[0].file.${field}` }),
    );
  });

  it('need something in them', () => {
    expect(() => withFile({ filename: 'x' })).toThrow(
      expect.objectContaining({ code: 'invalid_request', field: 'messages[0].content[0].file' }),
    );
  });
});

const meta: AnswerMeta = {
  id: 'chatcmpl_1',
  model: 'm',
  createdSeconds: 1,
  timing: () => ({ timeToFirstTokenMs: 5, tokensPerSecond: 7 }),
};

const callOf = (id: string, name: string, pieces: string[]): GenerateEvent[] => [
  { type: 'tool-use-start', id, name },
  ...pieces.map((json): GenerateEvent => ({ type: 'tool-use-delta', json })),
  { type: 'tool-use-stop' },
];
const answerOf = (...calls: GenerateEvent[][]): GenerateEvent[] => [
  { type: 'start', inputTokens: 3, cachedTokens: 0 },
  ...calls.flat(),
  { type: 'usage', inputTokens: 3, cachedTokens: 0, outputTokens: 9 },
  { type: 'stop', reason: 'tool-use' },
];
function whole(events: readonly GenerateEvent[], options = {}) {
  const gathering = startGathering();
  for (const event of events) gathering.add(event);
  return chatBody([gathering.end()], meta, options) as { choices: { message: object; finish_reason: string }[] };
}
const deltas = (events: readonly GenerateEvent[], options = {}) => {
  const encoder = chatStream(meta, options);
  return events
    .map((event) => encoder.encode(event))
    .join('')
    .split('\n\n')
    .filter((line) => line.startsWith('data: {'))
    .map((line) => JSON.parse(line.slice(6)).choices[0]);
};

describe('calls in an answer', () => {
  it('stream with an index each; the id comes once', () => {
    const events = answerOf(callOf('call_a', 'weather', ['{"city":', '"Ulm"}']), callOf('call_b', 'clock', ['{}']));
    const calls = deltas(events).flatMap(({ delta }) => delta.tool_calls ?? []);
    expect(calls).toEqual([
      { index: 0, id: 'call_a', type: 'function', function: { name: 'weather', arguments: '' } },
      { index: 0, function: { arguments: '{"city":' } },
      { index: 0, function: { arguments: '"Ulm"}' } },
      { index: 1, id: 'call_b', type: 'function', function: { name: 'clock', arguments: '' } },
      { index: 1, function: { arguments: '{}' } },
    ]);
  });

  it('keep their arguments as they were written, whole and cut off', () => {
    type WithCall = { tool_calls: [{ function: object }] };
    const argumentsIn = (...pieces: string[]) => {
      const message = whole(answerOf(callOf('call_a', 'x', pieces))).choices[0]?.message as WithCall;
      return message.tool_calls[0].function;
    };
    expect(argumentsIn('{"n": 12345678901234567890.0}')).toMatchObject({ arguments: '{"n": 12345678901234567890.0}' });
    expect(argumentsIn('{"n": ', '1')).toMatchObject({ arguments: '{"n": 1' });
    expect(argumentsIn()).toMatchObject({ arguments: '{}' });
  });

  it('are told in the older way where they were asked for so', () => {
    const events = answerOf(callOf('call_a', 'clock', ['{', '}']));
    expect(whole(events, { functionCall: true }).choices[0]).toMatchObject({
      message: { content: null, function_call: { name: 'clock', arguments: '{}' } },
      finish_reason: 'function_call',
    });
    const chunks = deltas(events, { functionCall: true });
    expect(chunks.flatMap(({ delta }) => delta.function_call ?? [])).toEqual([
      { name: 'clock', arguments: '' },
      { arguments: '{' },
      { arguments: '}' },
    ]);
    expect(chunks.at(-1).finish_reason).toBe('function_call');
  });
});

it('never fails in any other way, whatever tools and calls are sent', () => {
  const json = fc.jsonValue();
  const text = fc.oneof(fc.string(), json);
  const body = fc.record(
    {
      tools: fc.oneof(json, fc.array(fc.record({ type: fc.constantFrom('function', 'custom'), function: json }))),
      tool_choice: json,
      functions: json,
      function_call: json,
      reasoning_effort: json,
      messages: fc.array(
        fc.record(
          {
            role: fc.constantFrom('user', 'assistant', 'tool', 'function'),
            content: fc.oneof(
              text,
              fc.array(fc.record({ type: fc.constantFrom('text', 'file', 'image_url'), text, file: json })),
            ),
            tool_call_id: text,
            name: text,
            tool_calls: fc.oneof(
              json,
              fc.array(
                fc.record({
                  id: fc.string(),
                  type: fc.constant('function'),
                  function: fc.record({ name: fc.string(), arguments: fc.string() }),
                }),
              ),
            ),
          },
          { requiredKeys: ['role'] },
        ),
        { minLength: 1 },
      ),
    },
    { requiredKeys: ['messages'] },
  );
  fc.assert(
    fc.property(body, (given) => {
      try {
        parse(given);
      } catch (error) {
        expect(error).toBeInstanceOf(FreeholdError);
      }
    }),
  );
});
