// When to guess ahead and how far, for every step of an engine: on where what was measured says that it pays, off where it
// does not. What a step costs is learned from the steps made, how often guesses hold from what came in their place, for
// each sequence and each grade of draft, with all sequences before it as the first expectation of a new one. Guesses that
// cost nothing are made even where they are not computed, only to be compared with what the model says by itself: so a
// text that begins to repeat is noticed at no price. A drafter that costs is asked again now and then, ever more rarely.
import { invariant } from '../../../lib/errors.ts';
import { Acceptance } from './acceptance.ts';
import { chooseDepths } from './depth.ts';
import type { Draft, Drafter, Drafts } from './drafter.ts';
import { passesPerSequence, type SequenceRows } from './passes.ts';
import { StepCost } from './step-cost.ts';
import { Trials } from './trials.ts';

export interface SpeculationOptions {
  /** Most guesses of a sequence in a step. Default 8. */
  most?: number;
  /** Whether each sequence has KV cells of its own, which uneven batches are split over. Default true. */
  cellsPerSequence?: boolean;
  /** Milliseconds; replaced in tests. */
  clock?: () => number;
}

/** A sequence that generates in the next step. */
export interface Generating {
  id: number;
  /** Its number in the KV cache. */
  sequence: number;
  /** Guesses it has room for: before its most tokens and the end of its context. */
  most: number;
}

export interface SpeculationStats {
  /** Guesses that were computed, and how many of them held. */
  draftedTokens: number;
  acceptedTokens: number;
}

/** A free drafter is believed once it was seen to be right; one that costs must be tried to be known. */
const firstExpected = { free: 0.1, costly: 0.6 };
/** Shares of one sequence follow its text, those of all sequences the kind of work. */
const ofSequence = { expectedWeight: 3, keep: 0.9 };
const ofAll = { expectedWeight: 2, keep: 0.98 };

/** A draft that is not computed is compared so far: the sooner it ends, the sooner the next is measured. */
const comparedUnfed = 3;

/** Of the sequences for which a drafter that costs is not expected to pay, one in so many tries it all the same. */
const tryOneIn = 8;
/** Guesses in a step of a trial. */
const guessesOfTrial = 2;

interface Sequence {
  /** By grade. */
  acceptance: Acceptance[];
  /** A draft whose first tokens, up to a number of them, are compared with what comes; how many held so far. */
  compared: { draft: Draft; length: number; held: number } | undefined;
  /** Guesses in the step under way. */
  fed: number;
  /** Of a drafter that costs. */
  trials: Trials;
}

const none: ReadonlyMap<number, ArrayLike<number>> = new Map();

export class Speculation {
  readonly #drafter: Drafter;
  readonly #most: number;
  readonly #cellsPerSequence: boolean;
  readonly #clock: () => number;
  readonly #cost = new StepCost();
  /** By grade, of all sequences. */
  readonly #acceptance: Acceptance[];
  readonly #sequences = new Map<number, Sequence>();
  /** Milliseconds that a guess of all sequences costs where the drafter is not free. */
  #draftMs = 0;
  #unlikely = 0;
  #failed = false;
  readonly #stats: SpeculationStats = { draftedTokens: 0, acceptedTokens: 0 };

  /** @param drafter belongs to the speculation from now on */
  constructor(drafter: Drafter, options: SpeculationOptions = {}) {
    this.#drafter = drafter;
    this.#most = options.most ?? 8;
    this.#cellsPerSequence = options.cellsPerSequence ?? true;
    this.#clock = options.clock ?? (() => performance.now());
    const expected = drafter.free ? firstExpected.free : firstExpected.costly;
    this.#acceptance = this.#acceptanceByGrade(ofAll, () => expected);
  }

  get stats(): Readonly<SpeculationStats> {
    return this.#stats;
  }

  /** A sequence is about to generate; with the first token of its answer, `accept` follows. */
  begin(id: number, prompt: ArrayLike<number>): void {
    if (this.#failed) return;
    this.#drafter.begin(id, prompt);
    this.#sequences.set(id, {
      acceptance: this.#acceptanceByGrade(ofSequence, (grade) => (this.#acceptance[grade] as Acceptance).first()),
      compared: undefined,
      fed: 0,
      trials: new Trials(),
    });
  }

  /**
   * Guesses to compute in the next step, each after the last token of its sequence.
   * @param generating all sequences that generate in the step, by rising number in the cache
   * @param room most guesses of all together
   * @returns by id; a sequence without guesses is missing
   */
  async guess(generating: readonly Generating[], room: number): Promise<ReadonlyMap<number, ArrayLike<number>>> {
    for (const { id } of generating) {
      const sequence = this.#sequences.get(id);
      if (sequence) sequence.fed = 0;
    }
    if (this.#failed || generating.length === 0) return none;
    try {
      return this.#drafter.free ? await this.#guessFreely(generating, room) : await this.#guessAtCost(generating, room);
    } catch (error) {
      // answers do not need guesses
      process.stderr.write(`no more guesses ahead: ${(error as Error).message}\n`);
      this.dispose();
      return none;
    }
  }

  /** A sequence goes on with these tokens, whether guesses were among them or not. */
  accept(id: number, tokens: ArrayLike<number>): void {
    const sequence = this.#sequences.get(id);
    if (!sequence) return;
    this.#countFed(sequence, tokens);
    for (let i = 0; i < tokens.length; i++) this.#compare(sequence, tokens[i] as number);
    sequence.trials.pass(tokens.length);
    this.#drafter.accept(id, tokens);
  }

  /**
   * Tells what a step cost. Steps that also computed prompts are not told: their rows cost something else.
   * @param generating as given to `guess`, with the rows that were computed of each, 1 at least
   */
  observeStep(generating: readonly SequenceRows[], ms: number): void {
    if (generating.length === 0) return;
    this.#cost.observe(sumOf(generating), ms, this.#passes(generating));
  }

  end(id: number): void {
    this.#sequences.delete(id);
    if (!this.#failed) this.#drafter.end(id);
  }

  dispose(): void {
    if (this.#failed) return;
    this.#failed = true;
    this.#sequences.clear();
    this.#drafter.dispose();
  }

  async #guessFreely(generating: readonly Generating[], room: number): Promise<ReadonlyMap<number, ArrayLike<number>>> {
    const known = generating.filter(({ id }) => this.#sequences.has(id));
    const drafts = await this.#drafter.propose(known.map(({ id }) => ({ id, most: this.#most })));
    const chances = generating.map(({ id, most }) => {
      const draft = drafts.get(id);
      return draft ? this.#chances(id, draft.grade, Math.min(most, draft.tokens.length)) : [];
    });
    return this.#feed(generating, drafts, this.#depths(generating, chances, room));
  }

  async #guessAtCost(generating: readonly Generating[], room: number): Promise<ReadonlyMap<number, ArrayLike<number>>> {
    const chances = generating.map(({ id, most }) => {
      const sequence = this.#sequences.get(id);
      return !sequence || sequence.trials.isWaiting ? [] : this.#chances(id, 0, Math.min(most, this.#most));
    });
    const depths = this.#depths(generating, chances, room);
    if (this.#cost.known) this.#addTrials(generating, depths, room);
    const wanted = generating.map(({ id }, i) => ({ id, most: depths[i] as number })).filter(({ most }) => most > 0);
    if (wanted.length === 0) return none;
    const startedAt = this.#clock();
    const drafts = await this.#drafter.propose(wanted);
    this.#countDraftMs((this.#clock() - startedAt) / Math.max(...wanted.map(({ most }) => most)));
    return this.#feed(generating, drafts, depths);
  }

  #chances(id: number, grade: number, count: number): number[] {
    const acceptance = this.#sequences.get(id)?.acceptance[grade];
    invariant(acceptance, 'a draft has one of the grades of its drafter');
    return acceptance.chances(Math.max(0, count));
  }

  #depths(generating: readonly Generating[], chances: number[][], room: number): number[] {
    if (!this.#cost.known) return chances.map(() => 0);
    const batch = generating.map(({ sequence }) => ({ sequence, rows: 1 }));
    const cost = (depths: readonly number[]) => {
      let deepest = 0;
      depths.forEach((depth, i) => {
        (batch[i] as SequenceRows).rows = 1 + depth;
        deepest = Math.max(deepest, depth);
      });
      return this.#cost.ms(sumOf(batch), this.#passes(batch)) + this.#draftMs * deepest;
    };
    return chooseDepths(chances, cost, room);
  }

  /** Sequences for which guessing does not pay wait, try again, and wait longer. */
  #addTrials(generating: readonly Generating[], depths: number[], room: number): void {
    let left = room - depths.reduce((sum, depth) => sum + depth, 0);
    generating.forEach(({ id, most }, i) => {
      const sequence = this.#sequences.get(id);
      if (!sequence || sequence.trials.isWaiting || most === 0) return;
      const depth = depths[i] as number;
      const { trials } = sequence;
      if (depth === 0 && !trials.begun && this.#unlikely++ % tryOneIn > 0) trials.giveUp();
      else if (trials.step(depth > 0)) {
        depths[i] = Math.max(depth, Math.min(guessesOfTrial, most, left));
        left -= (depths[i] as number) - depth;
      }
      if (trials.givenUp) this.end(id);
    });
  }

  #feed(
    generating: readonly Generating[],
    drafts: Drafts,
    depths: readonly number[],
  ): ReadonlyMap<number, ArrayLike<number>> {
    const guesses = new Map<number, ArrayLike<number>>();
    generating.forEach(({ id }, i) => {
      const draft = drafts.get(id);
      const sequence = this.#sequences.get(id);
      if (!draft || !sequence) return;
      const depth = Math.min(depths[i] as number, draft.tokens.length);
      // a draft is compared to its end before the next, unless that is computed
      if (depth > 0) sequence.compared = { draft, length: draft.tokens.length, held: 0 };
      else {
        const length = Math.min(comparedUnfed, draft.tokens.length);
        sequence.compared ??= { draft, length, held: 0 };
        return;
      }
      sequence.fed = depth;
      guesses.set(
        id,
        Array.from({ length: depth }, (_, place) => draft.tokens[place] as number),
      );
    });
    return guesses;
  }

  #compare(sequence: Sequence, token: number): void {
    const { compared } = sequence;
    if (!compared) return;
    const { draft, length, held } = compared;
    const holds = draft.tokens[held] === token;
    sequence.acceptance[draft.grade]?.observe(held, holds);
    this.#acceptance[draft.grade]?.observe(held, holds);
    compared.held += 1;
    if (!holds || compared.held === length) sequence.compared = undefined;
  }

  #countFed(sequence: Sequence, tokens: ArrayLike<number>): void {
    if (sequence.fed === 0) return;
    let held = 0;
    const draft = sequence.compared?.draft.tokens ?? [];
    while (held < Math.min(sequence.fed, tokens.length) && draft[held] === tokens[held]) held += 1;
    this.#stats.draftedTokens += sequence.fed;
    this.#stats.acceptedTokens += held;
    sequence.fed = 0;
  }

  /** Falls at once and rises slowly: the first proposal also computes a prompt, and now and then others need the cores. */
  #countDraftMs(ms: number): void {
    if (this.#draftMs === 0 || ms < this.#draftMs) this.#draftMs = ms;
    else this.#draftMs += 0.1 * (Math.min(ms, 2 * this.#draftMs) - this.#draftMs);
  }

  #passes(batch: readonly SequenceRows[]): number {
    return this.#cellsPerSequence ? passesPerSequence(batch) : 1;
  }

  #acceptanceByGrade(
    weights: { expectedWeight: number; keep: number },
    expected: (grade: number) => number,
  ): Acceptance[] {
    return Array.from(
      { length: this.#drafter.grades },
      (_, grade) => new Acceptance({ places: this.#most, expected: () => expected(grade), ...weights }),
    );
  }
}

function sumOf(batch: readonly { rows: number }[]): number {
  return batch.reduce((sum, { rows }) => sum + rows, 0);
}
