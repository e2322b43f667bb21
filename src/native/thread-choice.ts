// How many threads the runs of one graph take on a machine that does other work too. ggml's threads wait for each other by spinning,
// thousands of times a run: where other programs take turns on the same cores, fewer threads are faster, by eight times and more.
// Results do not depend on the choice. Knows no ggml.

/** Below this share of the cores it asked for, a run competed for them. */
const undisturbedShare = 0.85;
/** Shorter runs say little. */
const shortestSeconds = 0.02;
const firstPause = 16;
const longestPause = 256;

export interface ThreadChoice {
  /** For the next run. */
  readonly threads: number;
  /** @param cpuSeconds time that all threads of the process had on cores */
  ran(seconds: number, cpuSeconds: number): void;
}

/** Halves the threads while that makes disturbed runs faster, and from time to time tries twice as many again. */
export function chooseThreads(most: number): ThreadChoice {
  let settled = most;
  let threads = most;
  /** Of the last run with the settled number. */
  let settledSeconds = Number.POSITIVE_INFINITY;
  let pause = firstPause;
  let runsUntilTrial = 0;

  return {
    get threads() {
      return threads;
    },
    ran(seconds, cpuSeconds) {
      if (seconds < shortestSeconds) return;
      const wasTrial = threads !== settled;
      if (wasTrial && seconds >= settledSeconds) {
        // not soon made again
        pause = Math.min(longestPause, pause * 2);
        runsUntilTrial = pause;
        threads = settled;
        return;
      }
      if (wasTrial) {
        settled = threads;
        pause = firstPause;
        runsUntilTrial = threads < most ? pause : 0;
      }
      settledSeconds = seconds;
      const disturbed = threads > 1 && cpuSeconds < undisturbedShare * seconds * threads;
      if (runsUntilTrial > 0) runsUntilTrial -= 1;
      // what helped once is tried further at once
      if (disturbed && (wasTrial || runsUntilTrial === 0)) threads = Math.ceil(threads / 2);
      else if (runsUntilTrial === 0 && threads < most) threads = Math.min(most, threads * 2);
    },
  };
}
