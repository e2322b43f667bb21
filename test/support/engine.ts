// An engine over the fixture model in this process, and answers collected from its events. Answers are greedy and come
// with log probabilities, by which the same answer is told from another: rounding may differ with the batch a token was
// computed in, and decide between two tokens that are all but equally likely.
import { expect } from 'vitest';
import { fixturePath } from '../../scripts/make-fixture.ts';
import { Engine, type EngineOptions } from '../../src/infer/process/engine.ts';
import type { GenerateEvent, GenerateRequest, Sampling } from '../../src/lib/text-model.ts';
import { loadNative, type Native } from '../../src/native/ffi.ts';
import { Batch, Context, type ContextOptions, Model } from '../../src/native/llama.ts';

/** What rounding may change in a log probability; another context changes far more. */
const rounding = 0.05;

export interface Fixture {
  native: Native;
  model: Model;
}

export async function loadFixture(): Promise<Fixture> {
  const native = loadNative({ device: 'cpu' });
  return { native, model: await Model.load(native, { file: fixturePath }) };
}

export interface Answer {
  text: string;
  tokens: number[];
  logprobs: number[];
  inputTokens: number;
  cachedTokens: number;
  events: GenerateEvent[];
}

export interface Asked {
  id: number;
  /** What came so far. */
  answer: Answer;
  /** Settles with the last event; rejects with the failure. */
  done: Promise<Answer>;
  cancel(): void;
}

export type Question = Partial<GenerateRequest> & { text: string; onEvent?: (event: GenerateEvent) => void };

export const greedy: Sampling = { temperature: 0, logprobs: 2 };

/** Words without meaning; those of different seeds soon differ. */
export function words(seed: number, count: number): string {
  let state = seed * 7919 + 13;
  const next = (below: number) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return (state >>> 8) % below;
  };
  const letters = 'etaoinshrdlu';
  return Array.from({ length: count }, () =>
    Array.from({ length: 2 + next(4) }, () => letters[next(letters.length)]).join(''),
  ).join(' ');
}

export interface TestEngine {
  engine: Engine;
  ask(question: Question): Asked;
  answer(question: Question): Promise<Answer>;
  /** Asks two things at once, so that there is room for all conversations afterwards. */
  grow(): Promise<void>;
}

/** @param context sizes of its contexts; default 512 tokens on one thread */
export async function startEngine(
  { native, model }: Fixture,
  options: Partial<EngineOptions> = {},
  context: Partial<ContextOptions> = {},
): Promise<TestEngine> {
  const waiting = new Map<number, { take: (event: GenerateEvent) => void; fail: (error: unknown) => void }>();
  let asked = 0;
  const engine = await Engine.create(model, new Batch(native, 256), {
    queueLimit: 1000,
    maxSequences: 4,
    createContext: (sequences) =>
      Context.create(native, model, { contextTokens: 512, sequences, batchTokens: 256, threads: 1, ...context }),
    onStep({ events, failures }) {
      for (const { id, event } of events) waiting.get(id)?.take(event);
      for (const { id, error } of failures) waiting.get(id)?.fail(error);
    },
    ...options,
  });
  const ask = ({ text, onEvent, ...request }: Question): Asked => {
    const id = ++asked;
    const answer: Answer = {
      text: '',
      tokens: [],
      logprobs: [],

      inputTokens: 0,
      cachedTokens: 0,
      events: [],
    };
    const done = new Promise<Answer>((resolve, reject) => {
      const take = (event: GenerateEvent) => {
        addEvent(answer, event);
        onEvent?.(event);
        if (event.type === 'stop') resolve(answer);
      };
      waiting.set(id, { take, fail: reject });
      const messages: GenerateRequest['messages'] = [{ role: 'user', content: [{ type: 'text', text }] }];
      const defaults = { sampling: greedy, maxTokens: 16, ignoreEnd: true, tenant: 'someone', traceId: 'test' };
      engine.submit(id, { messages, ...defaults, ...request }).catch(reject);
    });
    // whoever wants to know of a failure waits for it
    done.catch(() => {});
    return { id, answer, done, cancel: () => engine.cancel(id) };
  };
  const answer = (question: Question) => ask(question).done;
  const grow = async () => {
    const first = [1, 2].map((seed) => ({ text: words(900 + seed, 3), tenant: `first ${seed}`, maxTokens: 64 }));
    await Promise.all(first.map(answer));
  };
  return { engine, ask, answer, grow };
}

function addEvent(answer: Answer, event: GenerateEvent): void {
  answer.events.push(event);
  if (event.type === 'start') {
    answer.inputTokens = event.inputTokens;
    answer.cachedTokens = event.cachedTokens;
  }
  if (event.type !== 'text-delta') return;
  answer.text += event.text;
  for (const { token, logprob } of event.logprobs ?? []) {
    answer.tokens.push(token);
    answer.logprobs.push(logprob);
  }
}

/** The same tokens, as likely, up to a place where two were all but equally likely. */
export function expectSame(answer: Answer, alone: Answer): void {
  expect(answer.inputTokens).toBe(alone.inputTokens);
  for (let i = 0; i < alone.tokens.length; i++) {
    // where another token was picked, it was as likely as this one
    expect(Math.abs((answer.logprobs[i] as number) - (alone.logprobs[i] as number)), `token ${i}`).toBeLessThan(
      rounding,
    );
    if (answer.tokens[i] !== alone.tokens[i]) return;
  }
  expect(answer.tokens).toHaveLength(alone.tokens.length);
}
