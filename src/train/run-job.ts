// The work of a run process between its job and the trainer: takes the job, renews its lease and tells its progress every
// second, passes on what people ask for, and writes down how it ended. Knows no model and no graph.
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { asFreeholdError, type ErrorRecord, type FreeholdError, toErrorRecord } from '../lib/errors.ts';
import { type Claim, claimJob, finishJob, heartbeat, type JobEnd } from '../store/jobs.ts';
import { openStore, type Store } from '../store/open.ts';
import type { RunProgress } from './run-progress.ts';

/** What a trainer is given to talk with. */
export interface RunHandle {
  /** Aborts when the run must end at once, with nothing written: its job belongs to somebody else now. */
  signal: AbortSignal;
  /** What is asked of the run; it is looked at between steps and obeyed after a checkpoint. */
  requested(): 'pause' | 'stop' | undefined;
  report(progress: RunProgress): void;
  /** Where an earlier process of the run was. */
  earlier: RunProgress | undefined;
}

export interface TrainerOutcome {
  /** `pause` and `stop`: it obeyed, or could not go on for now. */
  reason: 'done' | 'pause' | 'stop';
  /** Why it could not. */
  error?: FreeholdError;
}

/**
 * Trains until the end, or until it is asked to pause or stop.
 * @param directory of the run
 */
export type Trainer = (directory: string, handle: RunHandle) => Promise<TrainerOutcome>;

const everyMs = 1000;
const ends = { done: 'succeeded', pause: 'paused', stop: 'cancelled' } as const satisfies Record<string, JobEnd>;

/**
 * Runs a queued job to its end.
 * @param home folder of the deployment
 * @param onError told of what failed, before it is written down
 * @returns how it ended; undefined when the job was taken away meanwhile
 * @throws FreeholdError not_found, in_use when the job cannot be taken
 */
export async function runJob(
  home: string,
  id: string,
  trainer: Trainer,
  onError: (error: unknown) => void = () => {},
): Promise<JobEnd | undefined> {
  const store = openStore(home);
  try {
    const claim = await claimJob(store, id);
    const lost = new AbortController();
    let progress: RunProgress | undefined;
    let requested: 'pause' | 'stop' | undefined;
    const asked = (wish: 'pause' | 'stop') => {
      requested = wish;
    };
    const stopBeating = beatHeart(
      store,
      claim,
      () => progress,
      asked,
      () => lost.abort(),
      onError,
    );
    // whoever shuts the machine down gets a checkpoint
    const pause = () => asked(requested ?? 'pause');
    process.on('SIGTERM', pause);
    let end: { state: JobEnd; error?: ErrorRecord };
    try {
      const { reason, error } = await trainer(path.join(home, claim.folder), {
        signal: lost.signal,
        requested: () => requested,
        earlier: claim.progress as RunProgress | undefined,
        report: (now) => {
          progress = now;
        },
      });
      end = { state: ends[reason], ...(error && { error: toErrorRecord(error) }) };
    } catch (thrown) {
      onError(thrown);
      end = { state: 'failed', error: toErrorRecord(asFreeholdError(thrown)) };
    } finally {
      process.off('SIGTERM', pause);
      await stopBeating();
    }
    if (lost.signal.aborted) return undefined;
    return (await finish(store, claim, { ...end, progress }, onError)) ? end.state : undefined;
  } finally {
    await store.close();
  }
}

/** @returns stops, after the heartbeat under way */
function beatHeart(
  store: Store,
  claim: Claim,
  progress: () => RunProgress | undefined,
  asked: (wish: 'pause' | 'stop') => void,
  lost: () => void,
  onError: (error: unknown) => void,
): () => Promise<void> {
  const stop = new AbortController();
  const beating = (async () => {
    while (!stop.signal.aborted) {
      try {
        const heard = await heartbeat(store, claim, progress());
        if (!heard) return lost();
        if (heard.requested) asked(heard.requested);
      } catch (error) {
        // a full disk or a locked database must not cost hours of work; the next one may be heard again
        onError(error);
      }
      await sleep(everyMs, undefined, { signal: stop.signal }).catch(() => {});
    }
  })();
  return () => {
    stop.abort();
    return beating;
  };
}

/** Writes the end down, trying for a minute: after that the run counts as interrupted and can be resumed. */
async function finish(
  store: Store,
  claim: Claim,
  end: Parameters<typeof finishJob>[2],
  onError: (error: unknown) => void,
): Promise<boolean> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await finishJob(store, claim, end);
    } catch (error) {
      onError(error);
      if (attempt === 12) throw error;
      await sleep(5000);
    }
  }
}
