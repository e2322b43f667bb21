// When to ask a drafter that costs again, for one sequence for which it does not pay: a few steps after 16 tokens, and
// after twice as many each time they come to nothing; then never more.

/** Tokens before the first trial, and the most before one. */
const firstWait = 16;
const longestWait = 128;
/** Steps of a trial, long enough for a few measurements: the drafter has to catch up before the first. */
const stepsOfTrial = 4;

export class Trials {
  /** Tokens until the next trial. */
  #waiting = 0;
  #wait = firstWait;
  #stepsLeft = 0;

  get isWaiting(): boolean {
    return this.#waiting > 0;
  }

  get givenUp(): boolean {
    return this.#waiting === Number.POSITIVE_INFINITY;
  }

  /** Whether this sequence has waited before. */
  get begun(): boolean {
    return this.#wait > firstWait;
  }

  giveUp(): void {
    this.#waiting = Number.POSITIVE_INFINITY;
  }

  /** The sequence went on with so many tokens. */
  pass(tokens: number): void {
    this.#waiting = Math.max(0, this.#waiting - tokens);
  }

  /**
   * A step comes, and the sequence does not wait.
   * @param pays whether guesses are expected to pay
   * @returns whether to guess
   */
  step(pays: boolean): boolean {
    if (this.#stepsLeft > 0) {
      this.#stepsLeft -= 1;
      return true;
    }
    if (pays) {
      this.#wait = firstWait;
      return true;
    }
    this.#waiting = this.#wait > longestWait ? Number.POSITIVE_INFINITY : this.#wait;
    this.#wait *= 2;
    this.#stepsLeft = stepsOfTrial;
    return false;
  }
}
