// Remembers which models could not be loaded, so that a model that dies while it loads does not cost every request a
// whole load. Until a growing wait is over the same error is the answer; a change of the file ends the wait.
import { statSync } from 'node:fs';
import { asFreeholdError, FreeholdError } from '../lib/errors.ts';

interface FailedModel {
  name: string;
  /** Its change counts as a reason to try again. */
  file: string;
}

const firstWaitMs = 1000;
const longestWaitMs = 30_000;

export interface LoadFailures {
  /** @throws FreeholdError what the last load failed with, while its wait is not over */
  throwIfRecent(model: FailedModel): void;
  /** Notes that a load failed: the next wait is 1 s, then twice the one before, at most 30 s. */
  note(model: FailedModel, error: unknown): void;
  /** Forgets the failures of a model: it was loaded. */
  clear(model: FailedModel): void;
}

/** @param now milliseconds, any clock that does not go back; tests turn it */
export function createLoadFailures(now: () => number = () => performance.now()): LoadFailures {
  const failures = new Map<string, { error: FreeholdError; waitMs: number; untilMs: number; stamp: string }>();
  const last = (model: FailedModel) => {
    const failure = failures.get(model.name);
    return failure?.stamp === stampOf(model.file) ? failure : undefined;
  };
  return {
    throwIfRecent(model) {
      const failure = last(model);
      const leftMs = failure ? failure.untilMs - now() : 0;
      if (!failure || leftMs <= 0) return;
      const { code, message, hint, field } = failure.error;
      const again = `The next try is in ${Math.ceil(leftMs / 1000)} s, or when its file changes.`;
      throw new FreeholdError(code, message, {
        hint: hint === undefined ? again : `${hint} ${again}`,
        retryAfterMs: leftMs,
        ...(field === undefined ? {} : { field }),
      });
    },
    note(model, thrown) {
      const before = last(model);
      const waitMs = before ? Math.min(2 * before.waitMs, longestWaitMs) : firstWaitMs;
      const error = asFreeholdError(thrown);
      failures.set(model.name, { error, waitMs, untilMs: now() + waitMs, stamp: stampOf(model.file) });
    },
    clear(model) {
      failures.delete(model.name);
    },
  };
}

function stampOf(file: string): string {
  const status = statSync(file, { throwIfNoEntry: false });
  return status ? `${status.size} ${status.mtimeMs}` : 'gone';
}
