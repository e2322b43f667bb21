// How often guesses hold, by their place in the draft, measured: the share of the guesses in a place that held among those
// whose predecessors all did. The newest count most. Knows nothing of costs.

/** What is known before anything was measured. */
export interface AcceptanceOptions {
  /** Places, the most guesses in a draft. */
  places: number;
  /** Share expected in the first place, 0..1; asked anew each time. In the others the place before is what is expected. */
  expected: () => number;
  /** How many measurements the expectation weighs as much as. */
  expectedWeight: number;
  /** How much of its weight a measurement keeps when the next in the same place comes, 0..1. */
  keep: number;
}

export class Acceptance {
  readonly #options: AcceptanceOptions;
  readonly #held: Float64Array;
  readonly #measured: Float64Array;

  constructor(options: AcceptanceOptions) {
    this.#options = options;
    this.#held = new Float64Array(options.places);
    this.#measured = new Float64Array(options.places);
  }

  /** Counts the guess in a place, all those before it having held. */
  observe(place: number, held: boolean): void {
    const { keep } = this.#options;
    this.#held[place] = keep * (this.#held[place] as number) + (held ? 1 : 0);
    this.#measured[place] = keep * (this.#measured[place] as number) + 1;
  }

  /** Share of the first guesses that hold, 0..1. */
  first(): number {
    return this.#share(0, this.#options.expected());
  }

  /** @returns for each of so many places the chance that the guess in it and all before it hold; never rising */
  chances(count: number): number[] {
    const chances: number[] = [];
    let chance = 1;
    let share = this.#options.expected();
    for (let place = 0; place < count; place++) {
      share = this.#share(place, share);
      chance *= share;
      chances.push(chance);
    }
    return chances;
  }

  #share(place: number, expected: number): number {
    const { expectedWeight } = this.#options;
    return (
      ((this.#held[place] as number) + expectedWeight * expected) / ((this.#measured[place] as number) + expectedWeight)
    );
  }
}
