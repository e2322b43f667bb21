// Random text in many scripts, the same for the same seed: what tokenizers are compared on.
import { createRandom } from '../../src/lib/random.ts';

const ranges = (...pairs: [number, number][]) => pairs;

/** Alphabets, as ranges of code points. */
const scripts: [number, number][][] = [
  ranges([0x61, 0x7a]),
  ranges([0x41, 0x5a], [0x61, 0x7a]),
  ranges([0xc0, 0x24f]),
  ranges([0x370, 0x3ff]),
  ranges([0x400, 0x4ff]),
  ranges([0x530, 0x5ff]),
  ranges([0x600, 0x6ff]),
  ranges([0x900, 0x97f]),
  ranges([0xe00, 0xe7f]),
  ranges([0x10a0, 0x10ff]),
  ranges([0x1200, 0x137f]),
  ranges([0x3040, 0x30ff]),
  ranges([0x4e00, 0x9fff]),
  ranges([0xac00, 0xd7a3]),
  ranges([0xff01, 0xff9f]),
  ranges([0x10330, 0x1034a], [0x12000, 0x12399], [0x1e900, 0x1e959]),
];
const signs: [number, number][][] = [
  ranges([0x21, 0x2f], [0x3a, 0x40], [0x5b, 0x60], [0x7b, 0x7e]),
  ranges([0xa1, 0xbf], [0x2010, 0x205e], [0x3001, 0x303f]),
  ranges([0x300, 0x36f], [0x200b, 0x200f], [0xfe00, 0xfe0f]),
  ranges([0x2190, 0x2bff]),
  ranges([0x1f300, 0x1faff]),
  ranges([0x00, 0x1f], [0x7f, 0x9f]),
  ranges([0xe000, 0xe010], [0xfff0, 0xffff], [0xe0100, 0xe0110], [0x10fff0, 0x10ffff]),
];
const numbers: [number, number][][] = [
  ranges([0x30, 0x39]),
  ranges([0xb2, 0xb3], [0xb9, 0xb9], [0xbc, 0xbe], [0x660, 0x669], [0x966, 0x96f]),
  ranges([0x2150, 0x218b], [0x2460, 0x249b], [0xff10, 0xff19], [0x1d7ce, 0x1d7ff]),
];
const spaces = [
  ' ',
  ' ',
  ' ',
  ' ',
  '  ',
  '\n',
  '\n\n',
  '\r\n',
  '\t',
  '   ',
  '\u00a0',
  '\u3000',
  '\u2003',
  '\u0085',
  '\u2028',
];
const contractions = ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d", "'S", "'LL", "'Re", "'x", "'", "'l", "'v"];

/** An endless source of strings of up to some 60 characters. */
export function randomText(seed: number): () => string {
  const { next } = createRandom(seed);
  const below = (count: number) => Math.floor(next() * count);
  const pick = <T>(from: readonly T[]): T => from[below(from.length)] as T;
  const character = (alphabet: [number, number][]) => {
    const [first, last] = pick(alphabet);
    return String.fromCodePoint(first + below(last - first + 1));
  };
  const run = (alphabet: [number, number][], most: number) =>
    Array.from({ length: 1 + below(most) }, () => character(alphabet)).join('');
  const part = (): string => {
    const kind = next();
    if (kind < 0.4) return run(pick(scripts), 8);
    if (kind < 0.6) return pick(spaces);
    if (kind < 0.72) return run(pick(numbers), 5);
    if (kind < 0.86) return run(pick(signs), 3);
    if (kind < 0.94) return pick(contractions);
    // any code point but a surrogate
    const code = below(0x110000 - 0x800);
    return String.fromCodePoint(code < 0xd800 ? code : code + 0x800);
  };
  return () => Array.from({ length: below(16) }, part).join('');
}

/** Words of a made-up language, some of them far more often than others, with signs, numbers and line breaks between. */
export function madeUpProse(seed: number, words: number, lexiconSize = 2000): string {
  const { next } = createRandom(seed);
  const below = (count: number) => Math.floor(next() * count);
  const syllable = () => `${'bdfgklmnprstvz'[below(14)]}${'aeiou'[below(5)]}${['', 'n', 's', 'r'][below(4)]}`;
  const lexicon = Array.from({ length: lexiconSize }, () => Array.from({ length: 1 + below(4) }, syllable).join(''));
  const word = () => lexicon[Math.floor(lexicon.length * next() ** 4)] as string;
  const between = () => [' ', ' ', ' ', ' ', ' ', ', ', '. ', '.\n', "'s ", ` ${below(3000)} `][below(10)];
  return Array.from({ length: words }, () => word() + between()).join('');
}
