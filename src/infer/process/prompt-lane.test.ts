// Long prompts beside running answers, through the engine. Answers go on at every pause here, so that what happens in
// pauses does not depend on how fast the machine is.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
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
import { Batch, Context } from '../../native/llama.ts';
import { createAdapters } from './adapters.ts';
import type { SchemaConstraint } from './constraint.ts';
import type { EngineOptions } from './engine.ts';
import { Pace } from './pace.ts';
import { promptBlock } from './planner.ts';
import { type CreateLaneContext, PromptLane, passTokens } from './prompt-lane.ts';

const contextTokens = 1024;
let fixture: Fixture;
/** Without a lane, one request at a time. */
let lone: TestEngine;

beforeAll(async () => {
  fixture = await loadFixture();
  lone = await startEngine(fixture, { maxSequences: 1 }, { contextTokens });
});
afterAll(() => fixture.model.dispose());

beforeEach(() => {
  vi.spyOn(Pace.prototype, 'pauseMs').mockReturnValue(0);
});
afterEach(() => {
  vi.restoreAllMocks();
});

let asked = 0;
const alone = (question: Question) => lone.answer({ ...question, tenant: `alone ${asked++}` });

const createLaneContext: CreateLaneContext = (onPause) =>
  Context.create(fixture.native, fixture.model, {
    contextTokens,
    sequences: 1,
    batchTokens: passTokens,
    ubatchTokens: 32,
    threads: 1,
    onPause,
  });

interface Beside extends TestEngine {
  /** Tokens of each pass of the lane that was computed. */
  passes: number[];
}

/** An engine with room for all, whose lane is there already. */
async function startBeside(options: Partial<EngineOptions> = {}, create = createLaneContext): Promise<Beside> {
  const passes: number[] = [];
  const createLane = (onPause: () => boolean) => {
    const lane = new PromptLane(create, new Batch(fixture.native, passTokens), onPause);
    const pass = lane.pass.bind(lane);
    lane.pass = async (running, ...rest) => {
      const before = running.left;
      passes.push(0);
      const logits = await pass(running, ...rest);
      passes[passes.length - 1] = before - running.left;
      return logits;
    };
    return lane;
  };
  const started = await startEngine(fixture, { createLane, ...options }, { contextTokens });
  await started.grow();
  await Promise.all([
    started.answer({ text: words(801, 3), maxTokens: 100, tenant: 'first' }),
    started.answer({ text: words(802, 200), maxTokens: 1, tenant: 'first' }),
  ]);
  passes.length = 0;
  return { ...started, passes };
}

/** An answer under way, and the long prompt that comes after so many of its tokens. */
const short = (seed: number): Question => ({ text: words(seed, 4), maxTokens: 400, tenant: 'short' });
const long = (seed: number): Question => ({ text: words(seed, 200), maxTokens: 5, tenant: 'long' });

/** Asks once the answer has begun. */
async function askBeside(
  { ask }: TestEngine,
  answer: Question,
  ...questions: Question[]
): Promise<[Asked, ...Asked[]]> {
  const others: Asked[] = [];
  const running = await new Promise<Asked>((resolve) => {
    const first: Asked = ask({
      ...answer,
      onEvent(event) {
        answer.onEvent?.(event);
        if (first.answer.tokens.length < 2 || others.length > 0) return;
        others.push(...questions.map(ask));
        resolve(first);
      },
    });
  });
  return [running, ...others];
}

describe('a long prompt beside answers', () => {
  it('is computed in the lane while they go on, and changes nothing', async () => {
    const beside = await startBeside();
    const { passes, engine } = beside;
    const before = engine.stats();
    let meanwhile = 0;
    const [running, asked] = await askBeside(
      beside,
      { ...short(1), onEvent: ({ type }) => void (passes.length > 0 && type === 'text-delta' && meanwhile++) },
      { ...long(2), maxTokens: 1 },
    );
    const answer = await (asked as Asked).done;
    // rounds take place in pauses only, and there are some in each pass
    expect(meanwhile).toBeGreaterThan(2 * passes.length);
    expect(passes.reduce((sum, count) => sum + count)).toBeGreaterThan(answer.inputTokens - promptBlock);
    expectSame(answer, await alone({ ...long(2), maxTokens: 1 }));
    expectSame(await running.done, await alone(short(1)));
    const { prefillTokens, promptTokens, cachedTokens } = engine.stats();
    const sum = promptTokens - cachedTokens - (before.promptTokens - before.cachedTokens);
    expect(prefillTokens - before.prefillTokens).toBe(sum);
  });

  it('takes turns with a shorter one of another tenant, and both are as they are alone', async () => {
    const beside = await startBeside();
    const middle = { text: words(61, 25), maxTokens: 5, tenant: 'other' };
    const ended: string[] = [];
    const [running, big, small] = (await askBeside(beside, short(60), long(62), middle)) as [Asked, Asked, Asked];
    const note = (name: string) => (answer: Answer) => {
      ended.push(name);
      return answer;
    };
    const answers = await Promise.all([big.done.then(note('long')), small.done.then(note('middle'))]);
    expect(ended).toEqual(['middle', 'long']);
    expect(answers[1].inputTokens).toBeGreaterThan(promptBlock);
    expectSame(answers[0], await alone(long(62)));
    expectSame(answers[1], await alone(middle));
    expectSame(await running.done, await alone(short(60)));
  });

  it('is for long prompts: several short ones are computed together, without it, and are as they are alone', async () => {
    const beside = await startBeside();
    const shorts = [65, 66, 67].map((seed) => ({ text: words(seed, 25), maxTokens: 5, tenant: 'others' }));
    const [running, ...others] = await askBeside(beside, short(64), ...shorts);
    const answers = await Promise.all(others.map(({ done }) => done));
    for (const [index, answer] of answers.entries()) {
      expect(answer.inputTokens).toBeGreaterThan(promptBlock);
      expectSame(answer, await alone(shorts[index] as Question));
    }
    expect(beside.passes).toEqual([]);
    expectSame(await running.done, await alone(short(64)));
  });

  it('lets one that begins like it go on from what it has, before it is done', async () => {
    const beside = await startBeside();
    const beginning = words(71, 30);
    const big = { ...long(0), text: `${beginning} ${words(72, 170)}` };
    const follower = { ...long(0), text: `${beginning} ${words(73, 4)}` };
    const ended: string[] = [];
    const [, first, second] = (await askBeside(beside, short(70), big, follower)) as [Asked, Asked, Asked];
    const done = await Promise.all([
      first.done.finally(() => ended.push('long')),
      second.done.finally(() => ended.push('follower')),
    ]);
    expect(ended).toEqual(['follower', 'long']);
    expect(done[1].cachedTokens).toBeGreaterThanOrEqual(promptBlock);
    expectSame(done[1], await alone(follower));
    expectSame(done[0], await alone(big));
  });

  it('goes on from what is there already, and its answer goes on beside others', async () => {
    const beside = await startBeside({ prefixCacheBytes: 1 << 22 });
    const beginning = words(3, 90);
    await beside.answer({ ...long(3), text: beginning });
    beside.passes.length = 0;
    const question = { ...long(3), text: `${beginning} ${words(4, 150)}`, maxTokens: 40 };
    const [running, asked] = await askBeside(beside, short(5), question);
    const answer = await (asked as Asked).done;
    expect(answer.cachedTokens).toBeGreaterThan(100);
    const computed = beside.passes.reduce((sum, count) => sum + count);
    expect(computed).toBeLessThanOrEqual(answer.inputTokens - answer.cachedTokens);
    expect(computed).toBeGreaterThan(answer.inputTokens - answer.cachedTokens - 2 * promptBlock);
    expectSame(answer, await alone(question));
    expectSame(await running.done, await alone(short(5)));
  });

  it('is followed by the next, and short ones come between', async () => {
    const beside = await startBeside();
    const questions = [long(6), { ...short(7), maxTokens: 10 }, long(8), { ...short(9), maxTokens: 10 }, long(10)];
    const [running, ...others] = await askBeside(beside, short(11), ...questions);
    for (const [i, { done }] of others.entries()) expectSame(await done, await alone(questions[i] as Question));
    expectSame(await running.done, await alone(short(11)));
    expect(beside.passes.length).toBeGreaterThanOrEqual(3 * 2);
  });

  it('that others share is computed once', async () => {
    const beside = await startBeside();
    const questions = [1, 2].map((seed) => ({ ...long(12), text: `${words(12, 200)} ${words(seed, 2)}` }));
    const [running, ...others] = await askBeside(beside, short(13), ...questions);
    const [first, second] = (await Promise.all(others.map(({ done }) => done))) as [Answer, Answer];
    expect(second.cachedTokens).toBeGreaterThan(first.inputTokens - 64);
    expectSame(first, await alone(questions[0] as Question));
    expectSame(second, await alone(questions[1] as Question));
    running.cancel();
  });

  it('has its adapter there', async () => {
    const { native, model } = fixture;
    const adapters = createAdapters(native, model, await readGguf(fixturePath), { legal: adapterPath });
    const adapter = (name: string) => adapters.get(name);
    const one = await startEngine(fixture, { adapter, maxSequences: 1 }, { contextTokens });
    const beside = await startBeside({ adapter });
    const adapted = { ...long(14), adapter: 'legal' };
    const [running, asked, plain] = await askBeside(beside, short(15), adapted, long(14));
    expectSame(await (asked as Asked).done, await one.answer(adapted));
    expectSame(await (plain as Asked).done, await alone(long(14)));
    expectSame(await running.done, await alone(short(15)));
  });
});

describe('in a pause of a long prompt', () => {
  /** Does something once, when the lane has computed so many passes and an answer gets on. */
  const inPass = (passes: readonly number[], count: number, action: () => void) => {
    let done = false;
    return () => {
      if (done || passes.length < count) return;
      done = true;
      action();
    };
  };

  it('the prompt is given up within the pass when it is cancelled; the next one is computed as it should be', async () => {
    const beside = await startBeside();
    const cancel = () => (asked as Asked).cancel();
    const [running, asked] = await askBeside(
      beside,
      { ...short(20), onEvent: inPass(beside.passes, 2, cancel) },
      long(21),
    );
    await expect((asked as Asked).done).rejects.toMatchObject({ code: 'cancelled' });
    expect(beside.passes).toEqual([passTokens, 0]);
    expectSame(await running.done, await alone(short(20)));
    const [other, next] = await askBeside(beside, short(22), long(23));
    expectSame(await (next as Asked).done, await alone(long(23)));
    expectSame(await other.done, await alone(short(22)));
  });

  it('an answer is cancelled; others and the prompt go on', async () => {
    const beside = await startBeside();
    const gone: Asked = beside.ask({
      ...short(24),
      onEvent: inPass(beside.passes, 2, () => gone.cancel()),
    });
    const [running, asked] = await askBeside(beside, short(25), long(26));
    await expect(gone.done).rejects.toMatchObject({ code: 'cancelled' });
    expectSame(await (asked as Asked).done, await alone(long(26)));
    expectSame(await running.done, await alone(short(25)));
  });

  it('an answer fails by itself alone', async () => {
    let passes: readonly number[] = [];
    const broken: SchemaConstraint = {
      allows: () => true,
      mask() {},
      accept: () => {
        if (passes.length >= 2) throw new FreeholdError('unsupported', 'Too many readings.');
      },
      mayEnd: () => true,
      clone: () => broken,
      dispose() {},
    };
    const beside = await startBeside({ constrain: async () => broken });
    passes = beside.passes;
    const failing = beside.ask({ ...short(27), responseSchema: {} });
    const [running, asked] = await askBeside(beside, short(28), long(29));
    await expect(failing.done).rejects.toMatchObject({ message: 'Too many readings.' });
    expectSame(await (asked as Asked).done, await alone(long(29)));
    expectSame(await running.done, await alone(short(28)));
  });

  it('a step fails: all are told, the prompt too, and the next are answered', async () => {
    let failing = false;
    const beside = await startBeside({
      createContext: async (sequences) => {
        const { native, model } = fixture;
        const sizes = { contextTokens, sequences, batchTokens: 256, threads: 1 };
        const context = await Context.create(native, model, sizes);
        const decodeNow = context.decodeNow.bind(context);
        context.decodeNow = (batch, threads) => {
          decodeNow(batch, threads);
          if (!failing) return;
          failing = false;
          throw new FreeholdError('model_failed', 'Out of luck.');
        };
        return context;
      },
    });
    const fail = () => {
      failing = true;
    };
    const [running, asked] = await askBeside(
      beside,
      { ...short(30), onEvent: inPass(beside.passes, 2, fail) },
      long(31),
    );
    for (const { done } of [running, asked as Asked]) {
      await expect(done).rejects.toMatchObject({ message: 'Out of luck.' });
    }
    const [other, next] = await askBeside(beside, short(32), long(33));
    expectSame(await (next as Asked).done, await alone(long(33)));
    expectSame(await other.done, await alone(short(32)));
  });

  it('the last answer ends; the prompts that come then are answered, a long one after this one', async () => {
    const beside = await startBeside();
    const sizes: number[] = [];
    const { decodeNow } = Context.prototype;
    vi.spyOn(Context.prototype, 'decodeNow').mockImplementation(function (this: Context, batch, threads) {
      sizes.push(batch.size);
      decodeNow.call(this, batch, threads);
    });
    const late: Asked[] = [];
    const ask = () => late.push(beside.ask(long(35)), beside.ask({ ...short(36), maxTokens: 10 }));
    const [running, asked] = await askBeside(
      beside,
      { ...short(34), maxTokens: 30, onEvent: ({ type }) => void (type === 'stop' && ask()) },
      long(37),
    );
    expectSame(await running.done, await alone({ ...short(34), maxTokens: 30 }));
    expectSame(await (asked as Asked).done, await alone(long(37)));
    const questions = [long(35), { ...short(36), maxTokens: 10 }];
    for (const [i, { done }] of late.entries()) expectSame(await done, await alone(questions[i] as Question));
    // a pause holds up everything else in this process: no long prompt is computed in one
    expect(Math.max(...sizes)).toBeLessThan(2 * promptBlock);
  });
});

describe('without a lane', () => {
  it('whose context cannot be made, long prompts are computed in pieces', async () => {
    const told = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    const create = vi.fn(() => Promise.reject(new FreeholdError('model_failed', 'No memory.')));
    const beside = await startBeside({}, create);
    const [running, asked] = await askBeside(beside, short(40), long(41));
    expectSame(await (asked as Asked).done, await alone(long(41)));
    expectSame(await running.done, await alone(short(40)));
    expect(beside.passes).toEqual([]);
    expect(create).toHaveBeenCalledTimes(1);
    expect(told.mock.calls.flat().join('')).toContain('No memory.');
  });

  it('that can take and give nothing, long prompts are computed in their places', async () => {
    const beside = await startBeside({}, async (onPause) => {
      const context = await createLaneContext(onPause);
      context.readSequence = () => new Uint8Array(20);
      return context;
    });
    const before = beside.engine.stats();
    const [running, asked] = await askBeside(beside, short(42), long(43));
    expectSame(await (asked as Asked).done, await alone(long(43)));
    expectSame(await running.done, await alone(short(42)));
    expect(beside.engine.stats().prefillTokens).toBeGreaterThanOrEqual(before.prefillTokens);
  });
});
