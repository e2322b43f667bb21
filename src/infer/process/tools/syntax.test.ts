// How calls are written, and that what is written is what an answer is held to.
import { describe, expect, it } from 'vitest';
import { planCalls } from './call-plan.ts';
import { Spelling } from './spelling.ts';
import { hermesTools, llama3Tools, mistralArgsTools, mistralTools, writeCalls } from './syntax.ts';

const calls = [
  { name: 'get', argumentsJson: '{"a": 1}' },
  { name: 'see', argumentsJson: '{}' },
];
const none = { controlTokens: new Map(), userDefinedTokens: new Map(), size: 0 };
const vocabulary = (controls: string[]) =>
  ({
    ...none,
    controlTokens: new Map(controls.map((name, token) => [name, token])),
    size: controls.length,
    bytesOf: () => new Uint8Array(0),
    isEndOfGeneration: () => false,
    tokenize: () => new Int32Array(0),
  }) as ConstructorParameters<typeof Spelling>[0];

describe('calls', () => {
  it.each([
    [
      hermesTools,
      '<tool_call>\n{"name": "get", "arguments": {"a": 1}}\n</tool_call>\n<tool_call>\n{"name": "see", "arguments": {}}\n</tool_call>',
    ],
    [llama3Tools, '{"name": "get", "parameters": {"a": 1}}; {"name": "see", "parameters": {}}'],
    [mistralTools, '[TOOL_CALLS] [{"name": "get", "arguments": {"a": 1}}, {"name": "see", "arguments": {}}]'],
    [mistralArgsTools, '[TOOL_CALLS]get[ARGS]{"a": 1}[TOOL_CALLS]see[ARGS]{}'],
  ])('are written as the family writes them: $family', (syntax, text) => {
    expect(writeCalls(syntax, calls)).toBe(text);
    for (const controls of [[], ['<tool_call>', '</tool_call>', '[TOOL_CALLS]', '[ARGS]']]) {
      const spelling = new Spelling(vocabulary(controls), controls);
      const spell = (part: string) => spelling.spell(part);
      const plan = planCalls({ syntax, names: ['get', 'see'], choice: 'may', parallel: true, spell });
      const whole =
        `${plan.first[0]?.text}${plan.before}{"a": 1}${plan.after}${plan.footer}` +
        `${plan.next[1]?.text}${plan.before}{}${plan.after}${plan.footer}${plan.close}`;
      expect(whole).toBe(spell(text));
      expect(plan.first[0]?.text.startsWith(plan.commit)).toBe(true);
      // what goes to a grammar holds no control token
      expect(plan.before + plan.after).toMatch(/^[\u0000-\u00ff]*$/);
    }
  });

  it('have names in JSON escaped', () => {
    expect(writeCalls(llama3Tools, [{ name: 'a "b"\n', argumentsJson: '{}' }])).toBe(
      '{"name": "a \\"b\\"\\n", "parameters": {}}',
    );
  });
});
