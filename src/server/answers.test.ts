import { describe, expect, it } from 'vitest';
import { createFakeModel, endless, fakePieces } from '../../test/support/fake-model.ts';
import { FreeholdError } from '../lib/errors.ts';
import type { GenerateEvent, GenerateRequest, TextModel } from '../lib/text-model.ts';
import { generateAnswers, type OnAnswerEvent } from './answers.ts';

const request = (sampling: GenerateRequest['sampling'] = {}): GenerateRequest => ({
  messages: [{ role: 'user', content: [{ type: 'text', text: 'hi' }] }],
  sampling,
  tenant: 't',
  traceId: 'trace',
});

/** Generates, and keeps what comes. @param onEvent sees it too */
async function all(
  model: TextModel,
  asked: GenerateRequest,
  count: number,
  abort = new AbortController(),
  onEvent: OnAnswerEvent = () => {},
): Promise<{ event: GenerateEvent; answer: number }[]> {
  const items: { event: GenerateEvent; answer: number }[] = [];
  await generateAnswers(model, asked, count, abort.signal, (event, answer) => {
    items.push({ event, answer });
    onEvent(event, answer);
  });
  return items;
}

describe('several answers', () => {
  it('are each complete, and in order', async () => {
    const items = await all(createFakeModel('m'), request(), 3);
    for (let answer = 0; answer < 3; answer++) {
      const events = items.filter((item) => item.answer === answer).map(({ event }) => event);
      expect(events.map(({ type }) => type)).toEqual(['start', ...fakePieces.map(() => 'text-delta'), 'usage', 'stop']);
    }
  });

  it('have seeds that follow each other, or none', async () => {
    const model = createFakeModel('m');
    await all(model, request({ seed: 2 ** 32 - 2, topK: 3 }), 3);
    expect(model.requests.map(({ sampling }) => sampling)).toEqual([
      { seed: 2 ** 32 - 2, topK: 3 },
      { seed: 2 ** 32 - 1, topK: 3 },
      { seed: 0, topK: 3 },
    ]);
    model.requests.length = 0;
    await all(model, request(), 2);
    expect(model.requests.map(({ sampling }) => sampling)).toEqual([{}, {}]);
  });

  it('are refused once where the prompt is', async () => {
    const model = createFakeModel('m');
    model.behaviour = async function* () {
      yield* [];
      throw new FreeholdError('context_exceeded', 'Too long.');
    };
    await expect(all(model, request(), 5)).rejects.toMatchObject({
      code: 'context_exceeded',
    });
    expect(model.requests).toHaveLength(1);
  });

  it('all end when one fails', async () => {
    const model = createFakeModel('m');
    let begun = 0;
    model.behaviour = async function* (asked, abort) {
      begun += 1;
      if (begun === 3) throw new FreeholdError('overloaded', 'Full.');
      yield* endless()(asked, abort);
    };
    await expect(all(model, request(), 3)).rejects.toMatchObject({ code: 'overloaded' });
    expect(model.aborted).toBeGreaterThanOrEqual(2);
  });

  it('all end when the caller aborts', async () => {
    const model = createFakeModel('m');
    model.behaviour = endless();
    const abort = new AbortController();
    const seen = new Set<number>();
    const answers = all(model, request(), 4, abort, (_event, answer) => {
      seen.add(answer);
      if (seen.size === 4) abort.abort();
    });
    await expect(answers).rejects.toMatchObject({ code: 'cancelled' });
    expect(model.requests).toHaveLength(4);
    expect(model.aborted).toBe(4);
  });

  it('say no more after one has failed', async () => {
    const model = createFakeModel('m');
    let begun = 0;
    model.behaviour = async function* () {
      const first = begun++ === 0;
      yield { type: 'start', inputTokens: 1, cachedTokens: 0 };
      if (first) await new Promise<void>((resolve) => setTimeout(resolve, 20));
      if (!first) throw new FreeholdError('overloaded', 'Full.');
      yield { type: 'text-delta', text: 'late' };
    };
    const items: string[] = [];
    const answers = all(model, request(), 2, new AbortController(), ({ type }) => items.push(type));
    await expect(answers).rejects.toMatchObject({ code: 'overloaded' });
    expect(items).toEqual(['start', 'start']);
  });
});

it('one answer is the generation itself', async () => {
  const model = createFakeModel('m');
  const items = await all(model, request({ seed: 5 }), 1);
  expect(items.every(({ answer }) => answer === 0)).toBe(true);
  expect(model.requests.map(({ sampling }) => sampling)).toEqual([{ seed: 5 }]);
});
