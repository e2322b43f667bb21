import { beforeEach, describe, expect, it } from 'vitest';
import { createRandom } from '../../../lib/random.ts';
import type { Drafter, Drafts, Wanted } from './drafter.ts';
import { passesPerSequence } from './passes.ts';
import { PromptLookup } from './prompt-lookup.ts';
import { Speculation } from './speculation.ts';

/** A machine on which a step takes so many milliseconds. */
type Machine = (batch: readonly { sequence: number; rows: number }[]) => number;
const rowsOf = (batch: readonly { rows: number }[]) => batch.reduce((sum, { rows }) => sum + rows, 0);
/** About what 2 cores take for a model of 135M parameters. */
const twoCores: Machine = (batch) => 8.6 * passesPerSequence(batch) + 2.1 * rowsOf(batch);
/** The same where one buffer of KV cells holds all sequences. */
const oneBuffer: Machine = (batch) => 8.6 + 2.1 * rowsOf(batch);
/** Every row costs the same: nothing is gained by computing several at once. */
const computeBound: Machine = (batch) => 2 * rowsOf(batch);

interface Run {
  /** Modelled milliseconds, and what they are without guesses: each sequence then gains one token a step. */
  ms: number;
  plainMs: number;
  /** Guesses in each step. */
  guesses: number[];
}

/** Generates texts that are known beforehand, in step, as an engine does. */
async function run(
  speculation: Speculation,
  machine: Machine,
  texts: readonly { prompt: number[]; answer: number[] }[],
  spend: () => number = () => 0,
): Promise<Run> {
  const result: Run = { ms: 0, plainMs: 0, guesses: [] };
  const done = texts.map(() => 1);
  texts.forEach(({ prompt, answer }, id) => {
    speculation.begin(id, prompt);
    speculation.accept(id, answer.slice(0, 1));
  });
  for (;;) {
    const active = texts.map((_, id) => id).filter((id) => (done[id] as number) < texts[id]!.answer.length);
    if (active.length === 0) break;
    const generating = active.map((id) => ({
      id,
      sequence: id,
      most: texts[id]!.answer.length - (done[id] as number) - 1,
    }));
    const guesses = await speculation.guess(generating, 100);
    const batch = active.map((id) => ({ sequence: id, rows: 1 + (guesses.get(id)?.length ?? 0) }));
    const ms = machine(batch);
    result.ms += ms + spend();
    result.guesses.push(rowsOf(batch) - batch.length);
    speculation.observeStep(batch, ms);
    let gained = 0;
    for (const id of active) {
      const { answer } = texts[id]!;
      const guess = guesses.get(id) ?? [];
      let count = 0;
      while (count < guess.length && guess[count] === answer[(done[id] as number) + count]) count += 1;
      speculation.accept(id, answer.slice(done[id], (done[id] as number) + count + 1));
      done[id] = (done[id] as number) + count + 1;
      gained += count + 1;
    }
    result.plainMs += (machine(batch.map(({ sequence }) => ({ sequence, rows: 1 }))) * gained) / batch.length;
  }
  texts.forEach((_, id) => {
    speculation.end(id);
  });
  return result;
}

let random = createRandom(0);
beforeEach(() => {
  random = createRandom(7);
});
const letters = (count: number, kinds: number) =>
  Array.from({ length: count }, () => Math.floor(random.next() * kinds));
/** A text copied from before, with a token changed now and then. */
const copied = (from: readonly number[], changed: number) =>
  from.map((token) => (random.next() < changed ? 5000 + Math.floor(random.next() * 1000) : token));
const repetitive = (length = 400) => {
  const prompt = letters(length, 1000);
  return { prompt, answer: copied(prompt, 0.05) };
};
const lookup = (options = {}) => new Speculation(new PromptLookup(), options);
const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0);

describe('Speculation by prompt lookup', () => {
  it('is on for a text that repeats what stood before, and makes it faster', async () => {
    const speculation = lookup();
    const { ms, plainMs, guesses } = await run(speculation, twoCores, [repetitive()]);
    expect(plainMs / ms).toBeGreaterThan(1.3);
    const { draftedTokens, acceptedTokens } = speculation.stats;
    expect(draftedTokens).toBe(sum(guesses));
    expect(acceptedTokens / draftedTokens).toBeGreaterThan(0.5);
    expect(acceptedTokens).toBe(399 - guesses.length);
  });

  it('is off for a text whose repetitions mean nothing, at next to no loss', async () => {
    const { ms, plainMs } = await run(lookup(), twoCores, [{ prompt: letters(400, 30), answer: letters(1000, 30) }]);
    expect(ms / plainMs).toBeLessThan(1.02);
  });

  it('goes off soon after a text stops to repeat itself, and on again when it does', async () => {
    const prompt = letters(300, 1000);
    const answer = [...prompt, ...letters(300, 12), ...prompt];
    const { guesses } = await run(lookup(), twoCores, [{ prompt, answer }]);
    const quietFrom = guesses.findIndex((_, i) => sum(guesses.slice(i, i + 200)) <= 20);
    expect(quietFrom).toBeGreaterThan(20);
    // the repetition takes some 300 / 9 steps; a few more until its end is noticed
    expect(quietFrom).toBeLessThan(100);
    expect(sum(guesses.slice(-20))).toBeGreaterThan(80);
  });

  it('is mostly off where further rows cost as much as they bring', async () => {
    const texts = Array.from({ length: 32 }, () => repetitive(200));
    const { ms, plainMs, guesses } = await run(lookup(), computeBound, texts);
    expect(ms / plainMs).toBeLessThan(1.05);
    const rows = 32 * 199;
    expect(sum(guesses) / rows).toBeLessThan(0.1);
  });

  it('is on for many sequences only where it is worth the further passes', async () => {
    const texts = [repetitive(200), ...Array.from({ length: 7 }, () => ({ prompt: [1], answer: letters(200, 1000) }))];
    const perSequence = await run(lookup(), twoCores, texts);
    expect(perSequence.ms / perSequence.plainMs).toBeLessThan(1.02);
    const texts8 = Array.from({ length: 8 }, () => repetitive(300));
    const uneven = await run(lookup(), twoCores, texts8);
    const together = await run(lookup({ cellsPerSequence: false }), oneBuffer, texts8);
    expect(uneven.plainMs / uneven.ms).toBeGreaterThan(0.98);
    expect(together.plainMs / together.ms).toBeGreaterThan(1.05);
  });

  it('guesses no further than a sequence and the batch have room', async () => {
    const speculation = lookup({ cellsPerSequence: false });
    await run(speculation, twoCores, [repetitive()]);
    speculation.begin(1, [1, 2, 3, 4, 5, 6, 1, 2, 3, 4]);
    speculation.begin(2, [1, 2, 3, 4, 5, 6, 1, 2, 3, 4]);
    const generating = (most: number) => [
      { id: 1, sequence: 0, most },
      { id: 2, sequence: 1, most: 0 },
    ];
    expect([...(await speculation.guess(generating(2), 50))]).toEqual([[1, [5, 6]]]);
    expect([...(await speculation.guess(generating(9), 1))].length).toBeLessThanOrEqual(1);
    expect((await speculation.guess(generating(9), 0)).size).toBe(0);
    expect((await speculation.guess(generating(0), 50)).size).toBe(0);
  });

  it('counts that sequences with cells of their own and unequal rows make further passes', async () => {
    for (const cellsPerSequence of [true, false]) {
      const speculation = lookup({ cellsPerSequence });
      await run(speculation, twoCores, [repetitive()]);
      speculation.begin(1, [1, 2, 3, 4, 5, 6, 1, 2, 3, 4]);
      speculation.begin(2, [7]);
      const guesses = await speculation.guess(
        [
          { id: 1, sequence: 0, most: 1 },
          { id: 2, sequence: 1, most: 1 },
        ],
        50,
      );
      expect(guesses.size).toBe(cellsPerSequence ? 0 : 1);
    }
  });

  it('learns for the next sequences what it measured in earlier ones', async () => {
    const speculation = lookup();
    const first = await run(speculation, twoCores, [repetitive(60)]);
    const later = await run(speculation, twoCores, [repetitive(60)]);
    const begins = ({ guesses }: Run) => guesses.findIndex((count) => count > 0);
    expect(begins(first)).toBeGreaterThan(begins(later));
  });
});

/** Guesses the known answers, right with the given chance; each guess takes so many milliseconds. */
class Oracle implements Drafter {
  readonly grades = 1;
  readonly free = false;
  calls = 0;
  spentMs = 0;
  readonly running = new Map<number, number>();
  /** Chance that the guess in this place of the answer is right. */
  right: (place: number) => number;
  readonly msOfGuess: number;
  readonly texts: readonly { answer: number[] }[];
  constructor(texts: readonly { answer: number[] }[], right: number, msOfGuess: number) {
    this.texts = texts;
    this.right = () => right;
    this.msOfGuess = msOfGuess;
  }
  begin(id: number): void {
    this.running.set(id, 0);
  }
  accept(id: number, tokens: ArrayLike<number>): void {
    this.running.set(id, this.running.get(id)! + tokens.length);
  }
  propose(wanted: readonly Wanted[]): Drafts {
    this.calls += 1;
    this.spentMs += this.msOfGuess * Math.max(...wanted.map(({ most }) => most));
    return new Map(
      wanted.map(({ id, most }) => {
        const from = this.running.get(id)!;
        const tokens = this.texts[id]!.answer.slice(from, from + most);
        return [
          id,
          { tokens: tokens.map((token, i) => (random.next() < this.right(from + i) ? token : -1)), grade: 0 },
        ];
      }),
    );
  }
  end(id: number): void {
    this.running.delete(id);
  }
  dispose(): void {
    this.running.clear();
  }
}

async function runOracle(oracle: Oracle, speculation: Speculation, texts: readonly { answer: number[] }[]) {
  let before = oracle.spentMs;
  const spend = () => {
    const spent = oracle.spentMs - before;
    before = oracle.spentMs;
    return spent;
  };
  return run(
    speculation,
    twoCores,
    texts.map(({ answer }) => ({ prompt: [1], answer })),
    spend,
  );
}

describe('Speculation by a drafter that costs', () => {
  const texts = (count: number, length: number) =>
    Array.from({ length: count }, () => ({ answer: letters(length, 1000) }));

  it('is on where the drafter is right often enough for its price', async () => {
    const known = texts(1, 400);
    const oracle = new Oracle(known, 0.85, 1.5);
    const { ms, plainMs } = await runOracle(oracle, new Speculation(oracle, { clock: () => oracle.spentMs }), known);
    expect(plainMs / ms).toBeGreaterThan(1.2);
  });

  it('is off where it is too often wrong, or takes too long', async () => {
    for (const [right, price] of [
      [0.1, 1.5],
      [0.9, 15],
    ] as const) {
      const known = texts(1, 1000);
      const oracle = new Oracle(known, right, price);
      const { ms, plainMs } = await runOracle(oracle, new Speculation(oracle, { clock: () => oracle.spentMs }), known);
      expect(ms / plainMs).toBeLessThan(1.05);
      expect(oracle.running.size).toBe(0);
    }
  });

  it('is asked again within a text, and goes on once its guesses hold', async () => {
    const known = texts(1, 400);
    const oracle = new Oracle(known, 0, 1);
    oracle.right = (place) => (place < 60 ? 0 : 0.95);
    const { ms, plainMs } = await runOracle(oracle, new Speculation(oracle, { clock: () => oracle.spentMs }), known);
    expect(plainMs / ms).toBeGreaterThan(1.3);
  });

  it('is hardly asked for new texts after it was wrong for many, but often enough to notice a change', async () => {
    const known = texts(60, 100);
    const oracle = new Oracle(known, 0, 1);
    const speculation = new Speculation(oracle, { clock: () => oracle.spentMs });
    const runOnly = (id: number) =>
      runOracle(
        oracle,
        speculation,
        known.map((text, i) => (i === id ? text : { answer: [0] })),
      );
    for (let i = 0; i < 20; i++) await runOnly(i);
    const callsWhileLearning = oracle.calls;
    for (let i = 20; i < 36; i++) await runOnly(i);
    expect(oracle.calls - callsWhileLearning).toBeLessThan(2 * 16);
    oracle.right = () => 0.95;
    let ratio = 0;
    for (let i = 36; i < 60; i++) {
      const { ms, plainMs } = await runOnly(i);
      ratio = plainMs / ms;
    }
    expect(ratio).toBeGreaterThan(1.3);
  });

  it('goes on without guesses when the drafter fails', async () => {
    const known = texts(1, 40);
    const oracle = new Oracle(known, 1, 1);
    const speculation = new Speculation(oracle, { clock: () => oracle.spentMs });
    oracle.propose = () => {
      throw new Error('out of memory');
    };
    const { ms, plainMs } = await runOracle(oracle, speculation, known);
    expect(ms).toBeCloseTo(plainMs);
    speculation.begin(9, [1]);
    expect((await speculation.guess([{ id: 9, sequence: 0, most: 4 }], 10)).size).toBe(0);
    speculation.dispose();
  });
});
