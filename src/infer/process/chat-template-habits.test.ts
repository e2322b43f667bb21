// What is found out about the families' templates by trials.
import { Template } from '@huggingface/jinja';
import { describe, expect, it } from 'vitest';
import { type FamilyName, familyNames, familyTemplates } from '../../../test/support/chat-templates.ts';
import { findHabits, type Habits, type RunTemplate } from './chat-template-habits.ts';
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
} from './tools/syntax.ts';

function habitsOf(source: string): Habits {
  const template = new Template(source);
  const run: RunTemplate = (messages, variables) =>
    template.render({
      messages,
      add_generation_prompt: true,
      bos_token: '<s>',
      eos_token: '</s>',
      tools: null,
      ...variables,
    });
  return findHabits(run, source);
}
const familyHabits = (name: FamilyName) => habitsOf(familyTemplates[name].source ?? '{{ messages[0].content }}');

const chatMl = (inner: string) =>
  `{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}${inner}<|im_end|>\n{% endfor %}<|im_start|>assistant\n`;
const listing = '{% if tools %}{{ tools | tojson }}{% endif %}';

describe('families', () => {
  it.each<[FamilyName, Habits['syntax']]>([
    ['qwen25', { tools: hermesTools, thinking: undefined }],
    ['qwen3', { tools: hermesTools, thinking: thinkTags(false) }],
    ['llama31', { tools: llama3Tools, thinking: undefined }],
    ['llama32', { tools: llama3Tools, thinking: undefined }],
    ['mistralV3', { tools: mistralTools, thinking: undefined }],
    ['mistralV7', { tools: mistralArgsTools, thinking: undefined }],
    ['mistralV11', { tools: mistralArgsTools, thinking: undefined }],
    ['gemma2', { tools: gemmaTools, thinking: undefined }],
    ['gemma3', { tools: gemmaTools, thinking: undefined }],
    ['gemma4', { tools: genericTools, thinking: channelThinking }],
    ['gptOss', { tools: genericTools, thinking: harmonyThinking }],
    ['smollm2', { tools: genericTools, thinking: undefined }],
    ['smollm3', { tools: hermesTools, thinking: thinkTags(false) }],
    ['deepseekR1', { tools: genericTools, thinking: thinkTags(true) }],
    ['phi4Mini', { tools: genericTools, thinking: undefined }],
    ['chatMl', { tools: genericTools, thinking: undefined }],
    ['base', { tools: genericTools, thinking: undefined }],
  ])('%s writes as it was trained to', (name, syntax) => {
    expect(familyHabits(name).syntax).toEqual(syntax);
  });

  it('are all in this table', () => {
    expect(familyNames).toHaveLength(17);
  });

  it('write calls, results and what follows them as their templates can', () => {
    const shapes = Object.fromEntries(
      familyNames.map((name) => {
        const { calls, results, severalCalls, textAfterResults, resultsAsJson, systemInLoops } = familyHabits(name);
        return [name, { calls, results, severalCalls, textAfterResults, resultsAsJson, systemInLoops }];
      }),
    );
    const ours = {
      calls: 'ours',
      results: 'ours',
      severalCalls: false,
      textAfterResults: false,
      resultsAsJson: false,
      systemInLoops: true,
    };
    const hermes = {
      ...ours,
      calls: 'object',
      results: 'template',
      severalCalls: true,
      textAfterResults: true,
    };
    expect(shapes).toEqual({
      qwen25: hermes,
      qwen3: hermes,
      llama31: { ...hermes, severalCalls: false },
      llama32: { ...hermes, severalCalls: false },
      // one array of calls, strict turns, results within JSON, the system text in a last turn of the person's only
      mistralV3: { ...hermes, textAfterResults: false, resultsAsJson: true, systemInLoops: false },
      mistralV7: hermes,
      mistralV11: hermes,
      gemma2: ours,
      gemma3: ours,
      gemma4: ours,
      gptOss: ours,
      smollm2: ours,
      // says how to call, and leaves calls to the turn's text
      smollm3: { ...hermes, calls: 'ours', severalCalls: false },
      deepseekR1: ours,
      phi4Mini: ours,
      chatMl: ours,
      base: ours,
    });
  });

  it('of Mistral put a space before their calls, or none', () => {
    const source = familyTemplates.mistralV3.source.replace('[TOOL_CALLS] [', '[TOOL_CALLS][');
    expect(habitsOf(source).syntax.tools).toEqual({ ...mistralTools, open: '[TOOL_CALLS][' });
  });

  it('that write calls in another way than as JSON are told in our words', () => {
    const xml = chatMl(
      '{% for c in m.tool_calls or [] %}<tool_call><function={{ c.function.name }}>{% for k, v in c.function.arguments | items %}<parameter={{ k }}>{{ v }}</parameter>{% endfor %}</function></tool_call>{% endfor %}',
    );
    expect(habitsOf(`${listing}<tool_call><function=NAME></function></tool_call>${xml}`)).toMatchObject({
      syntax: { tools: genericTools },
      tools: 'ours',
      calls: 'ours',
    });
  });

  it('that lose or rewrite a part of a tool are told in our words', () => {
    const calls = chatMl(
      '{% for c in m.tool_calls or [] %}<tool_call>\n{"name": "{{ c.function.name }}", "arguments": {{ c.function.arguments | tojson }}}\n</tool_call>{% endfor %}',
    );
    expect(habitsOf(listing + calls).syntax.tools).toEqual(hermesTools);
    const losing = '{% for t in tools or [] %}{{ t.function.name }}: {{ t.function.description }}{% endfor %}';
    expect(habitsOf(losing + calls).tools).toBe('ours');
    expect(habitsOf(listing.replace('tojson', 'tojson | upper') + calls).tools).toBe('ours');
    expect(habitsOf(listing.replace('tojson', 'tojson(ensure_ascii=true)') + calls).tools).toBe('ours');
  });
});

describe('calls', () => {
  const told = `${listing}<tool_call>\n{"name": ""}\n</tool_call>`;
  it('are given as text where the template joins them to text', () => {
    const source =
      told +
      chatMl(
        '{% for c in m.tool_calls or [] %}{{ "<tool_call>\n{\\"name\\": \\"" + c.function.name + "\\", \\"arguments\\": " + c.function.arguments + "}\n</tool_call>" }}{% endfor %}',
      );
    expect(habitsOf(source)).toMatchObject({ syntax: { tools: hermesTools }, calls: 'string', severalCalls: true });
  });

  it('are given as values where a text would be escaped twice', () => {
    const source =
      told +
      chatMl('{% for c in m.tool_calls or [] %}<tool_call>\n{{ c.function | tojson }}\n</tool_call>{% endfor %}');
    expect(habitsOf(source)).toMatchObject({ syntax: { tools: hermesTools }, calls: 'object' });
  });

  it('are ours where the template loses them, and so are results', () => {
    const source = `${told}{% for m in messages %}{% if m.role != 'tool' %}({{ m.role }}){{ m.content }}{% endif %}{% endfor %}`;
    expect(habitsOf(source)).toMatchObject({ syntax: { tools: hermesTools }, calls: 'ours', results: 'ours' });
  });
});

describe('thinking', () => {
  it('is switched by the variable the template asks for', () => {
    expect(familyHabits('qwen3').thinkingSwitch).toBe('enable_thinking');
    expect(familyHabits('smollm3').thinkingSwitch).toBe('enable_thinking');
    expect(habitsOf(`${chatMl('')}{% if thinking %}<think>{% endif %}`)).toMatchObject({
      thinkingSwitch: 'thinking',
      syntax: { thinking: thinkTags(true) },
    });
    for (const name of ['qwen25', 'deepseekR1', 'llama31'] as const) {
      expect(familyHabits(name).thinkingSwitch).toBeUndefined();
    }
  });

  it('has brackets in some', () => {
    expect(habitsOf(`${chatMl('')}{# [THINK] #}`).syntax.thinking).toEqual(bracketThinking);
  });
});
