import { expect, it } from 'vitest';
import { randomText } from '../../test/support/random-text.ts';
import { partsOf } from './cut-text.ts';
import { preTokenizer, preTokenizerNames } from './pre-tokenizers.ts';

function ends(bytes: Uint8Array, name: (typeof preTokenizerNames)[number]): number[] {
  const found: number[] = [];
  for (let at = 0; at < bytes.length; ) {
    at = preTokenizer(name).scan(bytes, at, bytes.length);
    found.push(at);
  }
  return found;
}

it('parts of a text have the pieces of the whole, whatever the pre-tokenizer', () => {
  const next = randomText(11);
  let cuts = 0;
  for (let k = 0; k < 300; k++) {
    const bytes = Buffer.from(Array.from({ length: 8 }, next).join(''));
    const parts = [...partsOf(bytes, 40)];
    expect(Buffer.compare(Buffer.concat(parts), bytes)).toBe(0);
    cuts += parts.length;
    for (const name of preTokenizerNames) {
      let behind = 0;
      const found = parts.flatMap((part) => {
        const inPart = ends(part, name).map((end) => end + behind);
        behind += part.length;
        return inPart;
      });
      expect(found).toEqual(ends(bytes, name));
    }
  }
  expect(cuts).toBeGreaterThan(600);
});

it('a text of one letter is one part, and so is an empty one no part', () => {
  expect([...partsOf(new Uint8Array(1000).fill(0x61), 10)]).toHaveLength(1);
  expect([...partsOf(new Uint8Array(0))]).toHaveLength(0);
});

it('bytes that are no text are kept', () => {
  const bytes = new Uint8Array(500).map((_, at) => (at % 7 === 0 ? 0x61 : 0x80 + (at % 128)));
  expect(Buffer.concat([...partsOf(bytes, 16)])).toEqual(Buffer.from(bytes));
});
