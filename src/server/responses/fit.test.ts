import { describe, expect, it } from 'vitest';
import { createFakeModel } from '../../../test/support/fake-model.ts';
import { FreeholdError } from '../../lib/errors.ts';
import type { GenerateRequest, Message } from '../../lib/text-model.ts';
import { fitted } from './fit.ts';

const words = (count: number) => 'word '.repeat(count);
const user = (count: number): Message => ({ role: 'user', content: [{ type: 'text', text: words(count) }] });
const answer = (count: number): Message => ({ role: 'assistant', content: [{ type: 'text', text: words(count) }] });
const request = (messages: Message[], more: Partial<GenerateRequest> = {}): GenerateRequest => ({
  messages,
  tenant: 't',
  traceId: 'trace',
  ...more,
});
const signal = new AbortController().signal;
/** One that holds 1000 tokens, a word each. */
const model = createFakeModel('fake');
const shortened = async (messages: Message[], more?: Partial<GenerateRequest>) =>
  (await fitted(model, request(messages, more), signal)).messages;

describe('a conversation', () => {
  it('that fits stays as it is, with a quarter of the context left for the answer', async () => {
    const messages = [user(375), answer(375)];
    expect(await shortened(messages)).toBe(messages);
    expect(await shortened([user(1), answer(375), user(375)])).toEqual([user(375)]);
  });

  it('leaves less room for a short answer', async () => {
    const messages = [user(490), user(490)];
    expect(await shortened(messages, { maxTokens: 20 })).toBe(messages);
    expect(await shortened(messages, { maxTokens: 21 })).toEqual([user(490)]);
  });

  it('keeps as many of its latest turns as fit', async () => {
    const turns = Array.from({ length: 30 }, (_, index) => user(100 + index));
    expect(await shortened(turns, { maxTokens: 1 })).toEqual(turns.slice(-7));
  });

  it('is never cut between a call and its result', async () => {
    const call: Message = { role: 'assistant', content: [{ type: 'tool-use', id: 'a', name: 'x', input: {} }] };
    const result: Message = { role: 'user', content: [{ type: 'tool-result', toolUseId: 'a', content: [] }] };
    expect(await shortened([user(600), call, result, user(500), call, result])).toEqual([user(500), call, result]);
  });

  it('whose last turn is too long keeps just that', async () => {
    expect(await shortened([user(10), answer(10), user(2000)])).toEqual([user(2000)]);
  });

  it('that cannot even be counted is too long; other failures are told', async () => {
    const failing = (code: 'context_exceeded' | 'model_process_lost') => ({
      capabilities: model.capabilities,
      async countTokens({ messages }: GenerateRequest) {
        if (messages.length > 1) throw new FreeholdError(code, 'No.');
        return 1;
      },
    });
    const messages = [user(1), user(2)];
    expect((await fitted(failing('context_exceeded'), request(messages), signal)).messages).toEqual([user(2)]);
    await expect(fitted(failing('model_process_lost'), request(messages), signal)).rejects.toMatchObject({
      code: 'model_process_lost',
    });
  });
});
