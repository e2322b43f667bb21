import { describe, expect, it } from 'vitest';
import { clientTools } from './client-tools.ts';
import { callId, toolUseId } from './ids.ts';
import { parseCountTokens, parseMessages } from './request.ts';

const context = { tenant: 't', traceId: 'trace' };
const user = { role: 'user', content: 'hi' };
const valid = { model: 'm', max_tokens: 10, messages: [user] };
const parse = (changes: object) => parseMessages({ ...valid, ...changes }, context).request;

const schema = { type: 'object', properties: { at: { type: 'number' } }, required: ['at'] };
const look = { name: 'look', description: 'Looks.', input_schema: schema };
const wait = { name: 'wait', input_schema: { type: 'object' } };

describe('tools', () => {
  it('become canonical', () => {
    const tools = [
      { ...look, type: 'custom', strict: true, cache_control: { type: 'ephemeral', ttl: '1h' }, defer_loading: true },
      wait,
    ];
    expect(parse({ tools })).toMatchObject({
      tools: [
        { name: 'look', description: 'Looks.', inputSchema: schema, strict: true },
        { name: 'wait', inputSchema: { type: 'object' } },
      ],
    });
    for (const strict of [false, null, undefined]) {
      expect(parse({ tools: [{ ...look, strict }] }).tools).toEqual([
        { name: 'look', description: 'Looks.', inputSchema: schema },
      ]);
    }
    expect(parse({ tools })).not.toHaveProperty('toolChoice');
    expect(parse({ tools: [] })).not.toHaveProperty('tools');
    expect(parseCountTokens({ model: 'm', messages: [user], tools }, context).request.tools).toHaveLength(2);
  });

  it('tell the model their examples', () => {
    const [tool] = parse({ tools: [{ ...look, input_examples: [{ at: 1 }, { at: 2 }] }] }).tools ?? [];
    expect(tool?.description).toBe('Looks.\n\nExamples of input:\n{"at":1}\n{"at":2}');
  });

  it.each([
    [{ type: 'auto' }, { toolChoice: { type: 'auto' } }],
    [
      { type: 'any', disable_parallel_tool_use: true },
      { toolChoice: { type: 'any' }, parallelToolCalls: false },
    ],
    [{ type: 'auto', disable_parallel_tool_use: false }, { toolChoice: { type: 'auto' } }],
    [{ type: 'tool', name: 'look' }, { toolChoice: { type: 'tool', name: 'look' } }],
    [{ type: 'none' }, { toolChoice: { type: 'none' } }],
  ])('are chosen by %j', (choice, expected) => {
    const { toolChoice, parallelToolCalls } = parse({ tools: [look], tool_choice: choice });
    expect({ toolChoice, ...(parallelToolCalls !== undefined && { parallelToolCalls }) }).toEqual(expected);
  });

  it.each(Object.keys(clientTools))('of type %s get the schema that clients know', (type) => {
    const { name } = clientTools[type] ?? { name: '' };
    const [tool] = parse({ tools: [{ type, name }] }).tools ?? [];
    expect(tool).toMatchObject({ name, inputSchema: { type: 'object' }, description: expect.stringMatching(/\w/) });
  });

  it('edit text as their version does', () => {
    const commands = (type: string, name: string) => {
      const [tool] = parse({ tools: [{ type, name, max_characters: 10_000 }] }).tools ?? [];
      return tool?.inputSchema.properties as { command: { enum: string[] }; insert_text?: object };
    };
    expect(commands('text_editor_20250124', 'str_replace_editor').command.enum).toContain('undo_edit');
    const newest = commands('text_editor_20250728', 'str_replace_based_edit_tool');
    expect(newest.command.enum).toEqual(['view', 'create', 'str_replace', 'insert']);
    expect(newest).toHaveProperty('insert_text');
  });

  it.each<[string, object, string, RegExp]>([
    ['no name', { tools: [{ input_schema: schema }] }, 'tools.0.name', /Field required/],
    ['a bad name', { tools: [{ ...look, name: 'a b' }] }, 'tools.0.name', /should match/],
    ['a long name', { tools: [{ ...look, name: 'a'.repeat(129) }] }, 'tools.0.name', /should match/],
    ['no schema', { tools: [{ name: 'a' }] }, 'tools.0.input_schema', /Field required/],
    ['a schema of no object', { tools: [{ name: 'a', input_schema: {} }] }, 'tools.0.input_schema.type', /'object'/],
    ['a name twice', { tools: [look, look] }, 'tools.1.name', /must be unique/],
    ['another name', { tools: [{ type: 'bash_20250124', name: 'sh' }] }, 'tools.0.name', /'bash'/],
    ['a choice without tools', { tool_choice: { type: 'any' } }, 'tool_choice', /while providing tools/],
    ['a choice of none', { tools: [look], tool_choice: { type: 'tool', name: 'x' } }, 'tool_choice.name', /not found/],
    ['no choice', { tools: [look], tool_choice: { type: 'tool' } }, 'tool_choice.name', /Field required/],
    ['an unknown choice', { tools: [look], tool_choice: { type: 'all' } }, 'tool_choice.type', /'auto'/],
  ])('with %s are at fault', (_, changes, field, message) => {
    expect(() => parse(changes)).toThrow(
      expect.objectContaining({ code: 'invalid_request', field, message: expect.stringMatching(message) }),
    );
  });

  it.each([
    ['web_search_20250305', 'web_search'],
    ['web_fetch_20250910', 'web_fetch'],
    ['code_execution_20250825', 'code_execution'],
    ['tool_search_tool_bm25_20251119', 'tool_search_tool_bm25'],
    ['computer_20250124', 'computer'],
    ['computer_toolset_20260801', undefined],
    ['browser_toolset_20260801', undefined],
    ['mcp_toolset', undefined],
    ['text_editor_20991231', 'edit'],
    ['constructor', 'x'],
  ])('of type %s are refused by name', (type, name) => {
    const refused = expect.objectContaining({
      code: 'unsupported',
      field: 'tools.1.type',
      message: expect.stringContaining(`'${type}'`),
    });
    expect(() => parse({ tools: [look, { type, name }] })).toThrow(refused);
  });

  it('that only code execution may call are refused', () => {
    const tools = [{ ...look, allowed_callers: ['code_execution_20250825'] }];
    expect(() => parse({ tools })).toThrow(expect.objectContaining({ field: 'tools.0.allowed_callers' }));
  });
});

const call = (id: string) => ({ type: 'tool_use', id, name: 'look', input: { at: 1 } });
const result = (id: string, more: object = {}) => ({ type: 'tool_result', tool_use_id: id, content: 'seen', ...more });
const says = (role: string, ...content: object[]) => ({ role, content });

describe('calls and their results', () => {
  it('become canonical, results before what else the user says', () => {
    const text = { type: 'text', text: 'and?' };
    const messages = [
      user,
      says('assistant', { type: 'text', text: 'Let me see.' }, call('toolu_1'), call('mine-2')),
      says(
        'user',
        text,
        result('toolu_1', {
          content: [
            { type: 'text', text: 'a' },
            { type: 'text', text: '' },
          ],
          cache_control: null,
        }),
        result('mine-2', { content: undefined, is_error: true }),
      ),
    ];
    expect(parse({ messages }).messages.slice(1)).toEqual([
      {
        role: 'assistant',
        content: [
          { type: 'text', text: 'Let me see.' },
          { type: 'tool-use', id: 'call_1', name: 'look', input: { at: 1 } },
          { type: 'tool-use', id: 'mine-2', name: 'look', input: { at: 1 } },
        ],
      },
      {
        role: 'user',
        content: [
          { type: 'tool-result', toolUseId: 'call_1', content: [{ type: 'text', text: 'a' }] },
          { type: 'tool-result', toolUseId: 'mine-2', content: [], isError: true },
          { type: 'text', text: 'and?' },
        ],
      },
    ]);
  });

  it('may be spread over messages of one role', () => {
    const messages = [
      user,
      says('assistant', call('a')),
      says('assistant', call('b')),
      says('user', result('b')),
      { role: 'system', content: 'be brief' },
      says('user', result('a')),
    ];
    expect(parse({ messages }).messages).toHaveLength(5);
  });

  it('keep the thoughts of the turn that is being answered, not those of earlier ones', () => {
    const thought = (thinking: string) => ({ type: 'thinking', thinking, signature: 's' });
    const messages = [
      user,
      says('assistant', thought('old'), call('a')),
      says('user', result('a')),
      says('assistant', thought('older'), { type: 'text', text: 'done' }),
      user,
      says('assistant', thought('new'), call('b')),
      says('user', result('b')),
    ];
    const thoughts = parse({ messages }).messages.flatMap(({ content }) =>
      content.filter(({ type }) => type === 'thinking'),
    );
    expect(thoughts).toEqual([{ type: 'thinking', text: 'new' }]);
  });

  it.each<[string, object[], string, RegExp]>([
    [
      'a call without a result',
      [user, says('assistant', call('a')), user],
      'messages.1',
      /without `tool_result`.*: a\./,
    ],
    ['a call at the end', [user, says('assistant', call('a'))], 'messages.1', /without `tool_result`/],
    [
      'one of two calls without a result',
      [user, says('assistant', call('a'), call('b')), says('user', result('a'))],
      'messages.1',
      /: b\./,
    ],
    ['a result without a call', [says('user', result('a'))], 'messages.0.content.0', /unexpected `tool_use_id`.*: a\./],
    [
      'a result too late',
      [
        user,
        says('assistant', call('a')),
        says('user', result('a')),
        says('assistant', { type: 'text', text: 'x' }),
        says('user', result('a')),
      ],
      'messages.4.content.0',
      /unexpected/,
    ],
    [
      'two results',
      [user, says('assistant', call('a')), says('user', result('a'), result('a'))],
      'messages.2.content.1',
      /has two/,
    ],
    [
      'an id twice',
      [user, says('assistant', call('a'), call('a')), says('user', result('a'))],
      'messages.1.content.1.id',
      /unique/,
    ],
    ['a call by a user', [says('user', call('a'))], 'messages.0.content.0', /role 'assistant'/],
    ['a result by the assistant', [user, says('assistant', call('a'), result('a'))], 'messages.1', /without/],
    ['a bad id', [user, says('assistant', call('a b'))], 'messages.1.content.0.id', /should match/],
    [
      'no input',
      [user, says('assistant', { ...call('a'), input: undefined })],
      'messages.1.content.0.input',
      /required/,
    ],
    [
      'an input of no object',
      [user, says('assistant', { ...call('a'), input: [] })],
      'messages.1.content.0.input',
      /./,
    ],
    [
      'a result of another type',
      [user, says('assistant', call('a')), says('user', result('a', { content: 4 }))],
      'messages.2.content.0.content',
      /a string or an array/,
    ],
  ])('%s is at fault', (_, messages, field, message) => {
    expect(() => parse({ messages })).toThrow(
      expect.objectContaining({ code: 'invalid_request', field, message: expect.stringMatching(message) }),
    );
  });

  it('have ids that come back as they went', () => {
    expect(toolUseId('call_abc')).toBe('toolu_abc');
    expect(callId(toolUseId('call_abc'))).toBe('call_abc');
    expect([toolUseId('other'), callId('other')]).toEqual(['other', 'other']);
  });
});
