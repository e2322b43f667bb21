// Where each run of n tokens was seen last: an open-addressed hash table of positions. The tokens themselves are compared,
// not only their hashes, so what it says is exact. The hash is seeded anew for each table: nobody can write a text
// whose runs all collide.

/** Where a free place of the table points; no run of two tokens ends there. */
const free = 0;

export class NgramTable {
  /** Tokens in a run, at least 2. */
  readonly n: number;
  readonly #seed = Math.floor(Math.random() * 0x1_0000_0000);
  /** Positions of the last tokens of runs; a power of two of them, at most half in use. */
  #ends = new Int32Array(64);
  #count = 0;

  constructor(n: number) {
    this.n = n;
  }

  clear(): void {
    this.#ends.fill(free);
    this.#count = 0;
  }

  /**
   * Remembers the run that ends at a position, in place of an earlier equal one.
   * @param tokens as ever before, up to `end` at least
   * @param end at least n - 1
   */
  set(tokens: Int32Array, end: number): void {
    if (2 * (this.#count + 1) > this.#ends.length) this.#grow(tokens);
    const place = this.#place(tokens, end);
    if (this.#ends[place] === free) this.#count += 1;
    this.#ends[place] = end;
  }

  /** Where a run equal to the one that ends at `end` was remembered to end; -1: nowhere. */
  get(tokens: Int32Array, end: number): number {
    return (this.#ends[this.#place(tokens, end)] as number) || -1;
  }

  /** The place of an equal run, or the free one it would take. */
  #place(tokens: Int32Array, end: number): number {
    const mask = this.#ends.length - 1;
    let hash = this.#seed;
    for (let i = end - this.n + 1; i <= end; i++) {
      hash = Math.imul(hash ^ (tokens[i] as number), 0x9e37_79b1);
      hash ^= hash >>> 15;
    }
    for (let place = hash & mask; ; place = (place + 1) & mask) {
      const other = this.#ends[place] as number;
      if (other === free || this.#equal(tokens, end, other)) return place;
    }
  }

  #equal(tokens: Int32Array, end: number, other: number): boolean {
    for (let i = 0; i < this.n; i++) if (tokens[end - i] !== tokens[other - i]) return false;
    return true;
  }

  #grow(tokens: Int32Array): void {
    const old = this.#ends;
    this.#ends = new Int32Array(2 * old.length);
    for (const end of old) if (end !== free) this.#ends[this.#place(tokens, end)] = end;
  }
}
