// Generation for many requests at once. A round is one llama_decode over all answers that are under way, then one over
// as much of the waiting prompts as the pace permits; a long prompt is computed in a lane of its own, and rounds take
// place in its pauses. Knows tokens, slots and requests; nothing of HTTP or processes. `process/main.ts` feeds it and
// carries its events away.
import { cancelled, invariant } from '../../lib/errors.ts';
import type { GenerateRequest } from '../../lib/text-model.ts';
import type { Batch, Context, Model, Vocabulary } from '../../native/llama.ts';
import type { EngineStats } from '../protocol.ts';
import { Active, type StepOutput } from './active.ts';
import { Intake, type IntakeOptions } from './intake.ts';
import { PassRhythm } from './pass-rhythm.ts';
import type { PromptLane } from './prompt-lane.ts';
import { Queue } from './queue.ts';
import { Rounds } from './rounds.ts';
import { Running } from './running.ts';
import { Slots } from './slots.ts';
import type { Speculation } from './speculation/speculation.ts';
import { createThreadGovernor, type ThreadGovernor } from './thread-governor.ts';

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

export class Engine {
  #context: Context;
  readonly #batch: Batch;
  readonly #vocabulary: Vocabulary;
  readonly #options: EngineOptions;
  readonly #intake: Intake;
  readonly #queue: Queue;
  readonly #slots: Slots;
  readonly #lane: PromptLane | undefined;
  readonly #active: Active;
  readonly #rounds: Rounds;
  readonly #governor: ThreadGovernor;
  #maxSequences: number;
  /** A larger context on its way, and once it is there. */
  #growing = false;
  #grown: Context | undefined;
  readonly #cancelled = new Set<number>();
  #looping = false;
  /** Milliseconds of rounds in the pauses of the lane's pass. */
  #pausedMs = 0;
  readonly #rhythm = new PassRhythm();
  /** Of all requests that began: tokens of their prompts, and how many of those were there already. */
  readonly #prompts = { promptTokens: 0, cachedTokens: 0 };

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
    const lane = options.createLane?.(() => this.#pause());
    const { speculation, promptTokens, onStep } = options;
    this.#lane = lane;
    this.#active = new Active({
      slots: this.#slots,
      contextTokens: () => this.contextTokens,
      speculation,
      onRelease: (running) => {
        lane?.end(running);
        this.#queue.noteEnd();
      },
      onStep,
    });
    this.#rounds = new Rounds(this.#active, { context: () => this.#context, batch, lane, speculation, promptTokens });
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

  /** Whether the model thinks before it answers. */
  get thinks(): boolean {
    return this.#intake.syntax.thinking !== undefined;
  }

  stats(): EngineStats {
    return {
      ...this.#rounds.totals,
      ...this.#prompts,
      outputTokens: this.#active.outputTokens,
      queued: this.#queue.length,
      active: this.#active.all.length,
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
    const free = this.#maxSequences - this.#active.all.length;
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
    while (this.#queue.length > 0 || this.#active.all.length > 0) {
      this.#dropCancelled();
      this.#moveToGrown();
      this.#admit();
      this.#growIfNeeded();
      this.#slots.compact();
      this.#rounds.meetTenants();
      const aside = this.#nextAside();
      if (aside) await this.#computeAside(aside);
      else await this.#round();
      // let messages of other requests in between rounds
      await new Promise(setImmediate);
    }
    this.#active.tell();
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
    const held = new Map(this.#active.all.map(({ slot }) => [slot, [...slot.tokens]]));
    for (const slot of this.#slots.moveTo(this.#context)) {
      const running = this.#active.all.find((candidate) => candidate.slot === slot);
      running?.computeAnew(held.get(slot) as number[]);
    }
    before.dispose();
  }

  #dropCancelled(): void {
    for (const id of this.#cancelled) {
      const running = this.#active.all.find((candidate) => candidate.id === id);
      const waiting = this.#queue.remove(id);
      if (running) this.#active.release(running);
      waiting?.constraint?.dispose();
      if (running || waiting) this.#active.failed(id, cancelled());
    }
    this.#cancelled.clear();
  }

  #admit(): void {
    while (this.#slots.free > 0) {
      const waiting = this.#queue.next(this.#active.all);
      if (!waiting) return;
      const running = new Running(waiting, this.#slots.acquire(waiting.scope, waiting.prompt), this.#vocabulary);
      this.#active.begin(running);
      const { cachedTokens } = running;
      this.#prompts.promptTokens += waiting.prompt.length;
      this.#prompts.cachedTokens += cachedTokens;
      this.#options.speculation?.begin(running.id, waiting.prompt);
      this.#active.emit(running.id, { type: 'start', inputTokens: waiting.prompt.length, cachedTokens });
    }
  }

  /** The prompt in the lane; where others wait for it too, they take turns. */
  #nextAside(): Running | undefined {
    const inLane = this.#active.all.find(({ aside }) => aside);
    if (inLane && this.#queue.waitsFor(inLane)) {
      // they go on from what it has
      this.#lane?.handOver(inLane, this.#slots);
      this.#admit();
    }
    const prompts = this.#rounds.lanePrompts;
    const next = this.#rounds.isBurst ? undefined : prompts[this.#rounds.blockPlanner.choose(prompts)];
    if (next?.aside) return next;
    if (inLane?.aside) this.#lane?.handOver(inLane, this.#slots);
    if (!next || this.#active.answers.length === 0 || !this.#lane?.prepare()) return undefined;
    return this.#lane.begin(next, this.#slots) ? next : undefined;
  }

  async #computeAside(running: Running): Promise<void> {
    const { left } = running;
    const startedAt = performance.now();
    this.#pausedMs = 0;
    this.#rhythm.begin(startedAt);
    const computed = this.#lane?.pass(running, this.#slots, this.#governor.threads(left));
    computed?.catch(() => {});
    this.#active.tell();
    try {
      const logits = await computed;
      const tokens = Math.max(0, left - running.left);
      const ms = performance.now() - startedAt - this.#pausedMs;
      this.#rounds.blockPlanner.count(running.tenant, tokens);
      this.#rounds.countPass(tokens, ms);
      this.#rounds.countPrompt(tokens, ms);
      if (logits) this.#active.take(running, 0, () => logits, 1);
    } catch (error) {
      this.#active.fail(running, error);
    }
  }

  /** In the middle of a pass of the lane. @returns whether that is to go on */
  #pause(): boolean {
    const isWanted = () => this.#active.all.some(({ aside }) => aside);
    const answers = this.#active.answers.length;
    const pauseMs = this.#rounds.pace.pauseMs(Math.max(1, answers), this.#active.all.length - answers) ?? 0;
    const startedAt = performance.now();
    const lateMs = startedAt - this.#rounds.endedAt - pauseMs;
    // a little early is better than late
    if (-lateMs > this.#rhythm.reach(startedAt) / 2) return isWanted();
    this.#rounds.pace.observePause(lateMs);
    this.#dropCancelled();
    this.#admit();
    this.#rounds.meetTenants();
    this.#slots.compact();
    const passes = this.#rounds.passes();
    for (let pass = passes.next(); !pass.done; ) {
      let failure: unknown;
      try {
        this.#context.decodeNow(this.#batch, this.#governor.threads(this.#batch.size));
      } catch (error) {
        failure = error;
      }
      pass = passes.next(failure);
    }
    this.#active.tell();
    const now = performance.now();
    this.#rhythm.goOn(now);
    this.#pausedMs += now - startedAt;
    return isWanted();
  }

  async #round(): Promise<void> {
    await this.#rounds.guess();
    const passes = this.#rounds.passes();
    for (let pass = passes.next(); !pass.done; ) {
      const computed = this.#context.decode(this.#batch, this.#governor.threads(this.#batch.size));
      const failure = computed.then(
        () => undefined,
        (error: unknown) => error,
      );
      this.#active.tell();
      pass = passes.next(await failure);
    }
  }
}
