// A set of byte strings, each with a number from 0 on in the order they came: what the counter counts with and the encoder
// remembers with. Open addressing over typed arrays, since JavaScript strings and maps cost ten times as much a piece.

import { FreeholdError } from '../lib/errors.ts';

export class PieceTable {
  /** How many there are. */
  size = 0;
  /** All of them, one behind the other. */
  bytes: Uint8Array;
  /** Where each begins in `bytes`; the next one's beginning is its end. */
  starts: Int32Array;
  #hashes: Int32Array;
  /** Number + 1, or 0. */
  #slots: Int32Array;

  constructor(expectedPieces = 1024) {
    const capacity = 2 ** Math.ceil(Math.log2(Math.max(expectedPieces, 16)));
    this.bytes = new Uint8Array(capacity * 8);
    this.starts = new Int32Array(capacity + 1);
    this.#hashes = new Int32Array(capacity);
    this.#slots = new Int32Array(capacity * 2);
  }

  /** Bytes that all pieces take together. */
  get sizeBytes(): number {
    return this.starts[this.size] as number;
  }

  /** Number of the piece `source[from..to)`; -1 when it is not here. */
  find(source: Uint8Array, from: number, to: number): number {
    return this.#look(source, from, to, hashOf(source, from, to));
  }

  /** The same, and a new number (`size` before) when it is not here. */
  intern(source: Uint8Array, from: number, to: number): number {
    const hash = hashOf(source, from, to);
    const found = this.#look(source, from, to, hash);
    return found >= 0 ? found : this.#add(source, from, to, hash);
  }

  clear(): void {
    this.size = 0;
    this.#slots.fill(0);
  }

  #look(source: Uint8Array, from: number, to: number, hash: number): number {
    const slots = this.#slots;
    const hashes = this.#hashes;
    const starts = this.starts;
    const bytes = this.bytes;
    const mask = slots.length - 1;
    const length = to - from;
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const entry = (slots[slot] as number) - 1;
      if (entry < 0) return -1;
      if (hashes[entry] !== hash) continue;
      const start = starts[entry] as number;
      if ((starts[entry + 1] as number) - start !== length) continue;
      let at = 0;
      while (at < length && bytes[start + at] === source[from + at]) at++;
      if (at === length) return entry;
    }
  }

  #add(source: Uint8Array, from: number, to: number, hash: number): number {
    const entry = this.size;
    if (entry === this.#hashes.length) this.#growEntries();
    const start = this.starts[entry] as number;
    const end = start + (to - from);
    if (end > 0x7fff_ffff) {
      throw new FreeholdError('data_invalid', 'The text holds more than 2 GB of different words.', {
        hint: 'Leave out what is no language, such as encoded data, or give less of it.',
      });
    }
    if (end > this.bytes.length) {
      const bytes = new Uint8Array(Math.max(end, this.bytes.length * 2));
      bytes.set(this.bytes.subarray(0, start));
      this.bytes = bytes;
    }
    if (to - from < 16) for (let at = from, put = start; at < to; ) this.bytes[put++] = source[at++] as number;
    else this.bytes.set(source.subarray(from, to), start);
    this.starts[entry + 1] = end;
    this.#hashes[entry] = hash;
    this.#place(entry, hash);
    this.size = entry + 1;
    return entry;
  }

  #place(entry: number, hash: number): void {
    const mask = this.#slots.length - 1;
    let slot = hash & mask;
    while (this.#slots[slot] !== 0) slot = (slot + 1) & mask;
    this.#slots[slot] = entry + 1;
  }

  #growEntries(): void {
    const capacity = this.#hashes.length * 2;
    const hashes = new Int32Array(capacity);
    hashes.set(this.#hashes);
    const starts = new Int32Array(capacity + 1);
    starts.set(this.starts);
    this.#hashes = hashes;
    this.starts = starts;
    this.#slots = new Int32Array(capacity * 2);
    for (let entry = 0; entry < this.size; entry++) this.#place(entry, hashes[entry] as number);
  }
}

/** FNV-1a, its bits mixed once more. */
function hashOf(bytes: Uint8Array, from: number, to: number): number {
  let hash = 0x811c9dc5;
  for (let at = from; at < to; at++) hash = Math.imul(hash ^ (bytes[at] as number), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  return hash ^ (hash >>> 13);
}
