// Numbers of tensors between f32 in memory and the plain types of a file: f32, f16 (IEEE 754 binary16) and bf16 (the upper half of an
// f32). To the nearest, ties to even, as ggml rounds. Little-endian, like every machine Node runs on.

/** Types whose numbers stand by themselves, without a block's scale. */
export type FloatTypeName = 'f32' | 'f16' | 'bf16';

export const floatBytes: Readonly<Record<FloatTypeName, number>> = { f32: 4, f16: 2, bf16: 2 };

/** The bytes of a file for these values; for f32 a view of them. */
export function encodeFloats(values: Float32Array, type: FloatTypeName): Uint8Array {
  if (type === 'f32') return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const half = type === 'f16' ? halfOf : brainHalfOf;
  const out = new Uint16Array(values.length);
  for (let i = 0; i < out.length; i += 1) out[i] = half(bits[i] as number);
  return new Uint8Array(out.buffer);
}

/** The values again, as a copy. @param bytes a whole number of values */
export function decodeFloats(bytes: Uint8Array, type: FloatTypeName): Float32Array {
  // copied: bytes of a file may begin where no number may
  const { buffer } = bytes.slice();
  if (type === 'f32') return new Float32Array(buffer);
  const halves = new Uint16Array(buffer);
  const bits = new Uint32Array(halves.length);
  const whole = type === 'f16' ? ofHalf : (half: number) => half << 16;
  for (let i = 0; i < bits.length; i += 1) bits[i] = whole(halves[i] as number);
  return new Float32Array(bits.buffer);
}

/** Bits of an f32 to those of a bf16. */
function brainHalfOf(bits: number): number {
  const isNan = (bits & 0x7fff_ffff) > 0x7f80_0000;
  if (isNan) return (bits >>> 16) | 0x40;
  return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
}

/** Bits of an f32 to those of an f16. */
function halfOf(bits: number): number {
  const sign = (bits >>> 16) & 0x8000;
  const rest = bits & 0x7fff_ffff;
  if (rest > 0x7f80_0000) return sign | 0x7e00;
  // 65,520 and more round to infinity
  if (rest >= 0x477f_f000) return sign | 0x7c00;
  const exponent = (rest >>> 23) - 112;
  if (exponent >= 1) {
    const shifted = (exponent << 23) | (rest & 0x007f_ffff);
    return sign | ((shifted + 0x0fff + ((shifted >>> 13) & 1)) >>> 13);
  }
  // below 2^-14: a whole number of 2^-24, with the digit in front written out
  if (exponent < -10) return sign;
  const digits = (rest & 0x007f_ffff) | 0x0080_0000;
  const shift = 14 - exponent;
  return sign | ((digits + (1 << (shift - 1)) - 1 + ((digits >>> shift) & 1)) >>> shift);
}

/** Bits of an f16 to those of an f32, exact. */
function ofHalf(half: number): number {
  const sign = (half & 0x8000) << 16;
  const exponent = (half >>> 10) & 0x1f;
  const digits = half & 0x3ff;
  if (exponent === 0x1f) return sign | 0x7f80_0000 | (digits << 13);
  if (exponent > 0) return sign | ((exponent + 112) << 23) | (digits << 13);
  if (digits === 0) return sign;
  // a whole number of 2^-24: its first digit moves to the front
  const places = Math.clz32(digits) - 21;
  return sign | ((113 - places) << 23) | (((digits << places) & 0x3ff) << 13);
}
