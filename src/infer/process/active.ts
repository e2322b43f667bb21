// The requests that have a place in the cache: picks their next tokens, ends them, and gathers what there is to tell. Knows neither
// batches nor whose turn it is.
import type { GenerateEvent } from '../../lib/text-model.ts';
import type { Ending } from './answer.ts';
import type { Running } from './running.ts';
import type { Slots } from './slots.ts';
import type { Speculation } from './speculation/speculation.ts';

/** What one round produced, for all requests: events, then failures. */
export interface StepOutput {
  events: { id: number; event: GenerateEvent }[];
  failures: { id: number; error: unknown }[];
}

export interface ActiveOptions {
  slots: Slots;
  /** Of one conversation. */
  contextTokens: () => number;
  speculation: Speculation | undefined;
  /** Its place is about to be free. */
  onRelease: (running: Running) => void;
  onStep: (output: StepOutput) => void;
}

export class Active {
  readonly #options: ActiveOptions;
  #running: Running[] = [];
  /** Whether the memory can forget a part of a sequence, as far as is known. */
  mayForget = true;
  /** Tokens of all answers so far. */
  outputTokens = 0;
  /** What is to be told; it goes out while the next pass computes. */
  #output: StepOutput = { events: [], failures: [] };

  constructor(options: ActiveOptions) {
    this.#options = options;
  }

  /** Oldest first. */
  get all(): readonly Running[] {
    return this.#running;
  }

  get answers(): Running[] {
    return this.#running.filter(({ generating }) => generating);
  }

  /** Those whose prompt is not computed yet. */
  get prompts(): Running[] {
    return this.#running.filter(({ generating }) => !generating);
  }

  begin(running: Running): void {
    this.#running.push(running);
  }

  /** Gives its place up. */
  release(running: Running): void {
    this.#options.onRelease(running);
    this.#options.slots.release(running.slot);
    running.of.constraint?.dispose();
    this.#options.speculation?.end(running.id);
    this.#running = this.#running.filter((other) => other !== running);
  }

  fail(running: Running, error: unknown): void {
    this.failed(running.id, error);
    this.release(running);
  }

  /** A failed decode leaves the cache unknown: every sequence in it is given up. */
  abandon(error: unknown): void {
    for (const running of [...this.#running]) this.fail(running, error);
    this.#options.slots.clear();
  }

  /**
   * Picks the tokens that follow, one for each row as long as the guess for the next row was right, and goes on with
   * them.
   */
  take(running: Running, row: number, logits: (row: number) => Float32Array, rows: number): void {
    const { id, slot, feed } = running;
    const picked: number[] = [];
    let ending: Ending | undefined;
    try {
      do {
        const { token, ending: end } = running.pick(logits(row + picked.length), (event) => this.emit(id, event));
        picked.push(token);
        ending = end;
      } while (!ending && picked.length < rows && picked.at(-1) === feed[picked.length]);
    } catch (error) {
      this.fail(running, error);
      return;
    }
    this.outputTokens += picked.length;
    this.#options.speculation?.accept(id, picked);
    const held = slot.tokens.length - (rows - picked.length);
    running.feed = [picked.at(-1) as number];
    running.fed = 0;
    running.generating = true;
    if (held < slot.tokens.length) this.#forgetGuesses(running, held);
    if (ending) this.#finish(running, ending);
    else if (held >= this.#options.contextTokens()) this.#finish(running, { reason: 'context-full' });
  }

  #forgetGuesses(running: Running, held: number): void {
    const before = running.slot.tokens.slice(0, held);
    if (this.#options.slots.truncate(running.slot, held)) return;
    // recurrent memory forgets all or nothing: guesses do not pay there
    this.mayForget = false;
    running.computeAnew(before);
  }

  #finish(running: Running, ending: Ending): void {
    const { id, of, cachedTokens, answer } = running;
    answer.end(ending, (event) => this.emit(id, event));
    this.emit(id, {
      type: 'usage',
      inputTokens: of.prompt.length,
      cachedTokens,
      outputTokens: answer.tokens,
      ...(answer.thinkingTokens > 0 && { thinkingTokens: answer.thinkingTokens }),
    });
    this.emit(id, { type: 'stop', ...ending });
    this.release(running);
  }

  emit(id: number, event: GenerateEvent): void {
    this.#output.events.push({ id, event });
  }

  /** A request without a place ended, too. */
  failed(id: number, error: unknown): void {
    this.#output.failures.push({ id, error });
  }

  tell(): void {
    const output = this.#output;
    if (output.events.length === 0 && output.failures.length === 0) return;
    this.#output = { events: [], failures: [] };
    this.#options.onStep(output);
  }
}
