// Grammars of schemas, run by libllama over a real vocabulary: what comes out validates, and what validates goes in.
import path from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compileSchema, jsonObjectGrammar } from '../src/infer/grammar/compile-schema.ts';
import { createRandom } from '../src/lib/random.ts';
import { loadNative, type Native } from '../src/native/ffi.ts';
import { Grammar } from '../src/native/grammar.ts';
import { Model, type Vocabulary } from '../src/native/llama.ts';
import { randomSchema } from './support/random-schema.ts';
import { schemaCorpus } from './support/schema-corpus.ts';
import { schemaValidator } from './support/schema-validator.ts';

let native: Native;
let model: Model;
let vocabulary: Vocabulary;
/** How much a random writer likes each token; one writer for each way to weigh. */
let tastes: Float64Array[];

beforeAll(async () => {
  native = loadNative({ device: 'cpu' });
  model = await Model.load(native, { file: path.join(import.meta.dirname, 'fixtures/tiny.gguf') });
  vocabulary = model.vocabulary;
  tastes = [3, 12, 60].map((haste) => weigh(haste));
});

afterAll(() => model.dispose());

/** @param haste how much what closes strings, arrays and objects is preferred to what goes on */
function weigh(haste: number): Float64Array {
  return Float64Array.from({ length: vocabulary.size }, (_, token) => {
    if (vocabulary.isEndOfGeneration(token)) return 5 * haste;
    const text = Buffer.from(vocabulary.bytesOf(token)).toString('latin1');
    if (/^["}\]]/.test(text)) return haste;
    if (/^[,:]/.test(text)) return 3;
    return /^[{[\\]|^[\x80-\xff]/.test(text) ? 0.7 : 1;
  });
}

/**
 * Writes a text by drawing tokens among those the grammar allows, until it ends.
 * @returns the text; undefined when it did not end within so many tokens
 */
function write(grammar: Grammar, seed: number, mostTokens = 800): string | undefined {
  const random = createRandom(seed);
  const weights = tastes[seed % tastes.length] as Float64Array;
  const row = new Float32Array(vocabulary.size);
  const bytes: Uint8Array[] = [];
  for (let count = 0; count < mostTokens; count++) {
    row.fill(0);
    expect(grammar.maskRow(row)).toBeGreaterThan(0);
    let total = 0;
    row.forEach((logit, token) => {
      if (logit === 0) total += weights[token] as number;
    });
    let left = random.next() * total;
    const token = row.findIndex((logit, at) => {
      if (logit === 0) left -= weights[at] as number;
      return logit === 0 && left <= 0;
    });
    if (vocabulary.isEndOfGeneration(token))
      return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(bytes));
    grammar.accept(token);
    bytes.push(vocabulary.bytesOf(token));
  }
  return undefined;
}

/** Whether the grammar takes a text to its end, token by token. */
function takes(grammar: Grammar, text: string): boolean {
  for (const token of vocabulary.tokenize(text)) {
    if (!grammar.allows(token)) return false;
    grammar.accept(token);
  }
  return grammar.mayEnd();
}

/** Runs each piece of work on a grammar of its own, all of one schema. */
function withGrammar<T>(schema: unknown, work: (fresh: <R>(use: (grammar: Grammar) => R) => R) => T): T {
  const grammar = Grammar.create(native, model, compileSchema(schema));
  try {
    return work((use) => {
      const copy = grammar.clone();
      try {
        return use(copy);
      } finally {
        copy.dispose();
      }
    });
  } finally {
    grammar.dispose();
  }
}

describe('a random writer held to a schema', () => {
  for (const [number, { name, schema, notForAjv }] of schemaCorpus.entries()) {
    it(`writes only JSON that validates: ${name}`, () => {
      const validate = notForAjv ? undefined : schemaValidator(schema);
      const texts = withGrammar(schema, (fresh) =>
        [0, 1, 2].map((seed) => fresh((grammar) => write(grammar, 3 * number + seed))),
      ).filter((text) => text !== undefined);
      for (const text of texts) {
        const value: unknown = JSON.parse(text);
        expect([text, validate?.(value) ?? true, validate?.errors ?? null]).toEqual([text, true, null]);
      }
      expect(texts.length).toBeGreaterThan(0);
    });
  }
});

describe('values that fit a schema', () => {
  it('are taken token by token, compact and indented; others are not', () => {
    for (const { name, schema, fits, fails } of schemaCorpus) {
      withGrammar(schema, (fresh) => {
        const taken = (text: string) => fresh((grammar) => takes(grammar, text));
        for (const value of fits) {
          const both = [taken(JSON.stringify(value)), taken(JSON.stringify(value, null, 2))];
          expect([name, value, ...both]).toEqual([name, value, true, true]);
        }
        for (const value of fails) expect([name, value, taken(JSON.stringify(value))]).toEqual([name, value, false]);
      });
    }
  });
});

describe('random schemas', () => {
  it('hold a random writer to what validates, and take values made for them', () => {
    let ended = 0;
    fc.assert(
      fc.property(randomSchema, fc.nat(), ({ schema, values }, seed) => {
        const validate = schemaValidator(schema);
        withGrammar(schema, (fresh) => {
          for (const value of values) {
            const text = JSON.stringify(value);
            const taken = fresh((grammar) => takes(grammar, text));
            expect([text, validate(value), taken]).toEqual([text, true, true]);
          }
          const text = fresh((grammar) => write(grammar, seed, 300));
          if (text === undefined) return;
          ended += 1;
          expect([text, validate(JSON.parse(text)), validate.errors]).toEqual([text, true, null]);
        });
      }),
      { numRuns: 100 },
    );
    expect(ended).toBeGreaterThan(50);
  });
});

describe('any JSON object', () => {
  it('is what its grammar lets a random writer write', () => {
    const grammar = Grammar.create(native, model, jsonObjectGrammar());
    for (let seed = 0; seed < 6; seed++) {
      const copy = grammar.clone();
      const text = write(copy, seed);
      if (text !== undefined)
        expect([text, JSON.parse(text)]).toEqual([expect.stringMatching(/^\{/), expect.any(Object)]);
      copy.dispose();
    }
    grammar.dispose();
  });
});
