// First values of parameters. Each depends on the seed, its name and its shape alone: not on what other parameters there are, nor on
// the order in which they are drawn.
import { createRandom } from '../lib/random.ts';
import { elementCount } from '../tensor/tensor.ts';
import type { ParameterSpec } from './config.ts';

/**
 * @param seed unsigned 32-bit; the same seed gives the same values on every machine
 * @returns as many as the shape has, row-major
 */
export function initialise({ name, shape, init }: ParameterSpec, seed: number): Float32Array {
  const values = new Float32Array(elementCount(shape));
  switch (init.kind) {
    case 'zeros':
      return values;
    case 'ones':
      return values.fill(1);
    case 'normal':
      return fillNormal(values, init.deviation, hash(`${seed}:${name}`));
    default:
      return init satisfies never;
  }
}

/** Marsaglia's polar method (1964): two numbers from a point that lies within the unit circle. */
function fillNormal(values: Float32Array, deviation: number, seed: number): Float32Array {
  const random = createRandom(seed);
  for (let i = 0; i < values.length; i += 2) {
    let x: number;
    let y: number;
    let square: number;
    do {
      x = 2 * random.next() - 1;
      y = 2 * random.next() - 1;
      square = x * x + y * y;
    } while (square >= 1 || square === 0);
    const factor = deviation * Math.sqrt((-2 * Math.log(square)) / square);
    values[i] = x * factor;
    if (i + 1 < values.length) values[i + 1] = y * factor;
  }
  return values;
}

/** FNV-1a, 32 bits. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (const byte of Buffer.from(text)) value = Math.imul(value ^ byte, 0x01000193);
  return value >>> 0;
}
