// Letters as pen strokes, for pictures made where there may be no font: printable ASCII and a few marks, drawn from lines
// and arcs of ellipses. Units: capitals are 14 high, small letters 10, the baseline is 0, y goes up. Knows no pixels.

/** A stroke is a line through points `x0, y0, x1, y1, …`. */
type Stroke = readonly number[];

interface Glyph {
  width: number;
  strokes: readonly Stroke[];
}

export const capitalHeight = 14;
const gap = 3.2;

/** Part of an ellipse in degrees, counted from the right against the clock; also the other way round. */
function arc(cx: number, cy: number, rx: number, ry: number, from = 0, to = 360): number[] {
  const steps = Math.max(4, Math.ceil(Math.abs(to - from) / 12));
  const points: number[] = [];
  for (let step = 0; step <= steps; step++) {
    const angle = ((from + ((to - from) * step) / steps) * Math.PI) / 180;
    points.push(cx + rx * Math.cos(angle), cy + ry * Math.sin(angle));
  }
  return points;
}

const glyph = (width: number, ...strokes: Stroke[]): Glyph => ({ width, strokes });
const bowl = arc(4.5, 5, 4.5, 5);
const dot = (x: number, y: number): Stroke => [x, y];

const glyphs: Readonly<Record<string, Glyph>> = {
  ' ': glyph(2),
  '.': glyph(0.5, dot(0.25, 0.3)),
  ',': glyph(1, [0.8, 0.6, 0, -2]),
  ':': glyph(0.5, dot(0.25, 0.3), dot(0.25, 8)),
  ';': glyph(1, [0.8, 0.6, 0, -2], dot(0.8, 8)),
  '!': glyph(0.5, [0.25, 14, 0.25, 4.5], dot(0.25, 0.3)),
  '?': glyph(7, [...arc(3.5, 10.5, 3.5, 3.5, 170, -60), 3.5, 5.5, 3.5, 4.5], dot(3.5, 0.3)),
  '-': glyph(5, [0, 5, 5, 5]),
  '–': glyph(7, [0, 5, 7, 5]),
  _: glyph(8, [0, -2, 8, -2]),
  '+': glyph(8, [0, 5.5, 8, 5.5], [4, 9.5, 4, 1.5]),
  '=': glyph(8, [0, 7.5, 8, 7.5], [0, 3.5, 8, 3.5]),
  '*': glyph(6, [3, 13, 3, 7], [0.4, 11.5, 5.6, 8.5], [0.4, 8.5, 5.6, 11.5]),
  '/': glyph(6, [0, -1, 6, 15]),
  '\\': glyph(6, [0, 15, 6, -1]),
  '|': glyph(0.5, [0.25, 15, 0.25, -3]),
  '(': glyph(3, arc(6, 6, 6, 9.5, 120, 240)),
  ')': glyph(3, arc(-3, 6, 6, 9.5, 60, -60)),
  '[': glyph(3, [3, 15, 0, 15, 0, -3, 3, -3]),
  ']': glyph(3, [0, 15, 3, 15, 3, -3, 0, -3]),
  '<': glyph(8, [8, 9.5, 0, 5.5, 8, 1.5]),
  '>': glyph(8, [0, 9.5, 8, 5.5, 0, 1.5]),
  '%': glyph(13, arc(2.8, 11, 2.8, 3), arc(10.2, 3, 2.8, 3), [2.5, -0.5, 10.5, 14.5]),
  '#': glyph(9, [2, 0, 3.5, 14], [6, 0, 7.5, 14], [0.5, 9.5, 9.5, 9.5], [0, 4.5, 9, 4.5]),
  '&': glyph(10, [10, 0, ...arc(4.4, 11.4, 2.6, 2.6, 205, -60), ...arc(4.2, 3.6, 4.2, 3.6, 120, 360)]),
  '@': glyph(13, arc(6.5, 6.5, 3, 3), [9.5, 9.5, 9.5, 5.2], [9.5, 5.2, ...arc(6.5, 6.5, 6.5, 7, -12, 310)]),
  "'": glyph(0.5, [0.25, 14, 0.25, 11]),
  '"': glyph(3, [0, 14, 0, 11], [3, 14, 3, 11]),
  '·': glyph(0.5, dot(0.25, 5.5)),
  '×': glyph(7, [0, 2, 7, 9], [0, 9, 7, 2]),
  0: glyph(9, arc(4.5, 7, 4.5, 7)),
  1: glyph(6, [0.5, 11, 4, 14, 4, 0]),
  2: glyph(9, [...arc(4.5, 9.8, 4.2, 4.2, 165, -35), 0.3, 0, 9, 0]),
  3: glyph(9, [...arc(4.3, 10.6, 3.7, 3.4, 150, -90), ...arc(4.3, 3.6, 4.3, 3.6, 90, -155)]),
  4: glyph(9.5, [7, 0, 7, 14, 0, 4, 9.5, 4]),
  5: glyph(9, [8, 14, 1.5, 14, ...arc(4.3, 4.6, 4.5, 4.6, 140, -155)]),
  6: glyph(9, arc(4.5, 4.5, 4.5, 4.5), arc(9, 4.5, 9, 9.5, 180, 105)),
  7: glyph(9, [0, 14, 9, 14, 3, 0]),
  8: glyph(9, arc(4.5, 10.5, 3.7, 3.5), arc(4.5, 3.5, 4.4, 3.5)),
  9: glyph(9, arc(4.5, 9.5, 4.5, 4.5), arc(0, 9.5, 9, 9.5, 0, -75)),
  A: glyph(10, [0, 0, 5, 14, 10, 0], [1.7, 4.8, 8.3, 4.8]),
  B: glyph(9, [
    0,
    7.3,
    5,
    7.3,
    ...arc(5.2, 3.65, 3.8, 3.65, 90, -90),
    0,
    0,
    0,
    14,
    ...arc(5, 10.65, 3.4, 3.35, 90, -90),
  ]),
  C: glyph(10.5, arc(6, 7, 6, 7, 48, 312)),
  D: glyph(10, [0, 0, 0, 14, ...arc(4, 7, 6, 7, 90, -90), 0, 0]),
  E: glyph(8, [8, 14, 0, 14, 0, 0, 8, 0], [0, 7.3, 7, 7.3]),
  F: glyph(8, [8, 14, 0, 14, 0, 0], [0, 7.3, 7, 7.3]),
  G: glyph(12, [...arc(6, 7, 6, 7, 48, 350), 12, 6.4, 7.5, 6.4]),
  H: glyph(10, [0, 14, 0, 0], [10, 14, 10, 0], [0, 7.3, 10, 7.3]),
  I: glyph(4, [0, 14, 4, 14], [2, 14, 2, 0], [0, 0, 4, 0]),
  J: glyph(6, [6, 14, ...arc(3, 4, 3, 4, 0, -165)]),
  K: glyph(9, [0, 14, 0, 0], [8.5, 14, 0, 5], [3, 8.2, 9, 0]),
  L: glyph(7.5, [0, 14, 0, 0, 7.5, 0]),
  M: glyph(12, [0, 0, 0, 14, 6, 4, 12, 14, 12, 0]),
  N: glyph(9.5, [0, 0, 0, 14, 9.5, 0, 9.5, 14]),
  O: glyph(13, arc(6.5, 7, 6.5, 7)),
  P: glyph(9, [0, 0, 0, 14, ...arc(5, 10.3, 3.9, 3.7, 90, -90), 0, 6.6]),
  Q: glyph(13, arc(6.5, 7, 6.5, 7), [8, 4, 12.5, -0.8]),
  R: glyph(9.5, [0, 0, 0, 14, ...arc(5, 10.3, 3.9, 3.7, 90, -90), 0, 6.6], [5, 6.6, 9.5, 0]),
  S: glyph(9.4, [...arc(4.7, 10.55, 4.1, 3.45, 30, 270), ...arc(4.7, 3.55, 4.7, 3.55, 90, -155)]),
  T: glyph(10, [0, 14, 10, 14], [5, 14, 5, 0]),
  U: glyph(10, [0, 14, ...arc(5, 4.8, 5, 4.8, 180, 360), 10, 14]),
  V: glyph(10, [0, 14, 5, 0, 10, 14]),
  W: glyph(15, [0, 14, 3.75, 0, 7.5, 14, 11.25, 0, 15, 14]),
  X: glyph(9.5, [0, 14, 9.5, 0], [0, 0, 9.5, 14]),
  Y: glyph(10, [0, 14, 5, 6.8, 10, 14], [5, 6.8, 5, 0]),
  Z: glyph(9, [0, 14, 9, 14, 0, 0, 9, 0]),
  a: glyph(9, bowl, [9, 10, 9, 0]),
  b: glyph(9, [0, 14, 0, 0], bowl),
  c: glyph(8, arc(4.5, 5, 4.5, 5, 48, 312)),
  d: glyph(9, [9, 14, 9, 0], bowl),
  e: glyph(9, [0.1, 5.2, 9, 5.2, ...arc(4.5, 5, 4.5, 5, 2, 318)]),
  f: glyph(5.5, [...arc(5, 11, 3, 3, 80, 180), 2, 0], [0, 9.8, 5.2, 9.8]),
  g: glyph(9, bowl, [9, 10, 9, 0, ...arc(4.5, 0, 4.5, 4, 0, -150)]),
  h: glyph(8.5, [0, 14, 0, 0], [...arc(4.25, 5.8, 4.25, 4.2, 180, 0), 8.5, 0]),
  i: glyph(0.5, [0.25, 10, 0.25, 0], dot(0.25, 13.6)),
  j: glyph(2.5, [2.5, 10, 2.5, -1, ...arc(-0.2, -1, 2.7, 3, 0, -95)], dot(2.5, 13.6)),
  k: glyph(7.5, [0, 14, 0, 0], [7, 10, 0, 4], [2.8, 6.2, 7.5, 0]),
  l: glyph(0.5, [0.25, 14, 0.25, 0]),
  m: glyph(
    13,
    [0, 10, 0, 0],
    [...arc(3.25, 6.5, 3.25, 3.5, 180, 0), 6.5, 0],
    [...arc(9.75, 6.5, 3.25, 3.5, 180, 0), 13, 0],
  ),
  n: glyph(8.5, [0, 10, 0, 0], [...arc(4.25, 5.8, 4.25, 4.2, 180, 0), 8.5, 0]),
  o: glyph(9, bowl),
  p: glyph(9, [0, 10, 0, -4], bowl),
  q: glyph(9, [9, 10, 9, -4], bowl),
  r: glyph(5.2, [0, 10, 0, 0], arc(4.2, 5.8, 4.2, 4.2, 180, 75)),
  s: glyph(7.8, [...arc(4, 7.5, 3.5, 2.5, 28, 270), ...arc(4, 2.5, 3.9, 2.5, 90, -155)]),
  t: glyph(5.5, [2.3, 13, 2.3, 3, ...arc(5.1, 2.8, 2.8, 2.8, 180, 278)], [0, 9.8, 5.2, 9.8]),
  u: glyph(8.5, [0, 10, ...arc(4.25, 4.2, 4.25, 4.2, 180, 360)], [8.5, 10, 8.5, 0]),
  v: glyph(8.5, [0, 10, 4.25, 0, 8.5, 10]),
  w: glyph(12.8, [0, 10, 3.2, 0, 6.4, 10, 9.6, 0, 12.8, 10]),
  x: glyph(8, [0, 10, 8, 0], [0, 0, 8, 10]),
  y: glyph(8.5, [0, 10, 4.25, 0.4], [8.5, 10, 3.2, -2.6, 1, -4]),
  z: glyph(7.5, [0, 10, 7.5, 10, 0, 0, 7.5, 0]),
};

/** A text as strokes from x = 0 on, and how wide it is. Characters that are not known become `?`. */
export function layText(text: string): { strokes: Stroke[]; width: number } {
  const strokes: Stroke[] = [];
  let x = 0;
  for (const character of text) {
    const { width, strokes: own } = glyphs[character] ?? (glyphs['?'] as Glyph);
    for (const stroke of own) strokes.push(stroke.map((value, index) => (index % 2 === 0 ? value + x : value)));
    x += width + gap;
  }
  return { strokes, width: Math.max(0, x - gap) };
}
