// What a chart is drawn on. Two implementations: svg.ts writes text, raster.ts fills pixels. Lengths are in units of the
// picture, the origin is the upper left corner.

export interface Stroke {
  /** `#rrggbb` */
  colour: string;
  width: number;
  /** 0 to 1; default 1. */
  opacity?: number;
}

export interface TextStyle {
  colour: string;
  /** Of the font, as CSS counts it: capitals are about seven tenths of it high. */
  size: number;
  /** Which end of the text lies at x. Default start. */
  anchor?: 'start' | 'middle' | 'end';
  bold?: boolean;
  /** Reads upwards. */
  turned?: boolean;
}

export interface Canvas {
  readonly width: number;
  readonly height: number;
  rectangle(x: number, y: number, width: number, height: number, colour: string): void;
  /** A line through points `x0, y0, x1, y1, …`; round where it bends and ends. One point makes a dot. */
  line(points: readonly number[], stroke: Stroke): void;
  /** One line of text, its baseline at y. */
  text(x: number, y: number, text: string, style: TextStyle): void;
}
