// When to measure: once a model has been idle for a few seconds, so that no load and no request becomes slower for it.
// A request ends a measurement after the pass that runs, and it is tried again later. Knows nothing of what is measured.
import type { Tuning } from './tuning.ts';

export interface IdleTunerOptions {
  /** Measures; undefined when something came in between. */
  measure: (signal: AbortSignal) => Promise<Tuning | undefined>;
  /** Is given what was measured, once. */
  onTuned: (tuning: Tuning) => void;
  /** How long the model must have been idle, in milliseconds. Default 3,000. */
  quietMs?: number;
}

export interface IdleTuner {
  /** The model has nothing to do, from now on. */
  idle(): void;
  /** The model has something to do. @returns when nothing is measured any more; undefined when nothing was */
  requestCame(): Promise<void> | undefined;
}

/** Measurements that are begun at most: where the machine is always busy, it is left alone. */
const mostAttempts = 6;

export function createIdleTuner({ measure, onTuned, quietMs = 3_000 }: IdleTunerOptions): IdleTuner {
  let timer: NodeJS.Timeout | undefined;
  let running: { abort: AbortController; ended: Promise<void> } | undefined;
  let attempts = 0;
  let idle = false;

  const wait = () => {
    clearTimeout(timer);
    // after one that came to nothing, the next waits twice as long
    if (attempts < mostAttempts) timer = setTimeout(begin, quietMs * 2 ** attempts).unref();
  };
  const begin = () => {
    attempts += 1;
    const abort = new AbortController();
    const ended = measure(abort.signal)
      .then((tuning) => {
        if (!tuning || abort.signal.aborted) return;
        attempts = mostAttempts;
        onTuned(tuning);
      })
      .catch((error: Error) => {
        attempts = mostAttempts;
        process.stderr.write(`the machine was not measured: ${error.message}\n`);
      })
      .finally(() => {
        running = undefined;
        if (idle) wait();
      });
    running = { abort, ended };
  };

  return {
    idle() {
      if (idle) return;
      idle = true;
      if (!running) wait();
    },
    requestCame() {
      idle = false;
      clearTimeout(timer);
      running?.abort.abort();
      return running?.ended;
    },
  };
}
