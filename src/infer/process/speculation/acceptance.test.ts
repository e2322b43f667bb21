import { describe, expect, it } from 'vitest';
import { Acceptance } from './acceptance.ts';

const create = (expected = 0.5) =>
  new Acceptance({ places: 8, expected: () => expected, expectedWeight: 2, keep: 0.9 });

/** So many guesses held, and the next did not, where it was seen. */
function observe(acceptance: Acceptance, held: number, thenFailed: boolean): void {
  for (let place = 0; place < held; place++) acceptance.observe(place, true);
  if (thenFailed) acceptance.observe(held, false);
}

describe('Acceptance', () => {
  it('expects in each place what was measured there, given that all before held', () => {
    const acceptance = create();
    // 4 of 5 hold in the first place; of these, half in the second
    for (let i = 0; i < 200; i++) observe(acceptance, [0, 1, 1, 2, 2][i % 5] as number, true);
    const [first = 0, second = 0, third = 0] = acceptance.chances(3);
    expect(first).toBeGreaterThan(0.6);
    expect(first).toBeLessThan(0.9);
    expect(second / first).toBeGreaterThan(0.3);
    expect(second / first).toBeLessThan(0.65);
    expect(third / second).toBeLessThan(0.2);
  });

  it('expects of a place never reached what it knows of the one before', () => {
    const acceptance = create(0.8);
    expect(acceptance.chances(2)[1]).toBeCloseTo(0.64);
    observe(acceptance, 0, true);
    const [first = 0, second = 0] = acceptance.chances(2);
    expect(first).toBeLessThan(0.8);
    expect(second).toBeCloseTo(first * first);
  });

  it('learns nothing of the guess after those that were seen to hold', () => {
    const [seen, unseen] = [create(), create()];
    observe(seen, 2, true);
    observe(unseen, 2, false);
    expect(unseen.chances(2)).toEqual(seen.chances(2));
    expect(unseen.chances(3)[2]).toBeGreaterThan(seen.chances(3)[2] as number);
  });

  it('follows a text that changes', () => {
    const acceptance = create();
    for (let i = 0; i < 50; i++) observe(acceptance, 8, false);
    expect(acceptance.first()).toBeGreaterThan(0.9);
    for (let i = 0; i < 30; i++) observe(acceptance, 0, true);
    expect(acceptance.first()).toBeLessThan(0.15);
  });

  it('never expects a later guess more than an earlier one', () => {
    const acceptance = create();
    for (let i = 0; i < 30; i++) observe(acceptance, i % 2 === 0 ? 8 : 0, i % 2 === 1);
    const chances = acceptance.chances(8);
    expect(chances).toEqual([...chances].sort((a, b) => b - a));
  });
});
