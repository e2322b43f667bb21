// A forward-only cursor over a file: reads in large chunks, parses synchronously inside a chunk, and never asks for a
// byte beyond the end. Every refusal says which field was being read and at which offset.
// Knows sizes and little-endian numbers, not what they mean.
import { isUtf8 } from 'node:buffer';
import { FreeholdError } from '../../lib/errors.ts';

/** Where bytes come from. `read` returns exactly `length` bytes unless the source became shorter meanwhile. */
export interface ByteSource {
  sizeBytes: number;
  read(offset: number, length: number): Promise<Buffer>;
}

const chunkBytes = 1 << 20;

/** Throws gguf_invalid with the byte offset in the message. */
export function refuse(offset: number, message: string, hint?: string): never {
  throw new FreeholdError('gguf_invalid', `Not a valid GGUF file: ${message} (at byte ${offset}).`, {
    hint: hint ?? 'The file is damaged, incomplete or not a GGUF; download it again.',
  });
}

export class ByteReader {
  readonly sizeBytes: number;
  readonly #source: ByteSource;
  readonly #limitBytes: number;
  #chunk: Buffer = Buffer.alloc(0);
  /** Offset in the file of the first byte of #chunk. */
  #base = 0;
  #position = 0;

  /** @param limitBytes bytes from the start of the file that may be read or skipped; a bound on what a header costs */
  constructor(source: ByteSource, limitBytes: number) {
    this.#source = source;
    this.sizeBytes = source.sizeBytes;
    this.#limitBytes = limitBytes;
  }

  /** Offset in the file of the next byte. */
  get offset(): number {
    return this.#base + this.#position;
  }

  /** Bytes left in the file. */
  get remaining(): number {
    return this.sizeBytes - this.offset;
  }

  /** Whether the next `length` bytes can be taken without waiting. */
  buffered(length: number): boolean {
    return this.#position + length <= this.#chunk.length;
  }

  /** Throws unless the file still holds `length` bytes; allocates nothing. `what` names the field. */
  require(length: number, what: string): void {
    if (length > this.remaining) {
      refuse(this.offset, `${what} needs ${length} bytes but the file ends after ${this.remaining}`);
    }
    if (this.offset + length > this.#limitBytes) {
      refuse(this.offset, `its header is larger than ${this.#limitBytes} bytes, more than any known model`);
    }
  }

  /** Waits until the next `length` bytes are in memory. */
  async need(length: number, what: string): Promise<void> {
    if (this.buffered(length)) return;
    this.require(length, what);
    const rest = this.#chunk.subarray(this.#position);
    const base = this.offset;
    const wanted = Math.min(Math.max(length, chunkBytes), this.sizeBytes - base);
    const read = await this.#source.read(base + rest.length, wanted - rest.length);
    if (read.length !== wanted - rest.length) refuse(base, 'the file became shorter while it was read');
    this.#chunk = rest.length === 0 ? read : Buffer.concat([rest, read]);
    this.#base = base;
    this.#position = 0;
  }

  /** The next `length` buffered bytes, a view that is only valid until the next `need`. */
  take(length: number): Buffer {
    const bytes = this.#chunk.subarray(this.#position, this.#position + length);
    this.#position += length;
    return bytes;
  }

  /**
   * The next `length` buffered bytes as text, a byte order mark kept; undefined when they are not valid UTF-8, then
   * nothing is taken.
   */
  takeText(length: number): string | undefined {
    const end = this.#position + length;
    const text = this.#chunk.toString('utf8', this.#position, end);
    // the decoder puts U+FFFD for what is not valid, but the text may also hold a real one
    if (text.includes('\ufffd') && !isUtf8(this.#chunk.subarray(this.#position, end))) return undefined;
    this.#position = end;
    return text;
  }

  /** Passes over buffered bytes. */
  advance(length: number): void {
    this.#position += length;
  }

  /** Passes over bytes that need not be buffered, without reading them. */
  async skip(length: number, what: string): Promise<void> {
    this.require(length, what);
    if (this.buffered(length)) {
      this.#position += length;
      return;
    }
    this.#base = this.offset + length;
    this.#chunk = Buffer.alloc(0);
    this.#position = 0;
  }

  /** A 32-bit unsigned number that is already buffered. */
  takeU32(): number {
    const value = this.#chunk.readUInt32LE(this.#position);
    this.#position += 4;
    return value;
  }

  /** A 64-bit unsigned number that is already buffered; beyond 2^53 it is rounded, which every limit check survives. */
  takeCount(): number {
    const low = this.#chunk.readUInt32LE(this.#position);
    const high = this.#chunk.readUInt32LE(this.#position + 4);
    this.#position += 8;
    return high === 0 ? low : high * 4_294_967_296 + low;
  }

  async u32(what: string): Promise<number> {
    await this.need(4, what);
    return this.takeU32();
  }

  async count(what: string): Promise<number> {
    await this.need(8, what);
    return this.takeCount();
  }

  /** A string with its length in front, at most `limitBytes` of UTF-8. */
  async string(what: string, limitBytes: number): Promise<string> {
    const start = this.offset;
    const length = await this.count(`the length of ${what}`);
    if (length > limitBytes) refuse(start, `${what} is ${length} bytes long, at most ${limitBytes} are possible`);
    await this.need(length, what);
    return this.takeText(length) ?? refuse(start, `${what} is not valid UTF-8`);
  }
}
