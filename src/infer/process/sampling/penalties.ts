// Logit bias and penalties on repetition. They touch few tokens, so the row of logits stays as it is and the tokens that
// differ from it come out as a short list. Order as in llama.cpp: bias, repetition, presence and frequency, DRY.
//
// Repetition and DRY look at prompt and answer, as llama.cpp and Hugging Face do; presence and frequency count the
// tokens of the whole answer and none of the prompt, as OpenAI's formula does.
import { type Candidates, createCandidates } from './candidates.ts';
import { repeatsCarriedOn } from './repeats.ts';
import { banBias, type SamplingSettings } from './settings.ts';

/** A token that any of the settings may touch. */
interface Touched {
  readonly token: number;
  bias: number;
  /** Occurrences in the window of the repetition penalty. */
  recent: number;
  /** Occurrences in the answer. */
  answered: number;
  /** Length of the repeat it would carry on; 0 where that is too short. */
  repeat: number;
}

/** The largest penalty of DRY: finite, so that what is left to draw from can still be told apart. */
const largestPenalty = 1e6;

export class Penalties {
  readonly #settings: SamplingSettings;
  readonly #breakers: ReadonlySet<number>;
  readonly #remembers: boolean;
  readonly #window: number;
  readonly #history: number[] = [];
  readonly #byToken = new Map<number, Touched>();
  readonly #touched: Touched[] = [];
  #changed = createCandidates(64);

  private constructor(settings: SamplingSettings, prompt: ArrayLike<number>, breakers: ReadonlySet<number>) {
    const { logitBias, repetitionPenalty, penaltyWindow, dry } = settings;
    this.#settings = settings;
    this.#breakers = breakers;
    this.#window = repetitionPenalty === 1 ? 0 : unlessAll(penaltyWindow);
    this.#remembers = this.#window > 0 || dry !== undefined;
    for (const { token, bias } of logitBias) this.#of(token).bias = bias;
    const looksBack = Math.max(this.#window, dry ? unlessAll(dry.penaltyWindow) : 0);
    for (let i = Math.max(0, prompt.length - looksBack); i < prompt.length; i++) this.#remember(prompt[i] as number);
  }

  /**
   * @param prompt tokens before the answer
   * @param breakers tokens that end the repeats of DRY
   * @returns undefined when no setting touches any logit
   */
  static create(
    settings: SamplingSettings,
    prompt: ArrayLike<number>,
    breakers: ReadonlySet<number>,
  ): Penalties | undefined {
    const { logitBias, repetitionPenalty, penaltyWindow, presencePenalty, frequencyPenalty, dry } = settings;
    const repetition = repetitionPenalty !== 1 && penaltyWindow !== 0;
    const off = logitBias.length === 0 && !repetition && presencePenalty === 0 && frequencyPenalty === 0 && !dry;
    return off ? undefined : new Penalties(settings, prompt, breakers);
  }

  /** Counts a token of the answer. */
  accept(token: number): void {
    const { presencePenalty, frequencyPenalty } = this.#settings;
    if (presencePenalty !== 0 || frequencyPenalty !== 0) this.#of(token).answered += 1;
    if (this.#remembers) this.#remember(token);
  }

  /**
   * @param logits (V), as the model computed them; read only
   * @returns tokens whose logits differ from those, each once, in no order; valid until the next call
   */
  changes(logits: Float32Array): Candidates {
    this.#findRepeats();
    if (this.#changed.tokens.length < this.#touched.length) this.#changed = createCandidates(2 * this.#touched.length);
    const changed = this.#changed;
    changed.count = 0;
    for (const touched of this.#touched) {
      const before = logits[touched.token] as number;
      const after = this.#adjust(before, touched);
      if (after === before) continue;
      changed.tokens[changed.count] = touched.token;
      changed.logits[changed.count++] = after;
    }
    return changed;
  }

  #adjust(logit: number, { bias, recent, answered, repeat }: Touched): number {
    const { repetitionPenalty, presencePenalty, frequencyPenalty, dry } = this.#settings;
    if (bias <= banBias) return -Infinity;
    logit += bias;
    // a division would make tokens with negative logits likelier
    if (recent > 0) logit = logit > 0 ? logit / repetitionPenalty : logit * repetitionPenalty;
    if (answered > 0) logit -= presencePenalty + answered * frequencyPenalty;
    if (dry && repeat > 0) {
      logit -= Math.min(dry.multiplier * dry.base ** (repeat - dry.allowedLength), largestPenalty);
    }
    return logit;
  }

  #findRepeats(): void {
    const { dry } = this.#settings;
    if (!dry) return;
    for (const touched of this.#touched) touched.repeat = 0;
    const window = unlessAll(dry.penaltyWindow);
    const repeats = repeatsCarriedOn(this.#history, window, dry.allowedLength, this.#breakers);
    for (const [token, length] of repeats) this.#of(token).repeat = length;
  }

  #remember(token: number): void {
    this.#history.push(token);
    if (this.#window === 0) return;
    this.#of(token).recent += 1;
    const left = this.#history.length - 1 - this.#window;
    if (left >= 0) this.#of(this.#history[left] as number).recent -= 1;
  }

  #of(token: number): Touched {
    let touched = this.#byToken.get(token);
    if (!touched) {
      touched = { token, bias: 0, recent: 0, answered: 0, repeat: 0 };
      this.#byToken.set(token, touched);
      this.#touched.push(touched);
    }
    return touched;
  }
}

/** A window of -1 is one without end. */
function unlessAll(window: number): number {
  return window < 0 ? Number.POSITIVE_INFINITY : window;
}
