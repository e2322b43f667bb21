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
  options: { syntax: { tools, thinking: undefined }, controls, request: asked({ parallelToolCalls: true }) },
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
