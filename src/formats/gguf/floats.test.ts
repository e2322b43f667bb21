import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeFloats, encodeFloats } from './floats.ts';

const halves = (type: 'f16' | 'bf16', ...values: number[]) =>
  Array.from(new Uint16Array(encodeFloats(Float32Array.from(values), type).buffer));
const decode = (type: 'f16' | 'bf16', bits: Uint16Array) => decodeFloats(new Uint8Array(bits.buffer), type);

/** What the bits of a half stand for, from the definition of the format. */
function meaning(bits: number, exponentBits: number, digitBits: number): number {
  const bias = 2 ** (exponentBits - 1) - 1;
  const sign = bits >> 15 ? -1 : 1;
  const exponent = (bits >> digitBits) & (2 ** exponentBits - 1);
  const digits = bits & (2 ** digitBits - 1);
  if (exponent === 2 ** exponentBits - 1) return digits === 0 ? sign * Infinity : Number.NaN;
  if (exponent === 0) return sign * digits * 2 ** (1 - bias - digitBits);
  return sign * (1 + digits / 2 ** digitBits) * 2 ** (exponent - bias);
}

const types = [
  { type: 'f16', exponentBits: 5, digitBits: 10 },
  { type: 'bf16', exponentBits: 8, digitBits: 7 },
] as const;

describe.each(types)('$type', ({ type, exponentBits, digitBits }) => {
  const all = Uint16Array.from({ length: 1 << 16 }, (_, i) => i);
  const values = decode(type, all);

  it('means what its definition says, for every pattern of bits', () => {
    const wrong = [...all].filter((bits) => !Object.is(values[bits], meaning(bits, exponentBits, digitBits)));
    expect(wrong.filter((bits) => !Number.isNaN(values[bits]))).toEqual([]);
    expect(wrong).toEqual([]);
  });

  it('comes back from f32 as it was', () => {
    const numbers = all.filter((bits) => !Number.isNaN(values[bits] as number));
    expect(halves(type, ...decode(type, numbers))).toEqual([...numbers]);
    expect(decode(type, Uint16Array.from(halves(type, Number.NaN)))[0]).toBeNaN();
  });

  it('takes the nearest value, and of two equally near the even one', () => {
    fc.assert(
      fc.property(fc.float({ noNaN: true, noDefaultInfinity: true }), (x) => {
        const [bits = 0] = halves(type, x);
        const here = meaning(bits, exponentBits, digitBits);
        // beyond the largest number the next step would have been twice as far as the one before
        if (!Number.isFinite(here)) {
          const largest = values[(bits & 0x7fff) - 1] as number;
          const step = largest - (values[(bits & 0x7fff) - 2] as number);
          return Math.abs(x) >= largest + step / 2;
        }
        const neighbours = [bits - 1, bits + 1]
          .filter((other) => other >> 15 === bits >> 15 && other >= 0)
          .map((other) => ({ other, far: Math.abs(x - meaning(other, exponentBits, digitBits)) }));
        const far = Math.abs(x - here);
        return neighbours.every(
          (one) => one.far > far || (one.far === far && bits % 2 === 0) || !Number.isFinite(one.far),
        );
      }),
      { numRuns: 5000 },
    );
  });
});

describe('floats', () => {
  it('round to even between two halves, also where they have no leading digit', () => {
    expect(halves('f16', 1 + 2 ** -11, 1 + 3 * 2 ** -11, 2 ** -25, 3 * 2 ** -25)).toEqual([0x3c00, 0x3c02, 0, 2]);
    expect(halves('f16', 65_519.996, 65_520, -65_520)).toEqual([0x7bff, 0x7c00, 0xfc00]);
    expect(halves('bf16', 1 + 2 ** -8, 1 + 3 * 2 ** -8)).toEqual([0x3f80, 0x3f82]);
  });

  it('of f32 are the same bits, wherever in a buffer they begin', () => {
    const bytes = new Uint8Array(9);
    bytes.set(encodeFloats(Float32Array.of(1.5, -2), 'f32'), 1);
    expect([...decodeFloats(bytes.subarray(1), 'f32')]).toEqual([1.5, -2]);
  });
});
