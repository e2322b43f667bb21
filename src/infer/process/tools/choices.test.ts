// What a request asks of its answer: calls or none, one or several, thoughts of so many tokens, text of a form. The answers
// are scripted; constraints here are lists of texts.
import { describe, expect, it } from 'vitest';
import { end, joined, startScript } from '../../../../test/support/scripted-answer.ts';
import type { GenerateRequest, Tool } from '../../../lib/text-model.ts';
import {
  type AnswerSyntax,
  gemmaTools,
  genericTools,
  hermesTools,
  llama3Tools,
  mistralArgsTools,
  mistralTools,
  thinkTags,
} from './syntax.ts';

const tool = (name: string, ...examples: string[]): Tool => ({
  name,
  inputSchema: { type: 'object', properties: {}, examples },
});
const tools = [tool('get', '{}'), tool('get_weather', '{"city": "Paris"}')];
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

const hermes: AnswerSyntax = { tools: hermesTools, thinking: undefined };
const header = [...'<tool_call>\n{"name": "'];
const thinking: AnswerSyntax = { tools: hermesTools, thinking: think };

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

  it('are one where the model was not trained to call tools, unless they are asked for', async () => {
    const syntax = { tools: genericTools, thinking: undefined };
    const alone = await startScript({ syntax, request: asked() });
    expect(alone.write(...header, 'get', '", "arguments": {}')).toBe(true);
    const several = await startScript({ syntax, request: asked({ parallelToolCalls: true }) });
    expect(several.write(...header, 'get', '", "arguments": {}')).toBe(false);
  });

  it('may be of the same tool, and have an end', async () => {
    const many = tool('get', ...Array.from({ length: 99 }, (_, i) => `{"i": ${i}}`));
    const script = await startScript({ syntax: hermes, request: asked({ tools: [many] }) });
    let calls = 0;
    let ended = false;
    while (!ended) {
      ended = script.write(...header, 'get', `", "arguments": {"i": ${calls}}}\n</tool_call>`, '\n');
      calls += 1;
    }
    expect(calls).toBe(64);
    expect(script.events.filter(({ type }) => type === 'tool-use-start')).toHaveLength(64);
  });
});

describe('a call that was made before', () => {
  const weather = tool('get_weather', '{"city": "Paris"}', '{"city": "Rome"}');
  const start = () => startScript({ syntax: hermes, request: asked({ tools: [tools[0] as Tool, weather] }) });
  const write = (name: string, json: string) => [...header, name, `", "arguments": ${json}}`];
  const close = '\n</tool_call>';

  it('ends the answer, and nobody hears of it', async () => {
    const script = await start();
    expect(script.write(...write('get_weather', '{"city": "Paris"}'), close, '\n')).toBe(false);
    expect(script.write(...write('get', '{}'), close)).toBe(false);
    expect(script.write(...write('get_weather', '{"city": "Paris"}'))).toBe(true);
    const calls = [...call('get_weather', '{"city": "Paris"}'), ...call('get', '{}')];
    expect(joined(script.events)).toEqual([...calls, stop('tool-use')]);
    expect(script.alive.size).toBe(0);
  });

  it('is another one where a byte differs', async () => {
    const script = await start();
    script.write(...write('get_weather', '{"city": "Paris"}'), close);
    script.write(...header, 'get_weather', '", "arguments": ', '{"city": "');
    expect(joined(script.events)).toEqual(call('get_weather', '{"city": "Paris"}'));
    script.write('R');
    expect(joined(script.events).slice(3)).toEqual([
      { type: 'tool-use-start', name: 'get_weather' },
      { type: 'tool-use-delta', json: '{"city": "R' },
    ]);
    expect(script.write('ome"}', '}', close, end)).toBe(true);
    const calls = [...call('get_weather', '{"city": "Paris"}'), ...call('get_weather', '{"city": "Rome"}')];
    expect(joined(script.events)).toEqual([...calls, stop('tool-use')]);
  });

  it('comes out as far as it is written where the answer is cut off', async () => {
    const script = await startScript({ syntax: hermes, request: asked({ maxTokens: 2 * header.length + 5 }) });
    script.write(...write('get', '{}'), close);
    expect(script.write(...header, 'get', '", "arguments": {')).toBe(true);
    expect(joined(script.events)).toEqual([...call('get', '{}'), ...call('get', '{'), stop('max-tokens')]);
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
