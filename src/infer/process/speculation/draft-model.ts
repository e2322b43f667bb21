// A small model in the same process that guesses for a large one (Leviathan et al., 2023, arXiv:2211.17192): greedily,
// all sequences in one batch, each until the small model itself is in doubt. It has a KV cache of its own that follows what
// was accepted; wrong guesses are forgotten when the next ones are wanted. Prompts are caught up with little by little, so
// that nobody's next token waits for them.
import { FreeholdError, invariant } from '../../../lib/errors.ts';
import type { CpuThreadpool } from '../../../native/cpu.ts';
import type { Native } from '../../../native/ffi.ts';
import { Batch, Context, Model, type Vocabulary } from '../../../native/llama.ts';
import { createCandidates } from '../sampling/candidates.ts';
import { sumExponentials } from '../sampling/softmax.ts';
import { selectTop } from '../sampling/top-k.ts';
import type { Draft, Drafter, Drafts, Wanted } from './drafter.ts';
import { requireSameVocabulary } from './same-vocabulary.ts';

export interface DraftModelOptions {
  /** GGUF that `readGguf` accepted. */
  file: string;
  /** Layers on the GPU; -1 all, 0 none. Default -1. */
  gpuLayers?: number;
  /** Of the model it guesses for. */
  vocabulary: Vocabulary;
  /** As many as the engine's. */
  contextTokens: number;
  sequences: number;
  /** Threads; 0: one per core. */
  threads?: number;
  /** Threads shared with the model it guesses for. Default: its own. */
  threadpool?: CpuThreadpool | undefined;
  /** Threads of the next decode, at most as many. Default: all. */
  threadsNow?: () => number;
  /** A guess the small model gives less than this probability ends the draft. Default 0.4. */
  leastProbability?: number;
  /** Most tokens a proposal spends on catching up with texts that lie further behind. Default 128. */
  catchUpTokens?: number;
}

/** A text that lacks no more tokens than this in the cache gets them in the pass of the first guess. */
const closeBehind = 4;
/** Most tokens of a pass; a batch for many sequences takes several. */
const passTokens = 512;

interface Sequence {
  /** Its number in the cache. */
  slot: number;
  /** The text: prompt and what was accepted. */
  tokens: number[];
  /** What the cache holds: the text's first tokens, then perhaps guesses. */
  cached: number[];
  /** How many of `cached` are known to be the text's. */
  agreeing: number;
}

/** A sequence for which guesses are being made. */
interface Guessing {
  id: number;
  sequence: Sequence;
  most: number;
  /** Guesses found good enough. */
  guesses: number[];
  /** What the small model would say next. */
  next: number;
  /** Whether a guess was not; it is then fed on only where a gap would cost a pass. */
  stopped: boolean;
}

export class DraftModel implements Drafter {
  readonly grades = 1;
  readonly free = false;
  readonly #model: Model;
  readonly #context: Context;
  readonly #batch: Batch;
  readonly #options: Required<Pick<DraftModelOptions, 'leastProbability' | 'catchUpTokens' | 'threadsNow'>>;
  readonly #sequences = new Map<number, Sequence>();
  readonly #best = createCandidates(1);

  private constructor(model: Model, context: Context, batch: Batch, options: DraftModelOptions) {
    this.#model = model;
    this.#context = context;
    this.#batch = batch;
    this.#options = {
      leastProbability: options.leastProbability ?? 0.4,
      catchUpTokens: options.catchUpTokens ?? 128,
      threadsNow: options.threadsNow ?? (() => context.threads),
    };
  }

  /**
   * Loads the small model.
   * @throws FreeholdError config_invalid when its vocabulary is another, or its memory cannot take back a guess;
   *   model_failed when it cannot be loaded or memory cannot be had
   */
  static async load(native: Native, options: DraftModelOptions): Promise<DraftModel> {
    const model = await Model.load(native, { file: options.file, gpuLayers: options.gpuLayers });
    try {
      requireSameVocabulary(options.vocabulary, model.vocabulary);
      const { contextTokens, sequences, threads } = options;
      const context = await Context.create(native, model, {
        contextTokens,
        sequences,
        // room for the first guess of every sequence
        batchTokens: Math.max(passTokens, sequences * closeBehind),
        ubatchTokens: passTokens,
        threads,
        threadpool: options.threadpool,
      });
      const draft = new DraftModel(model, context, new Batch(native, context.batchTokens), options);
      await draft.#requireForgetful();
      return draft;
    } catch (error) {
      model.dispose();
      throw error;
    }
  }

  begin(id: number, prompt: ArrayLike<number>): void {
    const taken = new Set(Array.from(this.#sequences.values(), ({ slot }) => slot));
    let slot = 0;
    while (taken.has(slot)) slot += 1;
    invariant(slot < this.#context.sequences, 'the draft model has room for all sequences of the engine');
    this.#context.removeSequence(slot);
    this.#sequences.set(id, { slot, tokens: Array.from(prompt), cached: [], agreeing: 0 });
  }

  accept(id: number, tokens: ArrayLike<number>): void {
    const sequence = this.#of(id);
    for (let i = 0; i < tokens.length; i++) {
      const token = tokens[i] as number;
      const { length } = sequence.tokens;
      if (sequence.agreeing === length && sequence.cached[length] === token) sequence.agreeing += 1;
      sequence.tokens.push(token);
    }
  }

  async propose(wanted: readonly Wanted[]): Promise<Drafts> {
    const all = wanted
      .map(({ id, most }) => ({ id, most, sequence: this.#of(id), guesses: [], next: -1, stopped: false }) as Guessing)
      // libllama makes one pass of sequences whose numbers follow one another
      .sort((a, b) => a.sequence.slot - b.sequence.slot);
    for (const { sequence } of all) this.#forgetGuesses(sequence);
    await this.#catchUp(all.map(({ sequence }) => sequence));
    const guessing = all.filter(({ sequence }) => behind(sequence) <= closeBehind && this.#hasRoom(sequence));
    await this.#guess(guessing);
    // threads that wait for the next graph would take the cores of the model guessed for
    this.#context.pauseThreads();
    const drafts = new Map<number, Draft>();
    for (const { id, guesses } of guessing) if (guesses.length > 0) drafts.set(id, { tokens: guesses, grade: 0 });
    return drafts;
  }

  end(id: number): void {
    this.#sequences.delete(id);
  }

  dispose(): void {
    this.#sequences.clear();
    this.#batch.dispose();
    this.#context.dispose();
    this.#model.dispose();
  }

  #of(id: number): Sequence {
    const sequence = this.#sequences.get(id);
    invariant(sequence, 'a sequence begins before it goes on');
    return sequence;
  }

  /** Recurrent memories cannot go back a token. */
  async #requireForgetful(): Promise<void> {
    this.#batch.clear();
    for (const position of [0, 1]) this.#batch.add(0, position, 0, position === 1);
    await this.#context.decode(this.#batch, this.#options.threadsNow());
    this.#context.pauseThreads();
    if (this.#context.removeSequence(0, 1) && this.#context.removeSequence(0)) return;
    throw new FreeholdError('config_invalid', 'The draft model cannot take back a token it was given.', {
      hint: 'Models with recurrent memory cannot guess ahead: name another draft model, or none.',
      field: 'draftFile',
    });
  }

  #hasRoom({ tokens }: Sequence): boolean {
    return tokens.length < this.#context.contextTokens;
  }

  /** Leaves the text in the cache without its last token, whose logits are wanted. */
  #forgetGuesses(sequence: Sequence): void {
    sequence.agreeing = Math.min(sequence.agreeing, sequence.tokens.length - 1);
    this.#shorten(sequence, sequence.agreeing);
  }

  #shorten(sequence: Sequence, length: number): void {
    if (sequence.cached.length <= length) return;
    const forgotten = this.#context.removeSequence(sequence.slot, length);
    invariant(forgotten, 'the memory of a draft model can take back tokens');
    sequence.cached.length = length;
    sequence.agreeing = Math.min(sequence.agreeing, length);
  }

  /** Computes texts that lie far behind, one after the other, up to where guesses begin. */
  async #catchUp(sequences: readonly Sequence[]): Promise<void> {
    let left = Math.min(this.#options.catchUpTokens, this.#context.batchTokens);
    this.#batch.clear();
    for (const sequence of sequences) {
      if (behind(sequence) <= closeBehind || !this.#hasRoom(sequence)) continue;
      for (let count = Math.min(left, behind(sequence) - 1); count > 0; count--, left--) {
        this.#feedNextOfText(sequence, false);
      }
    }
    if (this.#batch.size > 0) await this.#decode();
  }

  async #guess(guessing: readonly Guessing[]): Promise<void> {
    if (guessing.length === 0) return;
    this.#makeEven(guessing.map(({ sequence }) => sequence));
    let going = guessing;
    for (let first = true; going.length > 0; first = false) {
      this.#batch.clear();
      const outputs = going.map(({ sequence, next }) =>
        first ? this.#feedText(sequence) : this.#feed(sequence, next, true),
      );
      await this.#decode();
      going.forEach((one, i) => {
        this.#take(one, this.#context.logits(outputs[i] as number));
      });
      going = this.#stillGoing(going);
    }
  }

  /** All sequences then feed as many tokens, in one pass; what is computed twice costs less than a further pass. */
  #makeEven(sequences: readonly Sequence[]): void {
    const most = Math.max(...sequences.map(behind));
    for (const sequence of sequences) this.#shorten(sequence, Math.max(0, sequence.tokens.length - most));
  }

  /** Feeds what the cache lacks of the text. @returns where the logits of its last token will be */
  #feedText(sequence: Sequence): number {
    while (behind(sequence) > 1) this.#feedNextOfText(sequence, false);
    return this.#feedNextOfText(sequence, true);
  }

  #feedNextOfText(sequence: Sequence, wantsLogits: boolean): number {
    const output = this.#feed(sequence, sequence.tokens[sequence.cached.length] as number, wantsLogits);
    sequence.agreeing = sequence.cached.length;
    return output;
  }

  #feed({ cached, slot }: Sequence, token: number, wantsLogits: boolean): number {
    cached.push(token);
    return this.#batch.add(token, cached.length - 1, slot, wantsLogits);
  }

  #take(one: Guessing, logits: Float32Array): void {
    selectTop(logits, 1, this.#best);
    one.next = this.#best.tokens[0] as number;
    // a row without a number in it has no best
    if (this.#best.count === 0) one.stopped = true;
    if (one.stopped) return;
    const probability = 1 / sumExponentials(logits, this.#best.logits[0] as number);
    if (probability >= this.#options.leastProbability) one.guesses.push(one.next);
    else one.stopped = true;
    if (one.guesses.length === one.most || this.#model.vocabulary.isEndOfGeneration(one.next)) one.stopped = true;
  }

  /** Sequences that stopped between two that go on are fed further: a gap in the numbers would cost a pass of its own. */
  #stillGoing(going: readonly Guessing[]): Guessing[] {
    const first = going.findIndex(({ stopped }) => !stopped);
    if (first < 0) return [];
    const last = going.findLastIndex(({ stopped }) => !stopped);
    return going.slice(first, last + 1).filter(({ sequence }) => sequence.cached.length < this.#context.contextTokens);
  }

  async #decode(): Promise<void> {
    await this.#context.decode(this.#batch, this.#options.threadsNow());
  }
}

function behind({ tokens, cached }: Sequence): number {
  return tokens.length - cached.length;
}
