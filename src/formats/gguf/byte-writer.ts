// A buffer that grows: little-endian numbers and strings with their length in front, as a GGUF header holds them.
// Numbers must fit their type; nothing is rounded, wrapped or replaced without an error.
import { FreeholdError } from '../../lib/errors.ts';
import { type GgufScalarEntry, type GgufScalarType, ggufTypeSizes } from './types.ts';

/** Throws gguf_invalid for something that cannot be written. */
export function refuseToWrite(message: string): never {
  throw new FreeholdError('gguf_invalid', `This cannot be written as a GGUF file: ${message}.`);
}

const ranges: Partial<Record<GgufScalarType, readonly [bigint, bigint]>> = {
  u8: [0n, 255n],
  i8: [-128n, 127n],
  u16: [0n, 65_535n],
  i16: [-32_768n, 32_767n],
  u32: [0n, 4_294_967_295n],
  i32: [-2_147_483_648n, 2_147_483_647n],
  u64: [0n, 2n ** 64n - 1n],
  i64: [-(2n ** 63n), 2n ** 63n - 1n],
};

const setters = {
  u8: (buffer, value, at) => buffer.writeUInt8(Number(value), at),
  i8: (buffer, value, at) => buffer.writeInt8(Number(value), at),
  u16: (buffer, value, at) => buffer.writeUInt16LE(Number(value), at),
  i16: (buffer, value, at) => buffer.writeInt16LE(Number(value), at),
  u32: (buffer, value, at) => buffer.writeUInt32LE(Number(value), at),
  i32: (buffer, value, at) => buffer.writeInt32LE(Number(value), at),
  f32: (buffer, value, at) => buffer.writeFloatLE(Number(value), at),
  f64: (buffer, value, at) => buffer.writeDoubleLE(Number(value), at),
  bool: (buffer, value, at) => buffer.writeUInt8(Number(value), at),
  u64: (buffer, value, at) => buffer.writeBigUInt64LE(BigInt(value), at),
  i64: (buffer, value, at) => buffer.writeBigInt64LE(BigInt(value), at),
} satisfies Record<
  Exclude<GgufScalarType, 'string'>,
  (buffer: Buffer, value: number | bigint | boolean, at: number) => number
>;

export class ByteWriter {
  #buffer = Buffer.alloc(1 << 12);
  #length = 0;

  /** What was written so far; a view, valid until the next write. */
  get bytes(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  /** Makes room for `sizeBytes` more, and answers where they begin. */
  #grow(sizeBytes: number): number {
    const at = this.#length;
    if (at + sizeBytes > this.#buffer.length) {
      const larger = Buffer.alloc(Math.max(at + sizeBytes, this.#buffer.length * 2));
      this.#buffer.copy(larger, 0, 0, at);
      this.#buffer = larger;
    }
    this.#length = at + sizeBytes;
    return at;
  }

  u32(value: number): void {
    const at = this.#grow(4);
    this.#buffer.writeUInt32LE(value, at);
  }

  /** A count, length or offset: 64 bits in the file. */
  count(value: number): void {
    const at = this.#grow(8);
    this.#buffer.writeBigUInt64LE(BigInt(value), at);
  }

  raw(bytes: Uint8Array): void {
    const at = this.#grow(bytes.length);
    this.#buffer.set(bytes, at);
  }

  /** Zeros up to the next multiple of `alignment` bytes. */
  pad(alignment: number): void {
    const rest = this.#length % alignment;
    if (rest > 0) this.#buffer.fill(0, this.#grow(alignment - rest), this.#length);
  }

  /** @throws FreeholdError gguf_invalid for half of a surrogate pair, which UTF-8 has no bytes for; `what` names the field */
  string(text: string, what: string): void {
    if (/\p{Surrogate}/u.test(text)) refuseToWrite(`${what} holds half of a surrogate pair`);
    const sizeBytes = Buffer.byteLength(text);
    this.count(sizeBytes);
    const at = this.#grow(sizeBytes);
    this.#buffer.write(text, at, 'utf8');
  }

  /** @throws FreeholdError gguf_invalid when the value does not fit the type; `what` names the field */
  scalar(entry: GgufScalarEntry, what: string): void {
    const { type, value } = entry;
    if (type === 'string') {
      this.string(value, what);
      return;
    }
    const range = ranges[type];
    if (range && !(typeof value === 'bigint' || Number.isSafeInteger(value))) {
      refuseToWrite(`${what} is ${value}, expected a whole number; beyond 2^53 it has to be a bigint`);
    }
    if (range && typeof value !== 'boolean' && (value < range[0] || value > range[1])) {
      refuseToWrite(`${what} is ${value}, expected ${range[0]} to ${range[1]} for ${type}`);
    }
    const at = this.#grow(ggufTypeSizes[type]);
    setters[type](this.#buffer, value, at);
  }
}
