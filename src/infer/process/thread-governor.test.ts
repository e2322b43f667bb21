import { availableParallelism } from 'node:os';
import { describe, expect, it } from 'vitest';
import { type CpuTimes, createThreadGovernor, threadsBeside } from './thread-governor.ts';

describe('threadsBeside', () => {
  it('leaves the cores that others keep busy to them', () => {
    expect(threadsBeside(0, 2, 2)).toBe(2);
    expect(threadsBeside(0.3, 2, 2)).toBe(2);
    expect(threadsBeside(0.7, 2, 2)).toBe(1);
    expect(threadsBeside(5, 2, 2)).toBe(1);
    expect(threadsBeside(3.2, 16, 16)).toBe(13);
    expect(threadsBeside(-0.2, 4, 4)).toBe(4);
  });

  it('never gives more than was configured', () => {
    expect(threadsBeside(0, 16, 4)).toBe(4);
  });
});

describe('createThreadGovernor', () => {
  it('follows the machine, once a window', () => {
    const cores = availableParallelism();
    let times: CpuTimes = { atMs: 0, allBusyMs: 0, ownBusyMs: 0 };
    const governor = createThreadGovernor(
      0,
      () => times,
      () => times.atMs,
    );
    const pass = (ms: number, all: number, own: number) => {
      times = { atMs: times.atMs + ms, allBusyMs: times.allBusyMs + all * ms, ownBusyMs: times.ownBusyMs + own * ms };
    };
    expect(governor.threads()).toBe(cores);
    pass(300, cores, cores);
    expect(governor.threads()).toBe(cores);
    pass(300, cores, 0);
    expect(governor.threads()).toBe(1);
    pass(100, 0, 0);
    expect(governor.threads()).toBe(1);
    pass(200, 0, 0);
    expect(governor.threads()).toBeGreaterThanOrEqual(Math.min(cores, 1));
    pass(300, cores, cores);
    expect(governor.threads()).toBe(cores);
  });

  it('stays at one where one was configured', () => {
    expect(createThreadGovernor(1).threads()).toBe(1);
  });
});
