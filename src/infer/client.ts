// The server's side of a model process: spawns it, supervises it, and turns its messages into the TextModel contract.
// Knows no native code. A process that dies costs the requests it held; it is started again, with back-off.
import { type ChildProcess, fork } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { AsyncQueue } from '../lib/async-queue.ts';
import { childEnvironment } from '../lib/child-environment.ts';
import { FreeholdError, fromErrorRecord, invariant } from '../lib/errors.ts';
import { type Logger, silentLogger } from '../lib/log.ts';
import type {
  Capabilities,
  EmbedRequest,
  EmbedResult,
  GenerateEvent,
  GenerateRequest,
  RerankRequest,
  RerankResult,
  TextModel,
} from '../lib/text-model.ts';
import { floatsOf } from './floats.ts';
import type { EngineStats, FromProcess, LoadOptions, ToProcess } from './protocol.ts';

export type LocalModelState = 'loading' | 'ready' | 'restarting' | 'failed' | 'closed';

/** A model that runs in a supervised child process. Requests sent while it restarts wait for it. */
export interface LocalTextModel extends TextModel {
  readonly name: string;
  readonly state: LocalModelState;
  /** Process id of the model process, while there is one. */
  readonly pid: number | undefined;
  /** The last snapshot the process sent. */
  stats(): EngineStats;
  /** Device the weights are on, e.g. `CPU` or `CUDA0`. */
  readonly device: string;
  /** Ends the process; requests in flight fail with `shutting_down`. */
  close(): Promise<void>;
}

/** The program of the model process; run from `dist/` also when this file runs from `src/`. */
const processEntry = fileURLToPath(
  new URL(import.meta.url.endsWith('.ts') ? '../../dist/infer/process/main.js' : './process/main.js', import.meta.url),
);

const firstBackoffMs = 200;
const longestBackoffMs = 30_000;
/** How long a process may take to leave after it was asked to. */
const graceMs = 2_000;
/** Lines of the native library's log kept to explain a failure. */
const logTailLines = 40;

const noStats: EngineStats = {
  queued: 0,
  active: 0,
  steps: 0,
  stepTokens: 0,
  prefillTokens: 0,
  outputTokens: 0,
  decodeMs: 0,
  prefillMs: 0,
  promptTokens: 0,
  cachedTokens: 0,
  prefixCacheBytes: 0,
  draftedTokens: 0,
  acceptedTokens: 0,
  kvUsed: 0,
};

/**
 * Starts a model process and loads a GGUF in it.
 * @param signal aborting ends a load that is under way
 * @returns when the model is ready
 * @throws FreeholdError gguf_invalid, file_not_found, model_failed, native_library_missing, cancelled, …
 */
export async function openLocalModel(
  options: LoadOptions,
  logger: Logger = silentLogger,
  signal?: AbortSignal,
): Promise<LocalTextModel> {
  throwIfAborted(signal);
  const model = new SupervisedModel(options, logger);
  const onAbort = () => void model.close();
  signal?.addEventListener('abort', onAbort, { once: true });
  try {
    await model.start();
    return model;
  } catch (error) {
    await model.close();
    throwIfAborted(signal);
    throw error;
  } finally {
    signal?.removeEventListener('abort', onAbort);
  }
}

/** What a request in flight hears of. */
/** What a process says once, to one request. */
type Answer = Extract<FromProcess, { type: 'tokens' | 'embeddings' | 'scores' }>;

interface Listener {
  onEvent?: (event: GenerateEvent) => void;
  onAnswer?: (answer: Answer) => void;
  onFailure: (error: FreeholdError) => void;
}

class SupervisedModel implements LocalTextModel {
  readonly #options: LoadOptions;
  readonly #logger: Logger;
  readonly #listeners = new Map<number, Listener>();
  #child: ChildProcess | undefined;
  #state: LocalModelState = 'loading';
  /** Settles when the load under way ends, or when the model is closed. */
  #ready = deferred();
  #capabilities: Capabilities | undefined;
  #device = 'CPU';
  #stats: EngineStats = noStats;
  #nextId = 1;
  /** Processes in a row that died before they had answered anything. */
  #fruitless = 0;
  #answered = false;
  #backoffTimer: NodeJS.Timeout | undefined;

  constructor(options: LoadOptions, logger: Logger) {
    this.#options = options;
    this.#logger = logger.child({ model: options.name });
  }

  get name(): string {
    return this.#options.name;
  }

  get state(): LocalModelState {
    return this.#state;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  get device(): string {
    return this.#device;
  }

  stats(): EngineStats {
    return this.#stats;
  }

  capabilities(): Capabilities {
    invariant(this.#capabilities, 'a model was loaded before it is given to anyone');
    return this.#capabilities;
  }

  start(): Promise<void> {
    this.#ready = deferred();
    this.#spawn();
    return this.#ready.promise;
  }

  async *generate(request: GenerateRequest, signal?: AbortSignal): AsyncIterable<GenerateEvent> {
    await this.#untilReady(signal);
    const id = this.#nextId++;
    const queue = new AsyncQueue<GenerateEvent>();
    let done = false;
    const finish = () => {
      done = true;
      this.#listeners.delete(id);
    };
    const leave = () => {
      if (done) return;
      finish();
      this.#send({ type: 'cancel', id });
    };
    const onAbort = () => {
      leave();
      queue.fail(new FreeholdError('cancelled', 'The request was cancelled.'));
    };
    this.#listeners.set(id, {
      onEvent: (event) => {
        queue.push(event);
        if (event.type !== 'stop') return;
        this.#answered = true;
        finish();
        queue.end();
      },
      onFailure: (error) => {
        finish();
        queue.fail(error);
      },
    });
    signal?.addEventListener('abort', onAbort, { once: true });
    try {
      this.#send({ type: 'generate', id, request });
      yield* queue;
    } finally {
      signal?.removeEventListener('abort', onAbort);
      leave();
    }
  }

  async countTokens(request: GenerateRequest, signal?: AbortSignal): Promise<number> {
    const answer = await this.#ask((id) => ({ type: 'count-tokens', id, request }), signal);
    invariant(answer.type === 'tokens', 'a process answers what it was asked');
    return answer.count;
  }

  async embed(request: EmbedRequest, signal?: AbortSignal): Promise<EmbedResult> {
    const answer = await this.#ask((id) => ({ type: 'embed', id, request }), signal);
    invariant(answer.type === 'embeddings', 'a process answers what it was asked');
    return { embeddings: floatsOf(answer.base64, answer.dimensions), inputTokens: answer.inputTokens };
  }

  async rerank(request: RerankRequest, signal?: AbortSignal): Promise<RerankResult> {
    const answer = await this.#ask((id) => ({ type: 'rerank', id, request }), signal);
    invariant(answer.type === 'scores', 'a process answers what it was asked');
    return answer.result;
  }

  /** Sends a message that is answered by one. Whoever aborts waits no longer; the process is told. */
  async #ask(message: (id: number) => ToProcess, signal?: AbortSignal): Promise<Answer> {
    await this.#untilReady(signal);
    const id = this.#nextId++;
    const answered = new Promise<Answer>((onAnswer, onFailure) => {
      this.#listeners.set(id, { onAnswer, onFailure });
      this.#send(message(id));
    });
    try {
      return await orAborted(answered, signal);
    } finally {
      this.#listeners.delete(id);
      if (signal?.aborted) this.#send({ type: 'cancel', id });
    }
  }

  async close(): Promise<void> {
    this.#state = 'closed';
    clearTimeout(this.#backoffTimer);
    const unloaded = () =>
      new FreeholdError('shutting_down', `The model ${this.name} is being unloaded.`, { retryAfterMs: 1000 });
    this.#ready.reject(unloaded());
    this.#failAll(unloaded);
    const child = this.#child;
    this.#child = undefined;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(() => child.kill('SIGKILL'), graceMs);
      child.once('exit', () => {
        clearTimeout(timer);
        resolve();
      });
      if (child.connected) child.disconnect();
      else child.kill('SIGTERM');
    });
  }

  /** Starts a process and loads the model in it; `#ready` tells how that ends. Messages of earlier processes are not heard. */
  #spawn(): void {
    this.#answered = false;
    const child = fork(processEntry, [], {
      env: childEnvironment(),
      execArgv: ['--enable-source-maps'],
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    this.#child = child;
    const tail: string[] = [];
    if (child.stderr) {
      createInterface({ input: child.stderr }).on('line', (line) => {
        tail.push(line);
        if (tail.length > logTailLines) tail.shift();
        this.#logger.debug({ pid: child.pid }, line);
      });
    }
    /** The load failed: the next request tries again. */
    const fail = (error: FreeholdError) => {
      this.#child = undefined;
      this.#state = 'failed';
      child.kill('SIGKILL');
      this.#ready.reject(error);
    };
    child.once('error', (cause) => {
      if (this.#child !== child) return;
      fail(new FreeholdError('model_failed', `The model process could not be started: ${cause.message}.`, { cause }));
    });
    child.on('message', (message: FromProcess) => {
      if (this.#child === child) this.#hear(message, child, tail, fail);
    });
    // 'close' and not 'exit': by then the last lines of its log are here
    child.once('close', (code, signal) => {
      if (this.#child !== child) return;
      const how = signal ? `was ended by ${signal}` : `ended with status ${code}`;
      if (this.#state !== 'ready') {
        const reason = nativeReason(tail);
        const message = `The model process ${how} while it loaded ${this.name}.${reason ? ` ${reason}` : ''}`;
        const hint = 'The model may need more memory than there is, or its file may be damaged.';
        fail(new FreeholdError('model_failed', message, { hint }));
        return;
      }
      this.#logger.error({ code, signal, log: tail.slice(-5) }, 'the model process died');
      this.#child = undefined;
      this.#stats = noStats;
      this.#scheduleRestart();
      const message = `The process that ran ${this.name} ${how}; it is being started again.`;
      this.#failAll(() => new FreeholdError('model_process_lost', message, { retryAfterMs: 1000 }));
    });
    this.#send({ type: 'load', options: this.#options });
  }

  #hear(
    message: FromProcess,
    child: ChildProcess,
    tail: readonly string[],
    fail: (error: FreeholdError) => void,
  ): void {
    switch (message.type) {
      case 'loaded':
        this.#capabilities = message.capabilities;
        this.#device = message.device;
        this.#state = 'ready';
        this.#logger.info(
          { pid: child.pid, loadMs: Math.round(message.loadMs), device: message.device },
          'model loaded',
        );
        this.#ready.resolve();
        return;
      case 'load-failed': {
        const error = fromErrorRecord(message.error);
        const reason = error.code === 'model_failed' ? nativeReason(tail) : undefined;
        fail(reason ? new FreeholdError('model_failed', `${error.message} ${reason}`, error) : error);
        return;
      }
      case 'events':
        this.#stats = message.stats;
        for (const { id, event } of message.items) this.#listeners.get(id)?.onEvent?.(event);
        return;
      case 'embeddings':
      case 'scores':
        this.#stats = message.stats;
        this.#answered = true;
        this.#listeners.get(message.id)?.onAnswer?.(message);
        return;
      case 'tokens':
        this.#listeners.get(message.id)?.onAnswer?.(message);
        return;
      case 'failed':
        this.#listeners.get(message.id)?.onFailure(fromErrorRecord(message.error));
        return;
      default:
        message satisfies never;
    }
  }

  /** At once after a process that had answered; with a growing wait when one after the other dies before it does. */
  #scheduleRestart(): void {
    this.#fruitless = this.#answered ? 0 : this.#fruitless + 1;
    const waitMs = this.#fruitless <= 1 ? 0 : Math.min(firstBackoffMs * 2 ** (this.#fruitless - 2), longestBackoffMs);
    this.#state = 'restarting';
    this.#ready = deferred();
    this.#ready.promise.catch((error: FreeholdError) => {
      if (this.#state === 'failed') this.#logger.error({ err: error }, 'the model process was not started again');
    });
    this.#backoffTimer = setTimeout(() => this.#spawn(), waitMs);
  }

  async #untilReady(signal?: AbortSignal): Promise<void> {
    throwIfAborted(signal);
    if (this.#state === 'ready') return;
    if (this.#state === 'closed') {
      throw new FreeholdError('shutting_down', `The model ${this.name} was unloaded.`, { retryAfterMs: 1000 });
    }
    if (this.#state === 'failed') {
      this.#state = 'loading';
      this.start();
    }
    await orAborted(this.#ready.promise, signal);
  }

  #send(message: ToProcess): void {
    // a process that died is dealt with by its exit event
    if (this.#child?.connected) this.#child.send(message, () => {});
  }

  #failAll(error: () => FreeholdError): void {
    for (const listener of [...this.#listeners.values()]) listener.onFailure(error());
    this.#listeners.clear();
  }
}

interface Deferred {
  promise: Promise<void>;
  resolve: () => void;
  reject: (error: unknown) => void;
}

function deferred(): Deferred {
  let resolve = () => {};
  let reject: Deferred['reject'] = () => {};
  const promise = new Promise<void>((whenDone, whenFailed) => {
    resolve = whenDone;
    reject = whenFailed;
  });
  // whoever waits hears of a failure; nobody waiting is no crash
  promise.catch(() => {});
  return { promise, resolve, reject };
}

/** @throws FreeholdError cancelled as soon as the signal aborts */
async function orAborted<Value>(promise: Promise<Value>, signal: AbortSignal | undefined): Promise<Value> {
  if (!signal) return promise;
  let onAbort = () => {};
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(new FreeholdError('cancelled', 'The request was cancelled.'));
    signal.addEventListener('abort', onAbort, { once: true });
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new FreeholdError('cancelled', 'The request was cancelled.');
}

/** The line of the native log that says what went wrong. */
function nativeReason(tail: readonly string[]): string | undefined {
  const line = tail.findLast((candidate) => /error|failed|unable|unknown/i.test(candidate));
  return line && `The native library says: ${line.trim().slice(0, 300)}`;
}
