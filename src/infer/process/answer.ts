// The text of one answer as its tokens come: whole characters, stop strings, log probabilities, and the event for each.
// Knows tokens and text; nothing of batches or caches.
import { TextDecoder } from 'node:util';
import type { GeneratedToken, GenerateEvent, GenerateRequest, StopReason } from '../../lib/text-model.ts';
import type { Vocabulary } from '../../native/llama.ts';
import type { SampledToken } from './sampler.ts';
import { StopMatcher } from './stop-matcher.ts';

/** Why an answer ends. */
export interface Ending {
  reason: StopReason;
  stopSequence?: string;
}

export class Answer {
  readonly #vocabulary: Vocabulary;
  readonly #maxTokens: number;
  readonly #ignoreEnd: boolean;
  readonly #stops: StopMatcher;
  readonly #decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  /** Tokens whose text is not out yet, with `logprobs`. */
  #logged: GeneratedToken[] | undefined;
  #tokens = 0;

  constructor(vocabulary: Vocabulary, request: GenerateRequest) {
    this.#vocabulary = vocabulary;
    this.#maxTokens = request.maxTokens ?? Number.POSITIVE_INFINITY;
    this.#ignoreEnd = request.ignoreEnd ?? false;
    this.#stops = new StopMatcher(request.stop ?? []);
    this.#logged = request.sampling?.logprobs === undefined ? undefined : [];
  }

  /** Tokens of thoughts, which are told from text in a `SplitAnswer` only. */
  readonly thinkingTokens = 0;

  /** Tokens so far, the one that ended it included. */
  get tokens(): number {
    return this.#tokens;
  }

  /**
   * Goes on with a token.
   * @param emit takes its event, if there is one
   * @returns why the answer ends with it, if it does
   */
  add(sampled: SampledToken, emit: (event: GenerateEvent) => void): Ending | undefined {
    this.#tokens += 1;
    const { token } = sampled;
    if (!this.#ignoreEnd && this.#vocabulary.isEndOfGeneration(token)) return { reason: 'end-turn' };
    const bytes = this.#vocabulary.bytesOf(token);
    this.#logged?.push(describeToken(this.#vocabulary, sampled, bytes));
    const { text, stop } = this.#stops.push(this.#decoder.decode(bytes, { stream: true }));
    if (text !== '') emit(this.#delta(text));
    if (stop !== undefined) return { reason: 'stop-sequence', stopSequence: stop };
    return this.#tokens >= this.#maxTokens ? { reason: 'max-tokens' } : undefined;
  }

  /** What was held back comes out, unless a stop string ended the answer. */
  end({ reason, stopSequence }: Ending, emit: (event: GenerateEvent) => void): void {
    if (stopSequence !== undefined) return;
    // where the model ended, bytes of an unfinished character come out as U+FFFD; where it was cut off they are dropped
    const rest = this.#stops.push(reason === 'end-turn' ? this.#decoder.decode() : '');
    const text = rest.text + (rest.stop === undefined ? this.#stops.flush() : '');
    if (text !== '' || this.#logged?.length) emit(this.#delta(text));
  }

  #delta(text: string): GenerateEvent {
    if (!this.#logged) return { type: 'text-delta', text };
    const logprobs = this.#logged;
    this.#logged = [];
    return { type: 'text-delta', text, logprobs };
  }
}

/** A token as it is reported. @param bytes its own */
export function describeToken(
  vocabulary: Vocabulary,
  { token, logprob = 0, top = [] }: SampledToken,
  bytes = vocabulary.bytesOf(token),
): GeneratedToken {
  return {
    token,
    logprob,
    bytes: [...bytes],
    top: top.map((other) => ({ ...other, bytes: [...vocabulary.bytesOf(other.token)] })),
  };
}
