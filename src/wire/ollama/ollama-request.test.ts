import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FreeholdError } from '../../lib/errors.ts';
import { parseOllamaChat } from './chat.ts';
import { parseOllamaEmbed, parseOllamaEmbeddings } from './embed.ts';
import { parseOllamaGenerate } from './generate.ts';
import { parseDelete, parsePull } from './pull.ts';

const context = { tenant: 't', traceId: 'trace' };
const user = { role: 'user', content: 'hi' };
const chat = (changes: object) => parseOllamaChat({ model: 'm', messages: [user], ...changes }, context);
const generate = (changes: object) => parseOllamaGenerate({ model: 'm', prompt: 'hi', ...changes }, context);
const text = (value: string) => [{ type: 'text', text: value }];

describe('a chat request', () => {
  it('becomes canonical', () => {
    const parsed = chat({
      model: 'qwen3-4b:latest',
      messages: [{ role: 'system', content: 'one' }, user, { role: 'system', content: 'two' }],
      options: {
        num_predict: 7,
        num_ctx: 4096,
        seed: 5,
        temperature: 0.5,
        top_k: -1,
        top_p: 0.9,
        min_p: 0.1,
        typical_p: 0.8,
        repeat_last_n: -1,
        repeat_penalty: 1.2,
        presence_penalty: 0.3,
        frequency_penalty: 0.4,
        stop: ['END', 'STOP'],
        mirostat: 0,
        num_gpu: 99,
      },
      think: true,
      keep_alive: '5m',
      some_new_field: { of: 'a later release' },
    });
    expect(parsed).toEqual({
      model: 'qwen3-4b',
      stream: true,
      loadOnly: false,
      showThinking: true,
      request: {
        system: [{ type: 'text', text: 'one\n\ntwo' }],
        messages: [{ role: 'user', content: text('hi') }],
        maxTokens: 7,
        sampling: {
          temperature: 0.5,
          topK: 0,
          topP: 0.9,
          minP: 0.1,
          typicalP: 0.8,
          penaltyWindow: -1,
          repetitionPenalty: 1.2,
          presencePenalty: 0.3,
          frequencyPenalty: 0.4,
          seed: 5,
        },
        stop: ['END', 'STOP'],
        thinking: { type: 'enabled' },
        ...context,
      },
    });
  });

  it('streams unless told otherwise, and leaves out what was not given', () => {
    expect(chat({ stream: false, options: { num_predict: -1, seed: -1, stop: '' } })).toEqual({
      model: 'm',
      stream: false,
      loadOnly: false,
      showThinking: true,
      request: { messages: [{ role: 'user', content: text('hi') }], sampling: {}, ...context },
    });
  });

  it.each([
    ['a', 'a'],
    ['a:latest', 'a'],
    ['a:LATEST', 'a'],
    ['a:q8_0', 'a:q8_0'],
    ['namespace/a:latest', 'namespace/a'],
    [':latest', ':latest'],
  ])('the name %s asks for %s', (model, wanted) => {
    expect(chat({ model }).model).toBe(wanted);
  });

  it('holds the answer to a schema, or to any object', () => {
    const schema = { type: 'object', properties: { a: { type: 'integer' } } };
    expect(chat({ format: schema })).toMatchObject({ schemaField: 'format', request: { responseSchema: schema } });
    expect(chat({ format: 'json' }).request.responseSchema).toEqual({ type: 'object' });
    expect(chat({ format: '' }).request).not.toHaveProperty('responseSchema');
  });

  it.each<[unknown, unknown]>([
    [true, { type: 'enabled' }],
    ['max', { type: 'enabled' }],
    ['low', { type: 'enabled', budgetTokens: 1024 }],
    ['medium', { type: 'enabled', budgetTokens: 4096 }],
    ['high', { type: 'enabled', budgetTokens: 16384 }],
    [false, { type: 'disabled' }],
    [null, undefined],
  ])('think: %j', (think, thinking) => {
    const parsed = chat({ think });
    expect(parsed.request.thinking).toEqual(thinking);
    expect(parsed.showThinking).toBe(think !== false);
  });

  it('takes tools and log probabilities', () => {
    const parameters = { type: 'object', properties: { city: { type: 'string' } } };
    const { request } = chat({
      tools: [
        { type: 'function', function: { name: 'weather', description: 'Of a city', parameters } },
        { function: { name: 'now' } },
      ],
      logprobs: true,
      top_logprobs: 3,
    });
    expect(request.tools).toEqual([
      { name: 'weather', description: 'Of a city', inputSchema: parameters },
      { name: 'now', inputSchema: { type: 'object', properties: {} } },
    ]);
    expect(request.sampling?.logprobs).toBe(3);
  });

  it('without messages only loads the model', () => {
    expect(chat({ messages: [] }).loadOnly).toBe(true);
    expect(chat({ messages: null, keep_alive: -1 }).loadOnly).toBe(true);
  });
});

describe('calls and their results', () => {
  const call = (name: string, id?: string) => ({ ...(id ? { id } : {}), function: { name, arguments: { at: name } } });
  const results = (messages: object[]) => {
    const content = chat({ messages: [user, ...messages] }).request.messages.flatMap((message) => message.content);
    return content.flatMap((block) => (block.type === 'tool-result' ? [block.toolUseId] : []));
  };

  it('keep thoughts, text and calls of an earlier answer', () => {
    const answer = { role: 'assistant', thinking: 'hm', content: 'Let me look.', tool_calls: [call('look', 'call_9')] };
    const { messages } = chat({
      messages: [user, answer, { role: 'tool', content: 'seen', tool_call_id: 'call_9' }],
    }).request;
    expect(messages.slice(1)).toEqual([
      {
        role: 'assistant',
        content: [
          { type: 'thinking', text: 'hm' },
          { type: 'text', text: 'Let me look.' },
          { type: 'tool-use', id: 'call_9', name: 'look', input: { at: 'look' } },
        ],
      },
      { role: 'user', content: [{ type: 'tool-result', toolUseId: 'call_9', content: text('seen') }] },
    ]);
  });

  it('belong together by id, by name, or by their order', () => {
    const two = { role: 'assistant', tool_calls: [call('a', 'one'), call('b', 'two')] };
    expect(
      results([two, { role: 'tool', content: '', tool_call_id: 'two' }, { role: 'tool', tool_call_id: 'one' }]),
    ).toEqual(['two', 'one']);
    expect(results([two, { role: 'tool', tool_name: 'b' }, { role: 'tool', tool_name: 'a' }])).toEqual(['two', 'one']);
    expect(results([two, { role: 'tool' }, { role: 'tool' }])).toEqual(['one', 'two']);
  });

  it('get ids of their own where there are none', () => {
    const nameless = { role: 'assistant', tool_calls: [call('a'), call('a')] };
    const [first, second] = results([nameless, { role: 'tool' }, { role: 'tool' }]);
    expect(first).not.toBe(second);
  });

  it.each<[string, object[], string]>([
    ['no call at all', [{ role: 'tool', content: 'x' }], 'messages.1.role'],
    [
      'another id',
      [
        { role: 'assistant', tool_calls: [call('a', 'one')] },
        { role: 'tool', tool_call_id: 'two' },
      ],
      'messages.2.tool_call_id',
    ],
    [
      'another name',
      [
        { role: 'assistant', tool_calls: [call('a')] },
        { role: 'tool', tool_name: 'b' },
      ],
      'messages.2.tool_name',
    ],
    [
      'one result too many',
      [{ role: 'assistant', tool_calls: [call('a')] }, { role: 'tool' }, { role: 'tool' }],
      'messages.3.role',
    ],
    ['a call of the user', [{ role: 'user', tool_calls: [call('a')] }], 'messages.1.tool_calls'],
  ])('are refused with %s', (_, messages, field) => {
    expect(() => results(messages)).toThrow(expect.objectContaining({ code: 'invalid_request', field }));
  });
});

describe('a request to generate', () => {
  it('becomes one message, with its system text', () => {
    expect(generate({ system: 'be brief', format: 'json' }).request).toEqual({
      system: text('be brief'),
      messages: [{ role: 'user', content: text('hi') }],
      responseSchema: { type: 'object' },
      sampling: {},
      ...context,
    });
  });

  it('stays as it stands where it is raw', () => {
    expect(generate({ raw: true, prompt: '[INST] hi [/INST]' }).request).toEqual({
      messages: [],
      prompt: '[INST] hi [/INST]',
      sampling: {},
      ...context,
    });
  });

  it('without a prompt only loads the model', () => {
    expect(generate({ prompt: '' }).loadOnly).toBe(true);
    expect(generate({ prompt: undefined, raw: true }).loadOnly).toBe(true);
  });
});

describe('a bad request names the field', () => {
  it.each<[string, () => unknown, string, string]>([
    ['no model', () => chat({ model: undefined }), 'invalid_request', 'model'],
    ['a wrong role', () => chat({ messages: [{ role: 'robot' }] }), 'invalid_request', 'messages.0.role'],
    [
      'parts for content',
      () => chat({ messages: [{ ...user, content: [] }] }),
      'invalid_request',
      'messages.0.content',
    ],
    ['only empty messages', () => chat({ messages: [{ ...user, content: '' }] }), 'invalid_request', 'messages'],
    [
      'arguments as text',
      () =>
        chat({ messages: [user, { role: 'assistant', tool_calls: [{ function: { name: 'a', arguments: '{}' } }] }] }),
      'invalid_request',
      'messages.1.tool_calls.0.function.arguments',
    ],
    ['a tool without a name', () => chat({ tools: [{ function: {} }] }), 'invalid_request', 'tools.0.function.name'],
    ['an unknown format', () => chat({ format: 'xml' }), 'invalid_request', 'format'],
    ['an unknown level', () => chat({ think: 'hard' }), 'invalid_request', 'think'],
    ['top_logprobs alone', () => chat({ top_logprobs: 2 }), 'invalid_request', 'top_logprobs'],
    ['a temperature below 0', () => chat({ options: { temperature: -1 } }), 'invalid_request', 'options.temperature'],
    ['a fraction of a token', () => chat({ options: { num_predict: 1.5 } }), 'invalid_request', 'options.num_predict'],
    ['options as text', () => chat({ options: 'fast' }), 'invalid_request', 'options'],
    ['an image', () => chat({ messages: [{ ...user, images: ['aGk='] }] }), 'unsupported', 'messages.0.images'],
    ['an image to generate from', () => generate({ images: ['aGk='] }), 'unsupported', 'images'],
    ['mirostat', () => chat({ options: { mirostat: 2 } }), 'unsupported', 'options.mirostat'],
    ['tail-free sampling', () => chat({ options: { tfs_z: 0.9 } }), 'unsupported', 'options.tfs_z'],
    ['a suffix', () => generate({ suffix: 'end' }), 'unsupported', 'suffix'],
    ['a template', () => generate({ template: '{{ .Prompt }}' }), 'unsupported', 'template'],
    ['a context', () => generate({ context: [1, 2] }), 'unsupported', 'context'],
    ['raw with system', () => generate({ raw: true, system: 'x' }), 'invalid_request', 'raw'],
    ['an unload', () => generate({ prompt: '', keep_alive: '0s' }), 'unsupported', 'keep_alive'],
    ['no input', () => parseOllamaEmbed({ model: 'm' }, context), 'invalid_request', 'input'],
    ['an empty input', () => parseOllamaEmbed({ model: 'm', input: [''] }, context), 'invalid_request', 'input.0'],
    ['no prompt', () => parseOllamaEmbeddings({ model: 'm' }, context), 'invalid_request', 'prompt'],
    ['no name to pull', () => parsePull({ stream: true }), 'invalid_request', 'model'],
    ['no name to delete', () => parseDelete({}), 'invalid_request', 'model'],
    ['an insecure pull', () => parsePull({ model: 'm', insecure: true }), 'unsupported', 'insecure'],
  ])('%s', (_, act, code, field) => {
    expect(act).toThrow(expect.objectContaining({ code, status: 400, field }));
  });

  it('never fails in any other way, whatever is sent', () => {
    const request = fc.record(
      {
        model: fc.oneof(fc.constant('m'), fc.jsonValue()),
        messages: fc.oneof(
          fc.jsonValue(),
          fc.array(
            fc.record(
              {
                role: fc.constantFrom('user', 'assistant', 'tool', 'system', 'x'),
                content: fc.oneof(fc.string(), fc.jsonValue()),
                tool_calls: fc.oneof(
                  fc.jsonValue(),
                  fc.array(fc.record({ function: fc.record({ name: fc.string(), arguments: fc.jsonValue() }) })),
                ),
                tool_name: fc.string(),
              },
              { requiredKeys: ['role'] },
            ),
          ),
        ),
        prompt: fc.jsonValue(),
        input: fc.jsonValue(),
        options: fc.oneof(fc.jsonValue(), fc.record({ stop: fc.jsonValue(), seed: fc.double() })),
        format: fc.jsonValue(),
        tools: fc.jsonValue(),
      },
      { requiredKeys: [] },
    );
    const parsers = [parseOllamaChat, parseOllamaGenerate, parseOllamaEmbed, parseOllamaEmbeddings, parsePull];
    fc.assert(
      fc.property(request, fc.constantFrom(...parsers), (body, parse) => {
        try {
          parse(body, context);
        } catch (error) {
          expect(error).toBeInstanceOf(FreeholdError);
        }
      }),
    );
  });
});

describe('texts to vectors', () => {
  it('come alone or in a list', () => {
    expect(parseOllamaEmbed({ model: 'v:latest', input: 'one' }, context)).toEqual({
      model: 'v',
      request: { inputs: ['one'], ...context },
    });
    expect(parseOllamaEmbed({ model: 'v', input: ['one', 'two'], dimensions: 2 }, context).request).toEqual({
      inputs: ['one', 'two'],
      dimensions: 2,
      ...context,
    });
  });

  it('of the older request have the length the model gives them', () => {
    expect(parseOllamaEmbeddings({ model: 'v', prompt: 'one' }, context).request).toMatchObject({ normalize: false });
  });
});

describe('what may be pulled', () => {
  it.each([
    ['qwen3-4b', 'qwen3-4b'],
    ['qwen3-4b:latest', 'qwen3-4b'],
    ['llama3.2:3b', 'llama3.2:3b'],
    ['library/llama3.2', 'library/llama3.2'],
    ['hf.co/owner/repo', 'hf:owner/repo'],
    ['hf.co/owner/repo:Q4_K_M', 'hf:owner/repo:Q4_K_M'],
    ['huggingface.co/owner/repo-GGUF', 'hf:owner/repo-GGUF'],
    ['hf:owner/repo', 'hf:owner/repo'],
  ])('%s is %s', (model, reference) => {
    expect(parsePull({ model })).toEqual({ reference, stream: true });
    expect(parsePull({ name: model, stream: false })).toEqual({ reference, stream: false });
  });

  it.each([
    '/etc/passwd',
    './model.gguf',
    '../secrets',
    '~/model',
    'folder/model.gguf',
    'model.GGUF',
    'C:\\models\\a',
    'https://example.com/model.gguf',
    'http://169.254.169.254/latest',
    'file:///etc/passwd',
    'hf:owner/repo/../../x',
    'hf.co/owner/repo/file.gguf',
    'a b',
    'a\u0000b',
    '..',
    'a/../b',
  ])('%j is refused: only the operator names files and addresses', (model) => {
    expect(() => parsePull({ model })).toThrow(expect.objectContaining({ code: 'invalid_request', field: 'model' }));
  });
});
