import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FreeholdError } from '../../../lib/errors.ts';
import type { RequestFile } from '../../completion.ts';
import { type StoredItem, storedInput } from './items.ts';
import { parseResponses, type Referred, readResponses } from './request.ts';

const context = { tenant: 't', traceId: 'trace' };
const nothing: Referred = { history: [], items: new Map() };
const parse = (changes: object, referred = nothing, files?: Map<string, RequestFile>) =>
  parseResponses(
    readResponses({ model: 'm', input: 'hi', ...changes }),
    { ...context, ...(files && { files }) },
    referred,
  );
const text = (value: string) => ({ type: 'text', text: value });

describe('a request', () => {
  it('needs nothing but a model and an input', () => {
    expect(parse({})).toMatchObject({
      model: 'm',
      stream: false,
      store: true,
      background: false,
      truncate: false,
      promptField: 'input',
      request: { messages: [{ role: 'user', content: [text('hi')] }], sampling: {}, ...context },
    });
  });

  it('becomes canonical', () => {
    const parameters = { type: 'object', properties: { at: { type: 'string' } } };
    const { request, ...parsed } = parse({
      instructions: 'be brief',
      tools: [{ type: 'function', name: 'look', description: 'Looks.', parameters, strict: true }],
      tool_choice: { type: 'function', name: 'look' },
      parallel_tool_calls: false,
      reasoning: { effort: 'low', summary: 'auto' },
      max_output_tokens: 50,
      temperature: 0.5,
      top_p: 0.9,
      include: ['message.output_text.logprobs'],
      top_logprobs: 3,
      truncation: 'auto',
      store: false,
      metadata: { a: 'b' },
      some_new_field: 1,
      input: [
        { role: 'developer', content: 'and kind' },
        { role: 'user', content: [{ type: 'input_text', text: 'look' }] },
        { type: 'reasoning', id: 'rs_1', summary: [], content: [{ type: 'reasoning_text', text: 'hm' }] },
        { type: 'message', role: 'assistant', content: [{ type: 'output_text', text: 'I look.' }] },
        { type: 'function_call', call_id: 'call_1', name: 'look', arguments: '{"at":"it"}' },
        { type: 'function_call_output', call_id: 'call_1', output: 'bees' },
        { role: 'user', content: 'and?' },
      ],
    });
    expect(parsed).toMatchObject({ store: false, truncate: true, toolFields: ['tools[0].parameters'] });
    expect(request).toMatchObject({
      system: [text('be brief\n\nand kind')],
      messages: [
        { role: 'user', content: [text('look')] },
        {
          role: 'assistant',
          content: [
            { type: 'thinking', text: 'hm' },
            text('I look.'),
            { type: 'tool-use', id: 'call_1', name: 'look', input: { at: 'it' } },
          ],
        },
        { role: 'user', content: [{ type: 'tool-result', toolUseId: 'call_1', content: [text('bees')] }] },
        { role: 'user', content: [text('and?')] },
      ],
      tools: [{ name: 'look', description: 'Looks.', inputSchema: parameters }],
      toolChoice: { type: 'tool', name: 'look' },
      parallelToolCalls: false,
      thinking: { type: 'enabled', budgetTokens: 1024 },
      maxTokens: 50,
      sampling: { temperature: 0.5, topP: 0.9, logprobs: 3 },
    });
  });

  it('goes on from what it refers to', () => {
    const history: StoredItem[] = [
      { id: 'msg_1', type: 'message', role: 'user', content: [{ type: 'input_text', text: 'one' }] },
      { id: 'fc_1', type: 'function_call', call_id: 'call_1', name: 'look', arguments: '{}' },
    ];
    const said = { id: 'msg_2', type: 'message', role: 'assistant', content: [{ type: 'output_text', text: 'two' }] };
    const parsed = parse(
      {
        previous_response_id: 'resp_1',
        input: [
          { type: 'function_call_output', call_id: 'call_1', output: [{ type: 'input_text', text: 'three' }] },
          { type: 'item_reference', id: 'msg_2' },
          { id: 'msg_2' },
          { role: 'user', content: 'four' },
        ],
      },
      { history, items: new Map([['msg_2', said]]) },
    );
    expect(parsed.request.messages.map(({ content }) => content[0])).toMatchObject([
      text('one'),
      { type: 'tool-use', id: 'call_1' },
      { type: 'tool-result', toolUseId: 'call_1', content: [text('three')] },
      text('two'),
      text('two'),
      text('four'),
    ]);
    // what is kept is the item, not the reference
    expect(parsed.input[1]).toMatchObject({ type: 'message', id: 'msg_2' });
  });

  it('is held to a schema', () => {
    const schema = { type: 'object' };
    expect(parse({ text: { format: { type: 'json_schema', name: 'x', schema } } })).toMatchObject({
      schemaField: 'text.format.schema',
      request: { responseSchema: schema },
    });
    expect(parse({ text: { format: { type: 'json_object' } } }).request.responseSchema).toEqual({ type: 'object' });
    expect(parse({ text: { format: { type: 'text' } } }).request).not.toHaveProperty('responseSchema');
  });

  it('may hold files of text', () => {
    const files = new Map([['file_1', { name: 'a.txt', mediaType: 'text/plain', text: 'bees' }]]);
    const input = [{ role: 'user', content: [{ type: 'input_file', file_id: 'file_1' }] }];
    expect(parse({ input }, nothing, files).request.messages[0]?.content).toEqual([
      { type: 'document', title: 'a.txt', text: 'bees' },
    ]);
  });

  it.each<[string, object, string, string]>([
    ['no model', { model: undefined }, 'invalid_request', 'model'],
    ['nothing to answer', { input: undefined }, 'invalid_request', 'input'],
    ['an empty input', { input: [] }, 'invalid_request', 'input'],
    ['an input of another type', { input: 5 }, 'invalid_request', 'input'],
    ['an item that is none', { input: [7] }, 'invalid_request', 'input[0]'],
    ['an item of another kind', { input: [{ type: 'computer_call' }] }, 'unsupported', 'input[0].type'],
    ['an item named like a method', { input: [{ type: 'constructor' }] }, 'unsupported', 'input[0].type'],
    ['a message of nobody', { input: [{ content: 'x' }] }, 'invalid_request', 'input[0].role'],
    ['a message without content', { input: [{ role: 'user' }] }, 'invalid_request', 'input[0].content'],
    [
      'a part of another kind',
      { input: [{ role: 'user', content: [{ type: 'smell' }] }] },
      'invalid_request',
      'input[0].content[0].type',
    ],
    [
      'an image',
      { input: [{ role: 'user', content: [{ type: 'input_image', image_url: 'x' }] }] },
      'unsupported',
      'input[0].content[0]',
    ],
    [
      'a call without a name',
      { input: [{ type: 'function_call', call_id: 'a', arguments: '{}' }] },
      'invalid_request',
      'input[0].name',
    ],
    [
      'a result of no call',
      { input: [{ type: 'function_call_output', call_id: 'a', output: 'x' }] },
      'invalid_request',
      'input[0].call_id',
    ],
    ['a reference to nothing', { input: [{ type: 'item_reference', id: 'msg_9' }] }, 'invalid_request', 'input[0].id'],
    ['a conversation', { conversation: 'conv_1' }, 'unsupported', 'conversation'],
    ['a prompt template', { prompt: { id: 'pmpt_1' } }, 'unsupported', 'prompt'],
    ['a tool that is no function', { tools: [{ type: 'web_search' }] }, 'unsupported', 'tools[0]'],
    ['a function without a name', { tools: [{ type: 'function' }] }, 'invalid_request', 'tools[0].name'],
    [
      'a second function without a name',
      {
        tools: [
          { type: 'function', name: 'a' },
          { type: 'function', name: '' },
        ],
      },
      'invalid_request',
      'tools[1].name',
    ],
    ['a choice of nothing', { tool_choice: 'required' }, 'invalid_request', 'tool_choice'],
    [
      'a choice of what is not there',
      { tools: [{ type: 'function', name: 'a' }], tool_choice: { type: 'function', name: 'b' } },
      'invalid_request',
      'tool_choice.name',
    ],
    [
      'a choice of another kind',
      { tools: [{ type: 'function', name: 'a' }], tool_choice: { type: 'mcp' } },
      'unsupported',
      'tool_choice',
    ],
    [
      'allowing nothing',
      { tools: [{ type: 'function', name: 'a' }], tool_choice: { type: 'allowed_tools', mode: 'auto', tools: [] } },
      'invalid_request',
      'tool_choice.tools',
    ],
    ['an effort of another kind', { reasoning: { effort: 'extreme' } }, 'invalid_request', 'reasoning.effort'],
    ['no tokens', { max_output_tokens: 0 }, 'invalid_request', 'max_output_tokens'],
    ['a background that is not kept', { background: true, store: false }, 'invalid_request', 'store'],
    ['metadata that are no texts', { metadata: { a: 1 } }, 'invalid_request', 'metadata.a'],
    [
      'too many metadata',
      { metadata: Object.fromEntries(Array.from({ length: 17 }, (_, i) => [`k${i}`, 'v'])) },
      'invalid_request',
      'metadata',
    ],
    ['truncation in another way', { truncation: 'middle' }, 'invalid_request', 'truncation'],
    [
      'a format without its schema',
      { text: { format: { type: 'json_schema', name: 'x' } } },
      'invalid_request',
      'text.format.schema',
    ],
  ])('refused: %s', (_, changes, code, field) => {
    expect(() => parse(changes)).toThrow(expect.objectContaining({ code, status: 400, field }));
  });

  it('never fails in any other way', () => {
    const json = fc.jsonValue();
    const item = fc.record(
      {
        type: fc.constantFrom('message', 'function_call', 'function_call_output', 'reasoning', 'item_reference', 'x'),
        id: json,
        role: fc.constantFrom('user', 'assistant', 'system', 'nobody'),
        content: fc.oneof(json, fc.array(fc.record({ type: fc.constantFrom('input_text', 'input_file'), text: json }))),
        call_id: fc.oneof(json, fc.constant('a')),
        name: fc.string(),
        arguments: fc.string(),
        output: json,
        summary: json,
      },
      { requiredKeys: [] },
    );
    const body = fc.record(
      {
        input: fc.oneof(json, fc.array(item)),
        tools: fc.oneof(json, fc.array(fc.record({ type: fc.constantFrom('function', 'x'), name: json }))),
        tool_choice: json,
        text: json,
        reasoning: json,
        include: json,
        metadata: json,
      },
      { requiredKeys: [] },
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
});

describe('items of a request, as they are kept', () => {
  it('have ids of their own where they had none, and their text in parts', () => {
    const { input } = parse({
      input: [
        { role: 'user', content: 'hi' },
        { role: 'assistant', content: 'yes', id: 'msg_own' },
        { type: 'reasoning' },
      ],
    });
    expect(storedInput(input, 'resp_abc')).toEqual([
      {
        id: 'msg_abci0',
        type: 'message',
        role: 'user',
        status: 'completed',
        content: [{ type: 'input_text', text: 'hi' }],
      },
      {
        id: 'msg_own',
        type: 'message',
        role: 'assistant',
        status: 'completed',
        content: [{ type: 'output_text', text: 'yes', annotations: [] }],
      },
      { id: 'rs_abci2', type: 'reasoning', summary: [] },
    ]);
  });
});
