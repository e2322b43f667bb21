// Many requests at once beside the same requests alone.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { adapterPath, fixturePath } from '../../../scripts/make-fixture.ts';
import {
  type Answer,
  type Asked,
  expectSame,
  type Fixture,
  loadFixture,
  type Question,
  startEngine,
  type TestEngine,
  words,
} from '../../../test/support/engine.ts';
import { readGguf } from '../../formats/gguf/read.ts';
import { FreeholdError } from '../../lib/errors.ts';
import { Context } from '../../native/llama.ts';
import { createAdapters } from './adapters.ts';
import { createConstraint } from './constraint.ts';

let fixture: Fixture;
/** Answers one request at a time and keeps nothing. */
let lone: TestEngine;

beforeAll(async () => {
  fixture = await loadFixture();
  lone = await startEngine(fixture, { maxSequences: 1 });
});
afterAll(() => fixture.model.dispose());

const alone = (question: Question): Promise<Answer> => {
  const { onEvent: _, ...same } = question;
  return lone.answer({ ...same, tenant: `alone ${JSON.stringify(same).length} ${Math.random()}` });
};

const createContext = (sequences: number) =>
  Context.create(fixture.native, fixture.model, { contextTokens: 512, sequences, batchTokens: 256, threads: 1 });

/** Texts of several lengths; some begin alike. */
const mixed = (count: number): Question[] =>
  Array.from({ length: count }, (_, i) => ({
    text: i % 3 === 0 ? `${words(i % 2, 25)} ${words(100 + i, 4)}` : words(i, 1 + ((i * 7) % 30)),
    maxTokens: 1 + ((i * 5) % 23),
    tenant: `tenant ${i % 2}`,
  }));

describe('many requests at once', () => {
  it('are answered as each is alone, while the engine grows and others leave', async () => {
    const { ask, engine } = await startEngine(fixture, { maxSequences: 5, prefixCacheBytes: 1 << 18 });
    const questions = mixed(40);
    const leaving: Asked[] = [];
    const staying = questions.map((question, i) => {
      // after so many events another one, or itself, leaves
      let left = 1 + ((i * 3) % 7);
      const onEvent = () => {
        if (--left === 0) leaving.splice(0, 1)[0]?.cancel();
      };
      if (i % 4 === 1) leaving.push(ask({ ...question, text: `${question.text} and on`, maxTokens: 200, onEvent }));
      if (i % 8 === 2) ask({ ...question, text: `${question.text} not at all`, onEvent }).cancel();
      return ask({ ...question, onEvent });
    });
    const answers = await Promise.all(staying.map(({ done }) => done));
    for (const [i, answer] of answers.entries()) expectSame(answer, await alone(questions[i] as Question));
    for (const { cancel } of leaving) cancel();
    const again = mixed(6).map(ask);
    for (const [i, { done }] of again.entries()) expectSame(await done, answers[i] as Answer);
    const { active, queued, promptTokens, cachedTokens, prefillTokens } = engine.stats();
    expect([active, queued]).toEqual([0, 0]);
    expect(cachedTokens).toBeGreaterThan(0);
    expect(prefillTokens).toBeLessThanOrEqual(promptTokens - cachedTokens);
  });

  it('end within a step when they are cancelled, wherever they are', async () => {
    const { ask, answer, engine } = await startEngine(fixture, { maxSequences: 2 });
    const cancelled = { code: 'cancelled' };
    const early = ask({ text: words(1, 5) });
    early.cancel();
    await expect(early.done).rejects.toMatchObject(cancelled);
    const waiting: Asked[] = [];
    const running: Asked = ask({
      text: words(2, 5),
      maxTokens: 300,
      onEvent: () => {
        if (running.answer.tokens.length !== 3) return;
        running.cancel();
        for (const one of waiting) one.cancel();
      },
    });
    for (const seed of [3, 4, 5]) waiting.push(ask({ text: words(seed, 5), maxTokens: 300 }));
    for (const one of [running, ...waiting]) await expect(one.done).rejects.toMatchObject(cancelled);
    expect(running.answer.tokens.length).toBeLessThanOrEqual(4);
    // what is over already is not cancelled, nor is what has its number later
    const done = ask({ text: words(6, 5) });
    await done.done;
    done.cancel();
    expectSame(await answer({ text: words(7, 5) }), await alone({ text: words(7, 5) }));
    expect(engine.stats()).toMatchObject({ active: 0, queued: 0 });
  });

  it('go on when the larger context cannot be had', async () => {
    const { ask } = await startEngine(fixture, {
      createContext: (sequences) =>
        sequences === 1 ? createContext(1) : Promise.reject(new FreeholdError('model_failed', 'No memory.')),
    });
    const questions = mixed(5);
    const answers = await Promise.all(questions.map((question) => ask(question).done));
    for (const [i, answer] of answers.entries()) expectSame(answer, await alone(questions[i] as Question));
  });

  it('compute again what the larger context does not take over', async () => {
    const { ask, engine } = await startEngine(fixture, {
      createContext: async (sequences) => {
        const context = await createContext(sequences);
        if (sequences > 1) context.writeSequence = () => false;
        return context;
      },
    });
    const questions = [1, 2, 3].map((seed) => ({ text: words(seed, 40), maxTokens: 100, tenant: `${seed}` }));
    const asked = questions.map(ask);
    for (const [i, { done }] of asked.entries()) expectSame(await done, await alone(questions[i] as Question));
    const { prefillTokens, promptTokens } = engine.stats();
    expect(prefillTokens).toBeGreaterThan(promptTokens);
  });
});

describe('requests with a common beginning', () => {
  /** More than one pass. */
  const beginning = words(50, 120);
  const questions = [1, 2, 3, 4, 5, 6].map((seed) => ({ text: `${beginning} ${words(seed, 3)}`, maxTokens: 8 }));

  it('that come at once compute it once', async () => {
    const { ask, grow, engine } = await startEngine(fixture, { maxSequences: 6 });
    await grow();
    const before = engine.stats();
    const answers = await Promise.all(questions.map((question) => ask(question).done));
    const computed = engine.stats().prefillTokens - before.prefillTokens;
    const [first, ...followers] = answers as [Answer, ...Answer[]];
    expect(first.cachedTokens).toBe(0);
    const shared = fixture.model.vocabulary.tokenize(beginning).length;
    expect(shared).toBeGreaterThan(256);
    for (const { cachedTokens } of followers) expect(cachedTokens).toBeGreaterThanOrEqual(shared);
    expect(computed).toBe(answers.reduce((sum, answer) => sum + answer.inputTokens - answer.cachedTokens, 0));
    expect(computed).toBeLessThan(first.inputTokens + 5 * 64);
    for (const [i, answer] of answers.entries()) expectSame(answer, await alone(questions[i] as Question));
  });

  it('compute it for each tenant', async () => {
    const { ask, grow } = await startEngine(fixture, { maxSequences: 6, prefixCacheBytes: 1 << 20 });
    await grow();
    const answers = await Promise.all(
      questions.slice(0, 4).map((question, i) => ask({ ...question, tenant: `${i}` }).done),
    );
    expect(answers.map(({ cachedTokens }) => cachedTokens)).toEqual([0, 0, 0, 0]);
  });

  it('tell in their events what was there already', async () => {
    const { answer } = await startEngine(fixture);
    await answer(questions[0] as Question);
    const { events, inputTokens, tokens } = await answer(questions[0] as Question);
    const usage = { inputTokens, cachedTokens: inputTokens - 1, outputTokens: tokens.length };
    expect(events[0]).toEqual({ type: 'start', inputTokens, cachedTokens: inputTokens - 1 });
    expect(events.at(-2)).toEqual({ type: 'usage', ...usage });
    expect(events.at(-1)).toEqual({ type: 'stop', reason: 'max-tokens' });
  });

  it('go on when the one that computes it leaves', async () => {
    const { ask, grow } = await startEngine(fixture);
    await grow();
    const [first, ...others] = questions.slice(0, 3).map((question) => ask(question)) as [Asked, ...Asked[]];
    first.cancel();
    for (const [i, { done }] of others.entries()) expectSame(await done, await alone(questions[i + 1] as Question));
  });
});

describe('an answer', () => {
  it('ends for the reason it names', async () => {
    const { answer } = await startEngine(fixture);
    const whole = await answer({ text: words(1, 5), maxTokens: 200 });
    expect(whole.tokens).toHaveLength(200);
    const middle = whole.text.slice(20, 24);
    const stopped = await answer({ text: words(1, 5), maxTokens: 200, stop: [middle] });
    expect(stopped.events.at(-1)).toEqual({ type: 'stop', reason: 'stop-sequence', stopSequence: middle });
    expect(stopped.text).toBe(whole.text.slice(0, whole.text.indexOf(middle)));
    const full = await answer({ text: words(1, 5), maxTokens: 10_000 });
    expect(full.events.at(-1)).toEqual({ type: 'stop', reason: 'context-full' });
    expect(full.inputTokens + full.tokens.length).toBe(512 + 1);
    await expect(answer({ text: words(1, 500) })).rejects.toMatchObject({ code: 'context_exceeded' });
  });

  it('goes past the end of a turn only where it is told to', async () => {
    const { answer } = await startEngine(fixture);
    const end = fixture.model.vocabulary.eos as number;
    const sampling = { temperature: 0, logprobs: 1, logitBias: { [end]: 100 } };
    const short = await answer({ text: words(1, 5), sampling, ignoreEnd: false });
    expect(short.events.at(-1)).toEqual({ type: 'stop', reason: 'end-turn' });
    expect(short.events.at(-2)).toMatchObject({ type: 'usage', outputTokens: 1 });
    const long = await answer({ text: words(1, 5), sampling, maxTokens: 5 });
    expect([long.text, long.tokens]).toEqual(['', Array(5).fill(end)]);
  });

  it('held to a schema is valid while others run, which it leaves as they are', async () => {
    const { native, model } = fixture;
    const { ask } = await startEngine(fixture, {
      constrain: (schema, signal) => createConstraint(native, model, schema, signal),
    });
    const responseSchema = {
      type: 'object',
      properties: { a: { enum: ['x', 'y'] }, b: { type: 'boolean' } },
      required: ['a', 'b'],
      additionalProperties: false,
    };
    const free = mixed(8);
    const held = [1, 2, 3, 4].map((seed) =>
      ask({ text: words(seed, 6), responseSchema, maxTokens: 200, ignoreEnd: false, tenant: 'held' }),
    );
    const others = free.map(ask);
    for (const { done } of held) {
      const { text, events } = await done;
      expect(JSON.parse(text)).toEqual({ a: expect.stringMatching(/^[xy]$/), b: expect.any(Boolean) });
      expect(events.at(-1)).toEqual({ type: 'stop', reason: 'end-turn' });
    }
    for (const [i, { done }] of others.entries()) expectSame(await done, await alone(free[i] as Question));
  });

  it('has the adapter it asks for, whoever runs beside it', async () => {
    const { native, model } = fixture;
    const files = { legal: adapterPath, other: adapterPath };
    const adapters = createAdapters(native, model, await readGguf(fixturePath), files);
    const adapter = (name: string) => adapters.get(name);
    const one = await startEngine(fixture, { adapter, maxSequences: 1 });
    const many = await startEngine(fixture, { adapter, prefixCacheBytes: 1 << 20 });
    await many.grow();
    const questions = [1, 2, 3].flatMap((seed) =>
      [{}, { adapter: 'legal' }].map((which) => ({ text: words(seed, 40), ...which })),
    );
    const asked = questions.map((question) => many.ask(question));
    const answers: Answer[] = [];
    for (const [i, { done }] of asked.entries()) {
      answers.push(await done);
      expectSame(answers[i] as Answer, await one.answer({ ...(questions[i] as Question), tenant: `${i}` }));
    }
    expect(answers.map(({ cachedTokens }) => cachedTokens > 30)).not.toContain(true);
    expect(answers[0]?.tokens).not.toEqual(answers[1]?.tokens);
    await expect(many.answer({ text: 'x', adapter: 'nobody' })).rejects.toMatchObject({ code: 'invalid_request' });
  });
});

describe('a queue', () => {
  it('is not filled by requests that only count, which are bounded apart', async () => {
    const { engine, answer } = await startEngine(fixture, { maxSequences: 1, queueLimit: 2 });
    const request = (text: string) => ({
      messages: [{ role: 'user' as const, content: [{ type: 'text' as const, text }] }],
      tenant: 'counts',
      traceId: '',
    });
    const counts = Array.from({ length: 4 }, (_, i) => engine.countTokens(1000 + i, request(words(i, 3000))));
    const settled = Promise.allSettled(counts);
    expect((await answer({ text: 'hi', maxTokens: 2, tenant: 'other' })).tokens.length).toBeGreaterThan(0);
    const outcomes = (await settled).map((outcome) =>
      outcome.status === 'fulfilled' ? 'counted' : (outcome.reason as { code: string }).code,
    );
    expect(outcomes).toEqual(['counted', 'counted', 'overloaded', 'overloaded']);
  });

  it('that is full turns requests away and says when to come again', async () => {
    const { ask, answer } = await startEngine(fixture, { maxSequences: 1, queueLimit: 2 });
    const asked = [1, 2, 3].map((seed) => ask({ text: words(seed, 5), maxTokens: 30 }));
    const error = await answer({ text: 'one too many' }).catch((thrown) => thrown);
    expect(error).toMatchObject({ code: 'overloaded', retryAfterMs: expect.any(Number) });
    expect(error.retryAfterMs).toBeGreaterThanOrEqual(1000);
    expect(error.retryAfterMs).toBeLessThanOrEqual(60_000);
    await Promise.all(asked.map(({ done }) => done));
    await answer({ text: 'there is room again' });
  });

  it('keeps a place for those of whom nobody waits', async () => {
    const { ask, answer } = await startEngine(fixture, { maxSequences: 1, queueLimit: 16 });
    const many = Array.from({ length: 20 }, (_, i) => ask({ text: words(i, 3), maxTokens: 20, tenant: 'many' }));
    const one = answer({ text: 'only this', tenant: 'one' });
    await expect((many.at(-1) as Asked).done).rejects.toMatchObject({ code: 'overloaded' });
    await one;
    const settled = await Promise.allSettled(many.map(({ done }) => done));
    expect(settled.filter(({ status }) => status === 'fulfilled')).toHaveLength(15);
  });

  it('lets a tenant with few requests past one with many', async () => {
    const { ask, grow } = await startEngine(fixture, { maxSequences: 2 });
    await grow();
    const order: string[] = [];
    const of = (tenant: string, seed: number) =>
      ask({ text: words(seed, 4), tenant, onEvent: ({ type }) => void (type === 'start' && order.push(tenant)) }).done;
    const asked = [1, 2, 3, 4, 5, 6].map((seed) => of('many', seed));
    await Promise.all([...asked, of('few', 9)]);
    expect(order.indexOf('few')).toBeLessThanOrEqual(2);
  });
});

describe('a step that fails', () => {
  it('fails all who run; those who wait, and those who come after, are answered', async () => {
    let failing = false;
    const { ask, answer, grow } = await startEngine(fixture, {
      maxSequences: 2,
      prefixCacheBytes: 1 << 20,
      createContext: async (sequences) => {
        const context = await createContext(sequences);
        const decode = context.decode.bind(context);
        context.decode = async (batch, threads) => {
          await decode(batch, threads);
          if (!failing) return;
          failing = false;
          throw new FreeholdError('model_failed', 'Out of luck.');
        };
        return context;
      },
    });
    await grow();
    const questions = [1, 2, 3, 4].map((seed) => ({ text: words(seed, 12), maxTokens: 30, tenant: 'all' }));
    const [first, second, third, fourth] = questions.map((question, i) =>
      ask({
        ...question,
        ...(i === 0 && {
          onEvent: ({ type }) => {
            if (type === 'text-delta') failing = true;
          },
        }),
      }),
    ) as [Asked, Asked, Asked, Asked];
    for (const { done } of [first, second]) await expect(done).rejects.toMatchObject({ message: 'Out of luck.' });
    for (const [i, { done }] of [third, fourth].entries()) {
      expectSame(await done, await alone(questions[2 + i] as Question));
    }
    for (const question of questions) expectSame(await answer(question), await alone(question));
  });
});
