// How long a pass goes on between two places where it may pause, learned from the pass before: every layer does the same, and
// attention over a long prompt takes many times as long as anything else. Whoever wants to pause at a given time can do so
// before a long stretch in place of after it. Knows only times.

export class PassRhythm {
  /** What lies before each place where a pass may pause, in milliseconds, in the order of the pass. */
  readonly #stretches: number[] = [];
  #place = 0;
  #sinceMs = 0;

  /** A pass begins. */
  begin(nowMs: number): void {
    this.#place = 0;
    this.#sinceMs = nowMs;
  }

  /**
   * The pass may pause here.
   * @returns milliseconds until it may the next time, as far as one can tell; 0 where nothing is known of that
   */
  reach(nowMs: number): number {
    this.#stretches[this.#place] = nowMs - this.#sinceMs;
    this.#place += 1;
    this.#sinceMs = nowMs;
    return this.#stretches[this.#place] ?? 0;
  }

  /** After a pause, the pass goes on. */
  goOn(nowMs: number): void {
    this.#sinceMs = nowMs;
  }
}
