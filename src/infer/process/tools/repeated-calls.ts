// Finds a call that is, byte for byte, an earlier one of the same answer: small models that must call repeat themselves
// until they are stopped. A call is held back while it reads like an earlier one, so that nobody hears of a repetition.
import type { Part } from './phases.ts';

/** What of the parts may come out, and whether the call that ended with them was a repetition: it stays in. */
export interface Passed {
  parts: Part[];
  repeated: boolean;
}

export class RepeatedCalls {
  readonly #earlier: string[] = [];
  /** The call that is being written: its name and arguments. */
  #written = '';
  #held: Part[] = [];

  /** @param parts of an answer, in order */
  pass(parts: readonly Part[]): Passed {
    const out: Part[] = [];
    for (const part of parts) {
      if (part.type === 'call') this.#written = `${part.name}\0`;
      else if (part.type === 'arguments') this.#written += part.text;
      else if (part.type !== 'call-end') {
        out.push(part);
        continue;
      }
      const ends = part.type === 'call-end';
      if (ends && this.#earlier.includes(this.#written)) {
        this.#held = [];
        return { parts: out, repeated: true };
      }
      this.#held.push(part);
      if (!ends && this.#earlier.some((call) => call.startsWith(this.#written))) continue;
      out.push(...this.#held.splice(0));
      if (ends) this.#earlier.push(this.#written);
    }
    return { parts: out, repeated: false };
  }

  /** What is held back, of a call that is cut off. */
  takeRest(): Part[] {
    return this.#held.splice(0);
  }
}
