import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadNative, type Native } from '../../../native/ffi.ts';
import { Batch, Context, Model, type Vocabulary } from '../../../native/llama.ts';
import { DraftModel, type DraftModelOptions } from './draft-model.ts';
import { requireSameVocabulary } from './same-vocabulary.ts';

const file = path.join(import.meta.dirname, '../../../../test/fixtures/tiny.gguf');
let native: Native;
let model: Model;
const drafts: DraftModel[] = [];

beforeAll(async () => {
  native = loadNative({ device: 'cpu' });
  model = await Model.load(native, { file });
});

afterAll(() => {
  for (const draft of drafts) draft.dispose();
  model.dispose();
});

async function load(options: Partial<DraftModelOptions> = {}): Promise<DraftModel> {
  const { vocabulary } = model;
  const shape = { contextTokens: 256, sequences: 4, threads: 1, leastProbability: 0 };
  const draft = await DraftModel.load(native, { file, vocabulary, ...shape, ...options });
  drafts.push(draft);
  return draft;
}

/** What the model says after a text if the likeliest token is taken each time, up to the end of its answer. */
async function greedy(text: readonly number[], count: number): Promise<{ tokens: number[]; probabilities: number[] }> {
  const context = await Context.create(native, model, { contextTokens: 256, sequences: 1, threads: 1 });
  const batch = new Batch(native, 256);
  const tokens: number[] = [];
  const probabilities: number[] = [];
  let feed = [...text];
  let position = 0;
  while (tokens.length < count) {
    batch.clear();
    feed.forEach((token, i) => {
      batch.add(token, position + i, 0, i === feed.length - 1);
    });
    await context.decode(batch);
    position += feed.length;
    const logits = context.logits(0);
    const best = Math.max(...logits);
    const token = logits.indexOf(best);
    tokens.push(token);
    probabilities.push(1 / logits.reduce((sum, logit) => sum + Math.exp(logit - best), 0));
    if (model.vocabulary.isEndOfGeneration(token)) break;
    feed = [token];
  }
  context.dispose();
  batch.dispose();
  return { tokens, probabilities };
}

const textOf = (text: string) => Array.from(model.vocabulary.tokenize(text));
async function propose(draft: DraftModel, ...wanted: [id: number, most: number][]): Promise<(number[] | undefined)[]> {
  const found = await draft.propose(wanted.map(([id, most]) => ({ id, most })));
  return wanted.map(([id]) => found.get(id) && Array.from(found.get(id)!.tokens));
}

describe('DraftModel', () => {
  it('guesses what it would say itself', async () => {
    const draft = await load();
    const text = textOf('The quick brown fox');
    draft.begin(1, text);
    expect(await propose(draft, [1, 6])).toEqual([(await greedy(text, 6)).tokens]);
  });

  it('guesses for more sequences at once than a common batch has room for', async () => {
    const sequences = 160;
    const draft = await load({ sequences, contextTokens: 64 });
    const text = textOf('The quick brown fox').slice(0, 4);
    const ids = Array.from({ length: sequences }, (_, id) => id);
    for (const id of ids) draft.begin(id, text);
    const { tokens } = await greedy(text, 1);
    expect(await propose(draft, ...ids.map((id): [number, number] => [id, 1]))).toEqual(ids.map(() => tokens));
  });

  it('goes on from what was accepted, whether or not it had guessed it', async () => {
    const draft = await load();
    const text = textOf('Once upon a time');
    draft.begin(1, text);
    // so many guesses hold, then comes another token, then perhaps guesses that stood behind it
    for (const [held, behind] of [
      [0, 0],
      [1, 0],
      [2, 0],
      [3, 0],
      [4, 0],
      [1, 2],
      [2, 1],
    ] as const) {
      const guesses = (await propose(draft, [1, 5]))[0]!;
      expect(guesses).toEqual((await greedy(text, 5)).tokens);
      const accepted = [
        ...guesses.slice(0, held),
        (guesses[held]! + 1) % 200,
        ...guesses.slice(held + 1, held + 1 + behind),
      ];
      draft.accept(1, accepted);
      text.push(...accepted);
    }
    // without guesses in between
    for (const accepted of [[70], [71, 72, 73, 74, 75, 76], []]) {
      draft.accept(1, accepted);
      text.push(...accepted);
      expect(await propose(draft, [1, 4])).toEqual([(await greedy(text, 4)).tokens]);
    }
    // all guesses held, and one more token came
    const held = (await propose(draft, [1, 4]))[0]!;
    draft.accept(1, [...held, 65]);
    text.push(...held, 65);
    expect(await propose(draft, [1, 4])).toEqual([(await greedy(text, 4)).tokens]);
  });

  it('guesses for several sequences at once as for each alone, also once some are over', async () => {
    const draft = await load();
    const texts = new Map([
      [10, textOf('Hello')],
      [11, textOf('A longer text than the first one')],
      [12, textOf('1, 2, 3, 4')],
      [13, textOf('x')],
    ]);
    for (const [id, text] of texts) draft.begin(id, text);
    const check = async (...wanted: [id: number, most: number][]) => {
      const expected = await Promise.all(wanted.map(([id, most]) => greedy(texts.get(id)!, most)));
      expect(await propose(draft, ...wanted)).toEqual(expected.map(({ tokens }) => tokens));
    };
    const accept = (id: number, tokens: number[]) => {
      draft.accept(id, tokens);
      texts.get(id)!.push(...tokens);
    };
    await check([10, 3], [11, 1], [12, 5], [13, 2]);
    accept(10, [80, 81]);
    accept(11, (await greedy(texts.get(11)!, 1)).tokens);
    accept(13, [90]);
    await check([13, 4], [10, 2]);
    draft.end(11);
    draft.end(11);
    texts.set(14, textOf('In the place of another'));
    draft.begin(14, texts.get(14)!);
    accept(12, [66]);
    await check([10, 2], [12, 6], [13, 1], [14, 4]);
  });

  it('stops at the first token it is not sure of', async () => {
    const text = textOf('The quick brown fox jumps');
    const { tokens, probabilities } = await greedy(text, 6);
    const least = (Math.min(...probabilities) + Math.max(...probabilities)) / 2;
    const sure = probabilities.findIndex((probability) => probability < least);
    const draft = await load({ leastProbability: least });
    draft.begin(1, text);
    expect((await propose(draft, [1, 6]))[0] ?? []).toEqual(tokens.slice(0, sure));
  });

  it('catches up with a long text over several proposals, while others guess', async () => {
    const draft = await load({ catchUpTokens: 40 });
    const [long, short] = [textOf('abcdefghij'.repeat(10)), textOf('Hello there')];
    draft.begin(1, long);
    draft.begin(2, short);
    const expected = (await greedy(short, 2)).tokens;
    const rounds: (number[] | undefined)[] = [];
    while (!rounds.at(-1)) {
      expect(rounds.length).toBeLessThan(5);
      const [ofLong, ofShort] = await propose(draft, [1, 2], [2, 2]);
      rounds.push(ofLong);
      if (ofLong) expect(ofLong).toEqual((await greedy(long, 2)).tokens);
      if (ofShort) expect(ofShort).toEqual(expected);
    }
    expect(rounds.length).toBe(Math.ceil((long.length - 4) / 40));
  });

  it('guesses up to the end of its context, and no more there', async () => {
    const draft = await load({ contextTokens: 256 });
    const text = Array.from({ length: 254 }, (_, i) => 60 + (i % 30));
    draft.begin(1, text);
    let guesses: number[] | undefined;
    for (let i = 0; i < 3; i++) guesses = (await propose(draft, [1, 8]))[0];
    expect(guesses!.length).toBeGreaterThan(0);
    expect(guesses!.length).toBeLessThanOrEqual(3);
    draft.accept(1, [60, 61]);
    expect(await propose(draft, [1, 8])).toEqual([undefined]);
  });

  it('of another vocabulary is refused, and the message says how they differ', async () => {
    const { vocabulary } = model;
    const other = (change: Partial<Vocabulary>): Vocabulary => ({ ...vocabulary, ...change });
    const refused = (message: RegExp) =>
      expect.objectContaining({ code: 'config_invalid', message: expect.stringMatching(message) });
    expect(() => requireSameVocabulary(vocabulary, vocabulary)).not.toThrow();
    const textOf = (token: number) => (token === 17 ? 'other' : vocabulary.textOf(token));
    expect(() => requireSameVocabulary(other({ textOf }), vocabulary)).toThrow(refused(/its token 17 is ".*"other"/));
    await expect(load({ vocabulary: other({ size: 5 }) })).rejects.toEqual(refused(/tokens, the model 5/));
  });
});
