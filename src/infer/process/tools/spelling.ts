// Tokens as text that markers are looked for in: one character for each byte, and one character of its own for each
// control token. So `<tool_call>` that the vocabulary has as a control token is told from the same letters written out,
// and a marker of several tokens is a string like any other. Knows nothing of calls.
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Vocabulary } from '../../../native/llama.ts';

/** What this file needs of a vocabulary. */
export type SpelledVocabulary = Pick<
  Vocabulary,
  'size' | 'bytesOf' | 'controlTokens' | 'userDefinedTokens' | 'isEndOfGeneration' | 'tokenize'
>;

/** Characters from here on stand for control tokens; those below for bytes. */
const firstControl = 0x100;

/** Tokens read in one go; then whoever waits gets a turn. */
const readAtOnce = 4096;

export class Spelling {
  readonly #vocabulary: SpelledVocabulary;
  /** Texts of the tokens, as far as they were asked for. */
  readonly #texts: (string | undefined)[];
  readonly #markers = new Map<string, string>();
  readonly #tokenOf = new Map<string, number>();
  /** First character of each token, -1 where there is none; filled by `prepare`. */
  #first: Int16Array | undefined;
  #preparing: Promise<void> | undefined;

  /** @param markers texts that count as control tokens, where the vocabulary has a token of its own for them */
  constructor(vocabulary: SpelledVocabulary, markers: Iterable<string>) {
    this.#vocabulary = vocabulary;
    this.#texts = new Array(vocabulary.size);
    const { controlTokens, userDefinedTokens } = vocabulary;
    const names = new Set(markers);
    for (const [name, token] of [...controlTokens, ...userDefinedTokens]) {
      // those of a file that has its markers among other tokens
      if (!names.has(name) || this.#markers.has(name)) continue;
      const char = String.fromCharCode(firstControl + this.#markers.size);
      this.#markers.set(name, char);
      this.#tokenOf.set(char, token);
      this.#texts[token] = char;
    }
  }

  /** Reads the vocabulary once, a part at a time, so that `firstOf` is quick. */
  prepare(): Promise<void> {
    this.#preparing ??= this.#read();
    return this.#preparing;
  }

  async #read(): Promise<void> {
    const { size } = this.#vocabulary;
    const first = new Int16Array(size);
    for (let token = 0; token < size; token++) {
      const text = this.of(token);
      first[token] = text === '' ? -1 : text.charCodeAt(0);
      if (token % readAtOnce === readAtOnce - 1) await nextTurn();
    }
    this.#first = first;
  }

  /** Spelling of a token; empty for control tokens that are no marker. */
  of(token: number): string {
    let text = this.#texts[token];
    if (text === undefined) {
      text = Buffer.from(this.#vocabulary.bytesOf(token)).toString('latin1');
      this.#texts[token] = text;
    }
    return text;
  }

  /** Code of the first character of a token, -1 for none. */
  firstOf(token: number): number {
    if (this.#first) return this.#first[token] as number;
    const text = this.of(token);
    return text === '' ? -1 : text.charCodeAt(0);
  }

  /** Spelling of a text as a model would write it, its markers being control tokens where there are such. */
  spell(text: string): string {
    return this.#parts(text)
      .map((part) => this.#markers.get(part) ?? Buffer.from(part, 'utf8').toString('latin1'))
      .join('');
  }

  /** Tokens of a text in which markers are control tokens where there are such. */
  tokens(text: string): number[] {
    return this.#parts(text).flatMap((part) => {
      const char = this.#markers.get(part);
      return char === undefined ? [...this.#vocabulary.tokenize(part)] : [this.#tokenOf.get(char) as number];
    });
  }

  /** The bytes of a spelling; a marker stands for those that its token has in any answer. */
  bytes(spelled: string): Uint8Array {
    if (!hasMarker(spelled)) return Buffer.from(spelled, 'latin1');
    return Buffer.concat(
      Array.from(spelled, (char) => {
        const token = this.#tokenOf.get(char);
        return token === undefined ? Buffer.from(char, 'latin1') : Buffer.from(this.#vocabulary.bytesOf(token));
      }),
    );
  }

  isEnd(token: number): boolean {
    return this.#vocabulary.isEndOfGeneration(token);
  }

  #parts(text: string): string[] {
    const names = [...this.#markers.keys()].sort((a, b) => b.length - a.length);
    const parts: string[] = [];
    let plain = '';
    for (let at = 0; at < text.length; ) {
      const name = names.find((marker) => text.startsWith(marker, at));
      if (name === undefined) {
        plain += text[at];
        at += 1;
        continue;
      }
      if (plain !== '') parts.push(plain);
      plain = '';
      parts.push(name);
      at += name.length;
    }
    if (plain !== '') parts.push(plain);
    return parts;
  }
}

/** Whether a character stands for a control token. */
export function isMarker(char: string): boolean {
  return char.charCodeAt(0) >= firstControl;
}

/** Whether a control token is spelled in a text. */
export function hasMarker(spelled: string): boolean {
  for (let i = 0; i < spelled.length; i++) if (spelled.charCodeAt(i) >= firstControl) return true;
  return false;
}
