// A push-pull channel: one producer pushes values, one consumer iterates. The consumer's leaving runs `onReturn`.

/**
 * Values in order, then `end()` or `fail(error)`. Pushes after the end are dropped.
 * Unbounded: whoever pushes decides how much may wait (see `size`).
 */
export class AsyncQueue<T> implements AsyncIterable<T> {
  #values: T[] = [];
  #waiting: { resolve: (result: IteratorResult<T>) => void; reject: (error: unknown) => void } | undefined;
  #ended = false;
  #error: unknown;
  readonly #onReturn: (() => void) | undefined;

  /** @param onReturn called once when the consumer stops before the end */
  constructor(onReturn?: () => void) {
    this.#onReturn = onReturn;
  }

  /** Values pushed and not yet taken. */
  get size(): number {
    return this.#values.length;
  }

  push(value: T): void {
    if (this.#ended) return;
    if (this.#waiting) {
      this.#waiting.resolve({ value, done: false });
      this.#waiting = undefined;
    } else this.#values.push(value);
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#waiting?.resolve({ value: undefined, done: true });
    this.#waiting = undefined;
  }

  fail(error: unknown): void {
    if (this.#ended) return;
    this.#ended = true;
    if (this.#waiting) {
      this.#waiting.reject(error);
      this.#waiting = undefined;
    } else this.#error = error;
  }

  [Symbol.asyncIterator](): AsyncIterator<T> {
    return {
      next: () => {
        if (this.#values.length > 0) return Promise.resolve({ value: this.#values.shift() as T, done: false });
        if (this.#error !== undefined) {
          const error = this.#error;
          this.#error = undefined;
          return Promise.reject(error);
        }
        if (this.#ended) return Promise.resolve({ value: undefined, done: true });
        return new Promise((resolve, reject) => {
          this.#waiting = { resolve, reject };
        });
      },
      return: () => {
        if (!this.#ended) {
          this.end();
          this.#onReturn?.();
        }
        this.#values = [];
        return Promise.resolve({ value: undefined, done: true });
      },
    };
  }
}
