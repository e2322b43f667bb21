// How many prompt tokens are computed between two steps of running answers: as many as keep the pause they notice
// under a bound, by what both took lately. Knows only times.

/** A step with a piece of prompt takes at most so many times what it takes without. */
const longestStretch = 2.5;
/** So that a prompt always gets on. */
const leastTokens = 8;
/** Kernels work on four rows at a time; a row left over costs as much as four. */
const rowsTogether = 4;
/** Before anything was measured. */
const firstTokens = 32;
/** Share of the newest time in an average. */
const weight = 0.25;

export class Pace {
  #answerMs: number | undefined;
  #promptMsPerToken: number | undefined;

  /** All running answers went on by a step. */
  observeAnswers(ms: number): void {
    this.#answerMs = average(this.#answerMs, ms);
  }

  /** A piece of prompt was computed while answers waited. */
  observePrompt(tokens: number, ms: number): void {
    this.#promptMsPerToken = average(this.#promptMsPerToken, ms / tokens);
  }

  /**
   * @param capacity most tokens of a pass
   * @returns prompt tokens to compute before the next step of the running answers
   */
  promptTokens(capacity: number): number {
    if (this.#answerMs === undefined || this.#promptMsPerToken === undefined) return Math.min(firstTokens, capacity);
    const tokens = Math.floor(((longestStretch - 1) * this.#answerMs) / this.#promptMsPerToken);
    return Math.min(capacity, Math.max(leastTokens, tokens - (tokens % rowsTogether)));
  }
}

function average(before: number | undefined, now: number): number {
  return before === undefined ? now : before + weight * (now - before);
}
