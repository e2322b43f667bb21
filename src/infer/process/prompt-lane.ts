// A context of its own for one long prompt, beside those of running answers. A pass over many tokens is by far the
// cheapest way to compute a prompt, and holds the model for seconds; here such a pass pauses every few operations, so
// that the answers go on in between (docs/decisions/prompts-beside-answers.md). What is computed is handed to a place
// in the engine's cache at the end. Knows one prompt at a time; who comes next is the engine's to say.
import type { Batch, Context } from '../../native/llama.ts';
import type { Running } from './running.ts';
import type { Slots } from './slots.ts';

/** Most tokens of a pass, a few blocks; between passes the engine does what cannot be done in a pause. */
export const passTokens = 256;
/** ... and of one over a prompt of which so much is computed: there, attention is most of a pass, and nothing pauses within it. */
const deepPassTokens = 128;
const deepTokens = 1024;

/** Makes the context; `onPause` is asked in the middle of its passes, and ends them by false. */
export type CreateLaneContext = (onPause: () => boolean) => Promise<Context>;

export class PromptLane {
  readonly #create: CreateLaneContext;
  readonly #onPause: () => boolean;
  readonly #batch: Batch;
  #context: Context | undefined;
  #making = false;
  #usable = true;
  /** Whose prompt is in it. */
  #of: Running | undefined;

  constructor(create: CreateLaneContext, batch: Batch, onPause: () => boolean) {
    this.#create = create;
    this.#batch = batch;
    this.#onPause = onPause;
  }

  /** @returns whether a prompt can be taken. The first time it is asked for, its memory is set aside first, on another thread. */
  prepare(): boolean {
    if (!this.#context && this.#usable && !this.#making) {
      this.#making = true;
      this.#create(this.#onPause)
        .then(
          (context) => {
            this.#context = context;
          },
          (error: Error) => {
            this.#usable = false;
            process.stderr.write(`long prompts are computed in small pieces: ${error.message}\n`);
          },
        )
        .finally(() => {
          this.#making = false;
        });
    }
    return this.#usable && this.#context !== undefined;
  }

  /**
   * Takes a prompt, with what its place holds of it already.
   * @returns false where this model's memory cannot be moved between contexts
   */
  begin(running: Running, slots: Slots): boolean {
    if (!slots.copyTo(this.#context as Context, running.slot)) return this.#giveUp();
    this.#of = running;
    running.aside = true;
    return true;
  }

  /** Whether prompts may wait for it. */
  get isUsable(): boolean {
    return this.#usable;
  }

  /**
   * Computes the next blocks of the prompt. With the last one, all goes to its place; of a short prompt, what is less than a
   * block is left to be computed there. Deep in a long one that would hold all others up, and is computed here, too.
   * @param threads of the pass
   * @returns logits of the prompt's last token, (V) f32, where that was computed
   */
  async pass(running: Running, slots: Slots, threads: number): Promise<Float32Array | undefined> {
    const context = this.#context as Context;
    const count = Math.min(running.piece.tokens, running.fed < deepTokens ? passTokens : deepPassTokens);
    this.#batch.clear();
    for (let n = 0; n < count; n++) {
      const at = running.fed + n;
      this.#batch.add(running.feed[at] as number, at, 0, at === running.feed.length - 1);
    }
    context.useAdapter(running.of.adapter);
    await context.decode(this.#batch, threads);
    if (this.#of !== running) return undefined;
    running.fed += count;
    if (running.piece.whole || (running.left > 0 && running.fed >= deepTokens)) return undefined;
    this.handOver(running, slots);
    return running.left === 0 ? context.logits(0) : undefined;
  }

  /** Brings what is computed of its prompt to its place; the lane is free then. The rest can be computed there, or here later. */
  handOver(running: Running, slots: Slots): void {
    this.end(running);
    const computed = Array.from({ length: running.fed }, (_, i) => running.feed[i] as number);
    if (slots.copyFrom(this.#context as Context, running.slot, computed)) return;
    // this model's memory cannot be moved: the prompt is computed again in its place
    this.#giveUp();
    running.fed = running.slot.tokens.length;
  }

  /** The prompt is no longer wanted. */
  end(running: Running): void {
    if (this.#of !== running) return;
    this.#of = undefined;
    running.aside = false;
  }

  #giveUp(): false {
    this.#usable = false;
    this.#context?.dispose();
    this.#context = undefined;
    return false;
  }
}
