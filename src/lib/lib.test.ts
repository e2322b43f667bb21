import { describe, expect, it } from 'vitest';
import { newId, newOrderedId } from './ids.ts';
import { createRandom } from './random.ts';
import { formatBytes, formatCount, formatDuration } from './units.ts';

describe('units', () => {
  it('are written as people read them', () => {
    expect([0, 999, 1000, 92_871_040, 999_999_999, 1.5e12].map(formatBytes)).toEqual([
      '0 B',
      '999 B',
      '1.0 kB',
      '92.9 MB',
      '1.0 GB',
      '1.5 TB',
    ]);
    expect([0, 45.4, 200, 7500, Number.POSITIVE_INFINITY].map(formatDuration)).toEqual([
      '0 s',
      '45 s',
      '3 min 20 s',
      '2 h 5 min',
      'unknown',
    ]);
    expect([999, 134_515_008, 7.6e9].map(formatCount)).toEqual(['999', '135 M', '7.6 B']);
  });
});

describe('newId', () => {
  it('has its prefix, a fixed length and never repeats', () => {
    const ids = new Set(Array.from({ length: 1000 }, () => newId('msg')));
    expect(ids.size).toBe(1000);
    for (const id of ids) expect(id).toMatch(/^msg_[0-9A-Za-z]{24}$/);
  });
});

describe('newOrderedId', () => {
  it('has the shape of other ids and sorts by when it was made, those of one millisecond too', () => {
    const ids = Array.from({ length: 1000 }, () => newOrderedId('file'));
    for (const id of ids) expect(id).toMatch(/^file_[0-9A-Za-z]{24}$/);
    expect(ids.toSorted((a, b) => (a < b ? -1 : 1))).toEqual(ids);
    expect(new Set(ids).size).toBe(1000);
    const later = [1, 10, 1000, 1e6, 1e12].map((ms) => newOrderedId('file', Date.now() + ms));
    expect(later.toSorted((a, b) => (a < b ? -1 : 1))).toEqual(later);
  });
});

describe('createRandom', () => {
  it('repeats with its seed and spreads evenly', () => {
    const draw = (seed: number) => {
      const random = createRandom(seed);
      return Array.from({ length: 20_000 }, () => random.next());
    };
    expect(draw(1)).toEqual(draw(1));
    expect(draw(1)[0]).not.toBe(draw(2)[0]);
    const values = draw(0);
    expect(Math.min(...values)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...values)).toBeLessThan(1);
    const bins = new Array<number>(10).fill(0);
    for (const value of values) bins[Math.floor(value * 10)]! += 1;
    for (const count of bins) expect(Math.abs(count - 2000)).toBeLessThan(200);
  });
});
