// What is left of a number in a narrower storage type: rounded to nearest, ties to even, as IEEE 754 and ggml do.
import type { DType } from '../tensor.ts';

/** @returns the nearest value that the type holds */
export function narrow(value: number, dtype: DType): number {
  if (dtype === 'f16') return roundToF16(Math.fround(value));
  if (dtype === 'bf16') return roundToBf16(value);
  return value;
}

const floats = new Float32Array(1);
const bits = new Uint32Array(floats.buffer);

/** The upper half of an f32. */
function roundToBf16(value: number): number {
  floats[0] = value;
  if (Number.isNaN(value)) return value;
  const whole = bits[0] as number;
  bits[0] = (whole + 0x7fff + ((whole >>> 16) & 1)) & 0xffff0000;
  return floats[0] as number;
}

function roundToF16(value: number): number {
  const size = Math.abs(value);
  if (!(size > 0 && size < Infinity)) return value;
  // 10 bits behind the leading one; below 2^-14 the spacing stays 2^-24
  const exponent = Math.max(Math.floor(Math.log2(size)), -14);
  const unit = 2 ** (exponent - 10);
  const rounded = roundHalfEven(size / unit) * unit;
  return Math.sign(value) * (rounded >= 65_520 ? Infinity : rounded);
}

function roundHalfEven(value: number): number {
  const below = Math.floor(value);
  const rest = value - below;
  return rest > 0.5 || (rest === 0.5 && below % 2 === 1) ? below + 1 : below;
}
