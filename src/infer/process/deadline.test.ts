import { describe, expect, it } from 'vitest';
import { DeadlineError, withinDeadline } from './deadline.ts';

const generous = 60_000;

describe('work within a deadline', () => {
  it('gives back what it returns, and throws what it throws', () => {
    expect(withinDeadline(generous, () => 7)).toBe(7);
    expect(withinDeadline(generous, () => undefined)).toBeUndefined();
    const mistake = new RangeError('mine');
    expect(() =>
      withinDeadline(generous, () => {
        throw mistake;
      }),
    ).toThrow(mistake);
  });

  it('is stopped when it does not end, though it catches everything', () => {
    const endless = () => {
      for (;;) {
        try {
          for (;;);
        } catch {}
      }
    };
    expect(() => withinDeadline(20, endless)).toThrow(DeadlineError);
    expect(withinDeadline(generous, () => 'after')).toBe('after');
  });

  it('keeps the room of a stack that ran over', () => {
    const deeper = (): number => 1 + deeper();
    expect(() => withinDeadline(generous, deeper)).toThrow(RangeError);
  });
});
