// Keys and values of one sequence as libllama saves them (`llama_state_seq_get_data`), taken apart by token: a saved
// state can be cut, joined with others and written to a context with another number of sequences. Pure bytes.
//
// The form, little-endian: magic u32, sequence i32, then for each cache of the model (one; two with sliding windows):
// sequences u32; a count of cells u32 for each sequence, all 0 but one, which is followed by a (position, 1, sequence)
// i32 triple for each cell, "values are transposed" u32, layers u32, and for the keys of each layer, then the values:
// type i32, bytes of a cell u64, the cells. Source: llama-kv-cache.cpp, state_write, of the pinned build.
import { invariant } from '../lib/errors.ts';

/** Where keys or values of one layer stand in a state. */
interface Plane {
  type: number;
  /** Bytes of one token. */
  rowBytes: number;
}

/** What all states of one context share. */
export interface KvLayout {
  magic: number;
  /** For each cache of the model: planes of keys, then of values. */
  caches: { layers: number; planes: Plane[] }[];
  /** Bytes of one token in all planes. */
  tokenBytes: number;
}

/** Keys and values of `count` tokens that follow each other: plane by plane, token by token. */
export interface KvRows {
  count: number;
  /** (planes, count, rowBytes of the plane) */
  bytes: Uint8Array;
}

const tripleBytes = 12;
const planeHeaderBytes = 12;

/**
 * @returns undefined where the state cannot be cut: transposed values, recurrent memory, positions with gaps
 */
export function readKvState(state: Uint8Array): { layout: KvLayout; count: number } | undefined {
  const view = new DataView(state.buffer, state.byteOffset, state.byteLength);
  const u32 = (at: number) => (at + 4 <= state.length ? view.getUint32(at, true) : -1);
  const caches: KvLayout['caches'] = [];
  let count = -1;
  let at = 8;
  while (at < state.length) {
    const sequences = u32(at);
    if (sequences < 1 || sequences > 256) return undefined;
    let before = 0;
    while (before < sequences && u32(at + 4 + 4 * before) === 0) before += 1;
    if (before === sequences) return undefined;
    const cells = u32(at + 4 + 4 * before);
    if (cells < 1 || (count >= 0 && cells !== count)) return undefined;
    count = cells;
    at += 8 + 4 * before;
    if (at + cells * tripleBytes > state.length) return undefined;
    for (let i = 0; i < cells; i++, at += tripleBytes) if (u32(at) !== i || u32(at + 4) !== 1) return undefined;
    const layers = u32(at + 4);
    if (u32(at) !== 0 || layers < 1 || layers > 4096) return undefined;
    at += 8;
    const planes: Plane[] = [];
    while (planes.length < 2 * layers) {
      const rowBytes = u32(at + 4);
      if (rowBytes < 1 || u32(at + 8) !== 0) return undefined;
      planes.push({ type: view.getInt32(at, true), rowBytes });
      at += planeHeaderBytes + cells * rowBytes;
      if (at > state.length) return undefined;
    }
    for (let after = before + 1; after < sequences; after++, at += 4) if (u32(at) !== 0) return undefined;
    caches.push({ layers, planes });
  }
  if (at !== state.length || caches.length === 0) return undefined;
  const tokenBytes = caches.reduce((sum, { planes }) => sum + planes.reduce((all, p) => all + p.rowBytes, 0), 0);
  return { layout: { magic: u32(0), caches, tokenBytes }, count };
}

/**
 * The tokens [from, to) of a state.
 * @param state that `readKvState` read to `layout` and `count`
 * @param allocate gives memory for so many bytes, all of which are written. Default: fresh memory
 */
export function rowsOfState(
  layout: KvLayout,
  count: number,
  state: Uint8Array,
  from: number,
  to: number,
  allocate: (bytes: number) => Uint8Array = (bytes) => new Uint8Array(bytes),
): KvRows {
  invariant(from >= 0 && from < to && to <= count, 'a state is cut inside its tokens');
  const bytes = allocate((to - from) * layout.tokenBytes);
  const view = new DataView(state.buffer, state.byteOffset, state.byteLength);
  let at = 8;
  let written = 0;
  for (const { planes } of layout.caches) {
    const sequences = view.getUint32(at, true);
    let before = 0;
    while (view.getUint32(at + 4 + 4 * before, true) === 0) before += 1;
    at += 8 + 4 * before + count * tripleBytes + 8;
    for (const { rowBytes } of planes) {
      at += planeHeaderBytes;
      bytes.set(state.subarray(at + from * rowBytes, at + to * rowBytes), written);
      written += (to - from) * rowBytes;
      at += count * rowBytes;
    }
    at += 4 * (sequences - before - 1);
  }
  return { count: to - from, bytes };
}

/** The tokens [from, to) of some rows. */
export function sliceRows(layout: KvLayout, rows: KvRows, from: number, to: number): KvRows {
  invariant(from >= 0 && from < to && to <= rows.count, 'rows are cut inside their tokens');
  const bytes = new Uint8Array((to - from) * layout.tokenBytes);
  let at = 0;
  let written = 0;
  for (const { planes } of layout.caches) {
    for (const { rowBytes } of planes) {
      bytes.set(rows.bytes.subarray(at + from * rowBytes, at + to * rowBytes), written);
      written += (to - from) * rowBytes;
      at += rows.count * rowBytes;
    }
  }
  return { count: to - from, bytes };
}

/**
 * A state of the first tokens, for a context with so many sequences.
 * @param pieces tokens that follow each other from position 0; of the last only what `count` still needs
 * @param buffer used where it is large enough
 */
export function stateOfRows(
  layout: KvLayout,
  pieces: readonly KvRows[],
  count: number,
  sequences: number,
  buffer?: Uint8Array,
): Uint8Array {
  const size = stateBytes(layout, count, sequences);
  const state = buffer && buffer.length >= size ? buffer.subarray(0, size) : new Uint8Array(size);
  const view = new DataView(state.buffer, state.byteOffset, state.byteLength);
  let at = 0;
  const put = (value: number) => {
    view.setUint32(at, value, true);
    at += 4;
  };
  put(layout.magic);
  put(0);
  // where each piece's next plane begins
  const starts = pieces.map(() => 0);
  for (const { layers, planes } of layout.caches) {
    put(sequences);
    put(count);
    for (let i = 0; i < count; i++) {
      put(i);
      put(1);
      put(0);
    }
    put(0);
    put(layers);
    for (const { type, rowBytes } of planes) {
      put(type);
      put(rowBytes);
      put(0);
      let left = count;
      pieces.forEach((piece, i) => {
        const taken = Math.min(left, piece.count);
        const start = starts[i] as number;
        state.set(piece.bytes.subarray(start, start + taken * rowBytes), at);
        at += taken * rowBytes;
        left -= taken;
        starts[i] = start + piece.count * rowBytes;
      });
      invariant(left === 0, 'the pieces hold all tokens of the state');
    }
    for (let after = 1; after < sequences; after++) put(0);
  }
  return state;
}

/**
 * The same state for a context with another number of sequences. Where it has one cache only, its bytes move in place,
 * if the buffer they are in has room behind them.
 * @returns undefined where the state cannot be moved
 */
export function moveKvState(state: Uint8Array, sequences: number): Uint8Array | undefined {
  const read = readKvState(state);
  if (!read) return undefined;
  const { layout, count } = read;
  const size = stateBytes(layout, count, sequences);
  if (layout.caches.length > 1 || state.byteOffset + size > state.buffer.byteLength) {
    return stateOfRows(layout, [rowsOfState(layout, count, state, 0, count)], count, sequences);
  }
  // as long as the longer of the two: what moves down may end behind the new end
  const moved = new Uint8Array(state.buffer, state.byteOffset, Math.max(size, state.length));
  const view = new DataView(state.buffer, state.byteOffset, state.length);
  const others = view.getUint32(8, true) - 1;
  let before = 0;
  while (view.getUint32(12 + 4 * before, true) === 0) before += 1;
  const end = state.length - 4 * (others - before);
  moved.copyWithin(12, 12 + 4 * before, end);
  view.setUint32(8, sequences, true);
  return moved.fill(0, end - 4 * before).subarray(0, size);
}

function stateBytes(layout: KvLayout, count: number, sequences: number): number {
  let size = 8 + count * layout.tokenBytes;
  for (const { planes } of layout.caches) {
    size += 4 + 4 * sequences + count * tripleBytes + 8 + planes.length * planeHeaderBytes;
  }
  return size;
}
