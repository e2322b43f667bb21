import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { chooseDepths } from './depth.ts';

const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0);

describe('chooseDepths', () => {
  it('goes as far as a further guess brings more than it costs', () => {
    // a pass of 10 ms with 1 ms a row: a guess pays while its chance is above about a tenth of the tokens so far
    const cost = (depths: readonly number[]) => 10 + sum(depths);
    expect(chooseDepths([[0.9, 0.8, 0.7, 0.1, 0.05]], cost)).toEqual([3]);
    expect(chooseDepths([[0.05, 0.01]], cost)).toEqual([0]);
    expect(chooseDepths([[]], cost)).toEqual([0]);
  });

  it('leaves guesses out where rows cost as much as they bring', () => {
    const cost = (depths: readonly number[]) => 2 * (32 + sum(depths));
    expect(chooseDepths(Array(32).fill([0.9, 0.8, 0.7]), cost)).toEqual(Array(32).fill(0));
  });

  it('makes nobody wait too long for a token, however sure the guesses', () => {
    const cost = (depths: readonly number[]) => 10 + 5 * sum(depths);
    expect(chooseDepths([Array(8).fill(1)], cost)).toEqual([4]);
  });

  it('gives the room there is to the likeliest guesses', () => {
    const cost = (depths: readonly number[]) => 100 + sum(depths);
    expect(chooseDepths([[0.5, 0.4], [0.9, 0.8], [0.45]], cost, 3)).toEqual([1, 2, 0]);
    expect(chooseDepths([[0.9]], cost, 0)).toEqual([0]);
  });

  it('makes an uneven batch only where it is worth its further pass', () => {
    const cost = ([a = 0, b = 0]: readonly number[]) => (a === b ? 10 : 20) + 0.1 * (a + b);
    expect(chooseDepths([[0.9, 0.8], []], cost)).toEqual([0, 0]);
    expect(
      chooseDepths(
        [
          [0.9, 0.8],
          [0.6, 0.5],
        ],
        cost,
      ),
    ).toEqual([2, 2]);
  });

  it('is never worse than no guesses, and never better than the best of all choices by more than its margin', () => {
    const falling = fc
      .array(fc.double({ min: 0.02, max: 1, noNaN: true }), { maxLength: 3 })
      .map((chances) => chances.sort((a, b) => b - a));
    fc.assert(
      fc.property(
        fc.array(falling, { minLength: 1, maxLength: 3 }),
        fc.double({ min: 0.1, max: 10, noNaN: true }),
        fc.double({ min: 0.01, max: 5, noNaN: true }),
        (chances, pass, row) => {
          const cost = (depths: readonly number[]) => pass + row * (chances.length + sum(depths));
          const speed = (depths: readonly number[]) =>
            (chances.length + sum(depths.map((depth, i) => sum((chances[i] as number[]).slice(0, depth))))) /
            cost(depths);
          let best = 0;
          const allowed = 3 * cost([]);
          const all = (chosen: number[]): void => {
            const next = chances[chosen.length];
            if (!next) best = cost(chosen) > allowed ? best : Math.max(best, speed(chosen));
            else for (let depth = 0; depth <= next.length; depth++) all([...chosen, depth]);
          };
          all([]);
          const chosen = speed(chooseDepths(chances, cost));
          expect(chosen).toBeGreaterThanOrEqual(speed(chances.map(() => 0)));
          expect(chosen * 1.0301).toBeGreaterThanOrEqual(best);
        },
      ),
    );
  });
});
