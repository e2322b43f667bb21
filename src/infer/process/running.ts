// A request that has a place in the cache: what of it is computed, what is to be computed next, and its answer so far.

import type { GenerateEvent } from '../../lib/text-model.ts';
import type { Vocabulary } from '../../native/llama.ts';
import type { Ending } from './answer.ts';
import { Answer } from './answer.ts';
import type { Waiting } from './intake.ts';
import { promptBlock } from './planner.ts';
import type { Slot } from './slots.ts';
import { SplitAnswer } from './split-answer.ts';

export class Running {
  readonly of: Waiting;
  readonly slot: Slot;
  readonly answer: Answer | SplitAnswer;
  /** Prompt tokens that were there already. */
  readonly cachedTokens: number;
  /** Tokens to compute next: the prompt; or the last token of the answer, and guesses at what follows. */
  feed: ArrayLike<number>;
  /** How many of them are computed. */
  fed: number;
  /** Whether the prompt is computed. */
  generating = false;
  /** Its prompt is computed in another context. */
  aside = false;

  constructor(waiting: Waiting, slot: Slot, vocabulary: Vocabulary) {
    this.of = waiting;
    this.slot = slot;
    const { request, followed } = waiting;
    this.answer = followed ? new SplitAnswer(vocabulary, request, followed) : new Answer(vocabulary, request);
    this.cachedTokens = slot.tokens.length;
    this.feed = waiting.prompt;
    this.fed = this.cachedTokens;
  }

  get id(): number {
    return this.of.id;
  }

  get tenant(): string {
    return this.of.tenant;
  }

  /** Most tokens the answer may still have. */
  get tokensLeft(): number {
    return (this.of.request.maxTokens ?? Number.POSITIVE_INFINITY) - this.answer.tokens;
  }

  /** Tokens still to compute before the next one can be picked. */
  get left(): number {
    return this.feed.length - this.fed;
  }

  /** What may be computed next of the prompt: so many blocks, or the rest of one. */
  get piece(): { tokens: number; whole: boolean } {
    const { left } = this;
    const past = this.fed % promptBlock;
    if (past > 0 || left < promptBlock) return { tokens: Math.min(left, promptBlock - past), whole: false };
    return { tokens: left - (left % promptBlock), whole: true };
  }

  /** The cache lost what it held of the request. @param held what that was */
  computeAnew(held: readonly number[]): void {
    this.feed = [...held, ...Array.from(this.feed).slice(this.fed)];
    this.fed = 0;
    this.generating = false;
  }

  /**
   * Picks the next token and goes on with it.
   * @param logits (V) f32, those of the last token computed
   * @returns the token, and why the answer ends with it, if it does
   */
  pick(logits: Float32Array, emit: (event: GenerateEvent) => void): { token: number; ending: Ending | undefined } {
    const { sampler, constraint, followed } = this.of;
    const forced = followed?.course.forced();
    const sampled = forced === undefined ? sampler.sample(logits, constraint) : { token: forced };
    sampler.accept(sampled.token);
    constraint?.accept(sampled.token);
    return { token: sampled.token, ending: this.answer.add(sampled, emit) };
  }
}
