// Answers held to random schemas, made by the sampler that serves requests, with random logits over a real vocabulary:
// whatever the settings, every answer that ends validates.
import path from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Constraint, createConstraint } from '../src/infer/process/constraint.ts';
import { createSampler } from '../src/infer/process/sampler.ts';
import { createRandom, type Random } from '../src/lib/random.ts';
import type { Sampling } from '../src/lib/text-model.ts';
import { loadNative, type Native } from '../src/native/ffi.ts';
import { Model, type Vocabulary } from '../src/native/llama.ts';
import { randomSchema } from './support/random-schema.ts';
import { schemaValidator } from './support/schema-validator.ts';

let native: Native;
let model: Model;
let vocabulary: Vocabulary;
/** What each token begins with: closing and ending ones are liked more the longer an answer gets. */
let closes: Uint8Array;

beforeAll(async () => {
  native = loadNative({ device: 'cpu' });
  model = await Model.load(native, { file: path.join(import.meta.dirname, 'fixtures/tiny.gguf') });
  vocabulary = model.vocabulary;
  closes = Uint8Array.from({ length: vocabulary.size }, (_, token) =>
    vocabulary.isEndOfGeneration(token) || /^["}\]]/.test(Buffer.from(vocabulary.bytesOf(token)).toString('latin1'))
      ? 1
      : 0,
  );
});

afterAll(() => model.dispose());

function randomRow(row: Float32Array, random: Random, step: number): void {
  for (let token = 0; token < row.length; token++) {
    row[token] = 12 * (random.next() - 0.5) + (closes[token] ? step / 20 : 0);
  }
}

/** @returns the answer; undefined when it did not end within so many tokens */
function answer(constraint: Constraint, sampling: Sampling, seed: number, mostTokens = 600): string | undefined {
  const random = createRandom(seed);
  const sampler = createSampler({ ...sampling, seed }, { vocabularySize: vocabulary.size });
  const row = new Float32Array(vocabulary.size);
  const bytes: Uint8Array[] = [];
  for (let step = 0; step < mostTokens; step++) {
    randomRow(row, random, step);
    const { token } = sampler.sample(row, constraint);
    sampler.accept(token);
    constraint.accept(token);
    if (vocabulary.isEndOfGeneration(token))
      return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(bytes));
    bytes.push(vocabulary.bytesOf(token));
  }
  return undefined;
}

const anySampling: fc.Arbitrary<Sampling> = fc.record(
  {
    temperature: fc.constantFrom(0, 0.7, 2),
    topK: fc.constantFrom(0, 1, 40),
    topP: fc.constantFrom(0.3, 1),
    minP: fc.constantFrom(0, 0.3),
    typicalP: fc.constantFrom(0.5, 1),
    repetitionPenalty: fc.constantFrom(1, 1.3),
    presencePenalty: fc.constantFrom(-2, 0, 2),
    dry: fc.constant({ multiplier: 2 }),
    logitBias: fc.dictionary(fc.integer({ min: 0, max: 200 }).map(String), fc.constantFrom(-100, 5)),
    logprobs: fc.constantFrom(0, 3),
  },
  { requiredKeys: [] },
);

describe('the sampler, held to a random schema', () => {
  it('gives answers that validate, whatever the settings', async () => {
    let ended = 0;
    await fc.assert(
      fc.asyncProperty(randomSchema, anySampling, fc.nat(), async ({ schema }, sampling, seed) => {
        const validate = schemaValidator(schema);
        const constraint = await createConstraint(native, model, schema as Record<string, unknown>);
        try {
          const text = answer(constraint, sampling, seed);
          if (text === undefined) return;
          ended += 1;
          expect([text, validate(JSON.parse(text)), validate.errors]).toEqual([text, true, null]);
        } finally {
          constraint.dispose();
        }
      }),
      { numRuns: 100 },
    );
    expect(ended).toBeGreaterThan(50);
  });
});

describe('a text that can only end', () => {
  it('ends, also where the end is banned and nothing is less likely', async () => {
    const ends = Array.from({ length: vocabulary.size }, (_, token) => token).filter((token) =>
      vocabulary.isEndOfGeneration(token),
    );
    const logitBias = Object.fromEntries(ends.map((token) => [token, -100]));
    for (const sampling of [{}, { temperature: 0 }, { topK: 0 }, { topK: 1 }]) {
      const held = await createConstraint(native, model, { const: 'x' });
      expect(answer(held, { ...sampling, logitBias }, 7, 8)).toBe('"x"');
      held.dispose();
    }
  });
});
