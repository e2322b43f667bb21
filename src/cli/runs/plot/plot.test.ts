import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RunHistory } from '../../../train/history.ts';
import type { MetricsLine } from '../../../train/metrics.ts';
import type { Canvas } from './canvas.ts';
import { drawChart, smooth, ticks } from './chart.ts';
import { chartOf, pictureKind, writePicture } from './plot.ts';
import { createRasterCanvas } from './raster.ts';
import { layText } from './stroke-font.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'freehold-plot-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const history = (count: number, level: number): RunHistory => ({
  samples: [],
  metrics: Array.from({ length: count }, (_, index): MetricsLine => {
    const step = (index + 1) * 10;
    const loss = level + 3 * Math.exp(-step / 200);
    return {
      step,
      tokens: step * 512,
      loss,
      learningRate: 1,
      gradientNorm: 1,
      tokensPerSecond: 1,
      flopsPerSecond: 1,
      memoryBytes: 1,
      elapsedSeconds: step / 10,
      at: '',
      ...(step % 100 === 0 ? { validationLoss: loss + 0.1, bitsPerByte: loss * 1.4 } : {}),
    };
  }),
});

/** Notes what is drawn on it. */
function spy(): Canvas & { texts: string[]; lines: { points: readonly number[]; colour: string }[] } {
  const texts: string[] = [];
  const lines: { points: readonly number[]; colour: string }[] = [];
  return {
    width: 960,
    height: 540,
    texts,
    lines,
    rectangle() {},
    line: (points, { colour }) => void lines.push({ points, colour }),
    text: (_x, _y, text) => void texts.push(text),
  };
}

describe('a chart', () => {
  it('names its run, its axes and its curves, and stays inside the picture', () => {
    const canvas = spy();
    drawChart(canvas, chartOf([{ name: 'first', history: history(100, 1.5) }], 'steps', 'loss'));
    for (const text of ['first', 'steps', 'loss, nats per token', 'training', 'validation', '0', '1,000', '2.0']) {
      expect(canvas.texts).toContain(text);
    }
    for (const { points } of canvas.lines) {
      for (let index = 0; index < points.length; index += 2) {
        expect(points[index]).toBeGreaterThanOrEqual(0);
        expect(points[index]).toBeLessThanOrEqual(960);
        expect(points[index + 1]).toBeGreaterThanOrEqual(0);
        expect(points[index + 1]).toBeLessThanOrEqual(540);
      }
    }
  });

  it('gives each of several runs a colour, and counts tokens or time where asked to', () => {
    const runs = ['first', 'second', 'third'].map((name, index) => ({ name, history: history(100, 1 + index / 4) }));
    const tokens = spy();
    drawChart(tokens, chartOf(runs, 'tokens', 'loss'));
    expect(tokens.texts).toEqual(expect.arrayContaining(['first', 'second', 'third', 'tokens seen', '200 k']));
    const long = tokens.lines.filter(({ points }) => points.length > 50);
    expect(new Set(long.map(({ colour }) => colour)).size).toBe(3);
    const seconds = spy();
    drawChart(seconds, chartOf(runs, 'seconds', 'loss'));
    expect(seconds.texts).toEqual(expect.arrayContaining(['time', '1 min', '30 s']));
  });

  it('of bits per byte has validations only', () => {
    const chart = chartOf([{ name: 'first', history: history(100, 1.5) }], 'steps', 'bits-per-byte');
    expect(chart.runs[0]?.train).toEqual([]);
    expect(chart.runs[0]?.validation).toHaveLength(10);
  });

  it('of a run that has just begun, or of none, is drawn too', () => {
    for (const count of [0, 1, 2]) {
      const canvas = spy();
      drawChart(canvas, chartOf([{ name: 'first', history: history(count, 1) }], 'steps', 'loss'));
      expect(canvas.lines.flatMap(({ points }) => [...points]).every(Number.isFinite)).toBe(true);
    }
  });

  it('has ticks people count by', () => {
    expect(ticks(0, 2000, 7)).toEqual([0, 500, 1000, 1500, 2000]);
    expect(ticks(1.37, 4.2, 8).map((each) => each.toFixed(1))).toEqual(['1.5', '2.0', '2.5', '3.0', '3.5', '4.0']);
    expect(Object.is(ticks(0, 10, 5)[0], 0)).toBe(true);
  });

  it('smooths noise and keeps the course', () => {
    const noisy = Array.from({ length: 400 }, (_, x) => ({ x, y: 1 + (x % 2) }));
    const middle = smooth(noisy).slice(50, -20);
    for (const { y } of middle) expect(y).toBeCloseTo(1.5, 1);
    const straight = Array.from({ length: 400 }, (_, x) => ({ x, y: x }));
    for (const { x, y } of smooth(straight).slice(10, -10)) expect(y).toBeCloseTo(x, 6);
  });
});

describe('a picture', () => {
  const chart = () => chartOf([{ name: 'a<b>&"c', history: history(100, 1.5) }], 'steps', 'loss');

  it('as SVG is text that cannot be mistaken for markup', async () => {
    const file = path.join(folder, 'a.svg');
    await writePicture(file, chart());
    const text = readFileSync(file, 'utf8');
    expect(text).toMatch(/^<svg [^>]*viewBox="0 0 960 540"/);
    expect(text).toContain('a&#60;b&#62;&#38;&#34;c');
    expect(text).not.toMatch(/NaN|undefined|<b>/);
    expect(text.match(/<polyline/g)?.length).toBeGreaterThan(10);
  });

  it('as PNG is drawn with twice the pixels, on white', async () => {
    const file = path.join(folder, 'a.PNG');
    await writePicture(file, chart());
    const bytes = readFileSync(file);
    expect([bytes.readUInt32BE(16), bytes.readUInt32BE(20)]).toEqual([1920, 1080]);
    expect(bytes.length).toBeGreaterThan(10_000);
  });

  it('is one of the two kinds', () => {
    for (const name of ['a.jpg', 'a', 'svg'])
      expect(() => pictureKind(name)).toThrow(expect.objectContaining({ code: 'usage' }));
  });

  it('that cannot be written says so', async () => {
    const lost = writePicture(path.join(folder, 'nowhere', 'a.svg'), chart());
    await expect(lost).rejects.toMatchObject({ code: 'file_io' });
  });
});

describe('a pen', () => {
  /** Darkness of each pixel of a small picture, 0 to 1. */
  function inked(draw: (canvas: Canvas) => void): { at: (x: number, y: number) => number; all: number } {
    const canvas = createRasterCanvas(20, 20, 1);
    const before = canvas.file();
    draw(canvas);
    expect(Buffer.compare(before, canvas.file())).not.toBe(0);
    const pixels = canvas.pixels;
    const dark = (index: number) => 1 - (pixels[index * 3] as number) / 255;
    let all = 0;
    for (let index = 0; index < 400; index++) all += dark(index);
    return { at: (x, y) => dark(y * 20 + x), all };
  }

  it('covers as much as its line is long and wide', () => {
    const { at, all } = inked((canvas) => canvas.line([5, 10, 15, 10], { colour: '#000000', width: 2 }));
    expect([at(10, 9), at(10, 10), at(10, 4)]).toEqual([1, 1, 0]);
    // twenty square units and two round ends
    expect(all).toBeCloseTo(20 + Math.PI, -1);
  });

  it('does not count the joints of a line twice', () => {
    const { at } = inked((canvas) =>
      canvas.line([5, 10, 10, 10, 15, 10], { colour: '#000000', width: 2, opacity: 0.5 }),
    );
    expect(at(10, 9)).toBeCloseTo(0.5, 1);
    expect(at(7, 9)).toBeCloseTo(0.5, 1);
  });

  it('draws outside of the picture without harm', () => {
    inked((canvas) => canvas.line([-100, 10, 200, 10], { colour: '#000000', width: 3 }));
  });

  it('writes every printable character, each its own way', () => {
    const printable = Array.from({ length: 94 }, (_, index) => String.fromCharCode(33 + index));
    const unknown = JSON.stringify(layText('?').strokes);
    const known = printable.filter(
      (character) => character === '?' || JSON.stringify(layText(character).strokes) !== unknown,
    );
    // what names of runs and numbers never hold
    expect(printable.filter((character) => !known.includes(character))).toEqual(['$', '^', '`', '{', '}', '~']);
    expect(new Set(known.map((character) => JSON.stringify(layText(character)))).size).toBe(known.length);
    expect(layText('ab').width).toBeGreaterThan(layText('a').width);
    expect(layText('').width).toBe(0);
  });
});
