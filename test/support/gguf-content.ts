// Arbitrary GGUF content for property tests.
import fc from 'fast-check';
import { arrayEntry } from '../../src/formats/gguf/metadata.ts';
import {
  type GgmlType,
  type GgufEntry,
  type GgufScalarEntry,
  ggmlTypes,
  tensorSizeBytes,
} from '../../src/formats/gguf/types.ts';
import type { GgufContent, TensorToWrite } from '../../src/formats/gguf/write.ts';

const text = fc.string({ unit: 'grapheme', maxLength: 40 });
// -0 and every NaN but one have no bits of their own once they were numbers of JavaScript
const f32 = fc.float().map((value) => (value === 0 ? 0 : value));
const f64 = fc.double().map((value) => (value === 0 ? 0 : value));
const u64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const i64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
const whole = (min: number, max: number) => fc.integer({ min, max });
const exact = (value: bigint) => (Number.isSafeInteger(Number(value)) ? Number(value) : value);
const small = { maxLength: 20 };

const scalar: fc.Arbitrary<GgufScalarEntry> = fc.oneof(
  whole(0, 255).map((value) => ({ type: 'u8' as const, value })),
  whole(-128, 127).map((value) => ({ type: 'i8' as const, value })),
  whole(0, 65_535).map((value) => ({ type: 'u16' as const, value })),
  whole(-32_768, 32_767).map((value) => ({ type: 'i16' as const, value })),
  whole(0, 2 ** 32 - 1).map((value) => ({ type: 'u32' as const, value })),
  whole(-(2 ** 31), 2 ** 31 - 1).map((value) => ({ type: 'i32' as const, value })),
  f32.map((value) => ({ type: 'f32' as const, value })),
  f64.map((value) => ({ type: 'f64' as const, value })),
  fc.boolean().map((value) => ({ type: 'bool' as const, value })),
  text.map((value) => ({ type: 'string' as const, value })),
  u64.map((value) => ({ type: 'u64' as const, value: exact(value) })),
  i64.map((value) => ({ type: 'i64' as const, value: exact(value) })),
);

const array: fc.Arbitrary<GgufEntry> = fc.oneof(
  fc.uint8Array(small).map((value) => arrayEntry('u8', value)),
  fc.int8Array(small).map((value) => arrayEntry('i8', value)),
  fc.uint16Array(small).map((value) => arrayEntry('u16', value)),
  fc.int16Array(small).map((value) => arrayEntry('i16', value)),
  fc.uint32Array(small).map((value) => arrayEntry('u32', value)),
  fc.int32Array(small).map((value) => arrayEntry('i32', value)),
  fc.float32Array(small).map((value) => arrayEntry('f32', value)),
  fc.float64Array(small).map((value) => arrayEntry('f64', value)),
  fc.array(fc.boolean(), small).map((value) => arrayEntry('bool', value)),
  fc.array(text, small).map((value) => arrayEntry('string', value)),
  fc.bigUint64Array(small).map((value) => arrayEntry('u64', value)),
  fc.bigInt64Array(small).map((value) => arrayEntry('i64', value)),
);

const key = fc
  .stringMatching(/^[a-z0-9_]{1,12}(\.[a-z0-9_é]{1,12}){0,3}$/)
  .filter((name) => name !== 'general.alignment');

const tensor: fc.Arbitrary<Omit<TensorToWrite, 'name'>> = fc
  .tuple(
    fc.constantFrom(...ggmlTypes),
    fc.array(whole(1, 4), { minLength: 1, maxLength: 4 }),
    whole(0, 255),
    fc.boolean(),
  )
  .map(([type, extents, seed, streamed]) => {
    const shape = extents.map((extent, dimension) => (dimension === 0 ? extent * type.blockSize : extent));
    const bytes = new Uint8Array(tensorSizeBytes(shape, type as GgmlType) as number).map(
      (_, index) => seed + index * 7,
    );
    const half = bytes.length >> 1;
    return { shape, type: type.name, data: streamed ? () => [bytes.subarray(0, half), bytes.subarray(half)] : bytes };
  });

const tensorName = fc
  .string({ unit: 'grapheme', minLength: 1, maxLength: 20 })
  .filter((name) => Buffer.byteLength(name) < 64 && !name.includes('\0'));

/** Any content that can be written: every value type, every tensor type, data whole or in pieces, any alignment. */
export const contentArbitrary: fc.Arbitrary<GgufContent> = fc
  .tuple(
    fc.uniqueArray(fc.tuple(key, fc.oneof(scalar, array)), { selector: ([name]) => name, maxLength: 12 }),
    fc.uniqueArray(fc.tuple(tensorName, tensor), { selector: ([name]) => name, maxLength: 6 }),
    fc.constantFrom(undefined, 8, 16, 32, 64, 256, 4096),
  )
  .map(([metadata, tensors, alignment]) => ({
    metadata,
    tensors: tensors.map(([name, rest]) => ({ name, ...rest })),
    ...(alignment === undefined ? {} : { alignment }),
  }));

/** The data of a tensor in one piece. */
export async function dataOf({ data }: TensorToWrite): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of data instanceof Uint8Array ? [data] : data()) pieces.push(piece);
  return Buffer.concat(pieces);
}
