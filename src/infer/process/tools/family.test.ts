// What trials say of a family. The families' templates are in chat-template-habits.test.ts.
import { describe, expect, it } from 'vitest';
import { endsOpen, isTrained, thinkingSyntaxOf, toolSyntaxOf } from './family.ts';
import {
  bracketThinking,
  channelThinking,
  gemmaTools,
  genericTools,
  harmonyThinking,
  hermesTools,
  llama3Tools,
  mistralArgsTools,
  mistralTools,
  thinkTags,
} from './syntax.ts';

const told = '{"name": "look"}';

describe('the syntax of calls', () => {
  it.each([
    ['<tool_call>\n{"name": "look", "arguments": {}}\n</tool_call>', hermesTools],
    ['<tool_call>{"name": "look", "arguments": {}}</tool_call>', hermesTools],
    ['{"name": "look", "parameters": {}}', llama3Tools],
    ['[TOOL_CALLS] [{"name": "look", "arguments": {}}]', mistralTools],
    ['[TOOL_CALLS]look[ARGS]{}', mistralArgsTools],
    ['[TOOL_CALLS]look[CALL_ID]123456789[ARGS]{}', mistralArgsTools],
    ['<tool_call>\n<function=look>\n</function>\n</tool_call>', genericTools],
    ['functools[{"name": "look", "arguments": {}}]', genericTools],
    [undefined, genericTools],
  ])('%j is known', (call, syntax) => {
    expect(toolSyntaxOf('', { tools: told, call }, 'look')).toEqual(syntax);
  });

  it('is told by the instructions where calls are not rendered', () => {
    expect(toolSyntaxOf('', { tools: '<tool_call>\n{"name": <name>' }, 'look')).toEqual(hermesTools);
    expect(toolSyntaxOf('', { tools: '<tool_call>\n<function=' }, 'look')).toEqual(genericTools);
  });

  it('is our own where tools are lost, and a fence for Gemma', () => {
    const call = '<tool_call>\n{"name": "look", "arguments": {}}\n</tool_call>';
    expect(toolSyntaxOf('', { call }, 'look')).toEqual(genericTools);
    expect(toolSyntaxOf('<start_of_turn>', {}, 'look')).toEqual(gemmaTools);
    expect(toolSyntaxOf(undefined, {}, 'look')).toEqual(genericTools);
  });

  it('is trained or told', () => {
    expect([hermesTools, llama3Tools, mistralTools, mistralArgsTools].every(isTrained)).toBe(true);
    expect([gemmaTools, genericTools].some(isTrained)).toBe(false);
  });
});

describe('the syntax of thoughts', () => {
  it('tells whether a prompt ends within one', () => {
    expect(endsOpen('<|turn>model\n<|channel>thought\n', channelThinking)).toBe(true);
    expect(endsOpen('<|turn>model\n<|channel>thought\n<channel|>', channelThinking)).toBe(false);
  });

  it('is told by the template, and whether it opens them by the prompt', () => {
    expect(thinkingSyntaxOf("{{ content.split('</think>')[-1] }}", '<|assistant|>')).toEqual(thinkTags(false));
    expect(thinkingSyntaxOf('{{ "<think>" }}', '<|assistant|><think>\n')).toEqual(thinkTags(true));
    expect(thinkingSyntaxOf('{{ "<think>" }}', '<|assistant|><think>\n\n</think>\n')).toEqual(thinkTags(false));
    expect(thinkingSyntaxOf('[THINK]', '')).toEqual(bracketThinking);
    expect(thinkingSyntaxOf("{{ '<|channel>thought\\n<channel|>' }}", '<|turn>model\n')).toEqual(channelThinking);
    expect(thinkingSyntaxOf('{{ "<|channel|>analysis<|message|>" }}', '<|start|>assistant')).toEqual(harmonyThinking);
    expect(thinkingSyntaxOf('{{ content }}', '')).toBeUndefined();
    expect(thinkingSyntaxOf(undefined, '')).toBeUndefined();
  });
});
