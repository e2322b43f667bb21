// Wherever an answer is, whatever it may hold: some token may come next, and the tokens found for a whole row are those found
// one by one.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { end, type ScriptOptions, startScript } from '../../../../test/support/scripted-answer.ts';
import type { GenerateRequest, Tool } from '../../../lib/text-model.ts';
import {
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

const requests: fc.Arbitrary<Partial<GenerateRequest>> = fc.record(
  {
    tools: fc.constantFrom<Tool[]>(
      [tool('a', '{}'), tool('ab', '{"x": "}"}', '{"x": 1}')],
      [tool('é "q"', '{"a": {}}')],
    ),
    toolChoice: fc.constantFrom<NonNullable<GenerateRequest['toolChoice']>>(
      { type: 'auto' },
      { type: 'any' },
      { type: 'none' },
    ),
    parallelToolCalls: fc.boolean(),
    responseSchema: fc.constantFrom({ examples: ['{"name": "a", "b": 1}', '"<t"', '[1]'] }),
    thinking: fc.constantFrom<NonNullable<GenerateRequest['thinking']>>(
      { type: 'disabled' },
      { type: 'enabled', budgetTokens: 4 },
    ),
  },
  { requiredKeys: ['tools'] },
);

const options: fc.Arbitrary<ScriptOptions> = fc.record({
  syntax: fc.record({
    tools: fc.constantFrom(hermesTools, llama3Tools, mistralTools, mistralArgsTools, gemmaTools, genericTools),
    thinking: fc.constantFrom(undefined, thinkTags(false)),
  }),
  controls: fc.constantFrom(
    [],
    ['<think>', '</think>', '<tool_call>', '</tool_call>', '[TOOL_CALLS]', '[ARGS]', '<|python_tag|>', '<other>'],
  ),
  request: requests,
  prompt: fc.constantFrom('', 'assistant\n<think>\n'),
});

/** Pieces that cross borders of all kinds. */
const pieces = [
  ...[
    '<think',
    '>x',
    '</think>\n',
    ' <tool',
    '_call>',
    '>\n{"',
    'name',
    '": "',
    'a',
    'b", "',
    '", "arguments": {',
    '}}',
  ],
  ...[
    '\n</tool_call>',
    '```tool',
    '_code\n',
    '{"name": "a',
    '{ "name":"',
    '"x": ',
    '; {"',
    ' [{',
    '}, {',
    '] ',
    '\n\n',
    '[ARGS]',
  ],
];

describe('a course', () => {
  it('has no dead ends, and finds the same for one token as for all', async () => {
    const walks = fc.array(fc.nat(10_000), { minLength: 60, maxLength: 60 });
    await fc.assert(
      fc.asyncProperty(options, walks, async (chosen, walk) => {
        const script = await startScript({ ...chosen, texts: pieces });
        for (const turn of walk) {
          if (script.force() !== undefined) continue;
          const all = Int32Array.from({ length: script.vocabulary.size }, (_, token) => token);
          const logits = new Float32Array(all.length);
          script.course.mask(all, logits, all.length);
          const allowed = [...all].filter((token) => logits[token] === 0);
          expect(allowed).toEqual([...all].filter((token) => script.course.allows(token)));
          expect(allowed.length, JSON.stringify(script.events)).toBeGreaterThan(0);
          // towards markers more often than not
          const marks = allowed.filter((token) => token < 10 || token > 265 || '<{["`'.includes(script.text(token)));
          const from = turn % 3 > 0 && marks.length > 0 ? marks : allowed;
          if (script.write(script.text(from[turn % from.length] as number))) break;
        }
        script.course.dispose();
        expect(script.alive.size).toBe(0);
      }),
      { numRuns: 150 },
    );
  });

  it('lets an answer that must hold nothing else end where its call is complete', async () => {
    const script = await startScript({
      syntax: { tools: mistralTools, thinking: undefined },
      request: { tools: [tool('a', '{}')], toolChoice: { type: 'any' } },
    });
    script.write('[TOOL_CALLS] [', '{"name": "a', '", "arguments": {}}');
    expect(script.next()).toEqual([end, ',', ']']);
  });
});
