import { describe, expect, it } from 'vitest';
import { parseCountTokens, parseMessages } from './request.ts';

const context = { tenant: 't', traceId: 'trace' };
const user = { role: 'user', content: 'hi' };
const valid = { model: 'm', max_tokens: 2000, messages: [user] };
const parse = (changes: object) => {
  const { request, thoughts } = parseMessages({ ...valid, ...changes }, context);
  return [request.thinking, thoughts];
};
const enabled = { type: 'enabled', budget_tokens: 1024 };
const look = { name: 'look', input_schema: { type: 'object' } };

describe('thinking', () => {
  it.each<[string, object, unknown]>([
    ['does not happen unasked', {}, [{ type: 'disabled' }, 'hidden']],
    ['is turned off', { thinking: { type: 'disabled' } }, [{ type: 'disabled' }, 'hidden']],
    ['has a budget', { thinking: enabled }, [{ type: 'enabled', budgetTokens: 1024 }, 'shown']],
    ['adapts', { thinking: { type: 'adaptive' } }, [{ type: 'enabled' }, 'shown']],
    [
      'adapts to little effort',
      { thinking: { type: 'adaptive' }, output_config: { effort: 'low' } },
      [{ type: 'enabled', budgetTokens: 1024 }, 'shown'],
    ],
    [
      'adapts to much effort',
      { thinking: { type: 'adaptive' }, output_config: { effort: 'max' } },
      [{ type: 'enabled' }, 'shown'],
    ],
    ['is not wanted by effort alone', { output_config: { effort: 'high' } }, [{ type: 'disabled' }, 'hidden']],
    [
      'is left out of the answer',
      { thinking: { ...enabled, display: 'omitted' } },
      [{ type: 'enabled', budgetTokens: 1024 }, 'omitted'],
    ],
    ['between tools needs tools', { thinking: { type: 'between_tools' } }, [{ type: 'disabled' }, 'hidden']],
    [
      'happens between tools',
      {
        thinking: { type: 'between_tools' },
        messages: [
          user,
          { role: 'assistant', content: [{ type: 'tool_use', id: 'a', name: 'x', input: {} }] },
          { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'a' }] },
        ],
      },
      [{ type: 'enabled' }, 'shown'],
    ],
  ])('%s', (_, changes, expected) => {
    expect(parse(changes)).toEqual(expected);
  });

  it.each<[string, object, string]>([
    ['a budget below the vendor’s least', { thinking: { ...enabled, budget_tokens: 1023 } }, 'thinking.budget_tokens'],
    ['no budget', { thinking: { type: 'enabled' } }, 'thinking.budget_tokens'],
    ['no room for an answer', { thinking: enabled, max_tokens: 1024 }, 'max_tokens'],
    ['a forced call', { thinking: enabled, tools: [look], tool_choice: { type: 'any' } }, 'thinking'],
    [
      'an answer to go on from',
      { thinking: enabled, messages: [user, { role: 'assistant', content: 'So' }] },
      'thinking',
    ],
    ['an unknown type', { thinking: { type: 'deep' } }, 'thinking.type'],
    ['an unknown effort', { output_config: { effort: 'some' } }, 'output_config.effort'],
  ])('with %s is at fault', (_, changes, field) => {
    expect(() => parse(changes)).toThrow(expect.objectContaining({ code: 'invalid_request', status: 400, field }));
  });

  it('counts in the prompt, whatever the answer’s limit', () => {
    const { request } = parseCountTokens({ model: 'm', messages: [user], thinking: enabled }, context);
    expect(request.thinking).toEqual({ type: 'enabled', budgetTokens: 1024 });
  });
});
