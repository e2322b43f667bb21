import { describe, expect, it } from 'vitest';
import { FreeholdError } from '../../lib/errors.ts';
import type { GenerateEvent, GenerateRequest, TextModel } from '../../lib/text-model.ts';
import { Conversation } from './conversation.ts';

/** A model that answers `1`, `2`, … word by word and remembers what it was asked. */
function counter(options: { failAt?: number; thinks?: boolean } = {}) {
  const requests: GenerateRequest[] = [];
  const model = {
    requests,
    capabilities: () => ({
      model: 'counter',
      contextTokens: 100,
      generate: true,
      embed: false,
      rerank: false,
      tools: false,
      vision: false,
    }),
    countTokens: async () => 1,
    embed: async () => ({ embeddings: [], inputTokens: 0 }),
    rerank: async () => ({ scores: [], inputTokens: 0 }),
    async *generate(request: GenerateRequest, signal?: AbortSignal): AsyncIterable<GenerateEvent> {
      requests.push(structuredClone(request));
      if (options.failAt === requests.length) throw new FreeholdError('overloaded', 'Full.');
      yield { type: 'start', inputTokens: 7, cachedTokens: 3 };
      if (options.thinks) yield { type: 'thinking-delta', text: 'hm' };
      for (const text of [`answer`, ` ${requests.length}`]) {
        if (signal?.aborted) throw new FreeholdError('cancelled', 'Cancelled.');
        yield { type: 'text-delta', text };
      }
      yield { type: 'usage', inputTokens: 7, cachedTokens: 3, outputTokens: 2 };
      yield { type: 'stop', reason: 'end-turn' };
    },
  };
  return model satisfies TextModel & { requests: GenerateRequest[] };
}

const clock = (stepMs: number) => {
  let now = 0;
  return () => {
    now += stepMs;
    return now;
  };
};

describe('a conversation', () => {
  it('sends all turns, the system text and the sampling, and keeps the answer', async () => {
    const model = counter();
    const chat = new Conversation({ system: 'Be brief.', sampling: { temperature: 0 }, maxTokens: 9 });
    await chat.ask(model, 'one');
    const answer = await chat.ask(model, 'two');
    expect(answer.text).toBe('answer 2');
    expect(model.requests[1]).toMatchObject({
      system: [{ type: 'text', text: 'Be brief.' }],
      sampling: { temperature: 0 },
      maxTokens: 9,
    });
    const turns = model.requests[1]?.messages.map(({ role, content }) => [
      role,
      content[0]?.type === 'text' && content[0].text,
    ]);
    expect(turns).toEqual([
      ['user', 'one'],
      ['assistant', 'answer 1'],
      ['user', 'two'],
    ]);
  });

  it('asks for nothing that was not set', async () => {
    const model = counter();
    await new Conversation().ask(model, 'hi');
    expect(Object.keys(model.requests[0] ?? {}).sort()).toEqual(['messages', 'tenant', 'traceId']);
  });

  it('measures from the request to the first token, thoughts included, and the rate between tokens', async () => {
    // the clock: start 100, thought 200, two words 300 and 400
    const answer = await new Conversation().ask(counter({ thinks: true }), 'hi', { nowMs: clock(100) });
    expect(answer).toMatchObject({
      thinking: 'hm',
      timeToFirstTokenMs: 100,
      tokensPerSecond: 5,
      stopReason: 'end-turn',
    });
    expect(answer.usage).toEqual({ inputTokens: 7, cachedTokens: 3, outputTokens: 2 });
  });

  it('answers again in place of the last answer', async () => {
    const model = counter();
    const chat = new Conversation();
    await chat.ask(model, 'one');
    expect((await chat.retry(model))?.text).toBe('answer 2');
    expect(chat.messages).toHaveLength(2);
    expect(model.requests[1]?.messages).toHaveLength(1);
    expect(await new Conversation().retry(model)).toBeUndefined();
  });

  it('takes a question back when it failed, and keeps the old answer when a retry failed', async () => {
    const chat = new Conversation();
    await expect(chat.ask(counter({ failAt: 1 }), 'one')).rejects.toMatchObject({ code: 'overloaded' });
    expect(chat.messages).toEqual([]);
    await chat.ask(counter(), 'one');
    const before = structuredClone(chat.messages);
    await expect(chat.retry(counter({ failAt: 1 }))).rejects.toMatchObject({ code: 'overloaded' });
    expect(chat.messages).toEqual(before);
  });

  it('keeps what had come when the person stops it', async () => {
    const stop = new AbortController();
    const chat = new Conversation();
    const answer = await chat.ask(counter(), 'one', { signal: stop.signal, onText: () => stop.abort() });
    expect(answer).toMatchObject({ text: 'answer', stopped: true });
    expect(chat.messages.at(-1)).toEqual({ role: 'assistant', content: [{ type: 'text', text: 'answer' }] });
  });

  it('adds up, starts over, and can be saved', async () => {
    const chat = new Conversation({ system: 'Be brief.' });
    await chat.ask(counter(), 'one');
    await chat.ask(counter(), 'two');
    expect(chat.totals).toEqual({ answers: 2, inputTokens: 14, cachedTokens: 6, outputTokens: 4 });
    expect(chat.toMarkdown('counter')).toBe(
      '# Chat with counter\n\n> Be brief.\n\n## You\n\none\n\n## counter\n\nanswer 1\n\n## You\n\ntwo\n\n## counter\n\nanswer 1\n',
    );
    chat.clear();
    expect(chat.messages).toEqual([]);
    expect(chat.settings.system).toBe('Be brief.');
  });
});
