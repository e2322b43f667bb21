// Answers with thoughts and calls of tools as events: what is text, what is a thought, what is a call, however it is cut
// into tokens; and what may come next. The answers are scripted; constraints here are lists of texts.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { end, joined, type ScriptOptions, startScript } from '../../../test/support/scripted-answer.ts';
import type { GenerateRequest, Tool } from '../../lib/text-model.ts';
import {
  type AnswerSyntax,
  gemmaTools,
  genericTools,
  hermesTools,
  llama3Tools,
  mistralArgsTools,
  mistralTools,
  type ToolSyntax,
  thinkTags,
} from './tools/syntax.ts';

const paris = '{"city": "Paris"}';
const where = '{"city": "Zürich", "days": [1, {"a": "}\\""}]}';
const tool = (name: string, ...examples: string[]): Tool => ({
  name,
  inputSchema: { type: 'object', properties: {}, examples },
});
const tools = [tool('get', '{}'), tool('get_weather', paris, where)];
const think = thinkTags(false);
const asked = (request: Partial<GenerateRequest> = {}): Partial<GenerateRequest> => ({ tools, ...request });

const call = (name: string, json: string) => [
  { type: 'tool-use-start', name },
  { type: 'tool-use-delta', json },
  { type: 'tool-use-stop' },
];
const text = (value: string) => ({ type: 'text-delta', text: value });
const thought = (value: string) => ({ type: 'thinking-delta', text: value });
const stop = (reason: string) => ({ type: 'stop', reason });
const bytes = (value: string) => Buffer.from(value, 'utf8').toString('latin1');

interface Case {
  name: string;
  options: ScriptOptions;
  /** Control tokens stand alone, text between them. */
  answer: string[];
  events: unknown[];
}

const oneCall = (tools: ToolSyntax, written: string[], controls: string[] = []): Case => ({
  name: `${tools.family}${controls.length > 0 ? ' with control tokens' : ''}`,
  options: { syntax: { tools, thinking: undefined }, controls, request: asked() },
  answer: [...written, end],
  events: [...call('get_weather', where), ...call('get', '{}'), stop('tool-use')],
});

const cases: Case[] = [
  oneCall(
    hermesTools,
    [
      '<tool_call>',
      `\n{"name": "get_weather", "arguments": ${where}}\n`,
      '</tool_call>',
      '\n',
      '<tool_call>',
      '\n{"name": "get", "arguments": {}}\n',
      '</tool_call>',
    ],
    ['<tool_call>', '</tool_call>'],
  ),
  oneCall(genericTools, [
    `<tool_call>\n{"name": "get_weather", "arguments": ${where}}\n</tool_call>\n<tool_call>\n{"name": "get", "arguments": {}}\n</tool_call>`,
  ]),
  oneCall(llama3Tools, [`{"name": "get_weather", "parameters": ${where}}; {"name": "get", "parameters": {}}`]),
  oneCall(
    llama3Tools,
    ['<|python_tag|>', `{"name": "get_weather", "parameters": ${where}}; {"name": "get", "parameters": {}}`],
    ['<|python_tag|>'],
  ),
  oneCall(
    mistralTools,
    ['[TOOL_CALLS]', ` [{"name": "get_weather", "arguments": ${where}}, {"name": "get", "arguments": {}}]`],
    ['[TOOL_CALLS]'],
  ),
  oneCall(
    mistralArgsTools,
    ['[TOOL_CALLS]', 'get_weather', '[ARGS]', where, '[TOOL_CALLS]', 'get', '[ARGS]', '{}'],
    ['[TOOL_CALLS]', '[ARGS]'],
  ),
  oneCall(mistralArgsTools, [`[TOOL_CALLS]get_weather[ARGS]${where}[TOOL_CALLS]get[ARGS]{}`]),
  oneCall(gemmaTools, [
    `\`\`\`tool_code\n{"name": "get_weather", "parameters": ${where}}\n\`\`\`\n\`\`\`tool_code\n{"name": "get", "parameters": {}}\n\`\`\``,
  ]),
  {
    name: 'text before a call',
    options: { syntax: { tools: hermesTools, thinking: undefined }, request: asked() },
    answer: [`I <tool> ask é.\n\n<tool_call>\n{"name": "get", "arguments": {}}\n</tool_call>`, end],
    events: [text('I <tool> ask é.'), ...call('get', '{}'), stop('tool-use')],
  },
  {
    name: 'a thought, text and a call',
    options: {
      syntax: { tools: hermesTools, thinking: think },
      controls: ['<think>', '</think>', '<tool_call>', '</tool_call>'],
      request: asked(),
    },
    answer: [
      '<think>',
      '\nA <b>thought</b>\n of < two.\n',
      '</think>',
      '\n\nSo: ',
      '<tool_call>',
      '\n{"name": "get", "arguments": {}}\n',
      '</tool_call>',
      end,
    ],
    events: [thought('A <b>thought</b>\n of < two.'), text('So:'), ...call('get', '{}'), stop('tool-use')],
  },
  {
    name: 'a thought of plain letters',
    options: { syntax: { tools: hermesTools, thinking: think }, request: {} },
    answer: ['<think>Ünder </thin king</think>\n\n <think> is what I write. ', end],
    events: [thought('Ünder </thin king'), text('<think> is what I write. '), stop('end-turn')],
  },
  {
    name: 'a thought that the template began',
    options: { syntax: { tools: hermesTools, thinking: thinkTags(true) }, prompt: 'assistant\n<think>\n' },
    answer: ['so it is\n</think>\nyes', end],
    events: [thought('so it is'), text('yes'), stop('end-turn')],
  },
  {
    name: 'JSON that is no call',
    options: { syntax: { tools: llama3Tools, thinking: undefined }, request: asked() },
    answer: ['{"name": "get_wet", "parameters": {}}', end],
    events: [text('{"name": "get_wet", "parameters": {}}'), stop('end-turn')],
  },
  {
    name: 'a call written with other blanks, and with its type',
    options: { syntax: { tools: llama3Tools, thinking: undefined }, request: asked() },
    answer: ['{ "type": "function",\n "name":"get", "parameters": {}}', end],
    events: [...call('get', '{}'), stop('tool-use')],
  },
];

describe.each(cases)('$name', ({ options, answer, events }) => {
  const controls = options.controls ?? [];
  const pieces = (part: string) => (part === end || controls.includes(part) ? [part] : [...bytes(part)]);

  it('is told, byte by byte', async () => {
    const script = await startScript(options);
    for (const piece of answer.flatMap(pieces)) {
      // some end with their last call
      if (script.events.at(-1)?.type === 'stop') break;
      expect(
        script.next(),
        joined(script.events)
          .map((event) => JSON.stringify(event))
          .join(),
      ).toContain(piece);
      script.write(piece);
    }
    expect(joined(script.events)).toEqual(events);
    expect(script.alive.size).toBe(0);
  });

  it('is the same however it is cut into tokens', async () => {
    const cuts = fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 30 });
    await fc.assert(
      fc.asyncProperty(cuts, async (lengths) => {
        const script = await startScript(options);
        let turn = 0;
        for (const part of answer) {
          let rest = part === end || controls.includes(part) ? '' : bytes(part);
          if (rest === '') script.write(part);
          while (rest !== '') {
            const length = lengths[turn++ % lengths.length] as number;
            const piece = rest.slice(0, length);
            rest = rest.slice(length);
            // what goes past a border is written with other tokens
            if (script.allows(piece)) script.write(piece);
            else script.write(...piece);
          }
        }
        expect(joined(script.events)).toEqual(events);
      }),
      { numRuns: 60 },
    );
  });

  it('leaves nothing behind when it is given up on the way', async () => {
    const all = answer.flatMap(pieces);
    for (let length = 0; length < all.length - 1; length += 3) {
      const script = await startScript(options);
      script.write(...all.slice(0, length));
      script.course.dispose();
      expect(script.alive.size).toBe(0);
    }
  });
});

const hermes: AnswerSyntax = { tools: hermesTools, thinking: undefined };
const header = [...'<tool_call>\n{"name": "'];
const thinking: AnswerSyntax = { tools: hermesTools, thinking: think };

describe('an answer', () => {
  it('of free text is held back no longer than it could be a call', async () => {
    const script = await startScript({ syntax: hermes, request: asked() });
    script.write('Hello', ' <tool');
    expect(script.events).toEqual([text('Hello')]);
    script.write('s>');
    expect(joined(script.events)).toEqual([text('Hello <tools>')]);
  });

  it('streams arguments as they are written', async () => {
    const script = await startScript({ syntax: hermes, request: asked() });
    script.write(...header, 'get_weather', '", "arguments": ', '{"city', '": "Pa', 'ris"}');
    expect(script.events.slice(1)).toEqual([
      { type: 'tool-use-delta', json: '{"city' },
      { type: 'tool-use-delta', json: '": "Pa' },
      { type: 'tool-use-delta', json: 'ris"}' },
      { type: 'tool-use-stop' },
    ]);
    expect(script.events[0]).toEqual({
      type: 'tool-use-start',
      id: expect.stringMatching(/^call_[0-9A-Za-z]{24}$/),
      name: 'get_weather',
    });
  });

  it('is held to a call from the moment one begins', async () => {
    const script = await startScript({ syntax: hermes, request: asked() });
    script.write('x', '<tool_call');
    expect([script.allows('> or so'), script.allows('>\n{"na'), script.allows('s')]).toEqual([false, true, true]);
    script.write('>');
    expect(script.next()).toEqual(['\n']);
    script.write('\n{"name": "get');
    expect(script.next().sort()).toEqual(['"', '_']);
    expect([script.allows('_other'), script.allows('_wea'), script.allows('", "arg'), script.allows(end)]).toEqual([
      false,
      true,
      true,
      false,
    ]);
  });

  it('has text and stop strings apart from calls and thoughts', async () => {
    const script = await startScript({ syntax: thinking, request: asked({ stop: ['Paris', 'so', 'st'] }) });
    script.write('<think>', 'Paris, so', '</think>', '\n', ...header, 'get_weather');
    script.write('", "arguments": ', paris, '}\n</tool_call>', end);
    expect(joined(script.events)).toEqual([thought('Paris, so'), ...call('get_weather', paris), stop('tool-use')]);
    const stopped = await startScript({ syntax: thinking, request: asked({ stop: ['stop', 'Paris'] }) });
    expect(stopped.write('I s', 'ay Pa', 'ris')).toBe(true);
    expect(joined(stopped.events)).toEqual([text('I say '), { ...stop('stop-sequence'), stopSequence: 'Paris' }]);
  });

  it('that stops at a string in what was held back before a call ends there', async () => {
    const script = await startScript({ syntax: hermes, request: asked({ stop: ['end.'] }) });
    expect(script.write('the end', '. ')).toBe(true);
    expect(joined(script.events)).toEqual([text('the '), { ...stop('stop-sequence'), stopSequence: 'end.' }]);
  });

  it('that is cut off ends the call it is in', async () => {
    const script = await startScript({ syntax: hermes, request: asked({ maxTokens: header.length + 3 }) });
    script.write(...header, 'get_weather', '", "arguments": ', '{"city');
    expect(joined(script.events)).toEqual([...call('get_weather', '{"city'), stop('max-tokens')]);
  });

  it('that is cut off in what may be a marker shows it as text', async () => {
    const script = await startScript({ syntax: thinking, request: asked({ maxTokens: 2 }) });
    script.write('Hi', ' <tool_');
    expect(joined(script.events)).toEqual([text('Hi <tool_'), stop('max-tokens')]);
  });

  it('reports the tokens of its text, and no others', async () => {
    const script = await startScript({
      syntax: thinking,
      request: asked({ sampling: { logprobs: 0 } }),
    });
    script.write('<think>', 'a', '</think>', '\n', 'b', ' <', 'c', ' ', ...header, 'get', '", ');
    const logged = script.events.flatMap((event) =>
      event.type === 'text-delta' ? (event.logprobs ?? []).map(({ bytes }) => Buffer.from(bytes).toString()) : [],
    );
    expect(logged).toEqual(['b', ' <', 'c']);
  });
});

describe('the choice of tools', () => {
  it('none: no call begins', async () => {
    for (const [tools, controls, written, marker] of [
      [hermesTools, [], 'x <tool_call', '>'],
      [hermesTools, ['<tool_call>'], 'x', '<tool_call>'],
      [llama3Tools, [], '{"name": "get', '"'],
    ] as const) {
      const syntax = { tools, thinking: undefined };
      const script = await startScript({ syntax, controls, request: asked({ toolChoice: { type: 'none' } }) });
      for (const char of written) script.write(char);
      expect(script.allows(marker)).toBe(false);
      expect(script.next()).not.toContain(marker);
      expect(script.write(' and so on', end)).toBe(true);
      expect(joined(script.events)).toEqual([text(`${written} and so on`), stop('end-turn')]);
    }
  });

  it('any: it begins with a call, of one tool or the other', async () => {
    const script = await startScript({ syntax: hermes, request: asked({ toolChoice: { type: 'any' } }) });
    expect(script.next().filter((next) => next.trim() !== '')).toEqual(['<']);
    expect([script.allows('Hi'), script.allows(end), script.allows('<tool_call>\n{')]).toEqual([false, false, true]);
    script.write(...header);
    expect(script.next()).toEqual(['g']);
    script.write('get', '", "arguments": {}}\n</tool_call>');
    expect(script.next().sort()).toEqual(['\n', '<', end]);
    expect(script.write(end)).toBe(true);
    expect(joined(script.events)).toEqual([...call('get', '{}'), stop('tool-use')]);
  });

  it('a tool: it calls that one', async () => {
    for (const tools of [hermesTools, llama3Tools, mistralTools, mistralArgsTools, gemmaTools]) {
      const request = asked({ toolChoice: { type: 'tool', name: 'get' }, parallelToolCalls: false });
      const script = await startScript({ syntax: { tools, thinking: undefined }, request });
      let ended = false;
      for (let i = 0; i < 80 && !ended; i++) {
        const next = script.next().filter((piece) => piece.trim() !== '' || script.next().length === 1);
        expect(next).toHaveLength(1);
        ended = script.write(next[0] as string);
      }
      expect(joined(script.events)).toEqual([...call('get', '{}'), stop('tool-use')]);
    }
  });

  it('after a thought', async () => {
    const request = asked({ toolChoice: { type: 'any' } });
    const script = await startScript({ syntax: thinking, controls: ['<think>', '</think>'], request });
    expect(script.next()).toContain('<think>');
    script.write('<think>', 'hm', ' I answer', '\n');
    expect([script.allows(end), script.allows('anything')]).toEqual([false, true]);
    script.write('</think>', '\n\n');
    expect([script.allows('I '), script.allows('<tool_call>')]).toEqual([false, true]);
    script.write(...header, 'get', '", "arguments": {}}\n</tool_call>', end);
    expect(joined(script.events)).toEqual([thought('hm I answer'), ...call('get', '{}'), stop('tool-use')]);
  });

  it.each([
    [{ toolChoice: { type: 'tool', name: 'other' } }, 'tool_choice'],
    [{ tools: [], toolChoice: { type: 'any' } }, 'tool_choice'],
    [{ tools: [...tools, tools[0] as Tool] }, 'tools.2.name'],
    [{ tools: [{ name: '', inputSchema: {} }] }, 'tools.0.name'],
    [{ tools: [{ name: 'a', inputSchema: { type: 'string' } }] }, 'tools.0.input_schema.type'],
  ] as [Partial<GenerateRequest>, string][])('that cannot be: %j', async (request, field) => {
    await expect(startScript({ syntax: thinking, request: asked(request) })).rejects.toMatchObject({
      code: 'invalid_request',
      field,
    });
  });
});

describe('calls side by side', () => {
  it('are one where they are not wanted', async () => {
    const script = await startScript({ syntax: hermes, request: asked({ parallelToolCalls: false }) });
    expect(script.write(...header, 'get', '", "arguments": {}')).toBe(true);
    expect(joined(script.events)).toEqual([...call('get', '{}'), stop('tool-use')]);
    expect(script.alive.size).toBe(0);
  });

  it('may be of the same tool, and have an end', async () => {
    const script = await startScript({ syntax: hermes, request: asked() });
    let calls = 0;
    let ended = false;
    while (!ended) {
      calls += 1;
      ended = script.write(...header, 'get', '", "arguments": {}}\n</tool_call>', '\n');
    }
    expect(calls).toBe(64);
    expect(script.events.filter(({ type }) => type === 'tool-use-start')).toHaveLength(64);
  });
});

describe('a schema of the answer', () => {
  const schema = { examples: ['{"name": "get", "x": 1}', '"<think>"'] };

  it('applies after the thought', async () => {
    const script = await startScript({
      syntax: thinking,
      controls: ['<think>', '</think>'],
      request: { responseSchema: schema },
    });
    script.write('<think>', 'free', '</think>');
    expect(script.next().filter((piece) => piece.trim() !== '')).toEqual(['"', '{']);
    script.write('\n\n', '{"name', '": "get", "x": 1}');
    expect(script.next()).toEqual([end]);
    script.write(end);
    expect(joined(script.events)).toEqual([thought('free'), text(schema.examples[0] as string), stop('end-turn')]);
  });

  it('applies without a thought, too', async () => {
    const script = await startScript({ syntax: thinking, request: { responseSchema: schema } });
    expect(script.allows('"<th')).toBe(true);
    expect(script.allows('Well')).toBe(false);
    script.write('"<th', 'ink>"', end);
    expect(joined(script.events)).toEqual([text('"<think>"'), stop('end-turn')]);
  });

  it('leaves the choice between a call and itself', async () => {
    const syntax = { tools: llama3Tools, thinking: undefined };
    const request = asked({ responseSchema: schema });
    const answer = await startScript({ syntax, request });
    for (const char of '{"name": "get", "') answer.write(char);
    expect(answer.next().sort()).toEqual(['p']);
    const other = await startScript({ syntax, request });
    other.write('"<think>', '"', end);
    expect(joined(other.events)).toEqual([text('"<think>"'), stop('end-turn')]);
    const marked = await startScript({ syntax: hermes, request });
    marked.write('{"name": "get"', ', "x": 1}', end);
    expect(joined(marked.events)).toEqual([text('{"name": "get", "x": 1}'), stop('end-turn')]);
    const called = await startScript({ syntax: hermes, request });
    expect(called.next().filter((piece) => piece.trim() !== '')).toEqual(['"', '<', '{']);
    called.write(...header, 'get', '", "arguments": {}}\n</tool_call>', end);
    expect(joined(called.events)).toEqual([...call('get', '{}'), stop('tool-use')]);
  });
});

describe('a budget of thoughts', () => {
  const controls = ['<think>', '</think>'];

  it('ends them when it is used up, and the answer goes on', async () => {
    const request: Partial<GenerateRequest> = { thinking: { type: 'enabled', budgetTokens: 3 } };
    const script = await startScript({ syntax: thinking, controls, request });
    script.write('<think>', 'one', ' two');
    expect(script.force()).toBeUndefined();
    script.write(' three');
    const forced = [1, 2, 3, 4, 5].map(() => script.force());
    expect(forced).toEqual(['\n', '</think>', '\n', '\n', undefined]);
    script.write('Yes', end);
    expect(joined(script.events)).toEqual([thought('one two three'), text('Yes'), stop('end-turn')]);
    // the one that opened, three, a line break, the one that closed
    expect(script.course.thinkingTokens).toBe(6);
  });

  it('leaves shorter ones alone', async () => {
    const request: Partial<GenerateRequest> = { thinking: { type: 'enabled', budgetTokens: 3 } };
    const script = await startScript({ syntax: thinking, controls, request });
    script.write('<think>', 'one', '</think>', 'Yes');
    for (const word of ' a b c d'.split('')) {
      expect(script.force()).toBeUndefined();
      script.write(word);
    }
    script.write(end);
    expect(joined(script.events)).toEqual([thought('one'), text('Yes a b c d'), stop('end-turn')]);
  });

  it('is nothing where thinking is off', async () => {
    const request: Partial<GenerateRequest> = { thinking: { type: 'disabled' } };
    for (const prompt of ['', 'assistant\n<think>\n']) {
      const script = await startScript({ syntax: thinking, controls, request, prompt });
      if (prompt === '') script.write('<think>');
      while (script.force() !== undefined);
      script.write('Yes', end);
      expect(joined(script.events)).toEqual([text('Yes'), stop('end-turn')]);
    }
  });
});
