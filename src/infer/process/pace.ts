// How long a piece of prompt may hold up the answers that are under way, and how many tokens that is, by what both took
// lately. Knows only times.

/** The next token of an answer comes on average so many times as late as while no prompt was computed, ... */
const averageStretch = 2.2;
/** ... but a prompt gets at least this share of the time of a step, ... */
const leastShare = 0.25;
/** ... unless few answers run and many prompts wait: each prompt that waits weighs as much as so many answers, ... */
const answersPerPrompt = 7;
/** ... up to this pause. */
const longestPauseMs = 500;
/** Nobody minds when the next token of an answer comes within this time. */
const comfortableMs = 100;
/** So that a prompt always gets on. */
const leastTokens = 8;
/** Kernels work on four rows at a time; a row left over costs as much as four. */
const rowsTogether = 4;
/** Before anything was measured. */
const firstTokens = 64;
/** Share of the newest time in an average. */
const weight = 0.25;

export class Pace {
  #answerMs: number | undefined;
  /** The same while no prompt was computed. */
  #calmMs: number | undefined;
  #promptMsPerToken: number | undefined;
  /** By how much a pause comes later than it was due: a pass pauses only at the end of an operation. */
  #lateMs = 0;

  /**
   * All running answers went on by a step.
   * @param isCalm no prompt is being computed
   */
  observeAnswers(ms: number, isCalm: boolean): void {
    this.#answerMs = average(this.#answerMs, ms);
    if (isCalm || this.#calmMs === undefined) this.#calmMs = average(this.#calmMs, ms);
  }

  /** A pass paused so much later than `pauseMs` said. */
  observePause(lateMs: number): void {
    this.#lateMs = average(this.#lateMs, lateMs);
  }

  /** A piece of prompt was computed while answers waited. */
  observePrompt(tokens: number, ms: number): void {
    this.#promptMsPerToken = average(this.#promptMsPerToken, ms / tokens);
  }

  /**
   * @param answers that wait meanwhile, at least 1
   * @param prompts that wait to be computed
   * @returns milliseconds; undefined before anything was measured
   */
  pauseMs(answers: number, prompts: number): number | undefined {
    if (this.#answerMs === undefined || this.#calmMs === undefined) return undefined;
    const stretch = Math.max(
      this.#answerMs * leastShare,
      this.#calmMs * averageStretch - this.#answerMs - this.#lateMs,
    );
    // where more answers run than a prompt weighs, it has no claim to more than that
    const claim = prompts * answersPerPrompt > answers ? (this.#answerMs * answersPerPrompt * prompts) / answers : 0;
    return Math.max(stretch, Math.min(longestPauseMs, claim));
  }

  /**
   * For a piece of prompt that cannot be paused.
   * @param isBurst the prompts go first, as far as a pause may last
   * @returns prompt tokens to compute before the next step of the running answers, at most `capacity`
   */
  promptTokens(answers: number, prompts: number, capacity: number, isBurst = false): number {
    if (this.#answerMs === undefined || this.#promptMsPerToken === undefined) return Math.min(firstTokens, capacity);
    const pauseMs = isBurst
      ? longestPauseMs
      : Math.max(this.pauseMs(answers, prompts) ?? 0, comfortableMs - this.#answerMs);
    const tokens = Math.floor(pauseMs / this.#promptMsPerToken);
    return Math.min(capacity, Math.max(leastTokens, tokens - (tokens % rowsTogether)));
  }
}

function average(before: number | undefined, now: number): number {
  return before === undefined ? now : before + weight * (now - before);
}
