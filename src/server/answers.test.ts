import { describe, expect, it } from 'vitest';
import { createFakeModel, endless, fakePieces } from '../../test/support/fake-model.ts';
import { FreeholdError } from '../lib/errors.ts';
import type { GenerateRequest } from '../lib/text-model.ts';
import { type AnswerEvent, generateAnswers } from './answers.ts';

const request = (sampling: GenerateRequest['sampling'] = {}): GenerateRequest => ({
  messages: [{ role: 'user', content: [{ type: 'text', text: 'hi' }] }],
  sampling,
  tenant: 't',
  traceId: 'trace',
});
const signal = () => new AbortController().signal;

async function all(events: AsyncIterable<AnswerEvent>): Promise<AnswerEvent[]> {
  const items: AnswerEvent[] = [];
  for await (const item of events) items.push(item);
  return items;
}

describe('several answers', () => {
  it('are each complete, and in order', async () => {
    const items = await all(generateAnswers(createFakeModel('m'), request(), 3, signal()));
    for (let answer = 0; answer < 3; answer++) {
      const events = items.filter((item) => item.answer === answer).map(({ event }) => event);
      expect(events.map(({ type }) => type)).toEqual(['start', ...fakePieces.map(() => 'text-delta'), 'usage', 'stop']);
    }
  });

  it('have seeds that follow each other, or none', async () => {
    const model = createFakeModel('m');
    await all(generateAnswers(model, request({ seed: 2 ** 32 - 2, topK: 3 }), 3, signal()));
    expect(model.requests.map(({ sampling }) => sampling)).toEqual([
      { seed: 2 ** 32 - 2, topK: 3 },
      { seed: 2 ** 32 - 1, topK: 3 },
      { seed: 0, topK: 3 },
    ]);
    model.requests.length = 0;
    await all(generateAnswers(model, request(), 2, signal()));
    expect(model.requests.map(({ sampling }) => sampling)).toEqual([{}, {}]);
  });

  it('are refused once where the prompt is', async () => {
    const model = createFakeModel('m');
    model.behaviour = async function* () {
      yield* [];
      throw new FreeholdError('context_exceeded', 'Too long.');
    };
    await expect(all(generateAnswers(model, request(), 5, signal()))).rejects.toMatchObject({
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
    await expect(all(generateAnswers(model, request(), 3, signal()))).rejects.toMatchObject({ code: 'overloaded' });
    expect(model.aborted).toBeGreaterThanOrEqual(2);
  });

  it('all end when the caller leaves, or aborts', async () => {
    const model = createFakeModel('m');
    model.behaviour = endless();
    const begun = async (abort = new AbortController()) => {
      const seen = new Set<number>();
      for await (const { answer } of generateAnswers(model, request(), 4, abort.signal)) {
        seen.add(answer);
        if (seen.size === 4) return abort;
      }
      throw new Error('the answers are endless');
    };
    await begun();
    expect(model.aborted).toBe(4);
    const abort = new AbortController();
    const answers = all(generateAnswers(model, request(), 4, abort.signal));
    await expect.poll(() => model.requests.length).toBe(8);
    abort.abort();
    await expect(answers).rejects.toMatchObject({ code: 'cancelled' });
    expect(model.aborted).toBe(8);
  });
});

it('one answer is the generation itself', async () => {
  const model = createFakeModel('m');
  const items = await all(generateAnswers(model, request({ seed: 5 }), 1, signal()));
  expect(items.every(({ answer }) => answer === 0)).toBe(true);
  expect(model.requests.map(({ sampling }) => sampling)).toEqual([{ seed: 5 }]);
});
