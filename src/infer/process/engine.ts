// Generation for many requests at once. A round is one llama_decode over all answers that are under way, then one over
// as much of the waiting prompts as the pace permits. Knows tokens, slots and requests; nothing of HTTP or processes.
// `process/main.ts` feeds it and carries its events away.
import { FreeholdError, invariant } from '../../lib/errors.ts';
import type { GenerateEvent, GenerateRequest } from '../../lib/text-model.ts';
import type { Batch, Context, Model, Vocabulary } from '../../native/llama.ts';
import type { EngineStats } from '../protocol.ts';
import { Answer, type Ending } from './answer.ts';
import { type ChatTemplate, createChatTemplate } from './chat-template.ts';
import type { Constraint } from './constraint.ts';
import { Pace } from './pace.ts';
import { hasRoom, nextToAdmit, PromptPlanner } from './planner.ts';
import { createPromptTokenizer, type PromptTokenizer } from './prompt.ts';
import { createSampler, type Sampler } from './sampler.ts';
import { createFindBreakers, type FindBreakers } from './sampling/breakers.ts';
import { dryDefaults } from './sampling/settings.ts';
import { commonPrefix, type Slot, Slots } from './slots.ts';
import { createThreadGovernor, type ThreadGovernor } from './thread-governor.ts';

/** What one round produced, for all requests. */
export interface StepOutput {
  events: { id: number; event: GenerateEvent }[];
  failures: { id: number; error: unknown }[];
}

/** A request that waits for a slot. */
interface Waiting {
  id: number;
  tenant: string;
  /** With whom it may share computed prompts: its tenant, with its adapter. */
  scope: string;
  request: GenerateRequest;
  prompt: Int32Array;
  sampler: Sampler;
  constraint: Constraint | undefined;
}

/** A request that has a slot. */
interface Running extends Waiting {
  slot: Slot;
  answer: Answer;
  cachedTokens: number;
  /** Tokens to compute next: the prompt, or the one just generated. */
  feed: ArrayLike<number>;
  /** How many of them are in the cache. */
  fed: number;
  generating: boolean;
}

export interface EngineOptions {
  queueLimit: number;
  /** Conversations at once, at most. The engine begins with room for one and makes room for all when a second comes. */
  maxSequences: number;
  /** Most host memory for prompts that no longer have a slot. Default 0: none. */
  prefixCacheBytes?: number;
  /** Makes a context with so many sequences. */
  createContext: (sequences: number) => Promise<Context>;
  /** Makes what holds an answer to a JSON Schema. Default: such requests are refused. */
  constrain?: (schema: Record<string, unknown>, signal: AbortSignal) => Promise<Constraint>;
  /** How many threads a step takes. Default: as many as the machine has to spare. */
  governor?: ThreadGovernor;
  /** Something is to be computed: what it returns is waited for first. */
  onBusy?: () => Promise<void> | undefined;
  /** Nothing is left to compute. */
  onIdle?: () => void;
  onStep: (output: StepOutput) => void;
}

/** A prompt that shares at least so many more tokens with one being computed waits for it. */
const worthWaitingFor = 64;
/** Bounds of the wait named to whoever is turned away. */
const leastRetryMs = 1000;
const mostRetryMs = 60_000;

export class Engine {
  #context: Context;
  readonly #batch: Batch;
  readonly #vocabulary: Vocabulary;
  readonly #template: ChatTemplate;
  readonly #tokenizer: PromptTokenizer;
  readonly #findBreakers: FindBreakers;
  readonly #options: EngineOptions;
  readonly #slots: Slots;
  readonly #pace = new Pace();
  readonly #planner = new PromptPlanner();
  readonly #governor: ThreadGovernor;
  #maxSequences: number;
  /** A larger context on its way, and once it is there. */
  #growing = false;
  #grown: Context | undefined;
  #waiting: Waiting[] = [];
  #running: Running[] = [];
  readonly #cancelled = new Set<number>();
  /** Requests whose prompts are being made. */
  readonly #preparing = new Map<number, { tenant: string; abort: AbortController }>();
  #looping = false;
  /** What is to be told; it goes out while the next pass computes. */
  #output: StepOutput = { events: [], failures: [] };
  /** Average time between two requests that end, and when the last one did. */
  #endIntervalMs = leastRetryMs;
  #endedAt = 0;
  readonly #totals = {
    steps: 0,
    stepTokens: 0,
    prefillTokens: 0,
    outputTokens: 0,
    decodeMs: 0,
    prefillMs: 0,
    promptTokens: 0,
  };
  #cachedTokens = 0;

  private constructor(model: Model, context: Context, batch: Batch, options: EngineOptions) {
    const { vocabulary } = model;
    const text = (token: number | undefined) => (token === undefined ? '' : vocabulary.textOf(token));
    this.#context = context;
    this.#batch = batch;
    this.#vocabulary = vocabulary;
    this.#options = options;
    this.#maxSequences = options.maxSequences;
    this.#template = createChatTemplate(
      model.chatTemplate,
      { bos: text(vocabulary.bos), eos: text(vocabulary.eos) },
      vocabulary.controlTokens.has('<|im_start|>') || vocabulary.userDefinedTokens.has('<|im_start|>'),
    );
    this.#governor = options.governor ?? createThreadGovernor(context.threads);
    this.#tokenizer = createPromptTokenizer(vocabulary, model.chatTemplate);
    this.#findBreakers = createFindBreakers(vocabulary);
    this.#slots = new Slots(context, options.prefixCacheBytes ?? 0);
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
      queued: this.#waiting.length,
      active: this.#running.length,
      cachedTokens: this.#cachedTokens,
      prefixCacheBytes: this.#slots.prefixCacheBytes,
      draftedTokens: 0,
      acceptedTokens: 0,
      kvUsed: this.#slots.heldTokens / (this.#context.contextTokens * this.#maxSequences),
    };
  }

  /**
   * Tokens of the request's prompt, template included. Other requests go on meanwhile.
   * @throws FreeholdError invalid_request, unsupported, cancelled
   */
  async countTokens(id: number, request: GenerateRequest): Promise<number> {
    return this.#prepare(id, request, async () => {
      return (await this.#tokenize(id, request, Number.POSITIVE_INFINITY)).length;
    });
  }

  /**
   * Queues a request; its events arrive by `onStep`. Other requests go on while its prompt is tokenized.
   * @throws FreeholdError overloaded, context_exceeded, invalid_request, unsupported, cancelled
   */
  async submit(id: number, request: GenerateRequest): Promise<void> {
    this.#requireRoom(request.tenant);
    const waiting = await this.#prepare(id, request, async (signal) => {
      const prompt = await this.#tokenize(id, request, this.#context.contextTokens);
      if (prompt.length === 0)
        throw new FreeholdError('invalid_request', 'The prompt is empty.', { field: 'messages' });
      return {
        id,
        tenant: request.tenant,
        scope: JSON.stringify([request.tenant, request.adapter]),
        request,
        prompt,
        sampler: await this.#createSampler(request, prompt),
        constraint: await this.#constrain(request, signal),
      };
    });
    this.#waiting.push(waiting);
    this.#start();
  }

  /** Ends a request within one step; its last event is a failure `cancelled`. */
  cancel(id: number): void {
    this.#preparing.get(id)?.abort.abort();
    this.#cancelled.add(id);
    this.#start();
  }

  #requireRoom(tenant: string): void {
    const all = [...this.#waiting, ...this.#preparing.values()];
    const waiting = all.length - (this.#maxSequences - this.#running.length);
    const ofTenant = all.filter((other) => other.tenant === tenant).length;
    if (waiting < 0 || hasRoom(waiting, ofTenant, this.#options.queueLimit)) return;
    const waitMs = Math.round(waiting * this.#endIntervalMs);
    throw new FreeholdError('overloaded', `${waiting} requests already wait for this model.`, {
      retryAfterMs: Math.min(mostRetryMs, Math.max(leastRetryMs, waitMs)),
      hint: 'Try again in a moment, or raise --queue-limit.',
    });
  }

  async #prepare<T>(id: number, request: GenerateRequest, make: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const abort = new AbortController();
    this.#preparing.set(id, { tenant: request.tenant, abort });
    try {
      const made = await make(abort.signal);
      if (abort.signal.aborted) throw cancelled();
      return made;
    } finally {
      this.#preparing.delete(id);
    }
  }

  async #tokenize(id: number, request: GenerateRequest, contextTokens: number): Promise<Int32Array> {
    const isCancelled = () => this.#preparing.get(id)?.abort.signal.aborted ?? true;
    return this.#tokenizer.tokenize(this.#template.render(request), contextTokens, isCancelled);
  }

  async #createSampler({ sampling = {} }: GenerateRequest, prompt: Int32Array): Promise<Sampler> {
    const breakers =
      sampling.dry && (await this.#findBreakers(sampling.dry.sequenceBreakers ?? dryDefaults.sequenceBreakers));
    return createSampler(sampling, { vocabularySize: this.#vocabulary.size, prompt, ...(breakers && { breakers }) });
  }

  async #constrain({ responseSchema }: GenerateRequest, signal: AbortSignal): Promise<Constraint | undefined> {
    if (!responseSchema) return undefined;
    const { constrain } = this.#options;
    if (!constrain) throw new FreeholdError('unsupported', 'This model cannot be held to a schema.');
    return constrain(responseSchema, signal);
  }

  #start(): void {
    if (this.#looping) return;
    this.#looping = true;
    void this.#loop();
  }

  async #loop(): Promise<void> {
    if (this.#waiting.length > 0) await this.#options.onBusy?.();
    while (this.#waiting.length > 0 || this.#running.length > 0) {
      this.#dropCancelled();
      this.#moveToGrown();
      this.#admit();
      this.#growIfNeeded();
      this.#slots.compact();
      await this.#round();
      // let messages of other requests in between rounds
      await new Promise(setImmediate);
    }
    this.#tell();
    this.#cancelled.clear();
    this.#looping = false;
    this.#context.pauseThreads();
    this.#options.onIdle?.();
  }

  /** A request that finds no slot makes the full context come, while the others go on. */
  #growIfNeeded(): void {
    const { count, free } = this.#slots;
    if (this.#waiting.length === 0 || free > 0 || this.#growing || this.#grown || count >= this.#maxSequences) return;
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
    const held = new Map(this.#running.map((running) => [running.slot, [...running.slot.tokens]]));
    for (const slot of this.#slots.moveTo(this.#context)) {
      const running = this.#running.find((candidate) => candidate.slot === slot);
      if (running) computeAnew(running, held.get(slot) as number[]);
    }
    before.dispose();
  }

  #dropCancelled(): void {
    for (const id of this.#cancelled) {
      const running = this.#running.find((candidate) => candidate.id === id);
      const waiting = this.#waiting.findIndex((candidate) => candidate.id === id);
      if (running) this.#release(running);
      if (waiting >= 0) for (const { constraint } of this.#waiting.splice(waiting, 1)) constraint?.dispose();
      if (running || waiting >= 0) this.#output.failures.push({ id, error: cancelled() });
    }
    this.#cancelled.clear();
  }

  #admit(): void {
    while (this.#slots.free > 0) {
      const index = nextToAdmit(this.#waiting, this.#running, (candidate) => !this.#hasLeader(candidate));
      if (index < 0) return;
      const [waiting] = this.#waiting.splice(index, 1) as [Waiting];
      const { id, prompt, request } = waiting;
      const slot = this.#slots.acquire(waiting.scope, prompt);
      const cachedTokens = slot.tokens.length;
      this.#running.push({
        ...waiting,
        slot,
        answer: new Answer(this.#vocabulary, request),
        cachedTokens,
        feed: prompt,
        fed: cachedTokens,
        generating: false,
      });
      this.#totals.promptTokens += prompt.length;
      this.#cachedTokens += cachedTokens;
      this.#emit(id, { type: 'start', inputTokens: prompt.length, cachedTokens });
    }
  }

  /** Whether a running request is about to compute what this one needs too. */
  #hasLeader({ scope, prompt }: Waiting): boolean {
    return this.#running.some(
      (running) =>
        !running.generating &&
        running.scope === scope &&
        Math.min(commonPrefix(running.prompt, prompt), prompt.length - 1) - running.fed >= worthWaitingFor,
    );
  }

  #release(running: Running): void {
    this.#slots.release(running.slot);
    running.constraint?.dispose();
    this.#running = this.#running.filter((other) => other !== running);
    const now = performance.now();
    this.#endIntervalMs += 0.1 * (Math.min(mostRetryMs, now - (this.#endedAt || now)) - this.#endIntervalMs);
    this.#endedAt = now;
  }

  async #round(): Promise<void> {
    const answers = this.#running.filter(({ generating }) => generating);
    if (answers.length > 0) {
      const ms = await this.#compute(answers.map((running) => ({ running, count: running.feed.length - running.fed })));
      this.#pace.observeAnswers(ms);
    }
    const prompts = this.#running.filter((running) => !answers.includes(running) && !running.generating);
    if (prompts.length === 0) return;
    const { batchTokens } = this.#context;
    const counts = this.#planner.plan(
      prompts.map(({ tenant, feed, fed }) => ({ tenant, left: feed.length - fed })),
      answers.length > 0 ? this.#pace.promptTokens(batchTokens) : batchTokens,
    );
    const parts = prompts.map((running, i) => ({ running, count: counts[i] as number }));
    const decodeMsBefore = this.#totals.decodeMs;
    const ms = await this.#compute(parts.filter(({ count }) => count > 0));
    const tokens = counts.reduce((sum, count) => sum + count, 0);
    this.#totals.prefillTokens += tokens;
    this.#totals.prefillMs += this.#totals.decodeMs - decodeMsBefore;
    if (answers.length > 0) this.#pace.observePrompt(tokens, ms);
  }

  /**
   * One pass over the model, and the tokens that follow from it.
   * @param parts requests, each with how many tokens of its feed to compute
   * @returns milliseconds
   */
  async #compute(parts: { running: Running; count: number }[]): Promise<number> {
    // in the order of their sequences: libllama computes together what follows each other
    parts.sort((a, b) => a.running.slot.sequence - b.running.slot.sequence);
    const wanted: { running: Running; row: number }[] = [];
    this.#batch.clear();
    for (const { running, count } of parts) {
      const { slot, feed } = running;
      for (let n = 0; n < count; n++) {
        const token = feed[running.fed++] as number;
        const last = running.fed === feed.length;
        const row = this.#batch.add(token, slot.tokens.length, slot.sequence, last);
        slot.tokens.push(token);
        if (last) wanted.push({ running, row });
      }
    }
    const startedAt = performance.now();
    try {
      const computed = this.#context.decode(this.#batch, this.#governor.threads(this.#batch.size));
      this.#tell();
      await computed;
    } catch (error) {
      this.#abandon(error);
      return performance.now() - startedAt;
    } finally {
      this.#totals.decodeMs += performance.now() - startedAt;
      this.#totals.steps += 1;
      this.#totals.stepTokens += this.#batch.size;
    }
    for (const { running, row } of wanted) {
      try {
        this.#accept(running, row);
      } catch (error) {
        this.#release(running);
        this.#output.failures.push({ id: running.id, error });
      }
    }
    return performance.now() - startedAt;
  }

  /** A failed decode leaves the cache unknown: every sequence in it is given up. */
  #abandon(error: unknown): void {
    for (const running of [...this.#running]) {
      this.#output.failures.push({ id: running.id, error });
      this.#release(running);
    }
    this.#slots.clear();
  }

  /** Picks the token that follows, and goes on with it. */
  #accept(running: Running, row: number): void {
    const { id, sampler, constraint, answer, slot } = running;
    const sampled = sampler.sample(this.#context.logits(row), constraint);
    sampler.accept(sampled.token);
    constraint?.accept(sampled.token);
    this.#totals.outputTokens += 1;
    running.feed = [sampled.token];
    running.fed = 0;
    running.generating = true;
    const ending = answer.add(sampled, (event) => this.#emit(id, event));
    if (ending) this.#finish(running, ending);
    else if (slot.tokens.length >= this.#context.contextTokens) this.#finish(running, { reason: 'context-full' });
  }

  #finish(running: Running, ending: Ending): void {
    const { id, prompt, cachedTokens, answer } = running;
    answer.end(ending, (event) => this.#emit(id, event));
    this.#emit(id, { type: 'usage', inputTokens: prompt.length, cachedTokens, outputTokens: answer.tokens });
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

/** The cache lost what it held of a request. */
function computeAnew(running: Running, held: readonly number[]): void {
  running.feed = [...held, ...Array.from(running.feed).slice(running.fed)];
  running.fed = 0;
  running.generating = false;
}

function cancelled(): FreeholdError {
  return new FreeholdError('cancelled', 'The request was cancelled.');
}
