import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createRandom } from '../../lib/random.ts';
import { type CpuTimes, coresBeside, createThreadGovernor, threadsOf } from './thread-governor.ts';
import { createPeers, type Peers } from './thread-governor-peers.ts';

let home: string;
beforeEach(() => {
  home = mkdtempSync(path.join(tmpdir(), 'freehold-governor-'));
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

/** A program on a machine that is only simulated. */
interface Program {
  /** Simulated milliseconds during which it computes. */
  from: number;
  until: number;
  /** How many threads it keeps busy while it does. */
  threads: () => number;
  idle?: () => void;
  usedMs: number;
}

/** A machine whose cores are shared evenly by all threads that want one, in ticks of 10 ms; nothing here waits. */
function createMachine(cores: number) {
  const random = createRandom(7);
  const programs: Program[] = [];
  let nowMs = 0;
  return {
    now: () => nowMs,
    add(program: Omit<Program, 'usedMs'>): Program {
      const added = { ...program, usedMs: 0 };
      programs.push(added);
      return added;
    },
    /** A model process that computes from `from` to `until`, in steps of about 40 ms. */
    addModel(from: number, until: number, options: { peers?: Peers; limit?: number } = {}) {
      let program: Program | undefined;
      const look = (): CpuTimes => ({
        atMs: nowMs,
        allBusyMs: programs.reduce((sum, { usedMs }) => sum + usedMs, 0),
        ownBusyMs: program?.usedMs ?? 0,
      });
      const { peers, limit = cores } = options;
      const governor = createThreadGovernor(limit, { ...(peers && { peers }), cores, look, clock: () => nowMs });
      const history: number[] = [];
      let stepEnds = 0;
      let threads = 1;
      program = this.add({
        from,
        until,
        threads: () => {
          if (nowMs >= stepEnds) {
            stepEnds = nowMs + 20 + 40 * random.next();
            threads = governor.threads();
          }
          history.push(threads);
          return threads;
        },
        idle: () => governor.idle(),
      });
      return { program, history, governor };
    },
    run(forMs: number) {
      for (const end = nowMs + forMs; nowMs < end; nowMs += 10) {
        const busy = programs.filter(({ from, until }) => nowMs >= from && nowMs < until);
        const wanted = busy.map((program) => program.threads());
        const share = Math.min(
          1,
          cores /
            Math.max(
              1,
              wanted.reduce((sum, count) => sum + count, 0),
            ),
        );
        for (const [i, program] of busy.entries()) program.usedMs += 10 * share * (wanted[i] as number);
        for (const program of programs) if (nowMs < program.until && nowMs + 10 >= program.until) program.idle?.();
      }
    },
  };
}

const forEver = Number.POSITIVE_INFINITY;

describe('a model process', () => {
  it('leaves the cores that other programs keep busy to them, and takes them back', () => {
    const machine = createMachine(4);
    const model = machine.addModel(0, forEver);
    machine.add({ from: 1_000, until: 5_000, threads: () => 3 });
    machine.run(900);
    expect(new Set(model.history)).toEqual(new Set([4]));
    machine.run(2_000);
    expect(model.history.at(-1)).toBe(1);
    machine.run(4_000);
    expect(model.history.at(-1)).toBe(4);
  });

  it('does not go by what others did while nothing was to be computed', () => {
    let atMs = 0;
    let allBusyMs = 0;
    const look = () => ({ atMs, allBusyMs, ownBusyMs: 0 });
    const governor = createThreadGovernor(0, { cores: 2, look, clock: () => atMs });
    expect(governor.threads()).toBe(2);
    governor.idle();
    // another program has both cores for ten seconds, and is gone
    atMs += 10_000;
    allBusyMs += 20_000;
    expect(governor.threads()).toBe(2);
    // it is back: the next look shows it
    atMs += 300;
    allBusyMs += 600;
    expect(governor.threads()).toBe(1);
  });

  it('keeps one thread on a machine that is overrun', () => {
    const machine = createMachine(2);
    const model = machine.addModel(0, forEver);
    machine.add({ from: 0, until: forEver, threads: () => 9 });
    machine.run(3_000);
    expect(model.history.at(-1)).toBe(1);
  });

  it('does not change its mind at every look where another takes about half a core', () => {
    const machine = createMachine(2);
    const random = createRandom(3);
    const model = machine.addModel(0, forEver);
    machine.add({ from: 0, until: forEver, threads: () => (random.next() < 0.5 ? 1 : 0) });
    machine.run(20_000);
    const changes = model.history.filter((threads, i) => i > 0 && threads !== model.history[i - 1]);
    expect(changes.length).toBeLessThan(20);
  });

  it('never uses more than was configured, nor more than pays', () => {
    const machine = createMachine(16);
    const { governor, history } = machine.addModel(0, forEver, { limit: 12 });
    machine.run(1_000);
    expect(new Set(history)).toEqual(new Set([12]));
    governor.limitTo({ threads: 4, fewThreads: 6, batchThreads: 10 });
    expect([governor.threads(), governor.threads(8), governor.threads(64)]).toEqual([4, 6, 10]);
  });

  it('may use a part of the cores, and is not moved by what runs on the others', () => {
    let times: CpuTimes = { atMs: 0, allBusyMs: 0, ownBusyMs: 0 };
    const governor = createThreadGovernor(0, {
      cores: 4,
      machineCores: 16,
      look: () => times,
      clock: () => times.atMs,
    });
    times = { atMs: 1_000, allBusyMs: 14_000, ownBusyMs: 4_000 };
    expect(governor.threads()).toBe(4);
    times = { atMs: 2_000, allBusyMs: 30_000, ownBusyMs: 5_000 };
    expect(governor.threads()).toBe(1);
  });

  it('takes the real machine as it is, and stays at one thread where one was configured', () => {
    expect(createThreadGovernor(0).threads()).toBeLessThanOrEqual(availableParallelism());
    expect(createThreadGovernor(1).threads()).toBe(1);
  });
});

describe('model processes of one home', () => {
  /** Runs models that start at different times; the threads of each from `settledMs` on, and its share of the work. */
  function share(
    cores: number,
    starts: number[],
    more: { strangers?: number; withoutHome?: boolean; limits?: number[] } = {},
  ) {
    const machine = createMachine(cores);
    const models = starts.map((from, i) => {
      const peers = more.withoutHome ? undefined : createPeers(home, machine.now);
      const limit = more.limits?.[i];
      return machine.addModel(from, forEver, { ...(peers && { peers }), ...(limit && { limit }) });
    });
    if (more.strangers) machine.add({ from: 0, until: forEver, threads: () => more.strangers as number });
    machine.run(10_000);
    const before = models.map(({ program }) => program.usedMs);
    for (const { history } of models) history.length = 0;
    machine.run(10_000);
    for (const { governor } of models) governor.idle();
    return {
      threads: models.map(({ history }) => [...new Set(history)].join('|')).sort(),
      work: models.map(({ program }, i) => (program.usedMs - (before[i] as number)) / 10_000),
    };
  }

  it('split the cores evenly, whoever came first, and stay there', () => {
    expect(share(2, [0, 0]).threads).toEqual(['1', '1']);
    expect(share(2, [0, 130, 3_000]).threads).toEqual(['1', '1', '1']);
    expect(share(16, [0, 3_100]).threads).toEqual(['8', '8']);
    expect(share(16, [0, 3_100, 4_450]).threads).toEqual(['5', '5', '6']);
    expect(share(3, [0, 500]).threads).toEqual(['1', '2']);
  });

  it('leave no one under a quarter of another, and no core idle', () => {
    for (const cores of [2, 3, 4, 8, 16, 64]) {
      for (const starts of [
        [0, 0],
        [0, 2_000],
        [0, 0, 0],
        [0, 700, 1_900, 5_000, 5_010],
      ]) {
        const { work } = share(cores, starts);
        expect(Math.min(...work)).toBeGreaterThan(Math.max(...work) / 4);
        expect(work.reduce((sum, cores) => sum + cores, 0)).toBeGreaterThan(cores - 0.1);
      }
    }
  });

  it('do not do so by chance: without a shared home the first to come keeps most of the cores', () => {
    const { work } = share(16, [0, 3_100, 4_450], { withoutHome: true });
    expect(Math.max(...work) / Math.min(...work)).toBeGreaterThan(1.5);
  });

  it('give what one cannot use to the others', () => {
    expect(share(8, [0, 100], { limits: [1, 8] }).threads).toEqual(['1', '7']);
  });

  it('share what other programs leave', () => {
    const { threads } = share(16, [0, 2_000], { strangers: 8 });
    expect(threads).toEqual(['4', '4']);
  });

  it('take over at once what one leaves that has nothing more to do', () => {
    const machine = createMachine(4);
    machine.addModel(0, 5_000, { peers: createPeers(home, machine.now) });
    const other = machine.addModel(0, forEver, { peers: createPeers(home, machine.now) });
    machine.run(5_000);
    expect(other.history.at(-1)).toBe(2);
    machine.run(700);
    expect(other.history.at(-1)).toBe(4);
    expect(readdirSync(path.join(home, 'busy'))).toHaveLength(1);
    other.governor.idle();
    expect(readdirSync(path.join(home, 'busy'))).toEqual([]);
  });
});

describe('coresBeside', () => {
  it('leaves the cores that others keep busy to them', () => {
    const cases = [
      [0, 2],
      [0.4, 2],
      [0.6, 2],
      [5, 2],
      [2.4, 4],
      [3.2, 16],
      [-0.2, 4],
    ] as const;
    expect(cases.map(([others, cores]) => coresBeside(others, cores))).toEqual([2, 2, 1, 0, 1, 13, 4]);
  });
});

describe('threadsOf', () => {
  it('deals out every thread, one at a time, to those who can use one', () => {
    const all = [
      { id: 'a', limit: 2 },
      { id: 'b', limit: 9 },
      { id: 'c', limit: 9 },
    ];
    const dealt = (threads: number) => all.map(({ id }) => threadsOf(id, threads, all));
    expect(dealt(9)).toEqual([2, 4, 3]);
    expect(dealt(4)).toEqual([2, 1, 1]);
    expect(dealt(1)).toEqual([1, 1, 1]);
    expect(dealt(99)).toEqual([2, 9, 9]);
  });
});

describe('peers', () => {
  it('are heard for a second, and forgotten when they were killed', () => {
    let nowMs = 1_000_000;
    const [one, other] = [createPeers(home, () => nowMs), createPeers(home, () => nowMs)];
    one.report({ limit: 4, usedCores: 1.23456 });
    expect(other.others()).toEqual([{ id: one.id, limit: 4, usedCores: 1.23 }]);
    expect(one.others()).toEqual([]);
    nowMs += 900;
    expect(other.others()).toHaveLength(1);
    nowMs += 200;
    expect(other.others()).toEqual([]);
    one.report({ limit: 4, usedCores: 2 });
    expect(other.others()).toHaveLength(1);
    nowMs += 61_000;
    expect(other.others()).toEqual([]);
    expect(readdirSync(path.join(home, 'busy'))).toEqual([]);
    one.leave();
  });

  it('ignore what no model process wrote', () => {
    const peers = createPeers(home);
    peers.report({ limit: 1, usedCores: 0 });
    const at = Date.now();
    for (const [i, text] of ['', '{', 'null', '[]', `{"at":${at}}`, `{"at":${at},"limit":0,"usedCores":1}`].entries()) {
      writeFileSync(path.join(home, 'busy', `foreign-${i}`), text);
    }
    expect(peers.others()).toEqual([]);
    peers.leave();
  });

  it('are none where the home cannot be written, and nothing fails', () => {
    const peers = createPeers('/dev/null/home');
    peers.report({ limit: 1, usedCores: 0 });
    expect(peers.others()).toEqual([]);
    peers.leave();
  });
});
