// What a tokenizer is for: libllama, given the GGUF that we write, makes the same tokens of the same text.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { joinedWith } from '../../scripts/make-unicode-ranges.ts';
import { vocabularyModel } from '../../scripts/vocabulary-model.ts';
import { randomText } from '../../test/support/random-text.ts';
import { realModelFile } from '../../test/support/real-model.ts';
import { readGguf } from '../formats/gguf/read.ts';
import { writeGguf } from '../formats/gguf/write.ts';
import { loadNative } from '../native/ffi.ts';
import { Model } from '../native/llama.ts';
import { kindOf, letter, number } from './characters.ts';
import { tokenizerFromGguf, tokenizerToGguf } from './gguf.ts';
import { preTokenizer, preTokenizerNames } from './pre-tokenizers.ts';
import { bytesTokenizer, createTokenizer, type Tokenizer } from './tokenizer.ts';
import { trainBpe } from './train/train.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'freehold-tokenizer-'));
afterAll(() => rmSync(folder, { recursive: true }));

const specials = ['<|endoftext|>', '<|im_start|>', '<|im_end|>'];
const roles = { endOfTurn: '<|im_end|>' };

async function served(tokenizer: Tokenizer, pre: string = tokenizer.preTokenizer): Promise<Model> {
  const file = path.join(folder, `${pre}.gguf`);
  const metadata = tokenizerToGguf(tokenizer).set('tokenizer.ggml.pre', { type: 'string', value: pre });
  await writeGguf(file, vocabularyModel(metadata, tokenizer.vocab));
  return Model.load(loadNative({ device: 'cpu' }), { file });
}

/** Texts of which libllama makes other tokens than we. */
function differing(tokenizer: Tokenizer, model: Model, texts: readonly string[]): string[] {
  return texts.filter(
    (text) => Buffer.compare(bytesOf(model.vocabulary.tokenize(text)), bytesOf(tokenizer.encode(text))) !== 0,
  );
}

function expectSameIds(tokenizer: Tokenizer, model: Model, texts: readonly string[]): void {
  expect(differing(tokenizer, model, texts)).toEqual([]);
}

const bytesOf = (ids: Int32Array) => new Uint8Array(ids.buffer, ids.byteOffset, ids.byteLength);

function textsOf(seed: number, count: number): string[] {
  const next = randomText(seed);
  return Array.from({ length: count }, next);
}

/** Text in which the same few words come again and again, so that there is something to learn in every script. */
function learnable(): string[] {
  const words = textsOf(1, 300);
  return Array.from({ length: 3000 }, (_, at) =>
    [0, 1, 2].map((k) => words[(at * (k * 7 + 3)) % words.length]).join(' '),
  );
}

describe('libllama gives the ids of encode, for 10,000 random strings in many scripts', () => {
  for (const name of preTokenizerNames) {
    it(name, async () => {
      const trained = await trainBpe(learnable(), { vocab: 3000, preTokenizer: name, specials, roles, threads: 1 });
      const model = await served(trained);
      expectSameIds(trained, model, textsOf(2, 10_000));
      // words it learned, so that long merges are compared too
      expectSameIds(trained, model, learnable().slice(0, 500));
      model.dispose();
    });
  }

  it('bytes alone', async () => {
    const tokenizer = bytesTokenizer();
    const model = await served(tokenizer);
    expectSameIds(tokenizer, model, textsOf(3, 10_000));
    model.dispose();
  });
});

const realModel = await realModelFile();

describe('needs a real model: its tokenizer, imported,', () => {
  it.skipIf(!realModel)('gives the ids that libllama gives, for 10,000 random strings', async () => {
    const file = realModel as string;
    const imported = tokenizerFromGguf(await readGguf(file));
    const model = await Model.load(loadNative({ device: 'cpu' }), { file, gpuLayers: 0 });
    expectSameIds(imported, model, textsOf(8, 10_000));
    model.dispose();
  });
});

describe('libllama', () => {
  it('takes the aliases of each pre-tokenizer for the same', async () => {
    const texts = textsOf(4, 200);
    for (const name of preTokenizerNames) {
      const trained = await trainBpe(learnable(), { vocab: 1500, preTokenizer: name, threads: 1 });
      for (const alias of preTokenizer(name).aliases) {
        const model = await served(trained, alias);
        expectSameIds(trained, model, texts);
        model.dispose();
      }
    }
  });

  it('cuts by the pre-tokenizer that the file names: with another, these texts have other tokens', async () => {
    const texts = textsOf(6, 500);
    const others = { 'gpt-2': ['smollm', 'dbrx', 'qwen2'], dbrx: ['gpt-2', 'smollm', 'qwen2'] } as const;
    for (const name of ['gpt-2', 'dbrx'] as const) {
      const trained = await trainBpe([...learnable(), ...texts], { vocab: 2500, preTokenizer: name, threads: 1 });
      for (const other of others[name]) {
        const model = await served(trained, other);
        expect(differing(trained, model, texts).length, `${name} and ${other}`).toBeGreaterThan(10);
        model.dispose();
      }
    }
  });

  it('takes a piece that is a token for that token, whatever the merges say, where the pre-tokenizer is llama-bpe', async () => {
    const { vocabulary } = bytesTokenizer();
    const withWord = {
      ...vocabulary,
      tokens: [...vocabulary.tokens, 'zebra'],
      kinds: Uint8Array.from([...vocabulary.kinds, 1]),
    };
    for (const [name, wanted] of [
      ['llama-bpe', [257]],
      ['dbrx', [...Buffer.from('zebra')]],
    ] as const) {
      const tokenizer = createTokenizer({ ...withWord, preTokenizer: name });
      const model = await served(tokenizer);
      expect([...tokenizer.encode('zebra')]).toEqual(wanted);
      expect([...model.vocabulary.tokenize('zebra')]).toEqual(wanted);
      model.dispose();
    }
  });

  it('takes the same characters for letters and numbers', async () => {
    const isLetter = await joinedWith('a');
    const isNumber = await joinedWith('1');
    const differing: string[] = [];
    // the planes in which characters are assigned
    for (const [first, last] of [
      [0x80, 0xd7ff],
      [0xe000, 0x323ff],
      [0xe0000, 0xe01ff],
    ] as const) {
      for (let from = first; from <= last; from += 4096) {
        const codes = Array.from({ length: Math.min(4096, last - from + 1) }, (_, at) => from + at);
        const characters = codes.map((code) => String.fromCodePoint(code));
        const letters = isLetter(characters);
        const numbers = isNumber(characters);
        for (const [at, code] of codes.entries()) {
          const kind = kindOf(code);
          const same = ((kind & letter) !== 0) === letters[at] && ((kind & number) !== 0) === numbers[at];
          if (!same) differing.push(code.toString(16));
        }
      }
    }
    expect(differing).toEqual([]);
  });

  it('knows the special tokens, their parts, and the bytes of every token', async () => {
    const trained = await trainBpe(learnable(), { vocab: 800, specials, roles, threads: 1 });
    const { vocabulary, dispose } = await served(trained).then((model) => ({
      vocabulary: model.vocabulary,
      dispose: () => model.dispose(),
    }));
    expect(vocabulary.size).toBe(800);
    expect(new Map(vocabulary.controlTokens)).toEqual(trained.specials);
    expect(vocabulary.eos).toBe(trained.eos);
    expect(vocabulary.addBos).toBe(false);
    expect(vocabulary.isEndOfGeneration(trained.endOfTurn as number)).toBe(true);
    expect(vocabulary.isEndOfGeneration(trained.eos)).toBe(true);
    const differing = Array.from({ length: 800 }, (_, id) => id).filter(
      (id) => Buffer.compare(vocabulary.bytesOf(id), trained.decode([id])) !== 0,
    );
    expect(differing).toEqual([]);
    dispose();
  });

  it('and a tokenizer read back from the file agree, also for a file of others', async () => {
    const trained = await trainBpe(learnable(), { vocab: 900, preTokenizer: 'llama-bpe', specials, roles, threads: 1 });
    const own = path.join(folder, 'own.gguf');
    await writeGguf(own, vocabularyModel(tokenizerToGguf(trained), trained.vocab));
    expect(tokenizerFromGguf(await readGguf(own)).vocabulary).toEqual(trained.vocabulary);

    const tiny = path.join(import.meta.dirname, '../../test/fixtures/tiny.gguf');
    const imported = tokenizerFromGguf(await readGguf(tiny));
    const model = await Model.load(loadNative({ device: 'cpu' }), { file: tiny });
    expectSameIds(imported, model, textsOf(5, 2000));
    model.dispose();
  });
});
