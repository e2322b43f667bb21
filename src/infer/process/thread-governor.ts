// How many threads a step may use: this process's share of the cores, less those that other programs keep busy.
//
// ggml's threads wait for each other by spinning, at every node of the graph. With a thread per core and one other busy
// program, the thread that has no core holds up all others: two threads on two cores then run at half the speed of one,
// and two models side by side at a tenth (docs/LOG.md). So the number follows what the machine has to spare; processes
// of ours, which would each give way to the other, split it evenly (max-min fairness over whole threads).
import { availableParallelism, cpus } from 'node:os';
import type { Peer, PeerReport, Peers } from './thread-governor-peers.ts';

/** A look at the machine: cores' time spent busy by all programs, and by this process, in milliseconds. */
export interface CpuTimes {
  atMs: number;
  allBusyMs: number;
  ownBusyMs: number;
}

/** Most threads that pay, as measured (`tuning.ts`). */
export interface BestThreads {
  /** For steps of one token. */
  threads: number;
  /** For steps of a few tokens. */
  fewThreads: number;
  /** For steps with pieces of prompts. */
  batchThreads: number;
}

export interface ThreadGovernor {
  /**
   * Threads for the next step, 1 to the most allowed.
   * @param tokens tokens of the step; default 1
   */
  threads(tokens?: number): number;
  /** From now on no step takes more than pays. */
  limitTo(best: BestThreads): void;
  /** Nothing is left to compute: the others need not wait for the next look to have its share. */
  idle(): void;
}

export interface ThreadGovernorOptions {
  /** Other processes of ours; default none. */
  peers?: Peers;
  /** Cores that this process may use, and those of the machine. */
  cores?: number;
  machineCores?: number;
  /** Replaced in tests. */
  look?: () => CpuTimes;
  clock?: () => number;
}

/** How long a look at the machine holds. */
const windowMs = 250;
/** Steps of up to so many tokens are a few; one token waits for memory, many for arithmetic. */
const fewTokens = 8;
/** Cores that must be free beyond a whole thread before it is taken: a share on the edge would change at every look. */
const margin = 0.2;

/** @param most most threads; 0: one per core */
export function createThreadGovernor(most: number, options: ThreadGovernorOptions = {}): ThreadGovernor {
  const { peers, look = () => lookAtCpus(), clock = () => performance.now() } = options;
  const cores = options.cores ?? availableParallelism();
  const machineCores = options.machineCores ?? options.cores ?? Math.max(cores, cpus().length);
  const limit = most || cores;
  let last = look();
  let current = limit;
  let best: BestThreads = { threads: limit, fewThreads: limit, batchThreads: limit };
  /** More than this is of no use: what is left of a share goes to others. */
  let useful = limit;
  let reported = false;
  /** Nothing was computed since the last look. */
  let rested = false;

  const share = (strangersCores: number, others: readonly Peer[]) => {
    const id = peers?.id ?? '';
    const free = Math.min(cores, coresBeside(strangersCores, machineCores));
    return threadsOf(id, free, [...others, { id, limit: useful }]);
  };
  const lookAgain = () => {
    const now = look();
    if (rested) {
      // what others did in the meantime says nothing about now; what they do shows at the next look
      rested = false;
      last = now;
      current = share(0, peers?.others() ?? []);
      return;
    }
    const passedMs = now.atMs - last.atMs;
    const usedCores = (now.ownBusyMs - last.ownBusyMs) / passedMs;
    const others = peers?.others() ?? [];
    const ours = others.reduce((sum, other) => sum + other.usedCores, usedCores);
    const strangersCores = Math.max(0, (now.allBusyMs - last.allBusyMs) / passedMs - ours);
    last = now;
    const wanted = share(strangersCores, others);
    if (wanted < current) current = wanted;
    else current = Math.max(current, share(strangersCores + margin, others));
    // whoever has just begun has used nothing yet, and must not be taken for a stranger
    peers?.report({ limit: useful, usedCores: reported ? usedCores : current });
    reported = true;
  };

  return {
    threads(tokens = 1) {
      if (clock() - last.atMs >= windowMs && (limit > 1 || peers)) lookAgain();
      const { threads, fewThreads, batchThreads } = best;
      return Math.min(current, tokens <= 1 ? threads : tokens <= fewTokens ? fewThreads : batchThreads);
    },
    limitTo(found) {
      best = found;
      useful = Math.min(limit, Math.max(best.threads, best.fewThreads, best.batchThreads));
    },
    idle() {
      peers?.leave();
      reported = false;
      rested = true;
    },
  };
}

/** Whole cores that are left beside programs that keep some busy, e.g. 0.7 of one. */
export function coresBeside(strangersCores: number, cores: number): number {
  // half a core goes to the system and to the server's own work before a thread is given up
  if (strangersCores < 0.5) return cores;
  // on a full machine others get less than they want: what they were seen to use is rounded up
  return Math.max(0, Math.floor(cores - strangersCores + 0.35));
}

/**
 * Threads of one process when `threads` are dealt out one at a time to all who can still use one, in the order of their
 * names; everyone has at least one, also where there are more processes than cores.
 */
export function threadsOf(
  id: string,
  threads: number,
  all: readonly (Pick<Peer, 'id'> & Pick<PeerReport, 'limit'>)[],
): number {
  const order = [...all].sort((a, b) => (a.id < b.id ? -1 : 1));
  const given = new Map(order.map((each) => [each.id, 1]));
  let left = threads - order.length;
  for (let before = -1; left > 0 && left !== before; ) {
    before = left;
    for (const each of order) {
      const has = given.get(each.id) as number;
      if (left === 0 || has >= each.limit) continue;
      given.set(each.id, has + 1);
      left -= 1;
    }
  }
  return given.get(id) as number;
}

/**
 * What all programs, and this process, have computed since the machine, and the process, started.
 * @param yielding whether programs of lower priority count, as training is: they give way by themselves. Default false
 */
export function lookAtCpus(yielding = false): CpuTimes {
  let allBusyMs = 0;
  for (const { times } of cpus()) allBusyMs += times.user + times.sys + times.irq + (yielding ? times.nice : 0);
  const { user, system } = process.cpuUsage();
  return { atMs: performance.now(), allBusyMs, ownBusyMs: (user + system) / 1000 };
}
