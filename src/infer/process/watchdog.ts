// Ends the model process when its parent is gone, also while the main thread hears nothing because it computes: a
// thread of its own looks every two seconds, and sleeps in between. Without it a process that is busy for long would
// outlive a server that was killed. Knows nothing of what the process does; whether it still answers is for the parent
// to ask (see `infer/client.ts`).
import { isMainThread, Worker, workerData } from 'node:worker_threads';

const lookMs = 2000;

/** What tells this thread from others: this file is the program of the watchdog too. */
interface WatchdogData {
  watchedParent: number;
}

/**
 * Starts the watchdog. It ends with the process and does not keep it alive.
 * @param parent process id of the parent
 * @returns when its thread has begun
 */
export function startWatchdog(parent: number): Promise<void> {
  const worker = new Worker(new URL(import.meta.url), {
    workerData: { watchedParent: parent } satisfies WatchdogData,
    execArgv: [],
    env: {},
    resourceLimits: { maxOldGenerationSizeMb: 8, maxYoungGenerationSizeMb: 1 },
  });
  return new Promise((resolve, reject) => {
    worker.once('online', () => {
      worker.unref();
      resolve();
    });
    worker.once('error', reject);
  });
}

function watch(parent: number): never {
  const sleep = new Int32Array(new SharedArrayBuffer(4));
  while (lives(parent)) Atomics.wait(sleep, 0, 0, lookMs);
  // not process.exit: it would wait for native code that runs on other threads
  process.kill(process.pid, 'SIGKILL');
  throw new Error('unreachable');
}

/** An orphan gets another parent, except on Windows. */
function lives(parent: number): boolean {
  if (process.ppid !== parent) return false;
  try {
    return process.kill(parent, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}

const data = workerData as Partial<WatchdogData> | null;
if (!isMainThread && data?.watchedParent !== undefined) watch(data.watchedParent);
