// What every fixture is made of: numbers that are the same on every machine, and tensors filled with them.
import type { TensorToWrite } from '../src/formats/gguf/write.ts';

/** Sum of four uniforms, scaled to variance 1: near enough to normal, and the same on every machine. */
export function randomSource(seed: number): () => number {
  let state = seed >>> 0;
  const uniform = () => {
    // mulberry32
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
  return () => (uniform() + uniform() + uniform() + uniform() - 2) * Math.sqrt(3);
}

/** The bits of the nearest half-precision number; what is too small for a normal one becomes 0. */
function halfBits(value: number): number {
  const bits = new Uint32Array(new Float32Array([value]).buffer)[0] as number;
  const sign = (bits >>> 16) & 0x8000;
  const rounded = (bits & 0x7fffffff) + 0x1000;
  const exponent = (rounded >>> 23) - 112;
  return exponent <= 0 ? sign : sign | (exponent << 10) | ((rounded >>> 13) & 0x3ff);
}

/** R rows of C, filled by `value(row, column)`, as f16. */
export function matrix(
  name: string,
  C: number,
  R: number,
  value: (row: number, column: number) => number,
): TensorToWrite {
  const halves = new Uint16Array(R * C);
  for (let index = 0; index < halves.length; index++) {
    halves[index] = halfBits(value(Math.floor(index / C), index % C));
  }
  return { name, shape: [C, R], type: 'f16', data: new Uint8Array(halves.buffer) };
}

/** The same as f32; with a single extent a vector. */
export function floats(name: string, shape: number[], value: () => number): TensorToWrite {
  const length = shape.reduce((product, extent) => product * extent, 1);
  const values = Float32Array.from({ length }, value);
  return { name, shape, type: 'f32', data: new Uint8Array(values.buffer) };
}

export const ones = (name: string, D: number): TensorToWrite => floats(name, [D], () => 1);
