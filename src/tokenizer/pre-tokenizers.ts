// How text is cut into pieces before any merge: words with the space before them, digits, signs, spaces. Tokens never
// reach across a piece. Each pre-tokenizer is the state machine that libllama runs for that `tokenizer.ggml.pre`,
// written as a scanner over UTF-8: given where a piece begins, it finds where the piece ends. No scanner remembers
// anything from one piece to the next. The regular expressions they stand for are beside them; where the two differ,
// libllama is followed. Which names are the same to libllama is in `aliases`; a test compares each with it.
import { FreeholdError } from '../lib/errors.ts';
import { characterAt, endOfRun, lengthShift, letter, lineBreak, number, other, space } from './characters.ts';

/**
 * - `gpt-2`: words, runs of digits, runs of signs, spaces.
 * - `smollm`: as `gpt-2`, each digit alone.
 * - `llama-bpe`: as Llama 3: a word takes one sign before it, digits in threes, line breaks stay with the sign before
 *   them; a piece that is a token is that token, whatever the merges say.
 * - `dbrx`: as `llama-bpe` without that last rule.
 * - `qwen2`: as `dbrx`, each digit alone.
 */
export const preTokenizerNames = ['gpt-2', 'smollm', 'llama-bpe', 'dbrx', 'qwen2'] as const;
export type PreTokenizerName = (typeof preTokenizerNames)[number];

/**
 * Where the piece that begins at `from` ends; beyond `from`, at most `end`.
 * @param end where the text ends; `from` lies before it
 */
export type PieceScanner = (bytes: Uint8Array, from: number, end: number) => number;

interface PreTokenizer {
  scan: PieceScanner;
  /** Whether a piece that is a token is never merged from bytes. */
  wholePieces: boolean;
  /** Other names by which libllama knows the same. */
  aliases: readonly string[];
}

/**
 * Longest piece in bytes. A longer one, such as 100 MB of one letter, is cut, so that merging it takes bounded memory;
 * libllama would end, or take hours.
 */
export const maxPieceBytes = 1 << 20;

const apostrophe = 0x27;
const blank = 0x20;

// 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
const scanGpt2: PieceScanner = (bytes, from, end) => {
  const first = bytes[from] as number;
  if (first === apostrophe) {
    const length = contraction(bytes, from, end, 0);
    if (length > 0) return from + length;
  }
  const here = characterAt(bytes, from, end);
  const body = first === blank ? characterAt(bytes, from + 1, end) : here;
  const kind = body & (letter | number | other);
  if (kind !== 0) return endOfRun(bytes, first === blank ? from + 1 : from, end, kind);
  return endOfSpaces(bytes, from, end, here, 0);
};

// the same on the text between digits, after each \p{N} was cut out: spaces before a digit stand at the end of a text
const scanSmollm: PieceScanner = (bytes, from, end) => {
  const first = bytes[from] as number;
  if (first === apostrophe) {
    const length = contraction(bytes, from, end, 0);
    if (length > 0) return from + length;
  }
  const here = characterAt(bytes, from, end);
  if ((here & number) !== 0) return from + (here >> lengthShift);
  const body = first === blank ? characterAt(bytes, from + 1, end) : here;
  const kind = body & (letter | other);
  if (kind !== 0) return endOfRun(bytes, first === blank ? from + 1 : from, end, kind);
  return endOfSpaces(bytes, from, end, here, number);
};

// (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
const scanLlama3: PieceScanner = (bytes, from, end) => scanLikeLlama3(bytes, from, end, 3);
// the same with \p{N} in place of \p{N}{1,3}
const scanQwen2: PieceScanner = (bytes, from, end) => scanLikeLlama3(bytes, from, end, 1);

function scanLikeLlama3(bytes: Uint8Array, from: number, end: number, mostDigits: number): number {
  const first = bytes[from] as number;
  if (first === apostrophe) {
    const length = contraction(bytes, from, end, 0x20);
    if (length > 0) return from + length;
  }
  const here = characterAt(bytes, from, end);
  let at = from + (here >> lengthShift);
  if ((here & letter) !== 0) return endOfRun(bytes, at, end, letter);
  const next = characterAt(bytes, at, end);
  if ((here & number) !== 0) {
    let character = next;
    for (let digits = 1; digits < mostDigits && (character & number) !== 0; digits++) {
      at += character >> lengthShift;
      character = characterAt(bytes, at, end);
    }
    return at;
  }
  if ((here & lineBreak) === 0 && (next & letter) !== 0) return endOfRun(bytes, at, end, letter);
  if ((here & other) !== 0 || (first === blank && (next & other) !== 0)) {
    at = endOfRun(bytes, at, end, other);
    return endOfRun(bytes, at, end, lineBreak);
  }
  return endOfSpacesWithBreaks(bytes, from, end, here);
}

/** Length of `'s`, `'re` and their like at an apostrophe, or 0. @param fold 0x20 to take capitals for small letters */
function contraction(bytes: Uint8Array, from: number, end: number, fold: number): number {
  if (from + 1 >= end) return 0;
  const first = (bytes[from + 1] as number) | fold;
  // s t m d
  if (first === 0x73 || first === 0x74 || first === 0x6d || first === 0x64) return 2;
  if (from + 2 >= end) return 0;
  const second = (bytes[from + 2] as number) | fold;
  // re ve ll
  const three = ((first === 0x72 || first === 0x76) && second === 0x65) || (first === 0x6c && second === 0x6c);
  return three ? 3 : 0;
}

/**
 * End of a run of spaces: all of them at the end of the text, all but the last before anything else.
 * @param here what `characterAt` says of the first
 * @param asEnd kinds that count as the end of the text
 */
function endOfSpaces(bytes: Uint8Array, from: number, end: number, here: number, asEnd: number): number {
  let last = from;
  let at = from + (here >> lengthShift);
  let character = characterAt(bytes, at, end);
  while ((character & space) !== 0) {
    last = at;
    at += character >> lengthShift;
    character = characterAt(bytes, at, end);
  }
  return last === from || at >= end || (character & asEnd) !== 0 ? at : last;
}

/** The same where the run is cut behind its last line break first. */
function endOfSpacesWithBreaks(bytes: Uint8Array, from: number, end: number, here: number): number {
  let last = from;
  let behindBreak = 0;
  let at = from;
  let character = here;
  while ((character & space) !== 0) {
    last = at;
    at += character >> lengthShift;
    if ((character & lineBreak) !== 0) behindBreak = at;
    character = characterAt(bytes, at, end);
  }
  if (behindBreak > 0) return behindBreak;
  return last === from || at >= end ? at : last;
}

const preTokenizers: Record<PreTokenizerName, PreTokenizer> = {
  'gpt-2': {
    scan: scanGpt2,
    wholePieces: false,
    aliases: ['phi-2', 'jina-es', 'jina-de', 'jina-v2-es', 'jina-v2-de', 'olmo', 'mpt', 'gigachat', 'a.x-4.0'],
  },
  smollm: {
    scan: scanSmollm,
    wholePieces: false,
    aliases: ['starcoder', 'refact', 'command-r', 'codeshell', 'exaone', 'minerva-7b'],
  },
  'llama-bpe': {
    scan: scanLlama3,
    wholePieces: true,
    aliases: ['llama3', 'llama-v3', 'falcon3', 'falcon-h1', 'pixtral', 'midm-2.0', 'lfm2'],
  },
  dbrx: { scan: scanLlama3, wholePieces: false, aliases: ['smaug-bpe'] },
  qwen2: { scan: scanQwen2, wholePieces: false, aliases: ['deepseek-r1-qwen', 'stablelm2', 'hunyuan', 'megrez'] },
};

export function preTokenizer(name: PreTokenizerName): PreTokenizer {
  return preTokenizers[name];
}

/**
 * The pre-tokenizer that `tokenizer.ggml.pre` of a GGUF names.
 * @throws FreeholdError unsupported for one that is not here
 */
export function preTokenizerOfGguf(name: string): PreTokenizerName {
  const found = preTokenizerNames.find((known) => known === name || preTokenizers[known].aliases.includes(name));
  if (found) return found;
  throw new FreeholdError('unsupported', `The pre-tokenizer ${JSON.stringify(name)} is not known here.`, {
    hint: `Known are ${preTokenizerNames.join(', ')} and what libllama takes for the same.`,
  });
}
