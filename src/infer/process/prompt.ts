// From the pieces of a rendered prompt to tokens. Control tokens come from the template's own text only; the plain text
// between them is tokenized in one stretch, so that tokens across a piece's border are the ones the model was trained on.
import { FreeholdError } from '../../lib/errors.ts';
import type { PromptPiece } from './chat-template.ts';

/** What this file needs of a model's vocabulary. */
export interface PromptVocabulary {
  bos: number | undefined;
  addBos: boolean;
  controlTokens: ReadonlyMap<string, number>;
  tokenize(text: string): Int32Array;
}

/** Text longer than this is tokenized in stretches, so that a huge prompt is refused without tokenizing all of it. */
const stretchLength = 1 << 18;

export interface PromptTokenizer {
  /**
   * @param contextTokens a prompt must leave room for at least one more
   * @throws FreeholdError context_exceeded
   */
  tokenize(pieces: readonly PromptPiece[], contextTokens: number): Int32Array;
}

export function createPromptTokenizer(vocabulary: PromptVocabulary): PromptTokenizer {
  const names = [...vocabulary.controlTokens.keys()].filter((name) => name !== '').sort((a, b) => b.length - a.length);
  const control = names.length > 0 ? new RegExp(`(${names.map(escapeRegExp).join('|')})`, 'u') : undefined;

  return {
    tokenize(pieces, contextTokens) {
      const tokens: number[] = [];
      let plain = '';
      const flush = () => {
        if (plain === '') return;
        for (const stretch of stretches(plain)) {
          for (const token of vocabulary.tokenize(stretch)) tokens.push(token);
          if (tokens.length >= contextTokens) break;
        }
        plain = '';
      };
      for (const { origin, text } of pieces) {
        if (origin === 'text' || !control) {
          plain += text;
          continue;
        }
        text.split(control).forEach((part, i) => {
          if (i % 2 === 0) plain += part;
          else {
            flush();
            tokens.push(vocabulary.controlTokens.get(part) as number);
          }
        });
      }
      flush();
      if (vocabulary.addBos && vocabulary.bos !== undefined && tokens[0] !== vocabulary.bos)
        tokens.unshift(vocabulary.bos);
      if (tokens.length >= contextTokens) {
        const length = pieces.reduce((sum, { text }) => sum + text.length, 0);
        const count = length > stretchLength ? 'more than ' : '';
        throw new FreeholdError(
          'context_exceeded',
          `The prompt is ${count}${tokens.length} tokens long; the context of this model holds ${contextTokens}, prompt and answer together.`,
          { hint: 'Shorten the conversation, or start the server with a larger --context-tokens.', field: 'messages' },
        );
      }
      return Int32Array.from(tokens);
    },
  };
}

/** Cuts long text at spaces, where tokenizers cut too. */
function* stretches(text: string): Generator<string> {
  let from = 0;
  while (text.length - from > stretchLength) {
    const space = text.lastIndexOf(' ', from + stretchLength);
    let to = space > from ? space : from + stretchLength;
    // never between the halves of a surrogate pair
    if (/[\ud800-\udbff]/.test(text[to - 1] as string)) to -= 1;
    yield text.slice(from, to);
    from = to;
  }
  yield text.slice(from);
}

function escapeRegExp(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&');
}
