import { describe, expect, it } from 'vitest';
import { randomText } from '../../test/support/random-text.ts';
import { kindOf, letter, number, space } from './characters.ts';
import { maxPieceBytes, type PreTokenizerName, preTokenizer, preTokenizerOfGguf } from './pre-tokenizers.ts';

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

function pieces(name: PreTokenizerName, text: string | Uint8Array): string[] {
  const bytes = typeof text === 'string' ? encoder.encode(text) : text;
  const { scan } = preTokenizer(name);
  const found: string[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = scan(bytes, at, bytes.length);
    if (end <= at || end > bytes.length) throw new Error(`a piece from ${at} to ${end}`);
    found.push(decoder.decode(bytes.subarray(at, end)));
    at = end;
  }
  return found;
}

/**
 * The published expressions, on a text in which every character became one of its kind that each version of Unicode has:
 * L, N, \u00a0 for spaces beyond ASCII, \u2014 for all others.
 */
const expressions: Record<PreTokenizerName, RegExp> = {
  'gpt-2': /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+/gu,
  smollm: /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+|\s+(?=\p{N})|\s+(?!\S)|\s+/gu,
  'llama-bpe':
    /'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD]|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+/gu,
  dbrx: /(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+/gu,
  qwen2:
    /'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD]|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+/gu,
};

function plain(character: string): string {
  const code = character.codePointAt(0) as number;
  if (code < 0x80) return character;
  const kind = kindOf(code);
  return kind & letter ? 'é' : kind & number ? '²' : kind & space ? '\u00a0' : '—';
}

describe('each scanner cuts as its regular expression does', () => {
  for (const [name, expression] of Object.entries(expressions) as [PreTokenizerName, RegExp][]) {
    it(name, () => {
      const next = randomText(7);
      for (let k = 0; k < 2000; k++) {
        const text = next();
        const cut = pieces(name, text);
        expect(cut.join('')).toBe(text);
        const lengths = cut.map((piece) => [...piece].length);
        const wanted = [...text].map(plain).join('').match(expression) ?? [];
        expect(lengths, JSON.stringify(text)).toEqual(wanted.map((piece) => [...piece].length));
      }
    });
  }
});

describe('pieces', () => {
  it('of one sentence differ as the names promise', () => {
    const text = "We'LL pay $12345,\r\n  or\tnot.";
    expect(pieces('gpt-2', text)).toEqual([
      'We',
      "'",
      'LL',
      ' pay',
      ' $',
      '12345',
      ',',
      '\r\n ',
      ' or',
      '\t',
      'not',
      '.',
    ]);
    expect(pieces('smollm', text).slice(4, 10)).toEqual([' $', '1', '2', '3', '4', '5']);
    expect(pieces('llama-bpe', text)).toEqual([
      'We',
      "'LL",
      ' pay',
      ' $',
      '123',
      '45',
      ',\r\n',
      ' ',
      ' or',
      '\tnot',
      '.',
    ]);
    expect(pieces('qwen2', text).slice(3, 9)).toEqual([' $', '1', '2', '3', '4', '5']);
  });

  it('of bytes that are no text end all the same', () => {
    for (const bytes of [
      [0xff],
      [0xe2, 0x82],
      [0xf0, 0x9f, 0x98],
      [0x80, 0x80, 0x41],
      [0xed, 0xa0, 0x80],
      [0xc0, 0x80],
    ]) {
      const all = Uint8Array.from(bytes);
      for (const name of Object.keys(expressions) as PreTokenizerName[]) {
        expect(preTokenizer(name).scan(all, 0, all.length)).toBeGreaterThan(0);
        pieces(name, all);
      }
    }
  });

  it('are short enough to be merged in bounded memory', () => {
    // places and ranks share 53 bits where a piece is merged
    expect(maxPieceBytes).toBeLessThan(2 ** 21);
  });
});

describe('names in a GGUF', () => {
  it('that libllama takes for the same are the same', () => {
    expect(preTokenizerOfGguf('llama3')).toBe('llama-bpe');
    expect(preTokenizerOfGguf('qwen2')).toBe('qwen2');
  });

  it('that are not known are an error that names those that are', () => {
    expect(() => preTokenizerOfGguf('tekken')).toThrow(
      expect.objectContaining({ code: 'unsupported', hint: expect.stringContaining('qwen2') }),
    );
  });
});
