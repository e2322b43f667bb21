// An answer that may hold thoughts and calls of tools, as events: what `Answer` is for text alone. Which part of it a token
// belongs to is told by its course (tools/course.ts); here parts become whole characters, stop strings end text (not
// thoughts, not calls), and log probabilities go with the text they belong to.
import { TextDecoder } from 'node:util';
import { newId } from '../../lib/ids.ts';
import type { GeneratedToken, GenerateEvent, GenerateRequest } from '../../lib/text-model.ts';
import type { Vocabulary } from '../../native/llama.ts';
import { describeToken, type Ending } from './answer.ts';
import type { SampledToken } from './sampler.ts';
import { StopMatcher } from './stop-matcher.ts';
import type { Course } from './tools/course.ts';
import type { FollowedAnswer } from './tools/follow-answer.ts';
import { isBlank } from './tools/markers.ts';
import type { Part } from './tools/phases.ts';
import type { Spelling } from './tools/spelling.ts';

type Emit = (event: GenerateEvent) => void;

export class SplitAnswer {
  readonly #vocabulary: Vocabulary;
  readonly #spelling: Spelling;
  readonly #course: Course;
  readonly #maxTokens: number;
  readonly #ignoreEnd: boolean;
  readonly #stops: StopMatcher;
  /** Of the kind of part that came last. */
  #decoder = newDecoder();
  #kind: Part['type'] = 'text';
  /** Tokens whose text is not out yet, with `logprobs`. */
  #logged: GeneratedToken[] | undefined;
  /** Whether the answer was at text before the token that comes. */
  #inText: boolean;
  /** Whether blanks that come now are no text: they follow a thought. */
  #blankIsDropped = false;
  #tokens = 0;

  constructor(vocabulary: Vocabulary, request: GenerateRequest, { course, spelling }: FollowedAnswer) {
    this.#vocabulary = vocabulary;
    this.#spelling = spelling;
    this.#course = course;
    this.#maxTokens = request.maxTokens ?? Number.POSITIVE_INFINITY;
    this.#ignoreEnd = request.ignoreEnd ?? false;
    this.#stops = new StopMatcher(request.stop ?? []);
    this.#inText = course.inText;
    this.#logged = request.sampling?.logprobs === undefined ? undefined : [];
  }

  /** Tokens so far, the one that ended it included. */
  get tokens(): number {
    return this.#tokens;
  }

  /** Tokens of thoughts among them. */
  get thinkingTokens(): number {
    return this.#course.thinkingTokens;
  }

  /**
   * Goes on with a token that its course has accepted.
   * @param emit takes its events
   * @returns why the answer ends with it, if it does
   */
  add(sampled: SampledToken, emit: Emit): Ending | undefined {
    this.#tokens += 1;
    const { token } = sampled;
    const course = this.#course;
    if (this.#vocabulary.isEndOfGeneration(token) && !(this.#ignoreEnd && course.free)) {
      return { reason: course.calls > 0 ? 'tool-use' : 'end-turn' };
    }
    const parts = course.take();
    // the log is that of text
    if (this.#logged && (this.#inText || parts.some(({ type }) => type === 'text'))) {
      this.#logged.push(describeToken(this.#vocabulary, sampled));
    }
    this.#inText = course.inText;
    for (const part of parts) {
      const stop = this.#add(part, emit);
      if (stop !== undefined) return { reason: 'stop-sequence', stopSequence: stop };
    }
    if (!course.inText && this.#logged?.length) this.#logged = [];
    if (!course.inText) this.#blankIsDropped = true;
    if (course.done) return { reason: 'tool-use' };
    return this.#tokens >= this.#maxTokens ? { reason: 'max-tokens' } : undefined;
  }

  /** What was held back comes out, unless a stop string ended the answer; a call that was cut off ends. */
  end({ reason, stopSequence }: Ending, emit: Emit): void {
    if (stopSequence !== undefined) return;
    for (const part of this.#course.takeRest()) {
      if (this.#add(part, emit) !== undefined) return;
    }
    this.#endText(emit, reason === 'end-turn');
  }

  /** @returns the stop string it held */
  #add(part: Part, emit: Emit): string | undefined {
    if (part.type !== this.#kind) {
      this.#endText(emit, false);
      this.#kind = part.type;
      this.#decoder = newDecoder();
    }
    if (part.type === 'call') emit({ type: 'tool-use-start', id: newId('call'), name: part.name });
    else if (part.type === 'call-end') emit({ type: 'tool-use-stop' });
    else {
      const text = this.#decoder.decode(this.#spelling.bytes(part.text), { stream: true });
      if (part.type === 'text') return this.#addText(text, emit);
      if (text === '') return undefined;
      emit(part.type === 'thought' ? { type: 'thinking-delta', text } : { type: 'tool-use-delta', json: text });
    }
    return undefined;
  }

  #addText(more: string, emit: Emit): string | undefined {
    const { text, stop } = this.#stops.push(more);
    if (text !== '') emit(this.#delta(text));
    return stop;
  }

  /** @param whole whether bytes of an unfinished character are shown, as U+FFFD */
  #endText(emit: Emit, whole: boolean): void {
    if (this.#kind !== 'text') return;
    const rest = this.#stops.push(whole ? this.#decoder.decode() : '');
    const text = rest.text + (rest.stop === undefined ? this.#stops.flush() : '');
    if (text !== '' || (this.#course.inText && this.#logged?.length)) emit(this.#delta(text));
  }

  #delta(text: string): GenerateEvent {
    if (!this.#logged) return { type: 'text-delta', text };
    let logprobs = this.#logged;
    this.#logged = [];
    if (this.#blankIsDropped) {
      const first = logprobs.findIndex(({ bytes }) => !isBlank(String.fromCharCode(...bytes)));
      logprobs = logprobs.slice(Math.max(0, first));
      this.#blankIsDropped = false;
    }
    return { type: 'text-delta', text, logprobs };
  }
}

const newDecoder = () => new TextDecoder('utf-8', { ignoreBOM: true });
