// What a step costs, learned from the steps that were made: milliseconds = pass * passes + row * rows, by least squares
// in which older steps count less. A pass reads all weights once, a row is one token computed in it. While all steps look
// alike, only their sum is known; how it divides is then left as it was, and slowly drawn to what is usual, so that one
// bad measurement does not last.

/** A row for a pass, where nothing is known yet: between a GPU's hundredth and the half of a few slow cores. */
const usualShare = 0.25;
/** How much of its weight a step keeps when the next one comes: some 30 steps count. */
const keep = 0.97;
/** How strongly the price of a row stays as it was, against the variance of the rows: in squared rows. */
const inertia = 4;
/** Part of the way to the usual division that every step goes. */
const drift = 0.005;
/** A step that took longer than so many times what was expected counts as if it had taken that: something else ran. */
const longest = 3;
/** Steps before the estimate is worth asking. */
const fewest = 4;

export class StepCost {
  /** Milliseconds of a pass and of a row. */
  #pass = 0;
  #row = 0;
  #steps = 0;
  // weighted sums of the products of passes, rows and milliseconds
  #passPass = 0;
  #passRow = 0;
  #rowRow = 0;
  #passMs = 0;
  #rowMs = 0;

  /** Whether enough steps were seen for `ms` to mean something. */
  get known(): boolean {
    return this.#steps >= fewest;
  }

  /** @returns expected milliseconds of a step, 0 before any was seen */
  ms(rows: number, passes = 1): number {
    return this.#pass * passes + this.#row * rows;
  }

  /** @param rows at least 1, the rows of the step over all its passes */
  observe(rows: number, ms: number, passes = 1): void {
    if (this.#steps++ === 0) [this.#pass, this.#row] = usual(ms, rows, passes);
    const counted = Math.min(ms, longest * this.ms(rows, passes));
    this.#passPass = keep * this.#passPass + passes * passes;
    this.#passRow = keep * this.#passRow + passes * rows;
    this.#rowRow = keep * this.#rowRow + rows * rows;
    this.#passMs = keep * this.#passMs + passes * counted;
    this.#rowMs = keep * this.#rowMs + rows * counted;
    const [, usualRow] = usual(this.ms(rows, passes), rows, passes);
    this.#solve(this.#row + drift * (usualRow - this.#row));
  }

  /** Least squares, drawn a little to an earlier price of a row where the steps themselves do not tell. */
  #solve(earlierRow: number): void {
    const a = this.#passPass;
    const b = this.#passRow;
    const c = this.#rowRow + inertia;
    const x = this.#passMs;
    const y = this.#rowMs + inertia * earlierRow;
    const determinant = a * c - b * b;
    this.#pass = (c * x - b * y) / determinant;
    this.#row = (a * y - b * x) / determinant;
    // neither can cost less than nothing; the other then explains all
    if (this.#pass < 0) [this.#pass, this.#row] = [0, y / c];
    else if (this.#row < 0) [this.#pass, this.#row] = [x / a, 0];
  }
}

function usual(ms: number, rows: number, passes: number): [pass: number, row: number] {
  const pass = ms / (passes + usualShare * rows);
  return [pass, usualShare * pass];
}
