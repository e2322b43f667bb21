// How many threads a step may use: as many as there are cores, less those that other programs keep busy.
//
// ggml's threads wait for each other by spinning, at every node of the graph. With a thread per core and one other busy
// program, the thread that has no core holds up all others: two threads on two cores then run at half the speed of one,
// and two models side by side at a tenth (docs/LOG.md). So the number follows what the machine has to spare.
import { availableParallelism, cpus } from 'node:os';

/** A look at the machine: cores' time spent busy by all programs, and by this process, in milliseconds. */
export interface CpuTimes {
  atMs: number;
  allBusyMs: number;
  ownBusyMs: number;
}

export interface ThreadGovernor {
  /** Threads for the next step, 1 to the most allowed. */
  threads(): number;
}

/** How long a look at the machine holds. */
const windowMs = 250;

/**
 * @param most most threads; 0: one per core
 * @param look and clock are replaced in tests
 */
export function createThreadGovernor(
  most: number,
  look: () => CpuTimes = lookAtCpus,
  clock: () => number = () => performance.now(),
): ThreadGovernor {
  const cores = availableParallelism();
  const limit = most || cores;
  let last = look();
  let current = limit;
  return {
    threads() {
      if (limit === 1 || clock() - last.atMs < windowMs) return current;
      const now = look();
      const passedMs = now.atMs - last.atMs;
      const othersBusy = (now.allBusyMs - last.allBusyMs - (now.ownBusyMs - last.ownBusyMs)) / passedMs;
      last = now;
      current = threadsBeside(othersBusy, cores, limit);
      return current;
    },
  };
}

/** @param othersBusy cores that other programs keep busy, e.g. 0.7 */
export function threadsBeside(othersBusy: number, cores: number, limit: number): number {
  // half a core is left to the system and to the server's own work before a thread is given up
  return Math.max(1, Math.min(limit, Math.round(cores - Math.max(0, othersBusy))));
}

function lookAtCpus(): CpuTimes {
  let allBusyMs = 0;
  for (const { times } of cpus()) allBusyMs += times.user + times.nice + times.sys + times.irq;
  const { user, system } = process.cpuUsage();
  return { atMs: performance.now(), allBusyMs, ownBusyMs: (user + system) / 1000 };
}
