import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { loadNative, type Native } from './ffi.ts';
import { Grammar } from './grammar.ts';
import { Model, type Vocabulary } from './llama.ts';

const file = path.join(import.meta.dirname, '../../test/fixtures/tiny.gguf');
let native: Native;
let model: Model;
let vocabulary: Vocabulary;
let open: Grammar[] = [];

beforeAll(async () => {
  native = loadNative({ device: 'cpu' });
  model = await Model.load(native, { file });
  vocabulary = model.vocabulary;
});

afterEach(() => {
  for (const grammar of open) grammar.dispose();
  open = [];
});

afterAll(() => model.dispose());

function grammar(text: string): Grammar {
  const made = Grammar.create(native, model, text);
  open.push(made);
  return made;
}

/** The token that stands for exactly these bytes. */
function tokenOf(bytes: string | number[]): number {
  const wanted = Buffer.from(bytes as string);
  for (let token = 0; token < vocabulary.size; token++) {
    if (Buffer.from(vocabulary.bytesOf(token)).equals(wanted)) return token;
  }
  throw new Error(`no token for ${bytes}`);
}

/** Bytes of all tokens that a grammar leaves of a row of logits. */
function left(made: Grammar): string[] {
  const row = new Float32Array(vocabulary.size);
  const count = made.maskRow(row);
  const kept = Array.from(row.keys()).filter((token) => row[token] === 0);
  expect(kept.length).toBe(count);
  return kept.map((token) => Buffer.from(vocabulary.bytesOf(token)).toString('latin1')).sort();
}

describe('a grammar', () => {
  it('allows what its text may begin and go on with, and the end where it may end', () => {
    const made = grammar('root ::= "a" [bc]? ');
    expect(left(made).filter((bytes) => bytes.length === 1)).toEqual(['a']);
    expect(left(made).every((bytes) => /^a[bc]?$/.test(bytes))).toBe(true);
    expect([made.allows(tokenOf('a')), made.allows(tokenOf('b')), made.mayEnd()]).toEqual([true, false, false]);
    made.accept(tokenOf('a'));
    // tokens that end a generation stand for no bytes
    expect(left(made).filter((bytes) => bytes !== '')).toEqual(['b', 'c']);
    expect([made.allows(tokenOf('a')), made.allows(tokenOf('b')), made.mayEnd()]).toEqual([false, true, true]);
    made.accept(tokenOf('b'));
    expect(left(made).every((bytes) => bytes === '')).toBe(true);
    expect(made.mayEnd()).toBe(true);
    made.accept(vocabulary.eos as number);
  });

  it('masks candidates of every kind of row, and counts what is left', () => {
    const made = grammar('root ::= [0-9]+');
    const tokens = Int32Array.of(tokenOf('1'), tokenOf('a'), tokenOf('7'), vocabulary.eos as number);
    for (const Row of [Float32Array, Float64Array]) {
      const logits = Row.of(1, 2, -Infinity, 3);
      expect(made.mask(tokens, logits)).toBe(1);
      expect([...logits]).toEqual([1, -Infinity, -Infinity, -Infinity]);
      const first = Row.of(5, 2, 2, 2);
      expect(made.mask(tokens, first, 2)).toBe(1);
      expect([...first]).toEqual([5, -Infinity, 2, 2]);
    }
    expect(() => made.mask(tokens, new Float32Array(2))).toThrow(/invariant/);
    expect(() => made.maskRow(new Float32Array(3))).toThrow(/invariant/);
  });

  it('masks a whole row as it masks a few candidates at a time', async () => {
    await Grammar.prepare(model);
    const texts = ['root ::= "on" [" ]', 'root ::= [^a]+', 'root ::= [\\u00e0-\\uFFFF] "x"', 'root ::= "" | "a"'];
    expect(vocabulary.size).toBeGreaterThan(400);
    for (const made of texts.map(grammar)) {
      for (let step = 0; step < 4; step++) {
        const row = Float32Array.from({ length: vocabulary.size }, (_, token) => (token % 7 === 3 ? -Infinity : token));
        const parts = row.slice();
        let count = 0;
        for (let at = 0; at < row.length; at += 100) {
          const tokens = Int32Array.from({ length: Math.min(100, row.length - at) }, (_, i) => at + i);
          count += made.mask(tokens, parts.subarray(at));
        }
        expect(made.maskRow(row)).toBe(count);
        expect(row).toEqual(parts);
        const next = row.findIndex((logit, token) => logit !== -Infinity && !vocabulary.isEndOfGeneration(token));
        if (next < 0) break;
        made.accept(next);
      }
    }
  });

  it('follows characters that are spread over tokens, in valid UTF-8 only', () => {
    const made = grammar('root ::= [\\u0080-\\U0010FFFF]+');
    for (const byte of [0xe0, 0xa4, 0x85]) {
      expect([made.allows(tokenOf([byte])), made.mayEnd()]).toEqual([true, false]);
      made.accept(tokenOf([byte]));
    }
    expect(made.mayEnd()).toBe(true);
    // an overlong spelling, and a surrogate
    made.accept(tokenOf([0xe0]));
    expect(left(made).some((bytes) => bytes < '\xa0')).toBe(false);
    expect(made.allows(tokenOf([0x85]))).toBe(false);
    made.accept(tokenOf([0xa0]));
    made.accept(tokenOf([0x80]));
    made.accept(tokenOf([0xf0]));
    expect([made.allows(tokenOf([0x8f])), made.allows(tokenOf([0x90])), made.mayEnd()]).toEqual([false, true, false]);
  });

  it('never lets a control token pass for the text it is written with', () => {
    const made = grammar('root ::= [^x]+');
    const row = new Float32Array(vocabulary.size);
    made.maskRow(row);
    for (const token of vocabulary.controlTokens.values()) {
      expect(made.allows(token)).toBe(false);
      expect(row[token]).toBe(-Infinity);
    }
    made.accept(tokenOf('a'));
    for (const token of vocabulary.controlTokens.values()) {
      expect(made.allows(token)).toBe(vocabulary.isEndOfGeneration(token));
    }
  });

  it('refuses a token it does not allow instead of ending the process', () => {
    const made = grammar('root ::= "ab"');
    expect(() => made.accept(tokenOf('b'))).toThrow(/invariant/);
    expect(() => made.accept(vocabulary.eos as number)).toThrow(/invariant/);
    expect(() => made.allows(-1)).toThrow(/invariant/);
    expect(() => made.allows(vocabulary.size)).toThrow(/invariant/);
    expect(() => made.mask(Int32Array.of(1, vocabulary.size), new Float32Array(2))).toThrow(/invariant/);
    made.accept(tokenOf('a'));
    made.accept(tokenOf('b'));
    expect(() => made.accept(tokenOf('b'))).toThrow(/invariant/);
    expect(made.mayEnd()).toBe(true);
  });

  it('is copied with its state; copies go their own ways', () => {
    const made = grammar('root ::= "a" [bc] "d" | [\\u0800-\\uFFFF]');
    made.accept(tokenOf('a'));
    const copy = made.clone();
    open.push(copy);
    copy.accept(tokenOf('b'));
    expect([made.allows(tokenOf('b')), copy.allows(tokenOf('b')), copy.allows(tokenOf('d'))]).toEqual([
      true,
      false,
      true,
    ]);
    made.dispose();
    copy.accept(tokenOf('d'));
    expect(copy.mayEnd()).toBe(true);
    const partial = grammar('root ::= [\\u0080-\\uFFFF]');
    partial.accept(tokenOf([0xe0]));
    const other = partial.clone();
    open.push(other);
    expect(other.allows(tokenOf([0x85]))).toBe(false);
  });

  it('that libllama cannot read is an invalid request', () => {
    for (const text of [
      '',
      ' ',
      'root ::= (',
      'other ::= "a"',
      'root ::= missing',
      'root ::= root "a"',
      'root ::= "a"\0',
      'root ::= "a"{5000}',
    ]) {
      expect(() => grammar(text)).toThrow(expect.objectContaining({ code: 'invalid_request' }));
    }
  });

  it('with readings that double at every token is given up before they fill the memory', () => {
    const made = grammar('root ::= one | two | "x"\none ::= "[" root "]"\ntwo ::= "[" root "]" | "y"\n');
    const accept = () => {
      for (let depth = 0; depth < 60; depth++) made.accept(tokenOf('['));
    };
    expect(accept).toThrow(expect.objectContaining({ code: 'unsupported' }));
    expect(() => made.mayEnd()).toThrow(expect.objectContaining({ code: 'native_disposed' }));
  });

  it('used after its disposal, or that of its model, is an error', async () => {
    const own = await Model.load(native, { file });
    const disposed = expect.objectContaining({ code: 'native_disposed' });
    const made = Grammar.create(native, own, 'root ::= "a"');
    const other = Grammar.create(native, own, 'root ::= "a"');
    other.dispose();
    other.dispose();
    const uses = (used: Grammar) => [
      () => used.allows(5),
      () => used.accept(5),
      () => used.mayEnd(),
      () => used.maskRow(new Float32Array(vocabulary.size)),
      () => used.clone(),
    ];
    for (const use of uses(other)) expect(use).toThrow(disposed);
    expect(made.allows(tokenOf('a'))).toBe(true);
    own.dispose();
    expect(() => made.allows(tokenOf('a'))).toThrow(disposed);
    for (const use of uses(made)) expect(use).toThrow(disposed);
    expect(() => Grammar.create(native, own, 'root ::= "a"')).toThrow(disposed);
    made.dispose();
  });
});
