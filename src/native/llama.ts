// Models and contexts of libllama as typed, disposable objects. Knows nothing of chat or sampling.
import path from 'node:path';
import koffi from 'koffi';
import { FreeholdError, invariant } from '../lib/errors.ts';
import { type LoraAdapter, setAdapters } from './adapters.ts';
import type { Batch } from './batch.ts';
import { CpuThreadpool } from './cpu.ts';
import {
  availableThreads,
  callAsync,
  contextParams,
  defaultParams,
  modelParams,
  type Native,
  passParams,
} from './ffi.ts';
import { attachHandle, Handle, handleOf, type Pointer } from './handle.ts';
import { type Pooling, poolingTypes } from './pooling.ts';
import { readVocabulary, type Vocabulary } from './vocabulary.ts';

export { Batch } from './batch.ts';
export type { Vocabulary } from './vocabulary.ts';

export interface ModelOptions {
  /** Path of a GGUF that `readGguf` accepted; for a split model its first part. */
  file: string;
  /** Layers on the GPU; -1 all, 0 none. Default -1. */
  gpuLayers?: number;
}

/** Weights and vocabulary of one GGUF. Disposing it disposes its contexts. */
export class Model {
  readonly vocabulary: Vocabulary;
  readonly hasDecoder: boolean;
  readonly #native: Native;
  readonly #handle: Handle;

  private constructor(native: Native, handle: Handle) {
    const { llama } = native;
    const pointer = handle.pointer;
    this.#native = native;
    this.#handle = attachHandle(this, handle);
    this.vocabulary = readVocabulary(native, handle);
    this.hasDecoder = llama.llama_model_has_decoder(pointer) && !llama.llama_model_has_encoder(pointer);
  }

  /**
   * Loads a model on another thread.
   * @throws FreeholdError model_failed
   */
  static async load(native: Native, options: ModelOptions): Promise<Model> {
    const params = defaultParams(native.llama.llama_model_default_params);
    params.writeInt32LE(options.gpuLayers ?? -1, modelParams.n_gpu_layers);
    const pointer = await callAsync(native.llama.llama_model_load_from_file, options.file, passParams(params));
    if (!pointer) {
      throw new FreeholdError('model_failed', `The native library could not load ${path.basename(options.file)}.`, {
        hint: 'Its architecture may be newer than this release, or memory ran out; the lines above in the log say which.',
      });
    }
    return new Model(native, new Handle('model', pointer, (p) => native.llama.llama_model_free(p)));
  }

  /** The chat template in the file, or undefined. */
  get chatTemplate(): string | undefined {
    return this.#native.llama.llama_model_chat_template(this.#handle.pointer, null) ?? undefined;
  }

  dispose(): void {
    this.#handle.dispose();
  }
}

/** `ggml_type` of a KV cache. */
const cacheTypes = { f32: 0, f16: 1 } as const;

export interface ContextOptions {
  /** Tokens each sequence may hold, prompt and answer. */
  contextTokens: number;
  /** Sequences that may be in the cache at once, 1..256. */
  sequences: number;
  /** Most tokens of one decode call. Default 512; fewer where the whole cache is smaller. */
  batchTokens?: number;
  /** Most tokens that go through the layers together; a larger batch takes several passes. Default and at most `batchTokens`. */
  ubatchTokens?: number;
  /** Threads; 0: one per core. */
  threads?: number;
  /** One buffer of KV cells for all sequences in place of one each. Default false. */
  unified?: boolean;
  /** Cells of that one buffer. Default contextTokens * sequences. */
  cells?: number;
  /** Type of the cached keys and values. Default f16 */
  cacheType?: 'f16' | 'f32';
  /** Whether scores and softmax of attention are one operation. Default: where the device has one. */
  flashAttention?: boolean;
  /** Gives pooled results of sequences (see `embeddings.ts`) in place of logits. Every token of a batch then wants its logits. */
  pooling?: Pooling;
  /**
   * Threads that contexts share which never compute at the same time; at least `threads`. They must outlive the context,
   * which does not dispose them. Default: its own.
   */
  threadpool?: CpuThreadpool | undefined;
  /**
   * Called on this thread in the middle of a decode, every few operations of the model; the decode waits for it, so that
   * another context may compute meanwhile (`decodeNow`). Where it returns false, the decode ends with nothing useful.
   */
  onPause?: () => boolean;
}

/** Operations of a model between two calls of `onPause`: a layer has about thirty. */
const operationsBetweenPauses = 8;

/** A state grows by so much, in bytes, when it is moved to a context with the most sequences there may be. */
const roomBehindState = 4 * 256;

/** A KV cache and compute buffers for one model. One decode at a time. */
export class Context {
  readonly contextTokens: number;
  readonly sequences: number;
  readonly batchTokens: number;
  /** Most threads of a decode. */
  readonly threads: number;
  /** Whether there is a cache at all: encoders see a whole text at once and remember nothing. */
  readonly keepsCells: boolean;
  readonly #native: Native;
  readonly #handle: Handle;
  readonly #vocabularySize: number;
  readonly #threadpool: CpuThreadpool | undefined;
  /** Rows of logits that the last decode computed, and where they are. */
  #outputs = 0;
  #currentThreads: number;
  #adapter: LoraAdapter | undefined;
  #logits: { address: unknown; rows: number; values: Float32Array } | undefined;

  private constructor(
    native: Native,
    model: Model,
    pointer: Pointer,
    threads: number,
    shared: CpuThreadpool | undefined,
    onRelease: () => void,
  ) {
    const { llama } = native;
    const threadpool = shared ?? CpuThreadpool.create(native, threads);
    threadpool?.attach(pointer);
    const release = (context: Pointer) => {
      llama.llama_free(context);
      if (!shared) threadpool?.dispose();
      onRelease();
    };
    this.#native = native;
    this.#threadpool = threadpool;
    this.#handle = attachHandle(this, new Handle('context', pointer, release, handleOf(model)));
    this.#vocabularySize = model.vocabulary.size;
    this.contextTokens = llama.llama_n_ctx_seq(pointer);
    this.sequences = llama.llama_n_seq_max(pointer);
    this.batchTokens = llama.llama_n_batch(pointer);
    this.threads = llama.llama_n_threads(pointer);
    this.keepsCells = Boolean(llama.llama_get_memory(pointer));
    this.#currentThreads = this.threads;
  }

  /**
   * Sets memory aside for the cache, on another thread: zeroing it takes its time.
   * @throws FreeholdError model_failed when the memory cannot be had
   */
  static async create(native: Native, model: Model, options: ContextOptions): Promise<Context> {
    const { llama } = native;
    const threads = options.threads || availableThreads();
    const batchTokens = options.batchTokens ?? 512;
    const bytes = defaultParams(llama.llama_context_default_params);
    bytes.writeUInt32LE(options.cells ?? options.contextTokens * options.sequences, contextParams.n_ctx);
    bytes.writeUInt32LE(batchTokens, contextParams.n_batch);
    bytes.writeUInt32LE(Math.min(options.ubatchTokens ?? batchTokens, batchTokens), contextParams.n_ubatch);
    bytes.writeUInt32LE(options.sequences, contextParams.n_seq_max);
    bytes.writeInt32LE(threads, contextParams.n_threads);
    bytes.writeInt32LE(threads, contextParams.n_threads_batch);
    bytes.writeUInt8(options.unified ? 1 : 0, contextParams.kv_unified);
    if (options.cacheType !== undefined) {
      bytes.writeInt32LE(cacheTypes[options.cacheType], contextParams.type_k);
      bytes.writeInt32LE(cacheTypes[options.cacheType], contextParams.type_v);
    }
    if (options.flashAttention !== undefined)
      bytes.writeInt32LE(options.flashAttention ? 1 : 0, contextParams.flash_attn_type);
    if (options.pooling) {
      bytes.writeUInt8(1, contextParams.embeddings);
      bytes.writeInt32LE(poolingTypes[options.pooling], contextParams.pooling_type);
    }
    const pauses = options.onPause && registerPauses(options.onPause);
    if (pauses) bytes.writeBigUInt64LE(pauses, contextParams.cb_eval);
    const pointer = await handleOf(model).whileBusy((owner) =>
      callAsync(llama.llama_init_from_model, owner, passParams(bytes)),
    );
    const unregister = () => {
      if (pauses) koffi.unregister(pauses);
    };
    if (!pointer) {
      unregister();
      throw new FreeholdError(
        'model_failed',
        `No memory could be had for ${options.sequences} conversations of ${options.contextTokens} tokens.`,
        { hint: 'Lower --context-tokens or --max-sequences.' },
      );
    }
    const context = new Context(native, model, pointer, threads, options.threadpool, unregister);
    // llama rounds n_ctx up to a multiple of its padding, and cuts the batch down to it
    invariant(
      context.contextTokens >= options.contextTokens &&
        context.sequences === options.sequences &&
        context.batchTokens <= batchTokens &&
        context.threads === threads,
      'the context has the sizes it was asked for',
    );
    return context;
  }

  /**
   * Runs the batch through the model on another thread.
   * @param threads for this decode and the next ones, 1 to `this.threads`; default as before
   * @throws FreeholdError model_failed with libllama's status: 1 no free KV cell, negative an error
   */
  async decode(batch: Batch, threads = this.#currentThreads): Promise<void> {
    this.#prepare(batch, threads);
    const { llama } = this.#native;
    const run = this.keepsCells ? llama.llama_decode : llama.llama_encode;
    const status = await this.#handle.whileBusy((pointer) =>
      handleOf(batch).whileBusy(() => callAsync(run, pointer, batch.native())),
    );
    this.#finish(batch, status as number);
  }

  /**
   * The same on this thread, for what cannot wait. It passes by the gate that keeps decodes from what changes the model
   * (`Handle.whileAlone`: an adapter being loaded) and from a disposal: safe only in `onPause` of another context of the
   * same model, whose decode holds that gate, and while this context itself does not decode.
   * @throws FreeholdError as `decode`
   */
  decodeNow(batch: Batch, threads = this.#currentThreads): void {
    this.#prepare(batch, threads);
    this.#finish(batch, this.#native.llama.llama_decode(this.#handle.pointer, batch.native()));
  }

  #prepare(batch: Batch, threads: number): void {
    // more would end the process inside libllama
    invariant(batch.size > 0 && batch.size <= this.batchTokens, `a batch holds 1 to ${this.batchTokens} tokens`);
    if (threads !== this.#currentThreads) {
      invariant(threads >= 1 && threads <= this.threads, `a decode has 1 to ${this.threads} threads`);
      this.#native.llama.llama_set_n_threads(this.#handle.pointer, threads, threads);
      this.#currentThreads = threads;
    }
    this.#outputs = 0;
  }

  #finish(batch: Batch, status: number): void {
    if (status !== 0)
      throw new FreeholdError('model_failed', `llama_decode failed with status ${status} on ${batch.size} tokens.`);
    this.#outputs = batch.outputs;
  }

  /**
   * Logits that the last decode computed.
   * @param output as `Batch.add` returned it: rows that wanted logits are counted from 0
   * @returns (V) f32, a view that the next decode overwrites; not to be written
   */
  logits(output: number): Float32Array {
    const context = this.#handle.pointer;
    invariant(output >= 0 && output < this.#outputs, 'the last batch asked for these logits');
    const pointer = this.#native.llama.llama_get_logits(context);
    const address = koffi.address(pointer);
    // one view of the buffer for as long as libllama keeps it where it is: a view a token would press the collector
    if (this.#logits?.address !== address || this.#logits.rows < this.#outputs) {
      const bytes = koffi.view(pointer, this.#outputs * this.#vocabularySize * 4);
      this.#logits = { address, rows: this.#outputs, values: new Float32Array(bytes) };
    }
    return this.#logits.values.subarray(output * this.#vocabularySize, (output + 1) * this.#vocabularySize);
  }

  /**
   * Forgets the cells of a sequence from position `from` on. Default 0: all of them.
   * @returns false where the memory cannot forget a part (recurrent models)
   */
  removeSequence(sequence: number, from = 0): boolean {
    const { llama } = this.#native;
    return llama.llama_memory_seq_rm(llama.llama_get_memory(this.#handle.pointer), sequence, from, -1);
  }

  /** Bytes of a buffer for `readSequence`, with room for what a move to another context adds. */
  sequenceBytes(sequence: number): number {
    return Number(this.#native.llama.llama_state_seq_get_size(this.#handle.pointer, sequence)) + roomBehindState;
  }

  /**
   * What the cache holds of a sequence, in libllama's own form (`kv-state.ts` reads it). Copies at once.
   * @param buffer used where it is large enough
   * @returns the first bytes of `buffer`, or of a new one, which has room behind them to move the state
   */
  readSequence(sequence: number, buffer?: Uint8Array): Uint8Array {
    const { llama } = this.#native;
    const room = this.sequenceBytes(sequence);
    const size = room - roomBehindState;
    const bytes = (buffer && buffer.length >= size ? buffer : new Uint8Array(room)).subarray(0, size);
    const written = Number(llama.llama_state_seq_get_data(this.#handle.pointer, bytes, size, sequence));
    invariant(written === size, 'a state is as large as it was said to be');
    return bytes;
  }

  /**
   * Gives a sequence what `readSequence` took; what it held before is forgotten.
   * @returns false, and the sequence is empty, where the state does not fit this context
   */
  writeSequence(sequence: number, state: Uint8Array): boolean {
    const { llama } = this.#native;
    const read = Number(llama.llama_state_seq_set_data(this.#handle.pointer, state, state.length, sequence));
    if (read === state.length) return true;
    this.removeSequence(sequence);
    return false;
  }

  /**
   * Adds an adapter to the weights for the decodes to come, or none. Costs nothing where it is the same as before.
   * Never while this context decodes. libllama keeps a pointer: the adapter must live until another, or none, took its
   * place here, or the context is gone.
   */
  useAdapter(adapter: LoraAdapter | undefined): void {
    if (adapter === this.#adapter) return;
    setAdapters(this.#native, this, adapter ? [{ adapter, scale: 1 }] : []);
    this.#adapter = adapter;
  }

  /** Lets the threads sleep until the next decode, which wakes them. */
  pauseThreads(): void {
    this.#threadpool?.pause();
  }

  dispose(): void {
    this.#handle.dispose();
  }
}

/** A C function that libllama asks before each operation whether to stop after it, and calls where it did. */
function registerPauses(onPause: () => boolean): bigint {
  pausesType ??= koffi.pointer(koffi.proto('bool freehold_pause(void* tensor, bool asks, void* user)'));
  let operations = 0;
  return koffi.register((_tensor: Pointer, asks: boolean) => {
    if (!asks) return onPause();
    operations += 1;
    return operations % operationsBetweenPauses === 0;
  }, pausesType);
}
let pausesType: ReturnType<typeof koffi.pointer> | undefined;
