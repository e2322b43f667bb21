import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createLiveness } from './liveness.ts';

describe('a process that owes an answer', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());
  const watched = (answers: (question: number) => boolean = () => false) => {
    const seen = { pings: 0, silent: 0 };
    const liveness = createLiveness({
      pingMs: 1000,
      ping: () => {
        seen.pings += 1;
        if (answers(seen.pings)) liveness.heard();
      },
      onSilent: () => {
        seen.silent += 1;
      },
    });
    return { seen, liveness };
  };

  it('is given up once, after so many questions without a word', () => {
    const { seen, liveness } = watched();
    liveness.watch(3);
    vi.advanceTimersByTime(3000);
    expect(seen).toEqual({ pings: 3, silent: 0 });
    vi.advanceTimersByTime(60_000);
    expect(seen).toEqual({ pings: 3, silent: 1 });
  });

  it('is not given up while it says something now and then', () => {
    const { seen, liveness } = watched((question) => question % 3 === 0);
    liveness.watch(3);
    vi.advanceTimersByTime(60_000);
    expect(seen.silent).toBe(0);
  });

  it('is given up too when those who wait leave, and others come, before it answers', () => {
    const { seen, liveness } = watched();
    for (let i = 0; i < 10; i++) {
      liveness.watch(15);
      vi.advanceTimersByTime(2000);
      liveness.rest();
    }
    expect(seen.silent).toBe(1);
  });

  it('is asked no more when nobody waits: nothing ticks', () => {
    const { seen, liveness } = watched(() => true);
    liveness.watch(3);
    vi.advanceTimersByTime(5000);
    liveness.rest();
    vi.advanceTimersByTime(2000);
    expect(vi.getTimerCount()).toBe(0);
    liveness.watch(3);
    vi.advanceTimersByTime(1000);
    expect(seen).toEqual({ pings: 6, silent: 0 });
    liveness.stop();
    expect(vi.getTimerCount()).toBe(0);
  });
});
