// Vectors and relevance scores for many requests at once: inputs of all of them share batches, and a batch's pooled
// results go back to where they belong. Knows tokens and requests; nothing of HTTP or processes.
//
// Encoders (BERT and its heirs) see a whole input in one pass and keep nothing, so a batch holds whole inputs. Decoders
// that pool their last token (Qwen3-Embedding, Qwen3-Reranker) read an input piece by piece into a cache, as for
// generation: that keeps the buffers small, since libllama makes a row of logits for every token it pools.

import { metadataBoolean, metadataString } from '../../formats/gguf/metadata.ts';
import { type ModelPooling, poolingOf, trainedContextOf } from '../../formats/gguf/purpose.ts';
import { cancelled, FreeholdError, invariant } from '../../lib/errors.ts';
import type { EmbedRequest, EmbedResult, RerankRequest, RerankResult } from '../../lib/text-model.ts';
import { pooledResult, pooledSize, rerankTemplate, textFrame } from '../../native/embeddings.ts';
import type { Native } from '../../native/ffi.ts';
import { Batch, Context, type Model } from '../../native/llama.ts';
import type { EngineStats } from '../protocol.ts';
import type { AdaptedModel } from './adapters.ts';
import { createEmbedInputs, type EmbedInputs } from './embed-inputs.ts';
import { createEmbedQueue, shareRoom } from './embed-queue.ts';
import { hasRoom } from './planner.ts';
import { createThreadGovernor, type ThreadGovernor } from './thread-governor.ts';

/** Tokens of a batch of several inputs: in larger ones an encoder's inputs pay for each other's attention. */
const batchTokens = 512;
/** Inputs in one batch, at most. */
const sequences = 64;
/** Characters that may wait: each is at most a token, of four bytes. */
const mostCharacters = 32 << 20;

export interface EmbedderOptions {
  /** Most tokens of one input; never more than the model was trained for. */
  contextTokens: number;
  threads: number;
  /** Requests that may wait. */
  queueLimit: number;
  /** Characters of their inputs together; a request that is alone is let in whatever its length. Default 32 Mi. */
  waitingCharacters?: number;
  /** Default: one that knows of no other process. */
  governor?: ThreadGovernor;
}

/** What a request takes of the queue. */
interface Place {
  tenant: string;
  /** Of its inputs; of pairs, those of the query as often as it is read. */
  characters: number;
}

/** A request whose inputs are tokens by now. */
interface Job extends Place {
  id: number;
  inputs: Int32Array[];
  /** Lengths of the inputs not yet taken; the last ones. */
  lengths: number[];
  results: Float32Array[];
  unfinished: number;
  resolve: (results: Float32Array[]) => void;
  reject: (error: unknown) => void;
}

/** An input that is being read. */
interface Running {
  job: Job;
  index: number;
  tokens: Int32Array;
  fed: number;
  sequence: number;
}

export class Embedder {
  readonly contextTokens: number;
  readonly pooling: ModelPooling;
  readonly #native: Native;
  readonly #context: Context;
  readonly #batch: Batch;
  readonly #inputs: EmbedInputs;
  readonly #size: number;
  readonly #scoreOf: (result: Float32Array) => number;
  /** Whether an input may be read in several batches. */
  readonly #inPieces: boolean;
  readonly #options: EmbedderOptions;
  readonly #governor: ThreadGovernor;
  readonly #queue = createEmbedQueue<Job>();
  readonly #freeSequences = Array.from({ length: sequences }, (_, sequence) => sequence);
  #running: Running[] = [];
  #looping = false;
  readonly #preparing = new Map<number, Place & { cancelled: boolean }>();
  readonly #stats = { steps: 0, tokens: 0, decodeMs: 0 };

  private constructor(native: Native, model: Model, header: AdaptedModel, context: Context, options: EmbedderOptions) {
    const { pooling, contextTokens, inPieces } = shapeOf(header, options.contextTokens);
    const template = pooling === 'rank' ? rerankTemplate(native, model) : undefined;
    this.pooling = pooling;
    this.contextTokens = contextTokens;
    this.#inPieces = inPieces;
    this.#native = native;
    this.#context = context;
    this.#batch = new Batch(native, context.batchTokens);
    this.#size = pooledSize(native, model, pooling);
    this.#scoreOf = scoring(header, this.#size);
    this.#options = options;
    this.#governor = options.governor ?? createThreadGovernor(context.threads);
    this.#inputs = createEmbedInputs({
      vocabulary: model.vocabulary,
      frame: textFrame(native, model),
      contextTokens,
      ...(template === undefined ? {} : { template }),
    });
  }

  /**
   * @param header of the file, with the tensors of all its parts
   * @throws FreeholdError model_failed when memory cannot be had
   */
  static async create(native: Native, model: Model, header: AdaptedModel, options: EmbedderOptions): Promise<Embedder> {
    const { pooling, contextTokens, inPieces } = shapeOf(header, options.contextTokens);
    const most = inPieces ? batchTokens : Math.max(batchTokens, contextTokens);
    const context = await Context.create(native, model, {
      contextTokens,
      sequences,
      unified: true,
      // short inputs may begin while the longest is read
      cells: inPieces ? contextTokens + batchTokens : most,
      batchTokens: most,
      threads: options.threads,
      pooling,
    });
    return new Embedder(native, model, header, context, options);
  }

  stats(): EngineStats {
    return {
      queued: this.#queue.sources.filter(({ inputs, unfinished }) => inputs.length === unfinished).length,
      active: this.#running.length,
      steps: this.#stats.steps,
      stepTokens: this.#stats.tokens,
      prefillTokens: this.#stats.tokens,
      outputTokens: 0,
      decodeMs: this.#stats.decodeMs,
      prefillMs: this.#stats.decodeMs,
      promptTokens: this.#stats.tokens,
      cachedTokens: 0,
      prefixCacheBytes: 0,
      draftedTokens: 0,
      acceptedTokens: 0,
      kvUsed: 0,
    };
  }

  /** @throws FreeholdError unsupported, invalid_request, context_exceeded, overloaded, cancelled, model_failed */
  async embed(id: number, request: EmbedRequest): Promise<EmbedResult> {
    if (this.pooling === 'rank') throw cannot('turn text into vectors', 'It scores documents: POST /v1/rerank.');
    const { dimensions = this.#size } = request;
    if (!Number.isInteger(dimensions) || dimensions < 1 || dimensions > this.#size) {
      throw new FreeholdError('invalid_request', `The vectors of this model have 1 to ${this.#size} dimensions.`, {
        field: 'dimensions',
      });
    }
    const place = { tenant: request.tenant, characters: lengthOf(request.inputs) };
    const { results, inputTokens } = await this.#compute(id, place, (isCancelled) =>
      this.#inputs.texts(request.inputs, isCancelled),
    );
    const cut = (result: Float32Array) => result.subarray(0, dimensions);
    const embeddings = results.map((result) => (request.normalize === false ? cut(result) : normalized(cut(result))));
    return { embeddings, inputTokens };
  }

  /** @throws FreeholdError as `embed` */
  async rerank(id: number, request: RerankRequest): Promise<RerankResult> {
    if (this.pooling !== 'rank') throw cannot('score documents', 'It makes vectors: POST /v1/embeddings.');
    const { tenant, query, documents } = request;
    const place = { tenant, characters: lengthOf(documents) + documents.length * query.length };
    const { results, inputTokens } = await this.#compute(id, place, (isCancelled) =>
      this.#inputs.pairs(query, documents, isCancelled),
    );
    return { scores: results.map(this.#scoreOf), inputTokens };
  }

  /** Ends a request within one batch; its promise rejects with `cancelled`. */
  cancel(id: number): void {
    const preparing = this.#preparing.get(id);
    if (preparing) preparing.cancelled = true;
    const job = this.#queue.sources.find((candidate) => candidate.id === id);
    if (job) this.#end(job, cancelled());
  }

  /** @throws FreeholdError overloaded */
  #requireRoom({ tenant, characters }: Place): void {
    const { queueLimit, waitingCharacters = mostCharacters } = this.#options;
    const all: Place[] = [...this.#queue.sources, ...this.#preparing.values()];
    const own = all.filter((other) => other.tenant === tenant);
    const full = (what: string, hint: string) =>
      new FreeholdError('overloaded', `${what} already wait for this model.`, { retryAfterMs: 1000, hint });
    if (!hasRoom(all.length, own.length, queueLimit)) {
      throw full(`${all.length} requests`, 'Try again in a moment, or raise --queue-limit.');
    }
    const held = charactersOf(all);
    if (held > 0 && !hasRoom(held + characters - 1, charactersOf(own), waitingCharacters)) {
      throw full(`${held} characters of text`, 'Try again in a moment, or send less text at once.');
    }
  }

  async #compute(id: number, place: Place, tokenize: (isCancelled: () => boolean) => Promise<Int32Array[]>) {
    this.#requireRoom(place);
    const state = { ...place, cancelled: false };
    this.#preparing.set(id, state);
    const inputs = await tokenize(() => state.cancelled).finally(() => this.#preparing.delete(id));
    if (state.cancelled) throw cancelled();
    const results = await new Promise<Float32Array[]>((resolve, reject) => {
      const lengths = inputs.map(({ length }) => length);
      this.#queue.add({ ...place, id, inputs, lengths, results: [], unfinished: inputs.length, resolve, reject });
      if (!this.#looping) void this.#loop();
    });
    return { results, inputTokens: inputs.reduce((sum, { length }) => sum + length, 0) };
  }

  async #loop(): Promise<void> {
    this.#looping = true;
    while (this.#admit()) {
      try {
        await this.#step();
      } catch (error) {
        // a failed decode leaves unknown what the cache holds
        for (const { job } of this.#running) this.#end(job, error);
      }
      this.#dropEnded();
      const more = this.#running.length > 0 || this.#queue.peek() !== undefined;
      // let messages of other requests in between batches
      if (more) await new Promise(setImmediate);
    }
    this.#looping = false;
    this.#governor.idle();
    this.#context.pauseThreads();
  }

  /** Gives inputs that wait a place in the next batch. @returns whether there is anything to compute */
  #admit(): boolean {
    for (;;) {
      const job = this.#queue.peek();
      const length = job?.lengths[0];
      if (!job || length === undefined) break;
      const held = this.#running.reduce((sum, { tokens }) => sum + tokens.length, 0);
      const room = this.#inPieces ? this.contextTokens + batchTokens : batchTokens;
      if (this.#running.length > 0 && held + length > room) break;
      const sequence = this.#freeSequences.pop();
      if (sequence === undefined) break;
      const index = job.inputs.length - job.lengths.length;
      job.lengths.shift();
      this.#queue.took(job);
      this.#running.push({ job, index, tokens: job.inputs[index] as Int32Array, fed: 0, sequence });
    }
    return this.#running.length > 0;
  }

  async #step(): Promise<void> {
    const remaining = this.#running.map(({ tokens, fed }) => tokens.length - fed);
    const counts = shareRoom(remaining, this.#batch.capacity);
    this.#batch.clear();
    this.#running.forEach((running, i) => {
      const { tokens, sequence } = running;
      const count = counts[i] as number;
      for (let n = 0; n < count; n++, running.fed++) {
        this.#batch.add(tokens[running.fed] as number, running.fed, sequence, true);
      }
    });
    const startedAt = performance.now();
    await this.#context.decode(this.#batch, this.#governor.threads(this.#batch.size));
    this.#stats.decodeMs += performance.now() - startedAt;
    this.#stats.steps += 1;
    this.#stats.tokens += this.#batch.size;
    for (const { job, index, tokens, fed, sequence } of this.#running) {
      if (fed < tokens.length) continue;
      invariant(this.#inPieces || fed === tokens.length, 'an encoder reads an input at once');
      job.results[index] = pooledResult(this.#native, this.#context, sequence, this.#size);
      job.unfinished -= 1;
      if (job.unfinished > 0) continue;
      this.#queue.remove(job);
      job.resolve(job.results);
    }
  }

  /** Takes back the places of inputs that are read, and of those whose request ended. */
  #dropEnded(): void {
    const live = new Set(this.#queue.sources);
    this.#running = this.#running.filter(({ job, tokens, fed, sequence }) => {
      if (live.has(job) && fed < tokens.length) return true;
      this.#context.removeSequence(sequence);
      this.#freeSequences.push(sequence);
      return false;
    });
  }

  #end(job: Job, error: unknown): void {
    this.#queue.remove(job);
    job.reject(error);
  }
}

const lengthOf = (texts: readonly string[]) => texts.reduce((sum, { length }) => sum + length, 0);
const charactersOf = (places: readonly Place[]) => places.reduce((sum, { characters }) => sum + characters, 0);

/** How inputs are read, and how long they may be. */
function shapeOf(header: AdaptedModel, wantedTokens: number) {
  const pooling = poolingOf(header);
  invariant(pooling, 'chat models are not loaded to embed');
  const architecture = metadataString(header, 'general.architecture') ?? '';
  const causal = metadataBoolean(header, `${architecture}.attention.causal`) ?? !/bert/.test(architecture);
  // the first token's result, and the mean, need all of an input at once
  const inPieces = causal && (pooling === 'last' || (pooling === 'rank' && /^qwen3/.test(architecture)));
  return { pooling, contextTokens: Math.min(wantedTokens, trainedContextOf(header) ?? wantedTokens), inPieces };
}

/**
 * From a classifier's outputs to a relevance, 0..1. One output is a logit; Qwen3's two have been through a softmax, and
 * the first is the "yes".
 */
function scoring(header: AdaptedModel, outputs: number): (result: Float32Array) => number {
  if (outputs === 1) return ([logit = 0]) => 1 / (1 + Math.exp(-logit));
  const yesOrNo = outputs === 2 && /^qwen3/.test(metadataString(header, 'general.architecture') ?? '');
  return ([first = 0]) => {
    if (!yesOrNo) throw cannot('score documents', `Its classifier tells ${outputs} classes apart.`);
    return first;
  };
}

/** Divided by its length; a vector of zeros stays. */
function normalized(vector: Float32Array): Float32Array {
  const length = Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0));
  return length > 0 ? vector.map((value) => value / length) : vector.slice();
}

const cannot = (what: string, hint: string) =>
  new FreeholdError('unsupported', `This model cannot ${what}.`, { hint, field: 'model' });
