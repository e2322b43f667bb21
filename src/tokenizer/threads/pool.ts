// Threads that count and encode, each with a queue of its own; whoever has the shortest gets the next task. Knows the
// threads, nothing of tokens. The program of a thread is run from `dist/` also when this file runs from `src/`.
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { cancelled, FreeholdError } from '../../lib/errors.ts';
import type { PreTokenizerName } from '../pre-tokenizers.ts';
import type { PieceCounts } from '../train/count-pieces.ts';
import type { Vocabulary } from '../vocabulary.ts';

export type Task =
  | { kind: 'use'; vocabulary: Vocabulary }
  | { kind: 'encode'; bytes: Uint8Array }
  | { kind: 'count'; bytes: Uint8Array; ends: Int32Array; preTokenizer: PreTokenizerName }
  | { kind: 'counts' };

export type Answer =
  | { kind: 'done' }
  | { kind: 'ids'; ids: Int32Array }
  | { kind: 'counts'; counts: PieceCounts | undefined };

export interface ThreadPool {
  /** Gives the task to the thread with the least to do; its bytes are copied at once. @throws FreeholdError cancelled, internal */
  ask(task: Task): Promise<Answer>;
  /** Gives the task to every thread. */
  askAll(task: Task): Promise<Answer[]>;
  /** Settles when a thread has fewer than two tasks: what waits longer takes memory only. */
  whenReady(): Promise<void>;
  close(): void;
}

interface Thread {
  worker: Worker;
  waiting: { resolve(answer: Answer): void; reject(error: unknown): void }[];
}

const workerEntry = fileURLToPath(
  new URL(
    import.meta.url.endsWith('.ts') ? '../../../dist/tokenizer/threads/worker.js' : './worker.js',
    import.meta.url,
  ),
);

/** Threads that are used where nothing else is said. */
export const defaultThreads = () => Math.min(availableParallelism(), 16);

const mostQueued = 2;

/** A view takes all of the memory it looks at along, so the thread gets a copy of the part. */
function post(worker: Worker, task: Task): void {
  if (!('bytes' in task)) {
    worker.postMessage(task);
    return;
  }
  const bytes = new Uint8Array(task.bytes);
  worker.postMessage({ ...task, bytes }, [bytes.buffer]);
}

/** @param signal aborting ends the threads and rejects what waits for them */
export function startThreads(count: number, signal?: AbortSignal): ThreadPool {
  let failure: unknown;
  let closed = false;
  let wake: (() => void)[] = [];
  const threads = Array.from({ length: count }, (): Thread => {
    const worker = new Worker(workerEntry, { name: 'tokenizer', env: {}, execArgv: [] });
    const thread: Thread = { worker, waiting: [] };
    worker.unref();
    worker.on('message', (answer: Answer) => {
      thread.waiting.shift()?.resolve(answer);
      if (thread.waiting.length === 0) worker.unref();
      notify();
    });
    worker.on('error', (cause) =>
      fail(new FreeholdError('internal', 'A tokenizer thread ended unexpectedly.', { cause })),
    );
    return thread;
  });

  const notify = () => {
    const woken = wake;
    wake = [];
    for (const call of woken) call();
  };
  const end = () => {
    signal?.removeEventListener('abort', abort);
    for (const { worker } of threads) void worker.terminate();
  };
  const fail = (error: unknown) => {
    if (failure || closed) return;
    failure = error;
    for (const { waiting } of threads) for (const { reject } of waiting.splice(0)) reject(error);
    notify();
    end();
  };
  const abort = () => fail(cancelled());
  if (signal?.aborted) abort();
  else signal?.addEventListener('abort', abort, { once: true });

  const give = (thread: Thread, task: Task) =>
    new Promise<Answer>((resolve, reject) => {
      if (failure) {
        reject(failure);
        return;
      }
      thread.waiting.push({ resolve, reject });
      thread.worker.ref();
      post(thread.worker, task);
    });
  const idlest = () =>
    threads.reduce((least, thread) => (thread.waiting.length < least.waiting.length ? thread : least));

  return {
    ask: (task) => give(idlest(), task),
    askAll: (task) => Promise.all(threads.map((thread) => give(thread, task))),
    async whenReady() {
      while (!failure && idlest().waiting.length >= mostQueued) {
        await new Promise<void>((resolve) => {
          wake.push(resolve);
        });
      }
      if (failure) throw failure;
    },
    close() {
      if (closed) return;
      closed = true;
      failure ??= cancelled();
      for (const { waiting } of threads) for (const { reject } of waiting.splice(0)) reject(failure);
      notify();
      end();
    },
  };
}
