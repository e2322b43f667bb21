// Turns of one role in a row, from the vendors' JSON to the text a model reads: joined once, a blank line between them.
import { expect, it } from 'vitest';
import { createChatTemplate } from '../src/infer/process/chat-template.ts';
import type { GenerateRequest } from '../src/lib/text-model.ts';
import { parseMessages } from '../src/wire/anthropic/request.ts';
import { parseChat } from '../src/wire/openai/request.ts';

const context = { tenant: 't', traceId: 'trace' };
const template = createChatTemplate(
  '{% for m in messages %}({{ m.role }}){{ m.content }}{% endfor %}',
  { bos: '', eos: '' },
  false,
);
const read = (request: GenerateRequest) =>
  template
    .render(request)
    .map(({ text }) => text)
    .join('');

const anthropic = (messages: object[]) => read(parseMessages({ model: 'm', max_tokens: 1, messages }, context).request);
const openai = (messages: object[]) => read(parseChat({ model: 'm', messages }, context).request);

it.each([
  ['Anthropic', anthropic],
  ['OpenAI', openai],
])('%s: turns in a row stand a blank line apart, blocks of one turn on lines of their own', (_, say) => {
  const user = (...texts: string[]) => ({ role: 'user', content: texts.map((text) => ({ type: 'text', text })) });
  expect(say([{ role: 'user', content: 'a' }, user('b', 'c')])).toBe('(user)a\n\nb\nc');
  expect(
    say([user('a'), { role: 'assistant', content: 'b' }, { role: 'assistant', content: 'c' }, user('d'), user('e')]),
  ).toBe('(user)a(assistant)b\n\nc(user)d\n\ne');
});

it('a turn of thoughts only is none, and its neighbours are joined', () => {
  const thoughts = { role: 'assistant', content: [{ type: 'thinking', thinking: 'hm', signature: 's' }] };
  expect(anthropic([{ role: 'user', content: 'a' }, thoughts, { role: 'user', content: 'b' }])).toBe('(user)a\n\nb');
});
