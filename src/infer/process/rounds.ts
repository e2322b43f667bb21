// What a round computes: one pass over all answers that are under way, with guesses at what follows, then one over as much of the
// waiting prompts as the pace permits. Knows no queue; the engine decides when a round takes place, and runs its passes.
import type { LoraAdapter } from '../../native/adapters.ts';
import type { Batch, Context } from '../../native/llama.ts';
import type { Active } from './active.ts';
import { Pace } from './pace.ts';
import { PromptPlanner, promptBlock } from './planner.ts';
import { type PromptLane, passTokens } from './prompt-lane.ts';
import type { Running } from './running.ts';
import type { Speculation } from './speculation/speculation.ts';

export interface RoundsOptions {
  context: () => Context;
  batch: Batch;
  lane: PromptLane | undefined;
  speculation: Speculation | undefined;
  /** Most tokens of a pass over prompts. Default: as many as a batch holds. */
  promptTokens: number | undefined;
}

/** Some of a request's tokens, to be computed in the next pass. */
interface Part {
  running: Running;
  count: number;
}

/** Prompts that wait, to answers under way, from which on the prompts go first. */
const leastBurst = 1 / 3;

export class Rounds {
  readonly #active: Active;
  readonly #options: RoundsOptions;
  readonly pace = new Pace();
  /** Turns of whole blocks of prompts, and of what is less than a block. */
  readonly blockPlanner = new PromptPlanner();
  readonly #restPlanner = new PromptPlanner();
  /** When the last round ended. */
  endedAt = 0;
  readonly totals = { steps: 0, stepTokens: 0, prefillTokens: 0, decodeMs: 0, prefillMs: 0 };

  constructor(active: Active, options: RoundsOptions) {
    this.#active = active;
    this.#options = options;
  }

  /** Prompts whose next piece is whole blocks, or is in the lane. */
  get lanePrompts(): Running[] {
    return this.#active.prompts.filter(({ piece, aside }) => piece.whole || aside);
  }

  meetTenants(): void {
    const { prompts } = this.#active;
    this.blockPlanner.meet(prompts);
    this.#restPlanner.meet(prompts);
  }

  /**
   * Whether several short prompts wait for few answers. Passes over many of them at once, the fastest way, then hold those
   * up for a while, and it is soon over.
   */
  get isBurst(): boolean {
    const waiting = this.#active.prompts;
    const answers = this.#active.all.length - waiting.length;
    return (
      answers > 0 &&
      waiting.length >= Math.max(2, answers * leastBurst) &&
      waiting.every(({ left }) => left <= passTokens)
    );
  }

  /** Adds guesses at the next tokens to what the answers feed. */
  async guess(): Promise<void> {
    const { speculation } = this.#options;
    const answers = inOrder(this.#active.answers);
    if (!speculation || !this.#active.mayForget || answers.length === 0) return;
    const guesses = await speculation.guess(
      answers.map(({ id, slot, tokensLeft }) => ({
        id,
        sequence: slot.sequence,
        most: Math.max(0, Math.min(tokensLeft - 1, this.#options.context().contextTokens - slot.tokens.length - 1)),
      })),
      this.#options.context().batchTokens - answers.length,
    );
    for (const running of answers) {
      const guessed = guesses.get(running.id);
      if (guessed) running.feed = [running.feed[0] as number, ...Array.from(guessed)];
    }
  }

  /** The passes of a round: each fills the batch, is given what failed in computing it, if anything, and takes its results. */
  *passes(): Generator<void, void, unknown> {
    const answers = this.#active.answers;
    if (answers.length > 0) {
      const isCalm = answers.length === this.#active.all.length;
      const startedAt = performance.now();
      for (const group of byAdapter(answers)) {
        if (!(yield* this.#pass(group.map((running) => ({ running, count: running.left }))))) return;
      }
      this.pace.observeAnswers(performance.now() - startedAt, isCalm);
    }
    const prompts = this.#active.all.filter(
      (running) => !running.generating && !running.aside && !answers.includes(running),
    );
    const whole = prompts.filter(({ piece }) => piece.whole);
    // beside answers, blocks are computed in the lane, if there is one; in its pauses none, which would hold all else up
    const isLaneBusy = this.#active.all.some(({ aside }) => aside);
    if (!isLaneBusy && (answers.length === 0 || this.isBurst || !this.#options.lane?.prepare())) {
      if (!(yield* this.#promptPass(whole, answers.length, this.blockPlanner))) return;
    }
    const rest = prompts.filter((running) => !whole.includes(running));
    if (!(yield* this.#promptPass(rest, answers.length, this.#restPlanner))) return;
    this.endedAt = performance.now();
  }

  /**
   * @param prompts all with whole blocks next, or none
   * @returns whether the round goes on
   */
  *#promptPass(
    prompts: readonly Running[],
    answers: number,
    planner: PromptPlanner,
  ): Generator<void, boolean, unknown> {
    if (prompts.length === 0) return true;
    const most = this.#options.promptTokens ?? this.#options.context().batchTokens;
    const capacity = answers > 0 ? this.pace.promptTokens(answers, prompts.length, most, this.isBurst) : most;
    const block = prompts[0]?.piece.whole && this.#options.lane?.isUsable ? promptBlock : 1;
    const counts = planner.plan(
      prompts.map(({ tenant, piece, of }) => ({ tenant, left: piece.tokens, adapter: of.adapter })),
      Math.max(block, capacity - (capacity % block)),
    );
    const parts = prompts.map((running, i) => ({ running, count: counts[i] as number }));
    const startedAt = performance.now();
    if (!(yield* this.#pass(parts.filter(({ count }) => count > 0)))) return false;
    const ms = performance.now() - startedAt;
    const tokens = counts.reduce((sum, count) => sum + count, 0);
    this.countPrompt(tokens, ms);
    if (answers > 0) this.pace.observePrompt(tokens, ms);
    return true;
  }

  /** @returns whether it was computed */
  *#pass(parts: Part[]): Generator<void, boolean, unknown> {
    // libllama computes together what follows each other
    parts.sort((a, b) => a.running.slot.sequence - b.running.slot.sequence);
    const wanted: { running: Running; row: number; rows: number }[] = [];
    this.#options.batch.clear();
    for (const { running, count } of parts) {
      const { slot, feed, generating } = running;
      let row = -1;
      for (let n = 0; n < count; n++) {
        const token = feed[running.fed++] as number;
        const wantsLogits = generating || running.left === 0;
        const at = this.#options.batch.add(token, slot.tokens.length, slot.sequence, wantsLogits);
        if (row < 0) row = at;
        slot.tokens.push(token);
      }
      if (row >= 0) wanted.push({ running, row, rows: generating ? count : 1 });
    }
    this.#options.context().useAdapter(parts[0]?.running.of.adapter);
    const startedAt = performance.now();
    const failure = yield;
    const ms = performance.now() - startedAt;
    this.countPass(this.#options.batch.size, ms);
    if (failure !== undefined) {
      this.#active.abandon(failure);
      return false;
    }
    if (parts.every(({ running }) => running.generating)) {
      const rows = parts.map(({ running, count }) => ({ sequence: running.slot.sequence, rows: count }));
      this.#options.speculation?.observeStep(rows, ms);
    }
    for (const { running, row, rows } of wanted) {
      this.#active.take(running, row, (at) => this.#options.context().logits(at), rows);
    }
    return true;
  }

  countPass(tokens: number, ms: number): void {
    this.totals.steps += 1;
    this.totals.stepTokens += tokens;
    this.totals.decodeMs += ms;
  }

  countPrompt(tokens: number, ms: number): void {
    this.totals.prefillTokens += tokens;
    this.totals.prefillMs += ms;
  }
}

/** libllama computes together what follows each other in the cache. */
function inOrder(running: readonly Running[]): Running[] {
  return [...running].sort((a, b) => a.slot.sequence - b.slot.sequence);
}

function byAdapter(running: readonly Running[]): Running[][] {
  const groups = new Map<LoraAdapter | undefined, Running[]>();
  for (const one of running) {
    const group = groups.get(one.of.adapter);
    if (group) group.push(one);
    else groups.set(one.of.adapter, [one]);
  }
  return [...groups.values()];
}
