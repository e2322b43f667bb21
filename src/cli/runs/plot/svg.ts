// A canvas that writes SVG: plain shapes and the reader's own sans-serif font, nothing that loads from elsewhere.
import type { Canvas } from './canvas.ts';

/** @returns a canvas, and what gives the whole file */
export function createSvgCanvas(width: number, height: number, title: string): Canvas & { file(): string } {
  const parts: string[] = [];
  return {
    width,
    height,
    rectangle(x, y, w, h, colour) {
      parts.push(`<rect x="${short(x)}" y="${short(y)}" width="${short(w)}" height="${short(h)}" fill="${colour}"/>`);
    },
    line(points, { colour, width: stroke, opacity = 1 }) {
      const faint = opacity === 1 ? '' : ` stroke-opacity="${opacity}"`;
      const path = [...pairs(points)].map(([x, y]) => `${short(x)},${short(y)}`);
      // a polyline of one point is not drawn
      if (path.length === 1) path.push(path[0] as string);
      parts.push(`<polyline points="${path.join(' ')}" stroke="${colour}" stroke-width="${short(stroke)}"${faint}/>`);
    },
    text(x, y, text, { colour, size, anchor = 'start', bold, turned }) {
      const at = `x="${short(x)}" y="${short(y)}"`;
      const turn = turned ? ` transform="rotate(-90 ${short(x)} ${short(y)})"` : '';
      const side = anchor === 'start' ? '' : ` text-anchor="${anchor}"`;
      const weight = bold ? ' font-weight="600"' : '';
      parts.push(
        `<text ${at} font-size="${short(size)}" fill="${colour}"${side}${weight}${turn}>${escaped(text)}</text>`,
      );
    },
    file: () => `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img">
<title>${escaped(title)}</title>
<g font-family="system-ui, -apple-system, 'Segoe UI', 'Helvetica Neue', Arial, sans-serif">
<g fill="none" stroke-linecap="round" stroke-linejoin="round">
${parts.filter((part) => !part.startsWith('<text')).join('\n')}
</g>
${parts.filter((part) => part.startsWith('<text')).join('\n')}
</g>
</svg>
`,
  };
}

function* pairs(points: readonly number[]): Generator<[number, number]> {
  for (let index = 0; index + 1 < points.length; index += 2) yield [points[index] ?? 0, points[index + 1] ?? 0];
}

const short = (value: number): string => String(Math.round(value * 100) / 100);

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
