// A canvas that fills pixels. Everything is a round pen drawn along a line: a pixel is covered by how far the pen reaches
// beyond its centre, which makes edges smooth. Text is pen strokes too (stroke-font.ts), so no font is needed.
import { encodePng } from '../../../formats/png/write.ts';
import type { Canvas } from './canvas.ts';
import { capitalHeight, layText } from './stroke-font.ts';

/** Of an inch, in units of a picture, as CSS has it. */
const unitsPerMetre = 96 / 0.0254;

/**
 * @param scale pixels a unit; 2 is sharp on today's screens
 * @returns a canvas, its pixels (red, green, blue) and what gives the PNG
 */
export function createRasterCanvas(
  width: number,
  height: number,
  scale = 2,
): Canvas & { file(): Uint8Array; pixels: Uint8Array } {
  const [columns, rows] = [Math.round(width * scale), Math.round(height * scale)];
  const pixels = new Uint8Array(columns * rows * 3).fill(255);
  /** How much of each pixel the line being drawn covers, 0 to 1; joints of a line must not count twice. */
  const cover = new Float32Array(columns * rows);

  const paint = (lines: readonly (readonly number[])[], { colour, width: pen, opacity = 1 }: Pen) => {
    const radius = (pen * scale) / 2;
    const box = { left: columns, top: rows, right: -1, bottom: -1 };
    for (const points of lines) {
      for (let at = 0; at + 1 < points.length; at += 2) {
        // a line of one point is a dot
        const to = Math.min(at + 2, points.length - 2);
        const [x0, y0, x1, y1] = [points[at], points[at + 1], points[to], points[to + 1]].map(
          (value) => (value as number) * scale,
        ) as [number, number, number, number];
        if (at === to && at > 0) break;
        coverSegment(cover, columns, rows, [x0, y0, x1, y1], radius, box);
      }
    }
    const [red, green, blue] = channels(colour);
    for (let row = box.top; row <= box.bottom; row++) {
      for (let column = box.left; column <= box.right; column++) {
        const at = row * columns + column;
        const share = (cover[at] as number) * opacity;
        if (share === 0) continue;
        cover[at] = 0;
        pixels[at * 3] = mix(pixels[at * 3] as number, red, share);
        pixels[at * 3 + 1] = mix(pixels[at * 3 + 1] as number, green, share);
        pixels[at * 3 + 2] = mix(pixels[at * 3 + 2] as number, blue, share);
      }
    }
  };

  return {
    width,
    height,
    pixels,
    rectangle(x, y, w, h, colour) {
      const rgb = channels(colour);
      const [left, right] = [x, x + w].map((each) => Math.min(columns, Math.max(0, Math.round(each * scale))));
      const [top, bottom] = [y, y + h].map((each) => Math.min(rows, Math.max(0, Math.round(each * scale))));
      for (let row = top as number; row < (bottom as number); row++) {
        for (let column = left as number; column < (right as number); column++) {
          pixels.set(rgb, (row * columns + column) * 3);
        }
      }
    },
    line: (points, stroke) => paint([points], stroke),
    text(x, y, text, { colour, size, anchor = 'start', bold, turned }) {
      const unit = (size * 0.72) / capitalHeight;
      const { strokes, width: wide } = layText(text);
      const shift = anchor === 'start' ? 0 : anchor === 'middle' ? -(wide * unit) / 2 : -wide * unit;
      const placed = strokes.map((stroke) =>
        stroke.map((_, index) => {
          const along = (stroke[index & ~1] as number) * unit + shift;
          const up = (stroke[index | 1] as number) * unit;
          if (turned) return index % 2 === 0 ? x - up : y - along;
          return index % 2 === 0 ? x + along : y - up;
        }),
      );
      paint(placed, { colour, width: size * (bold ? 0.115 : 0.08) });
    },
    file: () => encodePng(pixels, columns, rows, Math.round(unitsPerMetre * scale)),
  };
}

interface Pen {
  colour: string;
  width: number;
  opacity?: number;
}

interface Box {
  left: number;
  top: number;
  right: number;
  bottom: number;
}

function coverSegment(
  cover: Float32Array,
  columns: number,
  rows: number,
  [x0, y0, x1, y1]: readonly [number, number, number, number],
  radius: number,
  box: Box,
): void {
  const reach = radius + 1;
  const left = Math.max(0, Math.floor(Math.min(x0, x1) - reach));
  const right = Math.min(columns - 1, Math.ceil(Math.max(x0, x1) + reach));
  const top = Math.max(0, Math.floor(Math.min(y0, y1) - reach));
  const bottom = Math.min(rows - 1, Math.ceil(Math.max(y0, y1) + reach));
  if (!(left <= right && top <= bottom)) return;
  box.left = Math.min(box.left, left);
  box.right = Math.max(box.right, right);
  box.top = Math.min(box.top, top);
  box.bottom = Math.max(box.bottom, bottom);
  const [dx, dy] = [x1 - x0, y1 - y0];
  const squared = dx * dx + dy * dy;
  for (let row = top; row <= bottom; row++) {
    for (let column = left; column <= right; column++) {
      const [px, py] = [column + 0.5 - x0, row + 0.5 - y0];
      const share = squared === 0 ? 0 : Math.min(1, Math.max(0, (px * dx + py * dy) / squared));
      const covered = radius + 0.5 - Math.hypot(px - share * dx, py - share * dy);
      const at = row * columns + column;
      // a pen thinner than a pixel covers as much of it as it is wide
      if (covered > 0) cover[at] = Math.max(cover[at] as number, Math.min(1, covered, 2 * radius));
    }
  }
}

function channels(colour: string): [number, number, number] {
  const value = Number.parseInt(colour.slice(1), 16);
  return [value >> 16, (value >> 8) & 255, value & 255];
}

const mix = (below: number, above: number, share: number): number => Math.round(below + (above - below) * share);
