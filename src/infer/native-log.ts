// The last lines a model process wrote to its standard error, and what in them says why it failed.

/** Lines kept to explain a failure. */
const keptLines = 40;

/** The end of a log. */
export class NativeLog {
  readonly #lines: string[] = [];

  add(line: string): void {
    this.#lines.push(line);
    if (this.#lines.length > keptLines) this.#lines.shift();
  }

  /** @param count of the last lines */
  last(count: number): string[] {
    return this.#lines.slice(-count);
  }

  /** What the native library says went wrong, as a sentence; undefined where no line says it. */
  reason(): string | undefined {
    // llama.cpp names the cause first; what follows on the way out only says that something failed
    const line =
      this.#lines.find((candidate) => /error loading model: /i.test(candidate)) ??
      this.#lines.findLast((candidate) => /error|failed|unable|unknown/i.test(candidate));
    return line && `The native library says: ${line.trim().slice(0, 300)}`;
  }
}
