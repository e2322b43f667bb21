// The server's side of a model process: spawns it, supervises it, and turns its messages into the TextModel contract.
// Knows no native code. A process that dies, or no longer hears, costs the requests it held; it is started again, with
// back-off, and after several deaths without one answer not before a cool-down has passed.
import type { ChildProcess } from 'node:child_process';
import { AsyncQueue } from '../lib/async-queue.ts';
import { type Deferred, deferred, orAborted, throwIfAborted } from '../lib/deferred.ts';
import { cancelled, FreeholdError, fromErrorRecord, invariant } from '../lib/errors.ts';
import { type Logger, silentLogger } from '../lib/log.ts';
import type {
  Capabilities,
  EmbedRequest,
  EmbedResult,
  GenerateEvent,
  GenerateRequest,
  RerankRequest,
  RerankResult,
} from '../lib/text-model.ts';
import { endChild, startChild } from './child.ts';
import { floatsOf } from './floats.ts';
import { createLiveness, type Liveness } from './liveness.ts';
import type { LocalModelState, LocalTextModel } from './local-text-model.ts';
import type { NativeLog } from './native-log.ts';
import { type EngineStats, type FromProcess, type LoadOptions, noStats, type ToProcess } from './protocol.ts';
import { refuseTooManyTurns, roughBytes, tooMuchUnread } from './request-bounds.ts';
import { createRestarts, type Restarts, type Supervision, usualSupervision } from './supervision.ts';

export type { LocalModelState, LocalTextModel };

/**
 * Starts a model process and loads a GGUF in it.
 * @param signal aborting ends a load that is under way
 * @param supervision bounds that are not the usual ones; for tests
 * @returns when the model is ready
 * @throws FreeholdError gguf_invalid, file_not_found, model_failed, native_library_missing, cancelled, …
 */
export async function openLocalModel(
  options: LoadOptions,
  logger: Logger = silentLogger,
  signal?: AbortSignal,
  supervision: Partial<Supervision> = {},
): Promise<LocalTextModel> {
  throwIfAborted(signal);
  const model = new SupervisedModel(options, logger, { ...usualSupervision, ...supervision });
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

/** What a process says once, to one request. */
type Answer = Extract<FromProcess, { type: 'tokens' | 'embeddings' | 'scores' }>;

/** What a request in flight hears of. */
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
  #ready: Deferred = deferred();
  #capabilities: Capabilities | undefined;
  #device = 'CPU';
  #stats: EngineStats = noStats;
  #nextId = 1;
  /** Whether the process that runs has answered a request. */
  #answered = false;
  #backoffTimer: NodeJS.Timeout | undefined;
  readonly #liveness: Liveness;
  readonly #supervision: Supervision;
  /** Bytes of requests on their way to the process that runs. */
  #unreadBytes = 0;
  readonly #restarts: Restarts;
  /** What requests hear until the cool-down has passed. */
  #crashMessage = '';
  #onSilent = () => {};

  constructor(options: LoadOptions, logger: Logger, supervision: Supervision) {
    this.#options = options;
    this.#logger = logger.child({ model: options.name });
    this.#supervision = supervision;
    this.#restarts = createRestarts(supervision);
    this.#liveness = createLiveness({
      pingMs: supervision.pingMs,
      ping: () => this.#send({ type: 'ping' }),
      onSilent: () => this.#onSilent(),
    });
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
    refuseTooManyTurns(request, this.capabilities().contextTokens);
    const id = this.#nextId++;
    const queue = new AsyncQueue<GenerateEvent>();
    let done = false;
    const finish = () => {
      done = true;
      this.#forget(id);
    };
    const leave = () => {
      if (done) return;
      finish();
      this.#send({ type: 'cancel', id });
    };
    const onAbort = () => {
      leave();
      queue.fail(cancelled());
    };
    this.#ask({ type: 'generate', id, request }, id, {
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
      yield* queue;
    } finally {
      signal?.removeEventListener('abort', onAbort);
      leave();
    }
  }

  async countTokens(request: GenerateRequest, signal?: AbortSignal): Promise<number> {
    await this.#untilReady(signal);
    refuseTooManyTurns(request, this.capabilities().contextTokens);
    const answer = await this.#answerTo((id) => ({ type: 'count-tokens', id, request }), signal);
    invariant(answer.type === 'tokens', 'a process answers what it was asked');
    return answer.count;
  }

  async embed(request: EmbedRequest, signal?: AbortSignal): Promise<EmbedResult> {
    const answer = await this.#answerTo((id) => ({ type: 'embed', id, request }), signal);
    invariant(answer.type === 'embeddings', 'a process answers what it was asked');
    return { embeddings: floatsOf(answer.base64, answer.dimensions), inputTokens: answer.inputTokens };
  }

  async rerank(request: RerankRequest, signal?: AbortSignal): Promise<RerankResult> {
    const answer = await this.#answerTo((id) => ({ type: 'rerank', id, request }), signal);
    invariant(answer.type === 'scores', 'a process answers what it was asked');
    return answer.result;
  }

  /** Sends a message that is answered by one. Whoever aborts waits no longer; the process is told. */
  async #answerTo(message: (id: number) => ToProcess, signal?: AbortSignal): Promise<Answer> {
    await this.#untilReady(signal);
    const id = this.#nextId++;
    const answered = new Promise<Answer>((onAnswer, onFailure) => {
      this.#ask(message(id), id, { onAnswer, onFailure });
    });
    try {
      return await orAborted(answered, signal);
    } finally {
      this.#forget(id);
      if (signal?.aborted) this.#send({ type: 'cancel', id });
    }
  }

  async close(): Promise<void> {
    this.#state = 'closed';
    clearTimeout(this.#backoffTimer);
    this.#liveness.stop();
    const unloaded = () =>
      new FreeholdError('shutting_down', `The model ${this.name} is being unloaded.`, { retryAfterMs: 1000 });
    this.#ready.reject(unloaded());
    this.#failAll(unloaded);
    const child = this.#child;
    this.#child = undefined;
    if (child) await endChild(child);
  }

  /** Starts a process and loads the model in it; `#ready` tells how that ends. Messages of earlier processes are not heard. */
  #spawn(): void {
    const { pingMs, unansweredPings, unansweredPingsLoading } = this.#supervision;
    this.#answered = false;
    this.#unreadBytes = 0;
    const { child, log } = startChild(this.#logger);
    this.#child = child;
    /** The load failed: the next request tries again. */
    const fail = (error: FreeholdError) => {
      this.#child = undefined;
      this.#state = 'failed';
      this.#liveness.stop();
      child.kill('SIGKILL');
      this.#ready.reject(error);
    };
    this.#onSilent = () => {
      if (this.#state === 'ready') {
        child.kill('SIGKILL');
        this.#lose(log, `did not answer for ${seconds(pingMs * unansweredPings)} and was ended`);
        return;
      }
      const silence = `Loading ${this.name} did not get on for ${seconds(pingMs * unansweredPingsLoading)}; it was given up.`;
      fail(new FreeholdError('model_failed', silence, { hint: 'Its disk may be slow or broken.' }));
    };
    this.#liveness.watch(unansweredPingsLoading);
    child.once('error', (cause) => {
      if (this.#child !== child) return;
      fail(new FreeholdError('model_failed', `The model process could not be started: ${cause.message}.`, { cause }));
    });
    child.on('message', (message: FromProcess) => {
      if (this.#child !== child) return;
      this.#liveness.heard();
      this.#hear(message, child, log, fail);
    });
    // 'close' and not 'exit': by then the last lines of its log are here
    child.once('close', (code, signal) => {
      if (this.#child !== child) return;
      const how = signal ? `was ended by ${signal}` : `ended with status ${code}`;
      if (this.#state !== 'ready') {
        const reason = log.reason();
        const message = `The model process ${how} while it loaded ${this.name}.${reason ? ` ${reason}` : ''}`;
        const hint = 'The model may need more memory than there is, or its file may be damaged.';
        fail(new FreeholdError('model_failed', message, { hint }));
        return;
      }
      this.#lose(log, how);
    });
    this.#send({ type: 'load', options: this.#options });
  }

  /** The process that ran the model is gone; another is started, unless too many have died. */
  #lose(log: NativeLog, how: string): void {
    this.#logger.error({ how, log: log.last(5) }, 'the model process died');
    this.#child = undefined;
    this.#stats = noStats;
    this.#liveness.stop();
    const waitMs = this.#restarts.died(this.#answered);
    if (waitMs === undefined) {
      const reason = log.reason();
      this.#crashMessage = `The process that ran ${this.name} ${how}, as others did before it without one answer.${reason ? ` ${reason}` : ''}`;
      this.#state = 'crashed';
      this.#failAll(() => this.#crashed());
      return;
    }
    this.#state = 'restarting';
    this.#ready = deferred();
    this.#ready.promise.catch((error: FreeholdError) => {
      if (this.#state === 'failed') this.#logger.error({ err: error }, 'the model process was not started again');
    });
    this.#backoffTimer = setTimeout(() => this.#spawn(), waitMs);
    const message = `The process that ran ${this.name} ${how}; it is being started again.`;
    this.#failAll(() => new FreeholdError('model_process_lost', message, { retryAfterMs: 1000 }));
  }

  #crashed(): FreeholdError {
    const wait = seconds(Math.max(1000, this.#restarts.coolDownLeftMs()));
    return new FreeholdError('model_failed', this.#crashMessage, {
      hint: `It is tried again in ${wait}. The log of the server says more.`,
    });
  }

  #hear(message: FromProcess, child: ChildProcess, log: NativeLog, fail: (error: FreeholdError) => void): void {
    switch (message.type) {
      case 'loaded':
        this.#capabilities = message.capabilities;
        this.#device = message.device;
        this.#state = 'ready';
        this.#liveness.rest();
        this.#logger.info(
          { pid: child.pid, loadMs: Math.round(message.loadMs), device: message.device },
          'model loaded',
        );
        this.#ready.resolve();
        return;
      case 'load-failed': {
        const error = fromErrorRecord(message.error);
        const reason = error.code === 'model_failed' ? log.reason() : undefined;
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
      case 'pong':
        return;
      default:
        message satisfies never;
    }
  }

  async #untilReady(signal?: AbortSignal): Promise<void> {
    throwIfAborted(signal);
    if (this.#state === 'ready') return;
    if (this.#state === 'closed') {
      throw new FreeholdError('shutting_down', `The model ${this.name} was unloaded.`, { retryAfterMs: 1000 });
    }
    if (this.#state === 'crashed' && this.#restarts.coolDownLeftMs() > 0) throw this.#crashed();
    if (this.#state === 'failed' || this.#state === 'crashed') {
      this.#state = 'loading';
      this.start();
    }
    await orAborted(this.#ready.promise, signal);
  }

  /**
   * Sends a request, whose answers go to the listener.
   * @throws FreeholdError overloaded when the process has not read what it was sent before
   */
  #ask(message: ToProcess, id: number, listener: Listener): void {
    const bytes = roughBytes(message);
    if (this.#unreadBytes > 0 && this.#unreadBytes + bytes > this.#supervision.unreadBytes) {
      throw tooMuchUnread();
    }
    this.#listeners.set(id, listener);
    this.#liveness.watch(this.#supervision.unansweredPings);
    this.#send(message, bytes);
  }

  #forget(id: number): void {
    this.#listeners.delete(id);
    if (this.#listeners.size === 0 && this.#state === 'ready') this.#liveness.rest();
  }

  #send(message: ToProcess, bytes = 0): void {
    const child = this.#child;
    // a process that died is dealt with by its exit event
    if (!child?.connected) return;
    this.#unreadBytes += bytes;
    child.send(message, () => {
      if (this.#child === child) this.#unreadBytes -= bytes;
    });
  }

  #failAll(error: () => FreeholdError): void {
    for (const listener of [...this.#listeners.values()]) listener.onFailure(error());
    this.#listeners.clear();
  }
}

const seconds = (ms: number) => `${Math.ceil(ms / 1000)} s`;
