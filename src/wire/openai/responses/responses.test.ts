import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FreeholdError } from '../../../lib/errors.ts';
import type { GenerateEvent } from '../../../lib/text-model.ts';
import { type RequestFile, startGathering } from '../../completion.ts';
import {
  emptyResponse,
  encodeEvent,
  eventsOfCompletion,
  type ResponseEvent,
  type ResponseObject,
  replayed,
  startResponse,
} from './answer.ts';
import { type StoredItem, storedInput } from './items.ts';
import { inputItemsPage, parseRetrieve } from './list.ts';
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

const described = (changes: object = {}) => ({
  id: 'resp_abc',
  model: 'm',
  createdSeconds: 1,
  given: readResponses({ model: 'm', input: 'hi', ...changes }).given,
});
const making = (changes: object = {}) => startResponse(emptyResponse(described(changes), 'in_progress'), () => 2);

const answer: GenerateEvent[] = [
  { type: 'start', inputTokens: 10, cachedTokens: 4 },
  { type: 'thinking-delta', text: 'h' },
  { type: 'thinking-delta', text: 'm' },
  { type: 'text-delta', text: 'hel' },
  { type: 'text-delta', text: 'lo' },
  { type: 'tool-use-start', id: 'call_1', name: 'look' },
  { type: 'tool-use-delta', json: '{"at":' },
  { type: 'tool-use-delta', json: '1}' },
  { type: 'tool-use-stop' },
  { type: 'tool-use-start', id: 'call_2', name: 'rest' },
  { type: 'tool-use-stop' },
  { type: 'usage', inputTokens: 10, cachedTokens: 4, outputTokens: 7, thinkingTokens: 2 },
  { type: 'stop', reason: 'tool-use' },
];

function told(events: readonly GenerateEvent[], changes: object = {}) {
  const made = making(changes);
  const all = [...events.flatMap((event) => made.take(event)), ...made.end()];
  return { all, response: made.response() };
}
const namesOf = (events: readonly ResponseEvent[]) => events.map(({ type }) => type.replace(/^response\./, ''));

describe('a response', () => {
  it('comes in the vendor’s events, in the vendor’s order', () => {
    const { all } = told(answer);
    expect(namesOf(all)).toEqual([
      'created',
      'in_progress',
      'output_item.added',
      'content_part.added',
      'reasoning_text.delta',
      'reasoning_text.delta',
      'reasoning_text.done',
      'content_part.done',
      'output_item.done',
      'output_item.added',
      'content_part.added',
      'output_text.delta',
      'output_text.delta',
      'output_text.done',
      'content_part.done',
      'output_item.done',
      'output_item.added',
      'function_call_arguments.delta',
      'function_call_arguments.delta',
      'function_call_arguments.done',
      'output_item.done',
      'output_item.added',
      'function_call_arguments.done',
      'output_item.done',
      'completed',
    ]);
    expect(all.map(({ sequence_number }) => sequence_number)).toEqual(all.map((_, index) => index));
    expect(all[0]).toMatchObject({ response: { status: 'in_progress', output: [], usage: { input_tokens: 10 } } });
    expect(encodeEvent(all[0] as ResponseEvent)).toMatch(/^event: response\.created\ndata: \{.*\}\n\n$/);
  });

  it('is at its end what its events told', () => {
    const { all, response } = told(answer, { metadata: { a: 'b' }, instructions: 'be brief' });
    expect(all.at(-1)).toMatchObject({ type: 'response.completed', response });
    expect(response).toMatchObject({
      id: 'resp_abc',
      object: 'response',
      created_at: 1,
      completed_at: 2,
      status: 'completed',
      instructions: 'be brief',
      metadata: { a: 'b' },
      output: [
        { id: 'rs_abco0', type: 'reasoning', summary: [], content: [{ type: 'reasoning_text', text: 'hm' }] },
        {
          id: 'msg_abco1',
          type: 'message',
          role: 'assistant',
          status: 'completed',
          content: [{ type: 'output_text', text: 'hello', annotations: [], logprobs: [] }],
        },
        {
          id: 'fc_abco2',
          type: 'function_call',
          call_id: 'call_1',
          name: 'look',
          arguments: '{"at":1}',
          status: 'completed',
        },
        { id: 'fc_abco3', type: 'function_call', call_id: 'call_2', name: 'rest', arguments: '{}' },
      ],
      usage: {
        input_tokens: 10,
        input_tokens_details: { cached_tokens: 4 },
        output_tokens: 7,
        output_tokens_details: { reasoning_tokens: 2 },
        total_tokens: 17,
      },
    });
    const itemsDone = all.filter(({ type }) => type === 'response.output_item.done').map(({ item }) => item);
    expect(itemsDone).toEqual(response.output);
  });

  it('is the same whole', () => {
    const gathering = startGathering();
    for (const event of answer) gathering.add(event);
    expect(told(eventsOfCompletion(gathering.end())).response).toEqual(told(answer).response);
  });

  it('tells thoughts as a summary where one is asked for', () => {
    const { all, response } = told(answer, { reasoning: { summary: 'auto' } });
    expect(namesOf(all).slice(2, 9)).toEqual([
      'output_item.added',
      'reasoning_summary_part.added',
      'reasoning_summary_text.delta',
      'reasoning_summary_text.delta',
      'reasoning_summary_text.done',
      'reasoning_summary_part.done',
      'output_item.done',
    ]);
    expect(response.output[0]).toMatchObject({ summary: [{ type: 'summary_text', text: 'hm' }] });
    expect(response.output[0]).not.toHaveProperty('content');
  });

  it.each([
    ['max-tokens', 'incomplete', 'max_output_tokens'],
    ['context-full', 'incomplete', 'max_output_tokens'],
    ['refusal', 'incomplete', 'content_filter'],
    ['end-turn', 'completed', undefined],
    ['stop-sequence', 'completed', undefined],
  ] as const)('that ended by %s is %s', (reason, status, why) => {
    const { all, response } = told([
      { type: 'start', inputTokens: 1, cachedTokens: 0 },
      { type: 'text-delta', text: 'x' },
      { type: 'stop', reason },
    ]);
    expect(response).toMatchObject({ status, incomplete_details: why === undefined ? null : { reason: why } });
    expect(response.output[0]).toMatchObject({ status });
    expect(all.at(-1)?.type).toBe(`response.${status}`);
  });

  it('cut off in a call keeps what there is of it, whole and streamed', () => {
    const cut: GenerateEvent[] = [
      { type: 'start', inputTokens: 1, cachedTokens: 0 },
      { type: 'tool-use-start', id: 'call_1', name: 'look' },
      { type: 'tool-use-delta', json: '{"at":' },
      { type: 'usage', inputTokens: 1, cachedTokens: 0, outputTokens: 3 },
      { type: 'stop', reason: 'max-tokens' },
    ];
    const gathering = startGathering();
    for (const event of cut) gathering.add(event);
    const { response } = told(cut);
    expect(response.output).toMatchObject([{ arguments: '{"at":', status: 'incomplete' }]);
    expect(told(eventsOfCompletion(gathering.end())).response).toEqual(response);
  });

  it('that fails ends with the error', () => {
    const made = making();
    const before = answer.slice(0, 5).flatMap((event) => made.take(event));
    const after = made.fail(new FreeholdError('model_process_lost', 'It died.', { hint: 'Try again.' }));
    expect(namesOf([...before, ...after]).slice(-4)).toEqual([
      'output_text.done',
      'content_part.done',
      'output_item.done',
      'failed',
    ]);
    expect(made.response()).toMatchObject({
      status: 'failed',
      error: { code: 'server_error', message: 'It died. Try again.' },
      output: [
        { type: 'reasoning', status: 'completed' },
        { type: 'message', status: 'incomplete' },
      ],
    });
  });

  it('that fails before anything came is told from its beginning', () => {
    const made = making();
    expect(namesOf(made.fail(new FreeholdError('cancelled', 'Gone.')))).toEqual(['created', 'in_progress', 'failed']);
    expect(made.response()).toMatchObject({ status: 'cancelled', error: null });
  });

  it('in the background is queued first', () => {
    const made = startResponse(emptyResponse(described({ background: true }), 'queued'), () => 2);
    const events = [...made.begin(), ...made.begin(), ...made.take(answer[0] as GenerateEvent)];
    expect(events.map(({ type, response }) => [type, (response as ResponseObject).status])).toEqual([
      ['response.created', 'queued'],
      ['response.queued', 'queued'],
      ['response.in_progress', 'in_progress'],
    ]);
  });
});

describe('a response told again', () => {
  const arbitraryEvents = fc
    .array(
      fc.oneof(
        fc.string().map((value): GenerateEvent[] => [{ type: 'text-delta', text: value }]),
        fc.string().map((value): GenerateEvent[] => [{ type: 'thinking-delta', text: value }]),
        fc
          .json()
          .map((json): GenerateEvent[] => [
            { type: 'tool-use-start', id: `call_${json.length}`, name: 'look' },
            { type: 'tool-use-delta', json },
            { type: 'tool-use-stop' },
          ]),
      ),
    )
    .map((middle): GenerateEvent[] => [
      { type: 'start', inputTokens: 3, cachedTokens: 0 },
      ...middle.flat(),
      { type: 'usage', inputTokens: 3, cachedTokens: 0, outputTokens: 2 },
      { type: 'stop', reason: 'end-turn' },
    ]);

  it('from its record is told in the same words', () => {
    fc.assert(
      fc.property(arbitraryEvents, fc.boolean(), (events, background) => {
        const { all, response } = told(events, { background });
        const again = replayed(response, JSON.parse(JSON.stringify(events)));
        // what was not known at its beginning is told at its end
        const unknown = (event: ResponseEvent) => ({ ...event, response: undefined });
        expect(again.map(unknown)).toEqual(all.map(unknown));
        expect(again.at(-1)).toEqual(all.at(-1));
      }),
    );
  });

  it('without a record has the same items, each of their texts in one piece', () => {
    fc.assert(
      fc.property(arbitraryEvents, (events) => {
        const { response } = told(events);
        const again = replayed(response);
        expect(again.at(-1)).toMatchObject({ type: 'response.completed', response });
        const done = again.filter(({ type }) => type === 'response.output_item.done').map(({ item }) => item);
        expect(done).toEqual(response.output);
      }),
    );
  });

  it('that failed says so again', () => {
    const made = making();
    for (const event of answer.slice(0, 5)) made.take(event);
    made.fail(new FreeholdError('internal', 'It broke.'));
    const again = replayed(made.response());
    expect(again.at(-1)).toMatchObject({ type: 'response.failed', response: { error: { message: 'It broke.' } } });
  });
});

describe('a page of items', () => {
  const items = ['a', 'b', 'c'].map((id): StoredItem => ({ id, type: 'message' }));
  const page = (query: Record<string, string>) =>
    inputItemsPage(items, query) as { data: StoredItem[]; has_more: boolean; first_id: string | null };

  it('begins with the latest', () => {
    expect(page({}).data.map(({ id }) => id)).toEqual(['c', 'b', 'a']);
    expect(page({ order: 'asc', limit: '2' })).toMatchObject({ first_id: 'a', last_id: 'b', has_more: true });
    expect(page({ order: 'asc', after: 'b' })).toMatchObject({ data: [{ id: 'c' }], has_more: false });
    expect(page({ after: 'a' })).toMatchObject({ data: [], first_id: null, has_more: false });
  });

  it.each([
    [{ limit: '0' }, 'limit'],
    [{ limit: '101' }, 'limit'],
    [{ limit: 'x' }, 'limit'],
    [{ order: 'up' }, 'order'],
    [{ after: 'z' }, 'after'],
  ])('refuses %j', (query, field) => {
    expect(() => page(query as Record<string, string>)).toThrow(
      expect.objectContaining({ code: 'invalid_request', field }),
    );
  });

  it('and how a response is asked for', () => {
    expect(parseRetrieve({})).toEqual({ stream: false, after: -1 });
    expect(parseRetrieve({ stream: 'true', starting_after: '4' })).toEqual({ stream: true, after: 4 });
    expect(() => parseRetrieve({ starting_after: '-1' })).toThrow(expect.objectContaining({ field: 'starting_after' }));
  });
});
