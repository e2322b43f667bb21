// Templates that take for ever: they come with the model, so nobody here wrote them.
import { describe, expect, it } from 'vitest';
import type { GenerateRequest } from '../../lib/text-model.ts';
import { createChatTemplate } from './chat-template.ts';

const specials = { bos: '<s>', eos: '</s>' };
const request = (text: string): GenerateRequest => ({
  messages: [{ role: 'user', content: [{ type: 'text', text }] }],
  tenant: 'a',
  traceId: 'test',
});
const forEver = '{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}';

describe('a chat template that takes for ever', () => {
  it('does so at load: the model is refused, and the reason named', () => {
    expect(() => createChatTemplate(forEver, specials, false)).toThrow(
      expect.objectContaining({ code: 'model_failed', message: expect.stringMatching(/chat template.*longer than/) }),
    );
  });

  it('does so in some conversations only: these fail, and the next is rendered', () => {
    const template = createChatTemplate(
      `{% if messages | length > 2 %}${forEver}{% endif %}{{ messages[0]['content'] }}`,
      specials,
      false,
    );
    const long: GenerateRequest = {
      ...request('a'),
      messages: ['user', 'assistant', 'user'].map((role) => ({
        role: role as 'user' | 'assistant',
        content: [{ type: 'text', text: 'a' }],
      })),
    };
    expect(() => template.render(long)).toThrow(expect.objectContaining({ code: 'model_failed' }));
    expect(template.render(request('hi'))).toEqual([{ origin: 'text', text: 'hi' }]);
  });

  it('does so with tools only: it does not see them', () => {
    const template = createChatTemplate(
      `{% if tools %}${forEver}{% endif %}{% for m in messages %}{{ m.content }}{% endfor %}`,
      specials,
      false,
    );
    const tools = [{ name: 'look', inputSchema: { type: 'object' } }];
    const pieces = template.render({ ...request('hi'), tools });
    expect(pieces.map(({ text }) => text).join('')).toMatch(/"look".*hi$/s);
  });

  it('is not one that calls itself without end, or is nested too deep to be read', () => {
    const endless = '{% macro f(x) %}{{ f(x) }}{% endmacro %}{{ f(1) }}';
    expect(() => createChatTemplate(endless, specials, false).render(request('a'))).toThrow(
      expect.objectContaining({ code: 'invalid_request' }),
    );
    const deep = `{{ ${'('.repeat(50_000)}1${')'.repeat(50_000)} }}`;
    expect(() => createChatTemplate(deep, specials, false)).toThrow(expect.objectContaining({ code: 'model_failed' }));
  });
});
