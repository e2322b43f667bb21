import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { editDistance, nearestNames } from './nearest-names.ts';

describe('the distance of two names', () => {
  it('counts edits, a swap as one', () => {
    expect(editDistance('qwen', 'qwen')).toBe(0);
    expect(editDistance('qwen', 'qewn')).toBe(1);
    expect(editDistance('', 'abc')).toBe(3);
    expect(editDistance('kitten', 'sitting')).toBe(3);
  });

  it('is the same both ways and never more than the longer name', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (a, b) => {
        expect(editDistance(a, b)).toBe(editDistance(b, a));
        expect(editDistance(a, b)).toBeLessThanOrEqual(Math.max(a.length, b.length));
      }),
    );
  });
});

describe('names that are near', () => {
  const names = ['smollm2-135m', 'smollm2-360m', 'qwen3-4b', 'llama3.2:3b'];
  it('are few and close, nearest first', () => {
    expect(nearestNames('smolm2-136m', names)).toEqual(['smollm2-135m', 'smollm2-360m']);
    expect(nearestNames('llama3.2', names)).toEqual(['llama3.2:3b']);
    expect(nearestNames('gpt-5', names)).toEqual([]);
    expect(nearestNames('x'.repeat(10_000), names)).toEqual([]);
  });
});
