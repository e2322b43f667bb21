import { describe, expect, it } from 'vitest';
import { chooseThreads } from './thread-choice.ts';

/** Threads of each of `count` runs. @param time of a run with so many threads */
function run(choice: ReturnType<typeof chooseThreads>, count: number, time: (threads: number) => [number, number]) {
  return Array.from({ length: count }, () => {
    const { threads } = choice;
    choice.ran(...time(threads));
    return threads;
  });
}

const alone = (threads: number): [number, number] => [4 / threads, 4];
/** Threads that wait for each other get a third of their cores. */
const busy = (threads: number): [number, number] => [threads, threads === 1 ? 0.9 : threads * threads * 0.3];

describe('chooseThreads', () => {
  it('keeps all threads while nothing disturbs them', () => {
    expect(new Set(run(chooseThreads(8), 100, alone))).toEqual(new Set([8]));
  });

  it('takes fewer where that is faster, and more again once it is quiet', () => {
    const choice = chooseThreads(8);
    expect(run(choice, 4, busy)).toEqual([8, 4, 2, 1]);
    const later = run(choice, 1000, busy);
    expect(later.filter((threads) => threads === 1).length).toBeGreaterThan(970);
    run(choice, 600, alone);
    expect(choice.threads).toBe(8);
  });

  it('stays where fewer are no faster', () => {
    const half = (threads: number): [number, number] => [4 / threads, 2];
    const threads = run(chooseThreads(4), 500, half);
    expect(threads.filter((count) => count === 4).length).toBeGreaterThan(490);
  });

  it('learns nothing from runs that take no time', () => {
    expect(new Set(run(chooseThreads(8), 50, () => [0.001, 0.0001]))).toEqual(new Set([8]));
  });
});
