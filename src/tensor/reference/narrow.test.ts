import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { narrow } from './narrow.ts';

describe('narrow', () => {
  it.each([
    [1, 1],
    [-2.5, -2.5],
    [0.1, 0.0999755859375],
    // halfway goes to the even neighbour
    [1 + 2 ** -11, 1],
    [1 + 3 * 2 ** -11, 1 + 2 ** -9],
    [65_504, 65_504],
    [65_519, 65_504],
    [65_520, Infinity],
    [-1e6, -Infinity],
    // the smallest of all, and half of it
    [2 ** -24, 2 ** -24],
    [2 ** -25, 0],
    [1.5 * 2 ** -24, 2 ** -23],
    [-Infinity, -Infinity],
  ])('rounds %d to %d in f16', (value, expected) => {
    expect(narrow(value, 'f16')).toBe(expected);
  });

  it.each([
    [1, 1],
    [0.1, 0.10009765625],
    [1 + 2 ** -8, 1],
    [1 + 3 * 2 ** -8, 1 + 2 ** -6],
    [-Math.PI, -3.140625],
    [3.4e38, Infinity],
    [-Infinity, -Infinity],
  ])('rounds %d to %d in bf16', (value, expected) => {
    expect(narrow(value, 'bf16')).toBe(expected);
  });

  it('keeps what is no number, and everything in f32', () => {
    for (const dtype of ['f16', 'bf16', 'f32'] as const) expect(narrow(Number.NaN, dtype)).toBeNaN();
    expect(narrow(0.1, 'f32')).toBe(0.1);
  });

  it('goes to one of the nearest, in the order of the numbers', () => {
    fc.assert(
      fc.property(fc.float({ min: -60_000, max: 60_000, noNaN: true }), fc.float({ noNaN: true }), (a, b) => {
        expect(Math.abs(narrow(a, 'f16') - a)).toBeLessThanOrEqual(Math.max(Math.abs(a) * 2 ** -11, 2 ** -25));
        if (Math.abs(a) > 1e-30) expect(Math.abs(narrow(a, 'bf16') - a)).toBeLessThanOrEqual(Math.abs(a) * 2 ** -8);
        for (const dtype of ['f16', 'bf16'] as const) {
          expect(narrow(narrow(a, dtype), dtype)).toBe(narrow(a, dtype));
          if (a <= b) expect(narrow(a, dtype)).toBeLessThanOrEqual(narrow(b, dtype));
        }
      }),
    );
  });
});
