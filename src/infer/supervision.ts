// When a model process is given up, and when another is started in its place. Knows no processes: it counts deaths.

/** Bounds; the usual ones are for machines as people have them, others are for tests. */
export interface Supervision {
  /** Milliseconds between two questions to a process that owes an answer. Default 2000. */
  pingMs: number;
  /** Questions without a word from it before it is ended. Default 15. */
  unansweredPings: number;
  /** The same while it loads, when it answers only if the load gets on. Default 60. */
  unansweredPingsLoading: number;
  /** Bytes of requests sent and not yet read by the process, more or less, before others are refused. Default 64 MiB. */
  unreadBytes: number;
  /** Processes in a row that may die without an answer. Default 5. */
  deathsInRow: number;
  /** Wait after so many deaths, in milliseconds. Default 60,000. */
  coolDownMs: number;
}

export const usualSupervision: Supervision = {
  pingMs: 2000,
  unansweredPings: 15,
  unansweredPingsLoading: 60,
  unreadBytes: 64 * 2 ** 20,
  deathsInRow: 5,
  coolDownMs: 60_000,
};

const firstBackoffMs = 200;

export interface Restarts {
  /**
   * A process died.
   * @param answered whether it had answered a request
   * @returns milliseconds to wait before the next is started: none after one that had answered, growing from the second
   * in a row that had not; undefined when that were too many, and the cool-down begins
   */
  died(answered: boolean): number | undefined;
  /** Milliseconds that are left of the cool-down; 0 when there is none. After it one more process is tried. */
  coolDownLeftMs(): number;
}

/** @param now milliseconds, any clock that does not go back; tests turn it */
export function createRestarts(
  { deathsInRow, coolDownMs }: Supervision,
  now: () => number = () => performance.now(),
): Restarts {
  let fruitless = 0;
  let untilMs = Number.NEGATIVE_INFINITY;
  return {
    died(answered) {
      fruitless = answered ? 0 : fruitless + 1;
      if (fruitless >= deathsInRow) {
        untilMs = now() + coolDownMs;
        return undefined;
      }
      return fruitless <= 1 ? 0 : firstBackoffMs * 2 ** (fruitless - 2);
    },
    coolDownLeftMs: () => Math.max(0, untilMs - now()),
  };
}
