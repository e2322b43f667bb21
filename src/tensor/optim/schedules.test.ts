import { describe, expect, it } from 'vitest';
import { scheduleFactor } from './schedules.ts';

describe('scheduleFactor', () => {
  it('rises to 1 in a straight line, whatever follows', () => {
    for (const kind of ['constant', 'cosine', 'wsd'] as const) {
      const factors = [0, 1, 2, 3].map((step) => scheduleFactor({ kind, steps: 100, warmupSteps: 4 }, step));
      expect(factors).toEqual([0.25, 0.5, 0.75, 1]);
    }
  });

  it('stays where it is constant', () => {
    expect([0, 50, 99, 1000].map((step) => scheduleFactor({ kind: 'constant', steps: 100 }, step))).toEqual([
      1, 1, 1, 1,
    ]);
  });

  it('falls by half a cosine to the final factor, and stays there', () => {
    const schedule = { kind: 'cosine', steps: 110, warmupSteps: 10, finalFactor: 0.2 } as const;
    const at = [10, 35, 60, 110, 500].map((step) => scheduleFactor(schedule, step));
    const expected = [1, 0.2 + 0.8 * 0.5 * (1 + Math.SQRT1_2), 0.6, 0.2, 0.2];
    for (const [index, factor] of at.entries()) expect(factor).toBeCloseTo(expected[index] as number, 12);
  });

  it('is a trapezoid for wsd, falling in the last fifth by default', () => {
    const at = (schedule: { decaySteps?: number; finalFactor?: number }, steps: number[]) =>
      steps.map((step) => scheduleFactor({ kind: 'wsd', steps: 100, warmupSteps: 5, ...schedule }, step));
    expect(at({}, [5, 80, 85, 90, 99, 100, 101])).toEqual([1, 1, 0.75, 0.5, 0.05, 0, 0]);
    expect(at({ decaySteps: 50, finalFactor: 0.5 }, [50, 75, 100])).toEqual([1, 0.75, 0.5]);
    expect(at({ decaySteps: 0 }, [99, 100])).toEqual([1, 0]);
  });
});
