// The server's side of a model process: spawns it, supervises it, and turns its messages into the TextModel contract.
// Knows no native code. A process that dies costs the requests it held; it is started again, with back-off.
import { type ChildProcess, fork } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { AsyncQueue } from '../lib/async-queue.ts';
import { FreeholdError, fromErrorRecord, invariant } from '../lib/errors.ts';
import { type Logger, silentLogger } from '../lib/log.ts';
import type { Capabilities, GenerateEvent, GenerateRequest, TextModel } from '../lib/text-model.ts';
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

/** Environment a model process gets; nothing that could hold a secret. */
const environmentAllowed = [
  'PATH',
  'LANG',
  'LC_ALL',
  'TZ',
  'TMPDIR',
  'SystemRoot',
  'LD_LIBRARY_PATH',
  'CUDA_VISIBLE_DEVICES',
  'NVIDIA_VISIBLE_DEVICES',
  'GGML_VK_VISIBLE_DEVICES',
  'VK_DRIVER_FILES',
  'VK_ICD_FILENAMES',
];

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
  prefillTokens: 0,
  outputTokens: 0,
  decodeMs: 0,
  kvUsed: 0,
};

/**
 * Starts a model process and loads a GGUF in it.
 * @returns when the model is ready
 * @throws FreeholdError gguf_invalid, file_not_found, model_failed, native_library_missing, …
 */
export async function openLocalModel(options: LoadOptions, logger: Logger = silentLogger): Promise<LocalTextModel> {
  const model = new SupervisedModel(options, logger);
  await model.start();
  return model;
}

/** What a request in flight hears of. */
interface Listener {
  onEvent?: (event: GenerateEvent) => void;
  onTokens?: (count: number) => void;
  onFailure: (error: FreeholdError) => void;
}

class SupervisedModel implements LocalTextModel {
  readonly #options: LoadOptions;
  readonly #logger: Logger;
  readonly #listeners = new Map<number, Listener>();
  #child: ChildProcess | undefined;
  #state: LocalModelState = 'loading';
  #ready: Promise<void> = Promise.resolve();
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
    this.#ready = this.#spawn();
    // whoever waits hears of a failure; nobody waiting is no crash
    this.#ready.catch(() => {});
    return this.#ready;
  }

  async *generate(request: GenerateRequest, signal?: AbortSignal): AsyncIterable<GenerateEvent> {
    throwIfAborted(signal);
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

  async countTokens(request: GenerateRequest): Promise<number> {
    await this.#untilReady();
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      this.#listeners.set(id, {
        onTokens: (count) => {
          this.#listeners.delete(id);
          resolve(count);
        },
        onFailure: (error) => {
          this.#listeners.delete(id);
          reject(error);
        },
      });
      this.#send({ type: 'count-tokens', id, request });
    });
  }

  async close(): Promise<void> {
    this.#state = 'closed';
    clearTimeout(this.#backoffTimer);
    this.#failAll(
      () => new FreeholdError('shutting_down', `The model ${this.name} is being unloaded.`, { retryAfterMs: 1000 }),
    );
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

  /** @returns when the process has loaded the model */
  #spawn(): Promise<void> {
    const env: NodeJS.ProcessEnv = {};
    for (const name of environmentAllowed) if (process.env[name] !== undefined) env[name] = process.env[name];
    this.#answered = false;
    const child = fork(processEntry, [], {
      env,
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
    return new Promise((resolve, reject) => {
      const fail = (error: FreeholdError) => {
        if (this.#child === child && this.#state !== 'closed') this.#state = 'failed';
        child.kill('SIGKILL');
        reject(error);
      };
      child.once('error', (cause) =>
        fail(new FreeholdError('model_failed', `The model process could not be started: ${cause.message}.`, { cause })),
      );
      child.on('message', (message: FromProcess) => {
        switch (message.type) {
          case 'loaded':
            this.#capabilities = message.capabilities;
            this.#device = message.device;
            this.#state = 'ready';
            this.#logger.info(
              { pid: child.pid, loadMs: Math.round(message.loadMs), device: message.device },
              'model loaded',
            );
            resolve();
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
          case 'tokens':
            this.#listeners.get(message.id)?.onTokens?.(message.count);
            return;
          case 'failed':
            this.#listeners.get(message.id)?.onFailure(fromErrorRecord(message.error));
            return;
          default:
            message satisfies never;
        }
      });
      child.once('exit', (code, signal) => {
        const wasLoading = this.#state === 'loading' || this.#state === 'restarting';
        if (this.#child === child) this.#child = undefined;
        const how = signal ? `was ended by ${signal}` : `ended with status ${code}`;
        reject(
          new FreeholdError(
            'model_failed',
            `The model process ${how} while it loaded ${this.name}. ${nativeReason(tail) ?? ''}`.trim(),
            {
              hint: 'The model may need more memory than there is, or its file may be damaged.',
            },
          ),
        );
        if (this.#state === 'closed' || this.#state === 'failed') return;
        this.#logger.error({ code, signal, log: tail.slice(-5) }, 'the model process died');
        this.#stats = noStats;
        this.#failAll(
          () =>
            new FreeholdError(
              'model_process_lost',
              `The process that ran ${this.name} ${how}; it is being started again.`,
              { retryAfterMs: 1000 },
            ),
        );
        // a model that never loads is not worth another try: the next request decides
        if (wasLoading) this.#state = 'failed';
        else this.#scheduleRestart();
      });
      this.#send({ type: 'load', options: this.#options });
    });
  }

  /** At once after a process that had answered; with a growing wait when one after the other dies before it does. */
  #scheduleRestart(): void {
    this.#fruitless = this.#answered ? 0 : this.#fruitless + 1;
    const waitMs = this.#fruitless <= 1 ? 0 : Math.min(firstBackoffMs * 2 ** (this.#fruitless - 2), longestBackoffMs);
    this.#state = 'restarting';
    this.#ready = new Promise((resolve, reject) => {
      this.#backoffTimer = setTimeout(() => this.#spawn().then(resolve, reject), waitMs);
    });
    this.#ready.catch((error: unknown) =>
      this.#logger.error({ err: error }, 'the model process could not be started again'),
    );
  }

  async #untilReady(signal?: AbortSignal): Promise<void> {
    if (this.#state === 'ready') return;
    if (this.#state === 'closed')
      throw new FreeholdError('shutting_down', `The model ${this.name} was unloaded.`, { retryAfterMs: 1000 });
    if (this.#state === 'failed') {
      this.#state = 'loading';
      this.start();
    }
    await this.#ready;
    throwIfAborted(signal);
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

function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new FreeholdError('cancelled', 'The request was cancelled.');
}

/** The line of the native log that says what went wrong. */
function nativeReason(tail: readonly string[]): string | undefined {
  const line = tail.findLast((candidate) => /error|failed|unable|unknown/i.test(candidate));
  return line && `The native library says: ${line.trim().slice(0, 300)}`;
}
