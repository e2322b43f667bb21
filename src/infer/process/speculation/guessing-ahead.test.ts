// Guesses beside a real model: what an engine does with them, in few lines.
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadNative, type Native } from '../../../native/ffi.ts';
import { Batch, Context, Model } from '../../../native/llama.ts';
import { DraftModel } from './draft-model.ts';
import { PromptLookup } from './prompt-lookup.ts';
import { Speculation } from './speculation.ts';

const file = path.join(import.meta.dirname, '../../../../test/fixtures/tiny.gguf');
let native: Native;
let model: Model;
let context: Context;
let batch: Batch;

beforeAll(async () => {
  native = loadNative({ device: 'cpu' });
  model = await Model.load(native, { file });
  context = await Context.create(native, model, { contextTokens: 256, sequences: 2, threads: 1 });
  batch = new Batch(native, 256);
});

afterAll(() => {
  batch.dispose();
  model.dispose();
});

interface Answer {
  sequence: number;
  prompt: number[];
  tokens: number[];
}

/**
 * Answers each prompt with the likeliest tokens, with guesses or without.
 * @param kinds tokens are counted modulo this: with a few kinds a text begins to repeat itself
 * @returns steps it took
 */
async function generate(answers: Answer[], count: number, kinds: number, speculation?: Speculation): Promise<number> {
  const best = (output: number) => {
    const logits = context.logits(output);
    return logits.indexOf(Math.max(...logits)) % kinds;
  };
  for (const { sequence, prompt, tokens } of answers) {
    context.removeSequence(sequence);
    batch.clear();
    prompt.forEach((token, i) => {
      batch.add(token, i, sequence, i === prompt.length - 1);
    });
    await context.decode(batch);
    tokens.push(best(0));
    speculation?.begin(sequence, prompt);
    speculation?.accept(sequence, tokens);
  }
  let steps = 0;
  for (; answers.some(({ tokens }) => tokens.length < count); steps++) {
    const generating = answers.filter(({ tokens }) => tokens.length < count);
    const wanted = generating.map(({ sequence, tokens }) => ({
      id: sequence,
      sequence,
      most: count - tokens.length - 1,
    }));
    const guesses = (await speculation?.guess(wanted, batch.capacity - wanted.length)) ?? new Map<number, number[]>();
    batch.clear();
    const fed = generating.map(({ sequence, prompt, tokens }) => {
      const rows = [tokens.at(-1) as number, ...Array.from(guesses.get(sequence) ?? [])];
      const from = prompt.length + tokens.length - 1;
      return { rows, outputs: rows.map((token, i) => batch.add(token, from + i, sequence, true)) };
    });
    await context.decode(batch);
    speculation?.observeStep(
      wanted.map(({ sequence }, i) => ({ sequence, rows: fed[i]!.rows.length })),
      10 + fed.reduce((sum, { rows }) => sum + rows.length, 0),
    );
    generating.forEach(({ sequence, prompt, tokens }, i) => {
      const { rows, outputs } = fed[i]!;
      const sampled: number[] = [];
      do sampled.push(best(outputs[sampled.length] as number));
      while (sampled.length < rows.length && sampled.at(-1) === rows[sampled.length]);
      tokens.push(...sampled);
      context.removeSequence(sequence, prompt.length + tokens.length - 1);
      speculation?.accept(sequence, sampled);
    });
  }
  for (const { sequence } of answers) speculation?.end(sequence);
  return steps;
}

function answers(): Answer[] {
  return ['The quick brown fox jumps over it', 'Once upon a time'].map((text, sequence) => ({
    sequence,
    prompt: Array.from(model.vocabulary.tokenize(text)),
    tokens: [],
  }));
}

/** Generates with guesses, twice, and without. @returns steps without guesses less those the second time with them */
async function stepsSaved(speculation: Speculation, kinds: number): Promise<number> {
  const plain = answers();
  let saved = await generate(plain, 100, kinds);
  for (let i = 0; i < 2; i++) {
    const guessed = answers();
    const steps = await generate(guessed, 100, kinds, speculation);
    expect(guessed).toEqual(plain);
    // the first time it does not know yet what to expect
    if (i === 1) saved -= steps;
  }
  const { draftedTokens, acceptedTokens } = speculation.stats;
  expect(acceptedTokens).toBeGreaterThan(0);
  expect(acceptedTokens).toBeLessThanOrEqual(draftedTokens);
  speculation.dispose();
  return saved;
}

describe('Guesses beside a real model', () => {
  it('that are looked up change nothing but how many steps an answer takes', async () => {
    expect(await stepsSaved(new Speculation(new PromptLookup()), 40)).toBeGreaterThan(0);
  });

  it('that another model makes change nothing but how many steps an answer takes', async () => {
    const { vocabulary } = model;
    const shape = { contextTokens: 256, sequences: 2, threads: 1, leastProbability: 0 };
    const draft = await DraftModel.load(native, { file, vocabulary, ...shape });
    // the same model guesses what it will say
    expect(await stepsSaved(new Speculation(draft, { clock: () => 0 }), vocabulary.size)).toBeGreaterThan(60);
  });
});
