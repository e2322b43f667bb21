// What guesses tokens ahead. A step of the engine that feeds guesses after the last token computes several tokens for
// little more than the price of one (Leviathan et al., 2023, arXiv:2211.17192). A drafter only proposes: the engine
// samples every row as ever and stops at the first token that is not the guess, so what it guesses never changes an
// answer, only how soon it comes. Sequences are named by the ids of their requests.

/** Tokens guessed to follow what a sequence holds. */
export interface Draft {
  /** At least one. */
  tokens: ArrayLike<number>;
  /** How sure the drafter is, 0 to `grades` - 1, the last being the surest: how often guesses hold is counted apart. */
  grade: number;
}

/** By sequence; one with nothing to guess is missing. */
export type Drafts = ReadonlyMap<number, Draft>;

/** A sequence that wants guesses. */
export interface Wanted {
  id: number;
  /** Most tokens to guess, at least 1. */
  most: number;
}

export interface Drafter {
  /** How many grades its drafts have. */
  readonly grades: number;
  /** Whether a guess costs next to nothing, so that it may be made only to see whether it would have held. */
  readonly free: boolean;
  /** A sequence begins with these tokens. */
  begin(id: number, prompt: ArrayLike<number>): void;
  /** A sequence goes on with these tokens, whether they were guessed or not. */
  accept(id: number, tokens: ArrayLike<number>): void;
  /**
   * Guesses for several sequences at once, each of which has begun. Nothing else may be called before it is done.
   * @throws FreeholdError model_failed when a model that guesses cannot go on; the answers can do without it
   */
  propose(wanted: readonly Wanted[]): Drafts | Promise<Drafts>;
  /** A sequence is over, or will want no more guesses. Unknown ones are ignored. */
  end(id: number): void;
  dispose(): void;
}
