import { describe, expect, it } from 'vitest';
import { passesPerSequence } from './passes.ts';

const passes = (...batch: [sequence: number, rows: number][]) =>
  passesPerSequence(batch.map(([sequence, rows]) => ({ sequence, rows })));

describe('passesPerSequence', () => {
  it('is one where all sequences have as many rows and follow one another', () => {
    expect(passes([0, 1])).toBe(1);
    expect(passes([0, 9])).toBe(1);
    expect(passes([3, 2], [4, 2], [5, 2])).toBe(1);
    expect(passes()).toBe(0);
  });

  it('is one more for every gap, and for what some have more than others', () => {
    expect(passes([0, 1], [2, 1])).toBe(2);
    expect(passes([0, 1], [1, 1], [3, 1], [7, 1])).toBe(3);
    expect(passes([0, 1], [1, 5])).toBe(2);
    expect(passes([0, 5], [1, 1], [2, 5])).toBe(3);
    expect(passes([0, 1], [1, 3], [2, 5], [3, 5])).toBe(3);
  });
});
