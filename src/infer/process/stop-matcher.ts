// Ends a stream of text before the first stop string, also where one is spread over several deltas.

export interface StopMatch {
  /** Text that may be shown now. */
  text: string;
  /** The stop string that was met; nothing follows it. */
  stop?: string;
}

/** Holds text back only as long as it could be the beginning of a stop string. */
export class StopMatcher {
  readonly #stops: readonly string[];
  #held = '';

  /** @param stops none empty */
  constructor(stops: readonly string[]) {
    this.#stops = stops;
  }

  push(delta: string): StopMatch {
    if (this.#stops.length === 0) return { text: delta };
    const text = this.#held + delta;
    let first = -1;
    let stop: string | undefined;
    for (const candidate of this.#stops) {
      const at = text.indexOf(candidate);
      // of two that begin at the same place the longer is reported, as the vendors do
      if (at >= 0 && (first < 0 || at < first || (at === first && candidate.length > (stop as string).length))) {
        first = at;
        stop = candidate;
      }
    }
    if (stop !== undefined) {
      this.#held = '';
      return { text: text.slice(0, first), stop };
    }
    const keep = this.#heldLength(text);
    this.#held = text.slice(text.length - keep);
    return { text: text.slice(0, text.length - keep) };
  }

  /** What is left when the generation ends without a stop string. */
  flush(): string {
    const text = this.#held;
    this.#held = '';
    return text;
  }

  /** Length of the longest end of `text` that begins some stop string. */
  #heldLength(text: string): number {
    let longest = 0;
    for (const stop of this.#stops) {
      for (let length = Math.min(stop.length - 1, text.length); length > longest; length--) {
        if (text.endsWith(stop.slice(0, length))) {
          longest = length;
          break;
        }
      }
    }
    return longest;
  }
}
