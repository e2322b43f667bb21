import { describe, expect, it } from 'vitest';
import { displayWidth } from '../text.ts';
import { drawCurves, type Point, robustRange } from './curve.ts';

const plain = (text: string) => text;
const line = (count: number, y: (x: number) => number): Point[] =>
  Array.from({ length: count }, (_, x) => ({ x, y: y(x) }));

describe('a curve in a terminal', () => {
  it('goes from the upper left to the lower right when it falls', () => {
    const drawn = drawCurves([{ points: line(9, (x) => 8 - x), paint: plain }], {
      columns: 14,
      rows: 6,
      formatY: String,
    });
    expect(drawn).toEqual(['8 ┤⠑⢄⡀', '  │  ⠈⠢⣀', '  │     ⠑⠢⡀', '0 ┤       ⠈⠑⢄', '  └──────────', '   0        8']);
  });

  it.each([
    [20, 3],
    [40, 8],
    [80, 14],
    [200, 30],
  ])('fills %i columns and %i rows, never more', (columns, rows) => {
    for (const points of [[], line(1, () => 3), line(500, (x) => 5 * Math.exp(-x / 40) + Math.sin(x))]) {
      const drawn = drawCurves([{ points, paint: plain }], { columns, rows });
      expect(drawn).toHaveLength(rows);
      for (const each of drawn) expect(displayWidth(each)).toBeLessThanOrEqual(columns);
    }
  });

  it('shows where each of several curves runs, in its colour', () => {
    const drawn = drawCurves(
      [
        { points: line(50, () => 1), paint: (text) => text.replace(/./g, 'a') },
        { points: line(50, () => 0), paint: (text) => text.replace(/./g, 'b') },
      ],
      { columns: 30, rows: 8 },
    );
    expect(drawn[0]).toMatch(/┤a+$/);
    expect(drawn[5]).toMatch(/┤b+$/);
  });

  it('leaves out what is no number', () => {
    const holes = line(50, (x) => (x % 2 === 0 ? Number.NaN : 1));
    expect(drawCurves([{ points: holes, paint: plain }], { columns: 30, rows: 8 }).join('')).not.toContain('NaN');
  });

  it('puts its legend between the ends of the axis, where there is room', () => {
    const draw = (columns: number) =>
      drawCurves([{ points: line(9, (x) => x), paint: plain }], { columns, rows: 6, legend: 'loss' }).at(-1);
    expect(draw(40)).toMatch(/^ +0 +loss +8$/);
    expect(draw(13)).not.toContain('loss');
  });

  it('is scaled by where it mostly is: a few first values do not press the rest flat', () => {
    const points = line(400, (x) => (x < 5 ? 11 : 2 + Math.exp(-x / 50)));
    expect(robustRange(points).to).toBeLessThan(4);
    expect(robustRange(points).from).toBeCloseTo(2, 2);
    expect(robustRange(line(10, (x) => x))).toEqual({ from: 0, to: 9 });
    expect(robustRange([])).toEqual({ from: 0, to: 1 });
    expect(robustRange(line(3, () => 2))).toEqual({ from: 1.5, to: 2.5 });
  });
});
