import { describe, expect, it } from 'vitest';
import { createRestarts, usualSupervision } from './supervision.ts';

const restartsAt = (clock: { ms: number }) => createRestarts(usualSupervision, () => clock.ms);

describe('a model process that dies', () => {
  it('is started again at once when it had answered, however often', () => {
    const restarts = restartsAt({ ms: 0 });
    expect(Array.from({ length: 20 }, () => restarts.died(true))).toEqual(Array(20).fill(0));
    expect(restarts.coolDownLeftMs()).toBe(0);
  });

  it('without an answer is started again after growing waits, and not after the fifth', () => {
    const restarts = restartsAt({ ms: 0 });
    expect(Array.from({ length: 5 }, () => restarts.died(false))).toEqual([0, 200, 400, 800, undefined]);
  });

  it('may be tried once when the cool-down has passed, and often again when it answers', () => {
    const clock = { ms: 0 };
    const restarts = restartsAt(clock);
    for (let deaths = 0; deaths < 5; deaths++) restarts.died(false);
    clock.ms = 59_999;
    expect(restarts.coolDownLeftMs()).toBe(1);
    clock.ms = 60_000;
    expect(restarts.coolDownLeftMs()).toBe(0);
    expect(restarts.died(false)).toBeUndefined();
    expect(restarts.coolDownLeftMs()).toBe(60_000);
    expect(restarts.died(true)).toBe(0);
    expect(restarts.died(false)).toBe(0);
  });
});
