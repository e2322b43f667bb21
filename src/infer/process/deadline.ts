// Runs synchronous JavaScript that may not take for ever, such as a program that came with a model. V8 stops it from
// another thread, wherever it is in its loops; nothing in it can catch that. Starting the clock costs some 0.08 ms.
// Knows nothing of what runs. Native code is not stopped before it returns.
import vm from 'node:vm';

/** Thrown where the work was stopped: it did not end in time. */
export class DeadlineError extends Error {
  override readonly name = 'DeadlineError';
}

const sandbox: { work?: () => void } = {};
const context = vm.createContext(sandbox);
// the clock of a script runs for every function it calls, those from outside its context included
const script = new vm.Script('work()');

/**
 * Runs `work` on this thread.
 * @param deadlineMs whole milliseconds, at least 1
 * @returns what `work` returns
 * @throws DeadlineError when it was stopped; else what `work` throws
 */
export function withinDeadline<T>(deadlineMs: number, work: () => T): T {
  let result: { value: T } | undefined;
  sandbox.work = () => {
    result = { value: work() };
  };
  try {
    script.runInContext(context, { timeout: deadlineMs });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_SCRIPT_EXECUTION_TIMEOUT') throw error;
    throw new DeadlineError(`stopped after ${deadlineMs} ms`, { cause: error });
  } finally {
    delete sandbox.work;
  }
  return (result as { value: T }).value;
}
