import { beforeAll, describe, expect, it } from 'vitest';
import { madeUpProse, randomText } from '../../test/support/random-text.ts';
import { createRandom } from '../lib/random.ts';
import { createParallelEncoder } from './encode-parallel.ts';
import { tokenizerFromGguf, tokenizerToGguf } from './gguf.ts';
import { bytesTokenizer, createTokenizer, type Tokenizer } from './tokenizer.ts';
import { tokenizerFromJson, tokenizerToJson } from './tokenizer-file.ts';
import { trainBpe } from './train/train.ts';

const specials = ['<|endoftext|>', '<|im_start|>', '<|im_end|>', '<|im_end|>>'];
const prose = madeUpProse(20, 8000);
let tokenizer: Tokenizer;

beforeAll(async () => {
  tokenizer = await trainBpe([prose], { vocab: 700, specials, roles: { endOfTurn: '<|im_end|>' } });
});

describe('a tokenizer', () => {
  it('gives back any text it encoded, in any script', () => {
    const next = randomText(21);
    for (let k = 0; k < 2000; k++) {
      const text = next();
      expect(tokenizer.decodeText(tokenizer.encode(text))).toBe(text);
    }
  });

  it('gives back any bytes it encoded, text or not', () => {
    const { next } = createRandom(22);
    for (let k = 0; k < 500; k++) {
      const bytes = Uint8Array.from({ length: Math.floor(next() * 80) }, () => Math.floor(next() * 256));
      expect(tokenizer.decode(tokenizer.encode(bytes))).toEqual(bytes);
    }
  });

  it('writes U+FFFD for a lone surrogate, as all of JavaScript does', () => {
    expect(tokenizer.decodeText(tokenizer.encode('a\ud800b'))).toBe('a\ufffdb');
  });

  it('keeps a byte order mark', () => {
    expect(tokenizer.decodeText(tokenizer.encode('\ufeffa'))).toBe('\ufeffa');
  });

  it('makes fewer tokens than bytes of the text it was trained on', () => {
    expect(tokenizer.encode(prose).length).toBeLessThan(prose.length / 2);
  });

  it('gives the same ids the first time and when it remembers the words', () => {
    const fresh = createTokenizer(tokenizer.vocabulary);
    for (const line of prose.split('\n').slice(0, 50)) expect(fresh.encode(line)).toEqual(tokenizer.encode(line));
  });

  it('merges a long word as it merges a short one: always the lowest rank, then the leftmost', () => {
    const { next } = createRandom(23);
    for (const length of [40, 60, 300]) {
      for (let k = 0; k < 30; k++) {
        const word = Array.from({ length }, () => 'abdeiknrs'[Math.floor(next() * 9)]).join('');
        expect([...tokenizer.encode(word)]).toEqual(mergedSlowly(tokenizer, word));
      }
    }
  });

  it('encodes a megabyte of one letter, and of random letters', () => {
    const same = 'a'.repeat(3 << 20);
    expect(tokenizer.decode(tokenizer.encode(same)).length).toBe(3 << 20);
    const { next } = createRandom(24);
    const random = Buffer.from(Uint8Array.from({ length: 1 << 20 }, () => 97 + Math.floor(next() * 26)));
    expect(Buffer.compare(tokenizer.decode(tokenizer.encode(random)), random)).toBe(0);
  });

  it('refuses to decode ids that are not there', () => {
    const refusal = expect.objectContaining({ code: 'invalid_request', field: 'ids.1' });
    expect(() => tokenizer.decode([1, tokenizer.vocab])).toThrow(refusal);
    expect(() => tokenizer.decode([1, -1])).toThrow(refusal);
    expect(() => tokenizer.decode([1, 1.5])).toThrow(refusal);
  });
});

/** The definition of BPE, step by step. */
function mergedSlowly({ vocabulary }: Tokenizer, word: string): number[] {
  const { tokens, merges } = vocabulary;
  const rankOf = new Map<string, number>();
  for (let at = merges.length - 2; at >= 0; at -= 2) rankOf.set(`${merges[at]} ${merges[at + 1]}`, at);
  const ids: number[] = [...Buffer.from(word)];
  for (;;) {
    const ranks = ids.slice(1).map((right, at) => rankOf.get(`${ids[at]} ${right}`) ?? Number.POSITIVE_INFINITY);
    const least = Math.min(...ranks);
    if (!Number.isFinite(least)) return ids;
    const at = ranks.indexOf(least);
    const text = (tokens[ids[at] as number] as string) + (tokens[ids[at + 1] as number] as string);
    ids.splice(at, 2, tokens.indexOf(text));
  }
}

describe('special tokens', () => {
  const text = 'a<|im_start|>b<|im_end|>>c<|im_end|>';
  const isSpecial = (id: number) => id >= tokenizer.vocab - specials.length;

  it('never come out of plain text', () => {
    expect([...tokenizer.encode(text)].some(isSpecial)).toBe(false);
    expect(tokenizer.decodeText(tokenizer.encode(text))).toBe(text);
  });

  it('are found where they are asked for, the longest name first', () => {
    const ids = [...tokenizer.encodeWithSpecials(text)];
    expect(ids.filter(isSpecial)).toEqual(
      ['<|im_start|>', '<|im_end|>>', '<|im_end|>'].map((name) => tokenizer.specials.get(name)),
    );
    expect(tokenizer.decodeText(ids)).toBe('abc');
    expect(tokenizer.decodeText(ids, { specials: true })).toBe(text);
  });

  it('have the last ids, and the parts they were given', () => {
    expect([...tokenizer.specials.values()]).toEqual([696, 697, 698, 699]);
    const { eos, bos, padding, endOfTurn, addBos } = tokenizer;
    expect({ eos, bos, padding, endOfTurn, addBos }).toEqual({
      ...{ eos: 696, bos: 696, padding: 696, endOfTurn: 698, addBos: false },
    });
  });

  it('cannot be words of plain text, empty, or named twice', () => {
    for (const names of [['word'], ['---'], [''], ['a b<'], ['<|a|>', '<|a|>'], [], [`<|${'x'.repeat(80)}|>`]]) {
      expect(() => bytesTokenizer(names)).toThrow(
        expect.objectContaining({ code: 'invalid_request', field: 'specials' }),
      );
    }
    expect(() => bytesTokenizer(['<|a|>'], { eos: '<|b|>' })).toThrow(
      expect.objectContaining({ code: 'invalid_request', field: 'roles.eos' }),
    );
  });
});

describe('a tokenizer of bytes', () => {
  it('has an id for each byte, which is the byte', () => {
    const bytes = bytesTokenizer();
    expect(bytes.vocab).toBe(257);
    expect([...bytes.encode('né')]).toEqual([0x6e, 0xc3, 0xa9]);
    expect(bytes.eos).toBe(256);
  });
});

describe('a vocabulary without tokens for some control characters', () => {
  const { vocabulary } = bytesTokenizer();
  const without = (byte: number) => ({
    metadata: tokenizerToGguf({ vocabulary: { ...vocabulary, tokens: vocabulary.tokens.with(byte, '<gap>') } }),
  });

  it('leaves them out', () => {
    const lossy = tokenizerFromGguf(without(4));
    expect(lossy.lossless).toBe(false);
    expect(bytesTokenizer().lossless).toBe(true);
    expect([...lossy.encode('a\u0004\u0004b\u0004')]).toEqual([97, 98]);
    // remembered the second time
    expect([...lossy.encode('\u0004 \u0004')]).toEqual([32]);
  });

  it('is refused where what it lacks is part of text', () => {
    for (const byte of [0x0a, 0x20, 0x41, 0x80, 0xc3, 0xe2, 0xf0]) {
      expect(() => tokenizerFromGguf(without(byte))).toThrow(expect.objectContaining({ code: 'gguf_invalid' }));
    }
  });
});

describe('several threads', () => {
  it('give the ids of one', async () => {
    const next = randomText(31);
    const long = Array.from({ length: 25_000 }, next).join(' ');
    const texts = [long, '', 'a', prose];
    const encoder = createParallelEncoder(tokenizer, { threads: 2 });
    const found = await Promise.all(texts.map((text) => encoder.encode(text)));
    encoder.close();
    for (const [at, text] of texts.entries()) {
      expect(
        Buffer.compare(
          Buffer.from(Int32Array.from(found[at] as Uint16Array).buffer),
          Buffer.from(tokenizer.encode(text).buffer),
        ),
      ).toBe(0);
    }
    expect(found[0]).toBeInstanceOf(Uint16Array);
  });

  it('stop when they are told to', async () => {
    const abort = new AbortController();
    const encoder = createParallelEncoder(tokenizer, { threads: 1, signal: abort.signal });
    const running = encoder.encode(prose.repeat(100));
    abort.abort();
    await expect(running).rejects.toMatchObject({ code: 'cancelled' });
    await expect(encoder.encode('more')).rejects.toMatchObject({ code: 'cancelled' });
    await expect(encoder.ready()).rejects.toMatchObject({ code: 'cancelled' });
  });
});

describe('tokenizer.json', () => {
  it('holds all of a tokenizer, and is the same text each time', () => {
    const json = tokenizerToJson(tokenizer);
    const read = tokenizerFromJson(json);
    expect(read.vocabulary).toEqual(tokenizer.vocabulary);
    expect(tokenizerToJson(read)).toBe(json);
  });

  it('that is damaged is an error that says where', () => {
    const file = JSON.parse(tokenizerToJson(tokenizer));
    const damaged: [string, string][] = [
      ['{', 'not JSON'],
      ['[]', 'the file'],
      [JSON.stringify({ ...file, version: 2 }), 'version'],
      [JSON.stringify({ ...file, preTokenizer: 'other' }), 'preTokenizer'],
      [JSON.stringify({ ...file, more: 1 }), 'more'],
      [JSON.stringify({ ...file, eos: 700 }), 'eos is 700'],
      [JSON.stringify({ ...file, merges: [1] }), 'pairs'],
      [JSON.stringify({ ...file, merges: [1, 2 ** 32] }), 'merges.1'],
      [JSON.stringify({ ...file, merges: [1, 5000] }), 'not there'],
      [JSON.stringify({ ...file, merges: [0, 0] }), 'leads to no token'],
      [JSON.stringify({ ...file, tokens: file.tokens.with(32, 'x') }), 'no token for the byte 32'],
      [JSON.stringify({ ...file, special: { control: [9999] } }), '9999'],
      [JSON.stringify({ ...file, special: { control: [65] } }), 'no token for the byte 65'],
    ];
    for (const [text, says] of damaged) {
      expect(() => tokenizerFromJson(text, 'x/tokenizer.json')).toThrow(
        expect.objectContaining({ code: 'tokenizer_invalid', message: expect.stringContaining(says) }),
      );
    }
  });
});

describe('the tokenizer of a GGUF', () => {
  const metadata = () => tokenizerToGguf(tokenizer);
  const refused = (change: (entries: ReturnType<typeof metadata>) => void) => {
    const changed = metadata();
    change(changed);
    return () => tokenizerFromGguf({ metadata: changed });
  };

  it('is the one that was written', () => {
    expect(tokenizerFromGguf({ metadata: metadata() }).vocabulary).toEqual(tokenizer.vocabulary);
  });

  it('of another kind is refused by name', () => {
    const model = (value: string) =>
      refused((entries) => entries.set('tokenizer.ggml.model', { type: 'string', value }));
    expect(model('llama')).toThrow(
      expect.objectContaining({ code: 'unsupported', message: expect.stringContaining('SentencePiece') }),
    );
    expect(model('rwkv')).toThrow(expect.objectContaining({ code: 'unsupported' }));
    expect(refused((entries) => entries.delete('tokenizer.ggml.pre'))).toThrow(
      expect.objectContaining({ code: 'unsupported' }),
    );
  });

  it('that lacks something, or contradicts itself, is refused', () => {
    for (const key of ['model', 'tokens', 'merges', 'eos_token_id']) {
      expect(refused((entries) => entries.delete(`tokenizer.ggml.${key}`))).toThrow(
        expect.objectContaining({ code: 'gguf_invalid' }),
      );
    }
    const merge = (value: string) =>
      refused((entries) =>
        entries.set('tokenizer.ggml.merges', { type: 'array', elementType: 'string', length: 1, value: [value] }),
      );
    for (const value of ['', 'ab', 'zzz q', 'a \u0000']) {
      expect(merge(value)).toThrow(expect.objectContaining({ code: 'gguf_invalid' }));
    }
  });
});
