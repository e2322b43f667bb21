// Guesses that a text which begins to repeat goes on repeating: what followed the last few tokens where they stood before,
// in the prompt or the answer, is proposed to follow again. Prompt lookup decoding (Saxena, 2023,
// github.com/apoorvumang/prompt-lookup-decoding), with an index in place of a search: a few operations a token. Good for
// quotes, code that is changed, JSON, lists; finds nothing in fresh prose, and then costs nothing.
import { invariant } from '../../../lib/errors.ts';
import type { Draft, Drafter, Drafts, Wanted } from './drafter.ts';
import { NgramTable } from './ngram-table.ts';

export interface PromptLookupOptions {
  /** Fewest last tokens that must have stood together before, at least 2. Default 2. */
  shortest?: number;
  /** Most last tokens that are looked for; the longest match wins, the latest among equals. Default 4. */
  longest?: number;
  /** How far back is looked, in tokens, at least; never twice as far. Default 16,384: some 1.5 MB for a full sequence. */
  window?: number;
}

/** Drafts of a match of `shortest` tokens have grade 0, of one more grade 1, and so on. */
export class PromptLookup implements Drafter {
  readonly grades: number;
  readonly free = true;
  readonly #options: Required<PromptLookupOptions>;
  readonly #histories = new Map<number, History>();

  constructor(options: PromptLookupOptions = {}) {
    this.#options = { shortest: 2, longest: 4, window: 16_384, ...options };
    const { shortest, longest, window } = this.#options;
    invariant(shortest >= 2 && longest >= shortest && window >= longest, 'matches are of 2 tokens or more');
    this.grades = longest - shortest + 1;
  }

  begin(id: number, prompt: ArrayLike<number>): void {
    const history = new History(this.#options);
    for (let i = Math.max(0, prompt.length - this.#options.window); i < prompt.length; i++) {
      history.push(prompt[i] as number);
    }
    this.#histories.set(id, history);
  }

  accept(id: number, tokens: ArrayLike<number>): void {
    const history = this.#of(id);
    for (let i = 0; i < tokens.length; i++) history.push(tokens[i] as number);
  }

  propose(wanted: readonly Wanted[]): Drafts {
    const drafts = new Map<number, Draft>();
    for (const { id, most } of wanted) {
      const draft = this.#of(id).continuation(most);
      if (draft) drafts.set(id, draft);
    }
    return drafts;
  }

  end(id: number): void {
    this.#histories.delete(id);
  }

  dispose(): void {
    this.#histories.clear();
  }

  #of(id: number): History {
    const history = this.#histories.get(id);
    invariant(history, 'a sequence begins before it goes on');
    return history;
  }
}

/** The last tokens of a sequence, and where each run of them was seen last before the end. */
class History {
  readonly #window: number;
  readonly #shortest: number;
  /** Longest runs first. */
  readonly #tables: NgramTable[] = [];
  #tokens = new Int32Array(64);
  #length = 0;

  constructor({ shortest, longest, window }: Required<PromptLookupOptions>) {
    this.#window = window;
    this.#shortest = shortest;
    for (let n = longest; n >= shortest; n--) this.#tables.push(new NgramTable(n));
  }

  push(token: number): void {
    if (this.#length === 2 * this.#window) this.#forgetHalf();
    if (this.#length === this.#tokens.length) {
      const larger = new Int32Array(2 * this.#length);
      larger.set(this.#tokens);
      this.#tokens = larger;
    }
    // runs are remembered once it is known what follows them
    this.#remember(this.#length - 1);
    this.#tokens[this.#length++] = token;
  }

  continuation(most: number): Draft | undefined {
    const last = this.#length - 1;
    for (const table of this.#tables) {
      if (table.n > this.#length) continue;
      const match = table.get(this.#tokens, last);
      if (match < 0) continue;
      // past the end a repetition goes on with what it has itself proposed
      const period = last - match;
      const tokens = new Int32Array(most);
      for (let i = 0; i < most; i++) tokens[i] = this.#tokens[match + 1 + (i % period)] as number;
      return { tokens, grade: table.n - this.#shortest };
    }
    return undefined;
  }

  #remember(end: number): void {
    for (const table of this.#tables) if (end >= table.n - 1) table.set(this.#tokens, end);
  }

  #forgetHalf(): void {
    this.#tokens.copyWithin(0, this.#length - this.#window);
    this.#length = this.#window;
    for (const table of this.#tables) table.clear();
    for (let end = 0; end < this.#length - 1; end++) this.#remember(end);
  }
}
