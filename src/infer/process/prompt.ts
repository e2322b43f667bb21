// From the pieces of a rendered prompt to tokens. Control tokens come from the template's own text only; the plain text
// between them is tokenized in one run, so that tokens across a piece's border are the ones the model was trained on.
// Where a native tokenizer joins plain text to a control token all the same, that place is spelled out. What cannot fit
// the context is refused before it is tokenized, or as soon as that is known.
import { cancelled, FreeholdError } from '../../lib/errors.ts';
import type { PromptPiece } from './chat-template.ts';

/** What this file needs of a model's vocabulary. */
export interface PromptVocabulary {
  bos: number | undefined;
  addBos: boolean;
  /** Tokens that libllama matches only where it is told to. */
  controlTokens: ReadonlyMap<string, number>;
  /** Tokens that libllama matches in any text. Some files keep their control tokens here. */
  userDefinedTokens: ReadonlyMap<string, number>;
  /** Whether text is cut by a regular expression first (byte-level BPE). */
  cutsByRegex: boolean;
  /** Bytes of text that one token stands for at most; undefined where text may vanish (WordPiece). */
  longestTokenBytes?: (() => number) | undefined;
  tokenize(text: string): Int32Array;
}

export interface PromptTokenizer {
  /**
   * @param contextTokens a prompt must leave room for at least one more; `Infinity` for no limit
   * @param isCancelled asked between slices of a long prompt
   * @throws FreeholdError context_exceeded, cancelled
   */
  tokenize(pieces: readonly PromptPiece[], contextTokens: number, isCancelled?: () => boolean): Promise<Int32Array>;
}

/** Text is tokenized in slices of about this many characters, and other work is let in between. */
const sliceLength = 8192;
/** What a call of the native tokenizer costs beside its characters, in characters. */
const callCost = 64;
/** The same where a slice's beginning counts as the beginning of a text (SentencePiece puts a space there). */
const wholeSliceLength = 1 << 18;
/**
 * Longest run of letters, of spaces, of digits or of other signs given to the native tokenizer: its regular expressions
 * recurse once a character for some models, and end the process at about 6,000.
 */
const longestRun = 1000;
const longRun = new RegExp(
  ['[\\p{L}\\p{M}]', '\\s', '\\p{N}', '[^\\s\\p{L}\\p{M}\\p{N}]']
    .map((kind) => `${kind}{${longestRun + 1},}`)
    .join('|'),
  'gu',
);

/**
 * @param markup text of the chat template and of ours; user-defined tokens it names are control tokens in all but name
 */
export function createPromptTokenizer(vocabulary: PromptVocabulary, markup = ''): PromptTokenizer {
  const userDefined = [...vocabulary.userDefinedTokens].filter(
    ([name]) => /^<\|.+\|>$/u.test(name) || (name.trim().length > 1 && markup.includes(name)),
  );
  const controls = new Map([...vocabulary.controlTokens, ...userDefined]);
  const nameOf = new Map([...controls].map(([name, token]) => [token, name]));
  const control = anyOf([...controls.keys()], (names) => `(${names})`);
  const forgeable = anyOf(
    userDefined.map(([name]) => name),
    (names) => `(?=${names})`,
  );

  /** Where a run of plain text must be cut, so that the native tokenizer neither matches what is forged nor recurses too deep. */
  function cutsOf(run: string): number[] {
    const cuts: number[] = [];
    if (forgeable) for (const { index } of run.matchAll(forgeable)) cuts.push(index + firstLength(run, index));
    if (!vocabulary.cutsByRegex) return cuts;
    for (const { index, 0: found } of run.matchAll(longRun)) {
      for (let at = longestRun; at < found.length; at += longestRun) cuts.push(beforeSurrogate(run, index + at));
    }
    return cuts.sort((a, b) => a - b);
  }

  /** Tokens of plain text, without control tokens: SentencePiece joins `<`, `/s` and `>` to one where their ranks say so. */
  function plainTokens(text: string): Iterable<number> {
    const tokens = vocabulary.tokenize(text);
    return tokens.some((token) => nameOf.has(token)) ? withoutControls(tokens) : tokens;
  }

  function withoutControls(tokens: Int32Array): number[] {
    return [...tokens].flatMap((token) => {
      const name = nameOf.get(token);
      if (name === undefined) return [token];
      const text = name.replaceAll('\u2581', ' ');
      const first = firstLength(text, 0);
      // one character cannot be spelled in any other way
      if (text.length <= first) return [];
      return [text.slice(0, first), text.slice(first)].flatMap((part) => withoutControls(tokensInside(part)));
    });
  }

  /** Tokens of what stands inside a text: SentencePiece puts a space before its beginning, here before a line break. */
  function tokensInside(part: string): Int32Array {
    const before = vocabulary.tokenize('\n');
    const both = vocabulary.tokenize(`\n${part}`);
    return before.every((token, i) => both[i] === token) ? both.subarray(before.length) : vocabulary.tokenize(part);
  }

  /** @throws FreeholdError context_exceeded for text that is too long however it is tokenized */
  function refuseWhatCannotFit(characters: number, contextTokens: number): void {
    // counting tokens has no limit; short text is tokenized sooner than the vocabulary is read
    if (characters <= contextTokens) return;
    const longest = vocabulary.longestTokenBytes?.();
    if (longest === undefined || characters <= contextTokens * longest) return;
    throw contextExceeded('at least ', Math.ceil(characters / longest), contextTokens);
  }

  return {
    async tokenize(pieces, contextTokens, isCancelled = () => false) {
      const characters = pieces.reduce((sum, { text }) => sum + text.length, 0);
      refuseWhatCannotFit(characters, contextTokens);
      const tokens: number[] = [];
      let sliced = 0;
      const runOf = async (run: string) => {
        let from = 0;
        for (const to of [...cutsOf(run), run.length]) {
          const length = vocabulary.cutsByRegex ? sliceLength : wholeSliceLength;
          for (const slice of slices(run.slice(from, to), length)) {
            for (const token of plainTokens(slice)) tokens.push(token);
            if (tokens.length >= contextTokens) return;
            sliced += slice.length + callCost;
            if (sliced < sliceLength) continue;
            sliced = 0;
            await new Promise(setImmediate);
            if (isCancelled()) throw cancelled();
          }
          from = to;
        }
      };
      let plain = '';
      for (const { origin, text } of pieces) {
        if (tokens.length >= contextTokens) break;
        if (origin === 'text' || !control) {
          plain += text;
          continue;
        }
        for (const [i, part] of text.split(control).entries()) {
          if (i % 2 === 0) plain += part;
          else {
            await runOf(plain);
            plain = '';
            tokens.push(controls.get(part) as number);
          }
        }
      }
      await runOf(plain);
      if (vocabulary.addBos && vocabulary.bos !== undefined && tokens[0] !== vocabulary.bos)
        tokens.unshift(vocabulary.bos);
      if (tokens.length >= contextTokens) {
        throw contextExceeded(characters > sliceLength ? 'more than ' : '', tokens.length, contextTokens);
      }
      return Int32Array.from(tokens);
    },
  };
}

/** @param howExact words before the number */
function contextExceeded(howExact: string, prompt: number, context: number): FreeholdError {
  return new FreeholdError(
    'context_exceeded',
    `The prompt is ${howExact}${prompt} tokens long; the context of this model holds ${context}, prompt and answer together.`,
    {
      hint: 'Shorten the conversation, or start the server with a larger --context-tokens.',
      field: 'messages',
      tokens: { prompt, context },
    },
  );
}

/** Cuts long text at spaces, where tokenizers cut too. */
function* slices(text: string, length: number): Generator<string> {
  let from = 0;
  while (text.length - from > length) {
    const space = text.lastIndexOf(' ', from + length);
    const to = space > from ? space : beforeSurrogate(text, from + length);
    yield text.slice(from, to);
    from = to;
  }
  if (from < text.length) yield text.slice(from);
}

/** The place itself, or the one before where it lies between the halves of a surrogate pair. */
function beforeSurrogate(text: string, at: number): number {
  return /[\ud800-\udbff]/.test(text[at - 1] ?? '') ? at - 1 : at;
}

/** Length of the first character at a place, 1 or 2. */
function firstLength(text: string, at: number): number {
  return (text.codePointAt(at) as number) > 0xffff ? 2 : 1;
}

/** A pattern for any of these names, longest first; undefined where there is none. */
function anyOf(names: readonly string[], wrap: (names: string) => string): RegExp | undefined {
  const found = names.filter((name) => name !== '').sort((a, b) => b.length - a.length);
  return found.length > 0 ? new RegExp(wrap(found.map(escapeRegExp).join('|')), 'gu') : undefined;
}

function escapeRegExp(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
}
