// Guesses at what follows change how many steps an answer takes, and nothing else.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type Answer,
  expectSame,
  type Fixture,
  loadFixture,
  type Question,
  startEngine,
  type TestEngine,
  words,
} from '../../../test/support/engine.ts';
import type { Drafter } from './speculation/drafter.ts';
import { PromptLookup } from './speculation/prompt-lookup.ts';
import { Speculation } from './speculation/speculation.ts';

let fixture: Fixture;
let lone: TestEngine;

beforeAll(async () => {
  fixture = await loadFixture();
  lone = await startEngine(fixture, { maxSequences: 1 });
});
afterAll(() => fixture.model.dispose());

/** Of few tokens a text soon repeats itself. */
function fewTokens(): Record<number, number> {
  const { vocabulary } = fixture.model;
  const allowed = new Set(vocabulary.tokenize('a b c d'));
  return Object.fromEntries(
    Array.from({ length: vocabulary.size }, (_, token) => [token, -100] as const).filter(
      ([token]) => !allowed.has(token),
    ),
  );
}

const repetitive = (seed: number): Question => ({
  text: `${words(seed, 4)} `.repeat(6),
  maxTokens: 100,
  tenant: `tenant ${seed % 2}`,
  sampling: { temperature: 0, logprobs: 2, logitBias: fewTokens() },
});

/** Knows what the answers will be, and is wrong now and then. */
class Oracle extends Speculation {
  readonly #answers: ReadonlyMap<number, readonly number[]>;
  readonly #told = new Map<number, number>();
  fed = 0;

  constructor(answers: ReadonlyMap<number, readonly number[]>) {
    super({
      free: true,
      grades: 1,
      begin() {},
      accept() {},
      propose: () => new Map(),
      end() {},
      dispose() {},
    } as Drafter);
    this.#answers = answers;
  }

  override accept(id: number, tokens: ArrayLike<number>): void {
    this.#told.set(id, (this.#told.get(id) ?? 0) + tokens.length);
  }

  override async guess(
    generating: Parameters<Speculation['guess']>[0],
    room: number,
  ): Promise<ReadonlyMap<number, number[]>> {
    const guesses = new Map<number, number[]>();
    let left = room;
    for (const { id, most } of generating) {
      const told = this.#told.get(id) ?? 0;
      const length = Math.min(most, left, (told * 7 + id) % 6);
      if (length === 0) continue;
      const tokens = (this.#answers.get(id) ?? []).slice(told, told + length);
      // right to the end, wrong at once, or wrong on the way
      const wrong = (told + id) % 5;
      if (wrong < tokens.length) tokens[wrong] = 20 + ((tokens[wrong] as number) % 300);
      if (tokens.length > 0) guesses.set(id, tokens);
      left -= tokens.length;
      this.fed += tokens.length;
    }
    return guesses;
  }
}

describe('guesses', () => {
  it('that are right, wrong, or right at first leave every answer as it is', async () => {
    const questions = Array.from({ length: 12 }, (_, i) => ({
      text: words(i, 3 + i),
      maxTokens: 20 + 9 * i,
      tenant: `${i % 3}`,
    }));
    const alone: Answer[] = [];
    for (const question of questions) alone.push(await lone.answer(question));
    const oracle = new Oracle(new Map(alone.map(({ tokens }, i) => [i + 1, tokens])));
    const { ask, engine } = await startEngine(fixture, { speculation: oracle, prefixCacheBytes: 1 << 20 });
    const asked = questions.map((question) => ask(question));
    const others = questions.slice(0, 4).map((question) => ask({ ...question, tenant: 'leaves', maxTokens: 300 }));
    for (const { cancel } of others) cancel();
    for (const [i, { done }] of asked.entries()) expectSame(await done, alone[i] as Answer);
    const { steps, outputTokens } = engine.stats();
    expect(oracle.fed).toBeGreaterThan(200);
    expect(steps).toBeLessThan(outputTokens);
    // what is left in the cache is the answers, not the guesses
    for (const [i, question] of questions.entries()) {
      const answer = alone[i] as Answer;
      expectSame(
        await ask({ ...question, text: `${question.text} once more` }).done,
        await lone.answer({ ...question, text: `${question.text} once more` }),
      );
      expect(answer.tokens).toHaveLength(question.maxTokens);
    }
  });

  it('do not go past the end of the context', async () => {
    const question = { text: words(1, 30), maxTokens: 10_000 };
    const alone = await lone.answer(question);
    const oracle = new Oracle(new Map([[1, alone.tokens]]));
    const { ask } = await startEngine(fixture, { speculation: oracle, maxSequences: 1 });
    const answer = await ask(question).done;
    expectSame(answer, alone);
    expect(answer.events.at(-1)).toEqual({ type: 'stop', reason: 'context-full' });
  });

  it('looked up in what was said leave repetitive answers as they are', async () => {
    const { ask, engine } = await startEngine(fixture, { speculation: new Speculation(new PromptLookup()) });
    const questions = [1, 2, 3, 4, 5, 6].map(repetitive);
    for (let round = 0; round < 3; round++) {
      const asked = questions.map((question) => ask(question));
      for (const [i, { done }] of asked.entries()) expectSame(await done, await lone.answer(questions[i] as Question));
    }
    const { draftedTokens, acceptedTokens } = engine.stats();
    expect(acceptedTokens).toBeLessThanOrEqual(draftedTokens);
  });

  it('may fail: answers go on without', async () => {
    const speculation = new Speculation(new PromptLookup());
    speculation.dispose();
    const { ask } = await startEngine(fixture, { speculation });
    const asked = [1, 2].map((seed) => ask(repetitive(seed)));
    for (const [i, { done }] of asked.entries()) expectSame(await done, await lone.answer(repetitive(i + 1)));
  });
});
