import { describe, expect, it } from 'vitest';
import { PassRhythm } from './pass-rhythm.ts';

describe('PassRhythm', () => {
  it('expects of a pass what the pass before took between the same places', () => {
    const rhythm = new PassRhythm();
    rhythm.begin(100);
    expect([101, 111, 113].map((now) => rhythm.reach(now))).toEqual([0, 0, 0]);
    rhythm.begin(200);
    expect([201, 205, 209, 210].map((now) => rhythm.reach(now))).toEqual([10, 2, 0, 0]);
    rhythm.begin(300);
    expect([301, 309].map((now) => rhythm.reach(now))).toEqual([4, 4]);
  });

  it('does not count pauses', () => {
    const rhythm = new PassRhythm();
    rhythm.begin(0);
    rhythm.reach(3);
    rhythm.goOn(50);
    rhythm.reach(57);
    rhythm.begin(100);
    expect(rhythm.reach(103)).toBe(7);
  });
});
