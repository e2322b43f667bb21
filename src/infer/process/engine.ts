// Generation for many requests at once: one llama_decode a step over all active sequences. Knows tokens, slots and
// requests; nothing of HTTP or processes. `process/main.ts` feeds it and carries its events away.
import { TextDecoder } from 'node:util';
import { FreeholdError, invariant } from '../../lib/errors.ts';
import type { GenerateEvent, GenerateRequest, StopReason } from '../../lib/text-model.ts';
import type { Batch, Context, Model, Vocabulary } from '../../native/llama.ts';
import type { EngineStats } from '../protocol.ts';
import { type ChatTemplate, createChatTemplate } from './chat-template.ts';
import { nextToAdmit, planStep } from './planner.ts';
import { createPromptTokenizer, type PromptTokenizer } from './prompt.ts';
import { createSampler, type Sampler } from './sampler.ts';
import { StopMatcher } from './stop-matcher.ts';
import { createThreadGovernor, type ThreadGovernor } from './thread-governor.ts';

/** What one step produced, for all requests. */
export interface StepOutput {
  events: { id: number; event: GenerateEvent }[];
  failures: { id: number; error: unknown }[];
}

/** A request that waits for a slot. */
interface Waiting {
  id: number;
  tenant: string;
  request: GenerateRequest;
  prompt: Int32Array;
  sampler: Sampler;
}

/** A place in the KV cache. What it held last stays there until another request needs the place. */
interface Slot {
  sequence: number;
  tenant: string | undefined;
  /** Tokens whose keys and values are in the cache, in order. */
  tokens: number[];
  /** When it was last freed; the oldest is reused first. */
  freedAt: number;
}

/** A request that has a slot. */
interface Running {
  id: number;
  tenant: string;
  slot: Slot;
  inputTokens: number;
  cachedTokens: number;
  /** Tokens to compute next: the prompt, or the one just generated. */
  feed: ArrayLike<number>;
  /** How many of them are in the cache. */
  fed: number;
  generating: boolean;
  outputTokens: number;
  maxTokens: number;
  sampler: Sampler;
  decoder: TextDecoder;
  stops: StopMatcher;
}

export interface EngineOptions {
  queueLimit: number;
  /** Conversations at once, at most. The engine begins with room for one and makes room for all when a second comes. */
  maxSequences: number;
  /** Makes a context with so many sequences. */
  createContext: (sequences: number) => Promise<Context>;
  onStep: (output: StepOutput) => void;
}

export class Engine {
  #context: Context;
  readonly #batch: Batch;
  readonly #vocabulary: Vocabulary;
  readonly #template: ChatTemplate;
  readonly #tokenizer: PromptTokenizer;
  readonly #options: EngineOptions;
  readonly #slots: Slot[] = [];
  #maxSequences: number;
  /** A larger context on its way, and once it is there. */
  #growing = false;
  #grown: Context | undefined;
  #waiting: Waiting[] = [];
  #running: Running[] = [];
  readonly #cancelled = new Set<number>();
  /** Requests whose prompts are being tokenized. */
  readonly #preparing = new Map<number, { cancelled: boolean }>();
  #looping = false;
  readonly #governor: ThreadGovernor;
  #clock = 0;
  #steps = 0;
  #prefillTokens = 0;
  #outputTokens = 0;
  #decodeMs = 0;

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
    this.#governor = createThreadGovernor(context.threads);
    this.#tokenizer = createPromptTokenizer(vocabulary, model.chatTemplate);
    this.#addSlots();
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
    const held = this.#slots.reduce((sum, { tokens }) => sum + tokens.length, 0);
    return {
      queued: this.#waiting.length,
      active: this.#running.length,
      steps: this.#steps,
      prefillTokens: this.#prefillTokens,
      outputTokens: this.#outputTokens,
      decodeMs: this.#decodeMs,
      promptTokens: 0,
      cachedTokens: 0,
      prefixCacheBytes: 0,
      draftedTokens: 0,
      acceptedTokens: 0,
      kvUsed: held / (this.#context.contextTokens * this.#maxSequences),
    };
  }

  /**
   * Tokens of the request's prompt, template included. Other requests go on meanwhile.
   * @throws FreeholdError invalid_request, unsupported, cancelled
   */
  async countTokens(id: number, request: GenerateRequest): Promise<number> {
    return (await this.#prepare(id, request, Number.POSITIVE_INFINITY)).length;
  }

  /**
   * Queues a request; its events arrive by `onStep`. Other requests go on while its prompt is tokenized.
   * @throws FreeholdError overloaded, context_exceeded, invalid_request, unsupported, cancelled
   */
  async submit(id: number, request: GenerateRequest): Promise<void> {
    const queued = this.#waiting.length + this.#preparing.size;
    const free = this.#maxSequences - this.#running.length;
    if (queued >= this.#options.queueLimit + free) {
      throw new FreeholdError('overloaded', `${queued} requests already wait for this model.`, {
        retryAfterMs: 1000,
        hint: 'Try again in a moment, or raise --queue-limit.',
      });
    }
    const prompt = await this.#prepare(id, request, this.#context.contextTokens);
    if (prompt.length === 0) throw new FreeholdError('invalid_request', 'The prompt is empty.', { field: 'messages' });
    const sampler = createSampler(request.sampling ?? {}, { vocabularySize: this.#vocabulary.size, prompt });
    this.#waiting.push({ id, tenant: request.tenant, request, prompt, sampler });
    this.#start();
  }

  async #prepare(id: number, request: GenerateRequest, contextTokens: number): Promise<Int32Array> {
    const state = { cancelled: false };
    this.#preparing.set(id, state);
    try {
      return await this.#tokenizer.tokenize(this.#template.render(request), contextTokens, () => state.cancelled);
    } finally {
      this.#preparing.delete(id);
    }
  }

  /** Ends a request within one step; its last event is a failure `cancelled`. */
  cancel(id: number): void {
    const preparing = this.#preparing.get(id);
    if (preparing) preparing.cancelled = true;
    this.#cancelled.add(id);
    this.#start();
  }

  #start(): void {
    if (this.#looping) return;
    this.#looping = true;
    void this.#loop();
  }

  async #loop(): Promise<void> {
    while (this.#waiting.length > 0 || this.#running.length > 0) {
      const output: StepOutput = { events: [], failures: [] };
      this.#dropCancelled(output);
      this.#moveToGrown();
      this.#admit(output);
      this.#growIfNeeded();
      if (this.#running.length > 0) await this.#step(output);
      this.#options.onStep(output);
      // let messages of other requests in between steps
      await new Promise(setImmediate);
    }
    this.#cancelled.clear();
    this.#looping = false;
    this.#context.pauseThreads();
  }

  #addSlots(): void {
    while (this.#slots.length < this.#context.sequences) {
      this.#slots.push({ sequence: this.#slots.length, tenant: undefined, tokens: [], freedAt: 0 });
    }
  }

  /** A request that finds no slot makes the full context come, while the others go on. */
  #growIfNeeded(): void {
    const slots = this.#slots.length;
    if (this.#waiting.length === 0 || this.#growing || this.#grown || slots >= this.#maxSequences) return;
    this.#growing = true;
    this.#options
      .createContext(this.#maxSequences)
      .then(
        (context) => {
          this.#grown = context;
          if (!this.#looping) this.#moveToGrown();
        },
        (error: Error) => {
          process.stderr.write(`staying at ${slots} conversations at once: ${error.message}\n`);
          this.#maxSequences = slots;
        },
      )
      .finally(() => {
        this.#growing = false;
      });
  }

  /** Between two steps nothing computes: requests move to the larger context, which computes their tokens anew. */
  #moveToGrown(): void {
    if (!this.#grown) return;
    this.#context.dispose();
    this.#context = this.#grown;
    this.#grown = undefined;
    for (const running of this.#running) {
      const { slot, feed, fed } = running;
      running.feed = [...slot.tokens, ...Array.from(feed).slice(fed)];
      running.fed = 0;
      running.generating = false;
    }
    for (const slot of this.#slots) slot.tokens = [];
    this.#addSlots();
  }

  #dropCancelled(output: StepOutput): void {
    if (this.#cancelled.size === 0) return;
    for (const id of this.#cancelled) {
      const running = this.#running.find((candidate) => candidate.id === id);
      const waiting = this.#waiting.findIndex((candidate) => candidate.id === id);
      if (running) this.#release(running);
      if (waiting >= 0) this.#waiting.splice(waiting, 1);
      if (running || waiting >= 0) {
        output.failures.push({ id, error: new FreeholdError('cancelled', 'The request was cancelled.') });
      }
    }
    this.#cancelled.clear();
  }

  #admit(output: StepOutput): void {
    while (this.#running.length < this.#slots.length) {
      const index = nextToAdmit(this.#waiting, this.#running);
      if (index < 0) return;
      const [{ id, tenant, request, prompt, sampler }] = this.#waiting.splice(index, 1) as [Waiting];
      const slot = this.#chooseSlot(tenant, prompt);
      // at least the last prompt token is computed anew: its logits are needed
      let cachedTokens = slot.tenant === tenant ? Math.min(commonPrefix(slot.tokens, prompt), prompt.length - 1) : 0;
      if (!this.#context.removeSequence(slot.sequence, cachedTokens)) {
        // recurrent memory cannot forget a part
        cachedTokens = 0;
        this.#context.removeSequence(slot.sequence);
      }
      slot.tokens.length = cachedTokens;
      slot.tenant = tenant;
      this.#running.push({
        id,
        tenant,
        slot,
        inputTokens: prompt.length,
        cachedTokens,
        feed: prompt,
        fed: cachedTokens,
        generating: false,
        outputTokens: 0,
        maxTokens: request.maxTokens ?? Number.POSITIVE_INFINITY,
        sampler,
        decoder: new TextDecoder('utf-8', { ignoreBOM: true }),
        stops: new StopMatcher(request.stop ?? []),
      });
      output.events.push({ id, event: { type: 'start', inputTokens: prompt.length, cachedTokens } });
    }
  }

  /** The free slot that already holds most of the prompt for the same tenant, else the one that was free longest. */
  #chooseSlot(tenant: string, prompt: Int32Array): Slot {
    const busy = new Set(this.#running.map(({ slot }) => slot));
    let best: Slot | undefined;
    let bestShared = 0;
    for (const slot of this.#slots) {
      if (busy.has(slot)) continue;
      const shared = slot.tenant === tenant ? commonPrefix(slot.tokens, prompt) : 0;
      if (!best || shared > bestShared || (shared === bestShared && slot.freedAt < best.freedAt)) {
        best = slot;
        bestShared = shared;
      }
    }
    invariant(best, 'a slot is free when a request is admitted');
    return best;
  }

  #release(running: Running): void {
    running.slot.freedAt = ++this.#clock;
    this.#running = this.#running.filter((other) => other !== running);
  }

  async #step(output: StepOutput): Promise<void> {
    const counts = planStep(
      this.#running.map(({ generating, feed, fed }) => ({ remainingPrompt: generating ? 0 : feed.length - fed })),
      this.#context.batchTokens,
    );
    this.#batch.clear();
    const wanted: { running: Running; output: number }[] = [];
    this.#running.forEach((running, i) => {
      const { slot, feed } = running;
      const count = counts[i] as number;
      for (let n = 0; n < count; n++) {
        const token = feed[running.fed++] as number;
        const last = running.fed === feed.length;
        const place = this.#batch.add(token, slot.tokens.length, slot.sequence, last);
        slot.tokens.push(token);
        if (last) wanted.push({ running, output: place });
      }
      if (!running.generating) this.#prefillTokens += count;
    });
    const startedAt = performance.now();
    try {
      await this.#context.decode(this.#batch, this.#governor.threads());
    } catch (error) {
      this.#abandon(error, output);
      return;
    } finally {
      this.#decodeMs += performance.now() - startedAt;
      this.#steps += 1;
    }
    for (const { running, output: place } of wanted) {
      try {
        this.#accept(running, running.sampler.sample(this.#context.logits(place)).token, output);
      } catch (error) {
        this.#release(running);
        output.failures.push({ id: running.id, error });
      }
    }
  }

  /** A failed decode leaves the cache unknown: every sequence in it is given up. */
  #abandon(error: unknown, output: StepOutput): void {
    for (const running of this.#running) output.failures.push({ id: running.id, error });
    this.#running = [];
    for (const slot of this.#slots) {
      this.#context.removeSequence(slot.sequence);
      slot.tokens = [];
      slot.tenant = undefined;
    }
  }

  #accept(running: Running, token: number, output: StepOutput): void {
    running.feed = [token];
    running.fed = 0;
    running.generating = true;
    running.outputTokens += 1;
    running.sampler.accept(token);
    this.#outputTokens += 1;
    if (this.#vocabulary.isEndOfGeneration(token)) {
      this.#finish(running, 'end-turn', output);
      return;
    }
    const { text, stop } = running.stops.push(
      running.decoder.decode(this.#vocabulary.bytesOf(token), { stream: true }),
    );
    if (text !== '') output.events.push({ id: running.id, event: { type: 'text-delta', text } });
    if (stop !== undefined) this.#finish(running, 'stop-sequence', output, stop);
    else if (running.outputTokens >= running.maxTokens) this.#finish(running, 'max-tokens', output);
    else if (running.slot.tokens.length >= this.#context.contextTokens) this.#finish(running, 'context-full', output);
  }

  #finish(running: Running, reason: StopReason, output: StepOutput, stopSequence?: string): void {
    const { id, inputTokens, cachedTokens, outputTokens } = running;
    if (stopSequence === undefined) {
      // where the model ended, bytes of an unfinished character come out as U+FFFD; where it was cut off they are dropped
      const rest = running.stops.push(reason === 'end-turn' ? running.decoder.decode() : '');
      const text = rest.text + (rest.stop === undefined ? running.stops.flush() : '');
      if (text !== '') output.events.push({ id, event: { type: 'text-delta', text } });
    }
    output.events.push(
      { id, event: { type: 'usage', inputTokens, cachedTokens, outputTokens } },
      { id, event: stopSequence === undefined ? { type: 'stop', reason } : { type: 'stop', reason, stopSequence } },
    );
    this.#release(running);
  }
}

function commonPrefix(a: readonly number[], b: Int32Array): number {
  const length = Math.min(a.length, b.length);
  let i = 0;
  while (i < length && a[i] === b[i]) i += 1;
  return i;
}
