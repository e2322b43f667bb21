// Tools, results, documents and thoughts in the prompts of the families.
import { describe, expect, it } from 'vitest';
import { type FamilyName, familyNames, familyTemplates } from '../../../test/support/chat-templates.ts';
import type { Block, GenerateRequest, Message, Tool } from '../../lib/text-model.ts';
import { createChatTemplate, opensThought } from './chat-template.ts';

const templates = Object.fromEntries(
  familyNames.map((name) => {
    const { source, specials, controls } = familyTemplates[name];
    return [name, createChatTemplate(source, specials, (controls as readonly string[]).includes('<|im_start|>'))];
  }),
) as Record<FamilyName, ReturnType<typeof createChatTemplate>>;

const tools: Tool[] = [
  {
    name: 'get_weather',
    description: 'Weather of a "place".',
    inputSchema: { type: 'object', properties: { place: { type: 'string' } }, required: ['place'] },
  },
];
const text = (value: string): Block => ({ type: 'text', text: value });
const call = (id: string, place: string): Block => ({ type: 'tool-use', id, name: 'get_weather', input: { place } });
const result = (id: string, value: string, isError = false): Block => ({
  type: 'tool-result',
  toolUseId: id,
  content: [{ type: 'text', text: value }],
  ...(isError && { isError }),
});
const user = (...content: Block[]): Message => ({ role: 'user', content });
const model = (...content: Block[]): Message => ({ role: 'assistant', content });
const request = (messages: Message[], others: Partial<GenerateRequest> = {}): GenerateRequest => ({
  messages,
  tenant: 't',
  traceId: 'x',
  ...others,
});
const read = (name: FamilyName, messages: Message[], others: Partial<GenerateRequest> = {}) =>
  templates[name]
    .render(request(messages, others))
    .map(({ text: part }) => part)
    .join('');
const loop = (...after: Block[]) => [
  user(text('Weather?')),
  model(text('Let me see.'), call('call_1', 'Oslo'), call('call_2', 'Rome')),
  user(result('call_2', 'dry'), result('call_1', 'wet'), ...after),
];

describe('tools', () => {
  const listed =
    '{"type": "function", "function": {"name": "get_weather", "description": "Weather of a \\"place\\".", "parameters": {"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]}}}';

  it('stand where the template has them', () => {
    for (const name of ['qwen25', 'qwen3', 'smollm3', 'mistralV7'] as const) {
      expect(read(name, [user(text('hi'))], { tools })).toContain(listed);
    }
    expect(read('llama32', [user(text('hi'))], { tools })).toContain('"description": "Weather of a \\"place\\"."');
    expect(read('qwen3', [user(text('hi'))])).toBe('<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n');
  });

  it('stand in the system text where it has no place for them, with how to call them', () => {
    const described = `# Tools

You can call these tools. Each line is one: its name, what it does, and a JSON Schema of its parameters.
<tools>
{"name": "get_weather", "description": "Weather of a \\"place\\".", "parameters": {"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]}}
</tools>

To call a tool, write this and nothing after it, with its name and your values in place of the capitals:
CALL
The result comes in the next message. If no tool helps, answer in plain words.`;
    const tagged = '<tool_call>\n{"name": "NAME", "arguments": {"PARAMETER": "VALUE"}}\n</tool_call>';
    expect(read('smollm2', [user(text('hi'))], { tools, system: [{ type: 'text', text: 'Be kind.' }] })).toBe(
      `<|im_start|>system\nBe kind.\n\n${described.replace('CALL', tagged)}<|im_end|>\n<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n`,
    );
    const fenced = '```tool_code\n{"name": "NAME", "parameters": {"PARAMETER": "VALUE"}}\n```';
    expect(read('gemma2', [user(text(' hi '))], { tools })).toBe(
      `<bos><start_of_turn>user\n${described.replace('CALL', fenced)}\n\nhi<end_of_turn>\n<start_of_turn>model\n`,
    );
  });

  it('that may not be called are left out', () => {
    for (const name of familyNames) {
      const none = { tools, toolChoice: { type: 'none' as const } };
      expect(read(name, [user(text('hi'))], none)).toBe(read(name, [user(text('hi'))]));
      expect(read(name, [user(text('hi'))], { tools })).not.toBe(read(name, [user(text('hi'))]));
    }
  });

  it('may lack a description and hold a schema of any shape', () => {
    const odd: Tool[] = [{ name: 'a', inputSchema: { type: ['object', 'null'], anyOf: [true, { minimum: 1.5 }] } }];
    for (const name of familyNames) expect(read(name, [user(text('hi'))], { tools: odd })).toContain('1.5');
  });

  it('may be none where the template goes through them without asking', () => {
    const source = `{% for t in tools %}{{ t | tojson }}{% endfor %}${familyTemplates.chatMl.source}`;
    const pieces = createChatTemplate(source, { bos: '', eos: '' }, true).render(request([user(text('hi'))]));
    expect(pieces.map(({ text: part }) => part).join('')).toBe(
      '<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n',
    );
  });

  it('nested too deep are refused', () => {
    let schema: Record<string, unknown> = {};
    for (let i = 0; i < 20_000; i++) schema = { not: schema };
    for (const name of ['qwen3', 'gemma3'] as const) {
      expect(() => read(name, [user(text('hi'))], { tools: [{ name: 'a', inputSchema: schema }] })).toThrow(
        expect.objectContaining({ code: 'invalid_request' }),
      );
    }
  });
});

describe('calls and results', () => {
  it('are as Qwen writes them, results in the order of the calls', () => {
    expect(read('qwen3', loop(text('Be short.')))).toBe(
      `<|im_start|>user
Weather?<|im_end|>
<|im_start|>assistant
Let me see.
<tool_call>
{"name": "get_weather", "arguments": {"place": "Oslo"}}
</tool_call>
<tool_call>
{"name": "get_weather", "arguments": {"place": "Rome"}}
</tool_call><|im_end|>
<|im_start|>user
<tool_response>
wet
</tool_response>
<tool_response>
dry
</tool_response><|im_end|>
<|im_start|>user
Be short.<|im_end|>
<|im_start|>assistant
`,
    );
  });

  it('alternate where Llama calls one tool at once', () => {
    const written = (place: string, weather: string) =>
      `assistant<|end_header_id|>\n\n{"name": "get_weather", "parameters": {"place": "${place}"}}<|eot_id|>` +
      `<|start_header_id|>ipython<|end_header_id|>\n\n"${weather}"<|eot_id|><|start_header_id|>`;
    expect(read('llama31', loop())).toContain(`${written('Oslo', 'wet')}${written('Rome', 'dry')}assistant`);
    expect(read('llama31', loop(text('Be short.')))).toContain(
      `${written('Oslo', 'wet')}${written('Rome', 'dry')}user<|end_header_id|>\n\nBe short.<|eot_id|>`,
    );
  });

  it('have ids of nine characters where Mistral wants them, the same in every prompt', () => {
    const rendered = read('mistralV3', loop(), { system: [{ type: 'text', text: 'Be kind.' }] });
    const shape =
      /^<s>\[INST\] Be kind\.\n\nWeather\?\[\/INST\]\[TOOL_CALLS\] \[\{"name": "get_weather", "arguments": \{"place": "Oslo"\}, "id": "(\w{9})"\}, \{"name": "get_weather", "arguments": \{"place": "Rome"\}, "id": "(\w{9})"\}\]<\/s>\[TOOL_RESULTS\] \{"content": "wet", "call_id": "(\w{9})"\}\[\/TOOL_RESULTS\]\[TOOL_RESULTS\] \{"content": "dry", "call_id": "(\w{9})"\}\[\/TOOL_RESULTS\]$/;
    const [, first, second, ...answers] = shape.exec(rendered) ?? [];
    expect(first).not.toBe(second);
    expect(answers).toEqual([first, second]);
    expect(read('mistralV3', loop())).toContain(first);
  });

  it('stand as JSON in JSON', () => {
    const answered = (value: string) =>
      read('mistralV3', [user(text('a')), model(call('c', 'b')), user(result('c', value))]);
    expect(answered('{"a": 1}')).toContain('"content": {"a": 1}, ');
    expect(answered('say "a"')).toContain('"content": "say \\"a\\"", ');
    expect(answered('')).toContain('"content": "", ');
  });

  it('are told in our words where the template knows none', () => {
    expect(read('gemma3', loop(text('Be short.')))).toBe(
      `<bos><start_of_turn>user
Weather?<end_of_turn>
<start_of_turn>model
Let me see.
\`\`\`tool_code
{"name": "get_weather", "parameters": {"place": "Oslo"}}
\`\`\`
\`\`\`tool_code
{"name": "get_weather", "parameters": {"place": "Rome"}}
\`\`\`<end_of_turn>
<start_of_turn>user
\`\`\`tool_output
wet
\`\`\`
\`\`\`tool_output
dry
\`\`\`

Be short.<end_of_turn>
<start_of_turn>model
`,
    );
    expect(read('base', loop())).toMatch(/User: <tool_response>\nwet\n<\/tool_response>\n<tool_response>\ndry\n/);
  });

  it.each(familyNames)('of %s hold what was called, what came back and what was said beside it', (name) => {
    const rendered = read(name, [...loop(text('Be short.')), model(text('It is wet.')), user(text('Thanks.'))], {
      tools,
    });
    const places = ['Weather?', 'Oslo', 'wet', 'Be short.', 'It is wet.', 'Thanks.'].map((part) =>
      rendered.indexOf(part),
    );
    expect(places).not.toContain(-1);
    expect(places).toEqual(places.toSorted((a, b) => a - b));
    expect(rendered).toContain('Rome');
    expect(rendered).toContain('dry');
  });

  it('that failed say so, once', () => {
    const failed = (value: string) =>
      read('qwen3', [user(text('a')), model(call('c', 'b')), user(result('c', value, true))]);
    expect(failed('no such place')).toContain('<tool_response>\nError: no such place\n');
    expect(failed('Error 404')).toContain('<tool_response>\nError 404\n');
    expect(failed('')).toContain('<tool_response>\nError:\n');
  });

  it('whose arguments could not be read are shown as they were written', () => {
    const broken: Block = { type: 'tool-use', id: 'c', name: 'get_weather', input: '{"place": "Os' };
    for (const name of ['qwen3', 'smollm2'] as const) {
      expect(read(name, [user(text('a')), model(broken), user(result('c', 'b'))])).toContain('"place');
    }
  });

  it('without a call before them are refused', () => {
    const wrong: Message[][] = [
      [user(result('c', 'x'))],
      [user(text('a')), model(call('d', 'b')), user(result('c', 'x'))],
      [user(text('a'), result('c', 'x')), model(call('c', 'b')), user(text('b'))],
    ];
    for (const name of ['qwen3', 'gemma2'] as const) {
      for (const messages of wrong) {
        expect(() => read(name, messages)).toThrow(
          expect.objectContaining({
            code: 'invalid_request',
            field: 'messages',
            message: expect.stringContaining('result of the tool call "c", but no such call'),
          }),
        );
      }
      expect(() =>
        read(name, [user(text('a')), model(call('c', 'b')), user(result('c', 'x'), result('c', 'y'))]),
      ).toThrow(/"c" has two results/);
    }
  });

  it('that are missing at the end are asked for; calls that were never answered are shown', () => {
    expect(() => read('qwen3', [user(text('a')), model(text('b'), call('c', 'd'))])).toThrow(
      expect.objectContaining({ code: 'invalid_request', message: expect.stringMatching(/"c".*result is missing/) }),
    );
    expect(read('qwen3', [user(text('a')), model(call('c', 'Oslo')), user(text('b'))])).toContain('Oslo');
  });

  it('with images are refused', () => {
    const image = { type: 'image' as const, mediaType: 'image/png', data: '' };
    const seen: Block = { type: 'tool-result', toolUseId: 'c', content: [image] };
    expect(() => read('qwen3', [user(text('a')), model(call('c', 'b')), user(seen)])).toThrow(
      expect.objectContaining({ code: 'unsupported', message: expect.stringContaining('result of a tool') }),
    );
  });
});

describe('documents', () => {
  it('stand in tags, with their titles', () => {
    const documents: Block[] = [
      { type: 'document', title: 'A "fine"\nreport', text: 'All is well.' },
      { type: 'document', text: 'No title.' },
    ];
    expect(read('chatMl', [user(...documents, text('Is it?'))])).toBe(
      `<|im_start|>user
<document title="A &quot;fine&quot; report">
All is well.
</document>
<document>
No title.
</document>
Is it?<|im_end|>
<|im_start|>assistant
`,
    );
  });
});

describe('thoughts', () => {
  const thought: Block = { type: 'thinking', text: '\nI should look.\n' };
  const thinking = [user(text('a')), model(thought, call('c', 'b')), user(result('c', 'd'))];

  it('are shown within a loop of tools where the template keeps them', () => {
    expect(read('qwen3', thinking)).toContain('<think>\nI should look.\n</think>\n\n<tool_call>');
    expect(read('qwen3', [...thinking, model(text('e')), user(text('f'))])).not.toContain('I should look.');
    expect(read('qwen3', thinking, { thinking: { type: 'disabled' } })).not.toContain('I should look.');
    for (const name of familyNames.filter((each) => each !== 'qwen3')) {
      expect(read(name, thinking)).not.toContain('I should look.');
    }
  });

  it('of earlier turns are not shown, and a turn of nothing else is none', () => {
    for (const name of familyNames) {
      expect(read(name, [user(text('a')), model(thought, text('b')), user(text('c'))])).toBe(
        read(name, [user(text('a')), model(text('b')), user(text('c'))]),
      );
      expect(read(name, [user(text('a')), model(thought), user(text('c'))])).toBe(
        read(name, [user(text('a')), user(text('c'))]),
      );
    }
  });

  it.each<[FamilyName, string, string, string]>([
    ['qwen3', 'assistant\n', 'assistant\n', 'assistant\n<think>\n\n</think>\n\n'],
    ['smollm3', 'assistant\n', 'assistant\n', 'assistant\n<think>\n\n</think>\n'],
    ['deepseekR1', '<think>\n', '<think>\n', '<think>\n\n</think>\n\n'],
    ['qwen25', 'assistant\n', 'assistant\n', 'assistant\n'],
    ['gemma4', '<|channel>thought\n<channel|>', 'model\n', '<|channel>thought\n<channel|>'],
    [
      'gptOss',
      '<|start|>assistant',
      '<|start|>assistant',
      '<|start|>assistant<|channel|>analysis<|message|>\n<|end|><|start|>assistant<|channel|>final<|message|>',
    ],
  ])('of %s are asked for or over before they began', (name, byDefault, enabled, disabled) => {
    const end = (others: Partial<GenerateRequest>) => read(name, [user(text('a'))], others);
    expect(end({}).endsWith(byDefault)).toBe(true);
    expect(end({ thinking: { type: 'enabled', budgetTokens: 10 } }).endsWith(enabled)).toBe(true);
    expect(read(name, [user(text('a'))], { thinking: { type: 'disabled' } }).endsWith(disabled)).toBe(true);
  });

  it('are closed where the template neither opens them nor has a switch', () => {
    const source = `${familyTemplates.chatMl.source}{# </think> #}`;
    const template = createChatTemplate(source, { bos: '', eos: '' }, true);
    const [last] = template.render(request([user(text('a'))], { thinking: { type: 'disabled' } })).slice(-1);
    expect(last).toEqual({ origin: 'template', text: '<think>\n\n</think>\n\n' });
    expect(read('gptOss', [user(text('a')), model(text('Well,'))])).toMatch(/<\|channel\|>final<\|message\|>Well,$/);
    expect(read('qwen3', [user(text('a')), model(text('Well,'))])).toMatch(/assistant\nWell,$/);
  });

  it('that the prompt opens are told, unless they are over or the answer has begun', () => {
    const { thinking: syntax } = templates.deepseekR1.syntax;
    const opens = (messages: Message[], others: Partial<GenerateRequest> = {}) =>
      opensThought(templates.deepseekR1.render(request(messages, others)), syntax);
    expect(opens([user(text('a'))])).toBe(true);
    expect(opens([user(text('a'))], { thinking: { type: 'disabled' } })).toBe(false);
    expect(opens([user(text('a')), model(text('Well,'))])).toBe(false);
    expect(opens([user(text('<think>'))])).toBe(true);
    expect(opensThought([{ origin: 'text', text: 'a <think>' }], syntax)).toBe(false);
    expect(opensThought([{ origin: 'template', text: '<think>' }], undefined)).toBe(false);
    expect(read('deepseekR1', [user(text('a')), model(text('Well,'))])).toMatch(/<think>\n\n<\/think>\n\nWell,$/);
  });
});

describe('an answer that has begun', () => {
  it.each(familyNames)('is continued by %s, with tools too', (name) => {
    expect(read(name, [...loop(), model(text('It is '))], { tools }).endsWith('It is ')).toBe(true);
    expect(read(name, [user(text('a')), model(text('Well,'))], { tools }).endsWith('Well,')).toBe(true);
  });
});
