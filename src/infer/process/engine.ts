// Generation for many requests at once. A round is one llama_decode over all answers that are under way, then one over
// as much of the waiting prompts as the pace permits; a long prompt is computed in a lane of its own, and rounds take
// place in its pauses. Knows tokens, slots and requests; nothing of HTTP or processes. `process/main.ts` feeds it and
// carries its events away.
import { cancelled, invariant } from '../../lib/errors.ts';
import type { GenerateEvent, GenerateRequest } from '../../lib/text-model.ts';
import type { LoraAdapter } from '../../native/adapters.ts';
import type { Batch, Context, Model, Vocabulary } from '../../native/llama.ts';
import type { EngineStats } from '../protocol.ts';
import type { Ending } from './answer.ts';
import { Intake, type IntakeOptions } from './intake.ts';
import { Pace } from './pace.ts';
import { PromptPlanner, promptBlock } from './planner.ts';
import type { PromptLane } from './prompt-lane.ts';
import { Queue } from './queue.ts';
import { Running } from './running.ts';
import { Slots } from './slots.ts';
import type { Speculation } from './speculation/speculation.ts';
import { createThreadGovernor, type ThreadGovernor } from './thread-governor.ts';

/** What one round produced, for all requests: events, then failures. */
export interface StepOutput {
  events: { id: number; event: GenerateEvent }[];
  failures: { id: number; error: unknown }[];
}

export interface EngineOptions extends IntakeOptions {
  queueLimit: number;
  /** Conversations at once, at most. The engine begins with room for one and makes room for all when a second comes. */
  maxSequences: number;
  /** Most tokens of a pass over prompts. Default: as many as a batch holds. */
  promptTokens?: number;
  /** Most host memory for prompts that no longer have a slot. Default 0: none. */
  prefixCacheBytes?: number;
  /** Makes a context with so many sequences. */
  createContext: (sequences: number) => Promise<Context>;
  /** Makes the lane of long prompts; `onPause` is for its context. Default: all prompts are computed in pieces. */
  createLane?: (onPause: () => boolean) => PromptLane;
  /** Guesses at what follows. Default: none. */
  speculation?: Speculation;
  /** How many threads a step takes. Default: as many as the machine has to spare. */
  governor?: ThreadGovernor;
  /** Something is to be computed: what it returns is waited for first. */
  onBusy?: () => Promise<void> | undefined;
  /** Nothing is left to compute. */
  onIdle?: () => void;
  onStep: (output: StepOutput) => void;
}

/** Some of a request's tokens, to be computed in the next pass. */
interface Part {
  running: Running;
  count: number;
}

export class Engine {
  #context: Context;
  readonly #batch: Batch;
  readonly #vocabulary: Vocabulary;
  readonly #options: EngineOptions;
  readonly #intake: Intake;
  readonly #queue: Queue;
  readonly #slots: Slots;
  readonly #lane: PromptLane | undefined;
  readonly #pace = new Pace();
  /** Turns of whole blocks of prompts, and of what is less than a block. */
  readonly #blockPlanner = new PromptPlanner();
  readonly #restPlanner = new PromptPlanner();
  readonly #governor: ThreadGovernor;
  #maxSequences: number;
  /** A larger context on its way, and once it is there. */
  #growing = false;
  #grown: Context | undefined;
  #running: Running[] = [];
  readonly #cancelled = new Set<number>();
  #looping = false;
  /** Whether the memory can forget a part of a sequence, as far as is known. */
  #mayForget = true;
  /** Milliseconds of rounds in the pauses of the lane's pass. */
  #pausedMs = 0;
  /** When the last round ended. */
  #roundEndedAt = 0;
  /** What is to be told; it goes out while the next pass computes. */
  #output: StepOutput = { events: [], failures: [] };
  readonly #totals = {
    steps: 0,
    stepTokens: 0,
    prefillTokens: 0,
    outputTokens: 0,
    decodeMs: 0,
    prefillMs: 0,
    promptTokens: 0,
    cachedTokens: 0,
  };

  private constructor(model: Model, context: Context, batch: Batch, options: EngineOptions) {
    this.#context = context;
    this.#batch = batch;
    this.#vocabulary = model.vocabulary;
    this.#options = options;
    this.#maxSequences = options.maxSequences;
    this.#intake = new Intake(model, options);
    this.#queue = new Queue(options.queueLimit);
    this.#slots = new Slots(context, options.prefixCacheBytes ?? 0);
    this.#governor = options.governor ?? createThreadGovernor(context.threads);
    this.#lane = options.createLane?.(() => this.#pause());
  }

  /**
   * @param batch as large as the largest context's `batchTokens`
   * @throws FreeholdError model_failed when the model's chat template is not readable, or memory cannot be had
   */
  static async create(model: Model, batch: Batch, options: EngineOptions): Promise<Engine> {
    invariant(options.maxSequences <= batch.capacity, 'a step has room for a token of every conversation');
    return new Engine(model, await options.createContext(1), batch, options);
  }

  get contextTokens(): number {
    return this.#context.contextTokens;
  }

  stats(): EngineStats {
    return {
      ...this.#totals,
      queued: this.#queue.length,
      active: this.#running.length,
      prefixCacheBytes: this.#slots.prefixCacheBytes,
      ...(this.#options.speculation?.stats ?? { draftedTokens: 0, acceptedTokens: 0 }),
      kvUsed: this.#slots.heldTokens / (this.#context.contextTokens * this.#maxSequences),
    };
  }

  /**
   * Tokens of the request's prompt, template included. Other requests go on meanwhile.
   * @throws FreeholdError overloaded, invalid_request, unsupported, cancelled
   */
  async countTokens(id: number, request: GenerateRequest): Promise<number> {
    this.#queue.requireRoomToCount(request.tenant, this.#intake.preparing('count'));
    return this.#intake.countTokens(id, request);
  }

  /**
   * Queues a request; its events arrive by `onStep`. Other requests go on while its prompt is tokenized.
   * @throws FreeholdError overloaded, context_exceeded, invalid_request, unsupported, cancelled
   */
  async submit(id: number, request: GenerateRequest): Promise<void> {
    const free = this.#maxSequences - this.#running.length;
    this.#queue.requireRoom(request.tenant, this.#intake.preparing('generate'), free);
    this.#queue.push(await this.#intake.prepare(id, request, this.#context.contextTokens));
    this.#start();
  }

  /** Ends a request within one step; its last event is a failure `cancelled`. */
  cancel(id: number): void {
    this.#intake.cancel(id);
    this.#cancelled.add(id);
    this.#start();
  }

  #start(): void {
    if (this.#looping) return;
    this.#looping = true;
    void this.#loop();
  }

  async #loop(): Promise<void> {
    if (this.#queue.length > 0) await this.#options.onBusy?.();
    while (this.#queue.length > 0 || this.#running.length > 0) {
      this.#dropCancelled();
      this.#moveToGrown();
      this.#admit();
      this.#growIfNeeded();
      this.#slots.compact();
      this.#meetTenants();
      const aside = this.#nextAside();
      if (aside) await this.#computeAside(aside);
      else await this.#round();
      // let messages of other requests in between rounds
      await new Promise(setImmediate);
    }
    this.#tell();
    this.#cancelled.clear();
    this.#looping = false;
    this.#context.pauseThreads();
    this.#slots.rest();
    this.#options.onIdle?.();
  }

  /** A request that finds no slot makes the full context come, while the others go on. */
  #growIfNeeded(): void {
    const { count, free } = this.#slots;
    if (this.#queue.length === 0 || free > 0 || this.#growing || this.#grown || count >= this.#maxSequences) return;
    this.#growing = true;
    this.#options
      .createContext(this.#maxSequences)
      .then(
        (context) => {
          this.#grown = context;
          if (!this.#looping) this.#moveToGrown();
        },
        (error: Error) => {
          process.stderr.write(`staying at ${count} conversations at once: ${error.message}\n`);
          this.#maxSequences = count;
        },
      )
      .finally(() => {
        this.#growing = false;
      });
  }

  /** Between two rounds nothing computes: requests move to the larger context. */
  #moveToGrown(): void {
    if (!this.#grown) return;
    const before = this.#context;
    this.#context = this.#grown;
    this.#grown = undefined;
    const held = new Map(this.#running.map(({ slot }) => [slot, [...slot.tokens]]));
    for (const slot of this.#slots.moveTo(this.#context)) {
      const running = this.#running.find((candidate) => candidate.slot === slot);
      running?.computeAnew(held.get(slot) as number[]);
    }
    before.dispose();
  }

  #dropCancelled(): void {
    for (const id of this.#cancelled) {
      const running = this.#running.find((candidate) => candidate.id === id);
      const waiting = this.#queue.remove(id);
      if (running) this.#release(running);
      waiting?.constraint?.dispose();
      if (running || waiting) this.#output.failures.push({ id, error: cancelled() });
    }
    this.#cancelled.clear();
  }

  #admit(): void {
    while (this.#slots.free > 0) {
      const waiting = this.#queue.next(this.#running);
      if (!waiting) return;
      const running = new Running(waiting, this.#slots.acquire(waiting.scope, waiting.prompt), this.#vocabulary);
      this.#running.push(running);
      const { cachedTokens } = running;
      this.#totals.promptTokens += waiting.prompt.length;
      this.#totals.cachedTokens += cachedTokens;
      this.#options.speculation?.begin(running.id, waiting.prompt);
      this.#emit(running.id, { type: 'start', inputTokens: waiting.prompt.length, cachedTokens });
    }
  }

  #release(running: Running): void {
    this.#lane?.end(running);
    this.#slots.release(running.slot);
    running.of.constraint?.dispose();
    this.#options.speculation?.end(running.id);
    this.#running = this.#running.filter((other) => other !== running);
    this.#queue.noteEnd();
  }

  /** The prompt in the lane; where others wait for it too, they take turns. */
  #nextAside(): Running | undefined {
    const inLane = this.#running.find(({ aside }) => aside);
    if (inLane && this.#queue.waitsFor(inLane)) {
      // they go on from what it has
      this.#lane?.handOver(inLane, this.#slots);
      this.#admit();
    }
    const prompts = this.#running.filter(({ generating, piece }) => !generating && piece.whole);
    const next = prompts[this.#blockPlanner.choose(prompts)];
    if (next?.aside) return next;
    if (inLane?.aside) this.#lane?.handOver(inLane, this.#slots);
    if (!next || this.#answers.length === 0 || !this.#lane?.prepare()) return undefined;
    return this.#lane.begin(next, this.#slots) ? next : undefined;
  }

  #meetTenants(): void {
    const prompts = this.#running.filter(({ generating }) => !generating);
    this.#blockPlanner.meet(prompts);
    this.#restPlanner.meet(prompts);
  }

  async #computeAside(running: Running): Promise<void> {
    const { left } = running;
    const startedAt = performance.now();
    this.#pausedMs = 0;
    const computed = this.#lane?.pass(running, this.#slots, this.#governor.threads(left));
    computed?.catch(() => {});
    this.#tell();
    try {
      const logits = await computed;
      const tokens = Math.max(0, left - running.left);
      const ms = performance.now() - startedAt - this.#pausedMs;
      this.#blockPlanner.count(running.tenant, tokens);
      this.#countPass(tokens, ms);
      this.#countPrompt(tokens, ms);
      if (logits) this.#take(running, 0, () => logits, 1);
    } catch (error) {
      this.#fail(running, error);
    }
  }

  /** In the middle of a pass of the lane. @returns whether that is to go on */
  #pause(): boolean {
    const isWanted = () => this.#running.some(({ aside }) => aside);
    const answers = this.#answers.length;
    const pauseMs = this.#pace.pauseMs(Math.max(1, answers), this.#running.length - answers) ?? 0;
    const startedAt = performance.now();
    const lateMs = startedAt - this.#roundEndedAt - pauseMs;
    if (lateMs < 0) return isWanted();
    this.#pace.observePause(lateMs);
    this.#dropCancelled();
    this.#admit();
    this.#meetTenants();
    this.#slots.compact();
    const passes = this.#passes();
    for (let pass = passes.next(); !pass.done; ) {
      let failure: unknown;
      try {
        this.#context.decodeNow(this.#batch, this.#governor.threads(this.#batch.size));
      } catch (error) {
        failure = error;
      }
      pass = passes.next(failure);
    }
    this.#tell();
    this.#pausedMs += performance.now() - startedAt;
    return isWanted();
  }

  async #round(): Promise<void> {
    await this.#guess();
    const passes = this.#passes();
    for (let pass = passes.next(); !pass.done; ) {
      const computed = this.#context.decode(this.#batch, this.#governor.threads(this.#batch.size));
      const failure = computed.then(
        () => undefined,
        (error: unknown) => error,
      );
      this.#tell();
      pass = passes.next(await failure);
    }
  }

  get #answers(): Running[] {
    return this.#running.filter(({ generating }) => generating);
  }

  /** Adds guesses at the next tokens to what the answers feed. */
  async #guess(): Promise<void> {
    const { speculation } = this.#options;
    const answers = inOrder(this.#answers);
    if (!speculation || !this.#mayForget || answers.length === 0) return;
    const guesses = await speculation.guess(
      answers.map(({ id, slot, tokensLeft }) => ({
        id,
        sequence: slot.sequence,
        most: Math.max(0, Math.min(tokensLeft - 1, this.#context.contextTokens - slot.tokens.length - 1)),
      })),
      this.#context.batchTokens - answers.length,
    );
    for (const running of answers) {
      const guessed = guesses.get(running.id);
      if (guessed) running.feed = [running.feed[0] as number, ...Array.from(guessed)];
    }
  }

  /** The passes of a round: each fills the batch, is given what failed in computing it, if anything, and takes its results. */
  *#passes(): Generator<void, void, unknown> {
    const answers = this.#answers;
    if (answers.length > 0) {
      const startedAt = performance.now();
      for (const group of byAdapter(answers)) {
        if (!(yield* this.#pass(group.map((running) => ({ running, count: running.left }))))) return;
      }
      this.#pace.observeAnswers(performance.now() - startedAt, answers.length === this.#running.length);
    }
    const prompts = this.#running.filter(
      (running) => !running.generating && !running.aside && !answers.includes(running),
    );
    const whole = prompts.filter(({ piece }) => piece.whole);
    // beside answers, blocks are computed in the lane, if there is one; in its pauses none, which would hold all else up
    const isLaneBusy = this.#running.some(({ aside }) => aside);
    if (!isLaneBusy && (answers.length === 0 || !this.#lane?.prepare())) {
      if (!(yield* this.#promptPass(whole, answers.length, this.#blockPlanner))) return;
    }
    const rest = prompts.filter((running) => !whole.includes(running));
    if (!(yield* this.#promptPass(rest, answers.length, this.#restPlanner))) return;
    this.#roundEndedAt = performance.now();
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
    const most = this.#options.promptTokens ?? this.#context.batchTokens;
    const capacity = answers > 0 ? this.#pace.promptTokens(answers, prompts.length, most) : most;
    const block = prompts[0]?.piece.whole && this.#lane?.isUsable ? promptBlock : 1;
    const counts = planner.plan(
      prompts.map(({ tenant, piece, of }) => ({ tenant, left: piece.tokens, adapter: of.adapter })),
      Math.max(block, capacity - (capacity % block)),
    );
    const parts = prompts.map((running, i) => ({ running, count: counts[i] as number }));
    const startedAt = performance.now();
    if (!(yield* this.#pass(parts.filter(({ count }) => count > 0)))) return false;
    const ms = performance.now() - startedAt;
    const tokens = counts.reduce((sum, count) => sum + count, 0);
    this.#countPrompt(tokens, ms);
    if (answers > 0) this.#pace.observePrompt(tokens, ms);
    return true;
  }

  /** @returns whether it was computed */
  *#pass(parts: Part[]): Generator<void, boolean, unknown> {
    // libllama computes together what follows each other
    parts.sort((a, b) => a.running.slot.sequence - b.running.slot.sequence);
    const wanted: { running: Running; row: number; rows: number }[] = [];
    this.#batch.clear();
    for (const { running, count } of parts) {
      const { slot, feed, generating } = running;
      let row = -1;
      for (let n = 0; n < count; n++) {
        const token = feed[running.fed++] as number;
        const wantsLogits = generating || running.left === 0;
        const at = this.#batch.add(token, slot.tokens.length, slot.sequence, wantsLogits);
        if (row < 0) row = at;
        slot.tokens.push(token);
      }
      if (row >= 0) wanted.push({ running, row, rows: generating ? count : 1 });
    }
    this.#context.useAdapter(parts[0]?.running.of.adapter);
    const startedAt = performance.now();
    const failure = yield;
    const ms = performance.now() - startedAt;
    this.#countPass(this.#batch.size, ms);
    if (failure !== undefined) {
      this.#abandon(failure);
      return false;
    }
    if (parts.every(({ running }) => running.generating)) {
      const rows = parts.map(({ running, count }) => ({ sequence: running.slot.sequence, rows: count }));
      this.#options.speculation?.observeStep(rows, ms);
    }
    for (const { running, row, rows } of wanted) {
      this.#take(running, row, (at) => this.#context.logits(at), rows);
    }
    return true;
  }

  #countPass(tokens: number, ms: number): void {
    this.#totals.steps += 1;
    this.#totals.stepTokens += tokens;
    this.#totals.decodeMs += ms;
  }

  #countPrompt(tokens: number, ms: number): void {
    this.#totals.prefillTokens += tokens;
    this.#totals.prefillMs += ms;
  }

  /** A failed decode leaves the cache unknown: every sequence in it is given up. */
  #abandon(error: unknown): void {
    for (const running of [...this.#running]) this.#fail(running, error);
    this.#slots.clear();
  }

  #fail(running: Running, error: unknown): void {
    this.#output.failures.push({ id: running.id, error });
    this.#release(running);
  }

  /**
   * Picks the tokens that follow, one for each row as long as the guess for the next row was right, and goes on with
   * them.
   */
  #take(running: Running, row: number, logits: (row: number) => Float32Array, rows: number): void {
    const { id, slot, feed } = running;
    const picked: number[] = [];
    let ending: Ending | undefined;
    try {
      do {
        const { token, ending: end } = running.pick(logits(row + picked.length), (event) => this.#emit(id, event));
        picked.push(token);
        ending = end;
      } while (!ending && picked.length < rows && picked.at(-1) === feed[picked.length]);
    } catch (error) {
      this.#fail(running, error);
      return;
    }
    this.#totals.outputTokens += picked.length;
    this.#options.speculation?.accept(id, picked);
    const held = slot.tokens.length - (rows - picked.length);
    running.feed = [picked.at(-1) as number];
    running.fed = 0;
    running.generating = true;
    if (held < slot.tokens.length) this.#forgetGuesses(running, held);
    if (ending) this.#finish(running, ending);
    else if (held >= this.#context.contextTokens) this.#finish(running, { reason: 'context-full' });
  }

  #forgetGuesses(running: Running, held: number): void {
    const before = running.slot.tokens.slice(0, held);
    if (this.#slots.truncate(running.slot, held)) return;
    // recurrent memory forgets all or nothing: guesses do not pay there
    this.#mayForget = false;
    running.computeAnew(before);
  }

  #finish(running: Running, ending: Ending): void {
    const { id, of, cachedTokens, answer } = running;
    answer.end(ending, (event) => this.#emit(id, event));
    this.#emit(id, { type: 'usage', inputTokens: of.prompt.length, cachedTokens, outputTokens: answer.tokens });
    this.#emit(id, { type: 'stop', ...ending });
    this.#release(running);
  }

  #emit(id: number, event: GenerateEvent): void {
    this.#output.events.push({ id, event });
  }

  #tell(): void {
    const output = this.#output;
    if (output.events.length === 0 && output.failures.length === 0) return;
    this.#output = { events: [], failures: [] };
    this.#options.onStep(output);
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
