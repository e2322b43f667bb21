// The k largest of a row of logits. The row is read once, eight logits a turn, and nearly all of them only to find that
// none enters: their bits are compared as integers with those of the least logit that is in, which spares a conversion
// to f64 each. So are the logits from a floor on found. Knows nothing of probabilities.
//
// Long loops stand alone in their functions, here and in the files beside: V8 compiles a loop while it runs, knows nothing
// then of the lines after it, and throws the code away when it gets there, time and again.
import { type Candidates, insert, precedes, sortFalling } from './candidates.ts';

/** Up to this k every logit goes straight to its place; above, they gather and are sorted now and then. */
export const insertionWindow = 128;

/** How many candidates `selectTop` needs room for. */
export function roomForTop(k: number, vocabularySize: number): number {
  return k <= insertionWindow ? k : Math.min(2 * k, vocabularySize);
}

const floorLogit = new Float32Array(1);
const floorBits = new Int32Array(floorLogit.buffer);

/**
 * The k largest logits, in falling order. NaN and -Infinity are never among them.
 * @param logits (V) f32; read only
 * @param k 1..V
 * @param into room for `roomForTop(k, V)`
 * @param skip (V), 1 for tokens to leave out; only with k <= `insertionWindow`
 */
export function selectTop(logits: Float32Array, k: number, into: Candidates, skip?: Uint8Array): void {
  into.count = 0;
  scan(logits, new Int32Array(logits.buffer, logits.byteOffset, logits.length), k, into, skip);
  if (k <= insertionWindow) return;
  sortFalling(into);
  into.count = Math.min(into.count, k);
}

function scan(logits: Float32Array, bits: Int32Array, k: number, into: Candidates, skip: Uint8Array | undefined): void {
  const room = roomForTop(k, logits.length);
  let floor = -Infinity;
  for (let token = 0; token < logits.length; ) {
    // a full window lets whole turns pass
    if (floor > -Infinity) token = nextTurnAbove(bits, token, logits.length - 8, floor);
    for (const end = Math.min(token + 8, logits.length); token < end; token++) {
      const logit = logits[token] as number;
      if (!(logit > floor) || skip?.[token]) continue;
      floor = k <= insertionWindow ? enter(into, k, token, logit) : gather(into, k, room, token, logit, floor);
    }
  }
}

/** Adds tokens with logits of their own to the k largest; k <= `insertionWindow`. */
export function enterAlso(into: Candidates, k: number, others: Candidates): void {
  const { tokens, logits } = into;
  for (let i = 0; i < others.count; i++) {
    const logit = others.logits[i] as number;
    const token = others.tokens[i] as number;
    const full = into.count === k;
    if (!(logit > -Infinity)) continue;
    if (full && !precedes(logit, token, logits[k - 1] as number, tokens[k - 1] as number)) continue;
    insert(into, k, token, logit);
  }
}

/**
 * The logits from a floor on, in the order of the row. NaN and -Infinity are never among them.
 * @param logits (V) f32; read only
 * @param into room for V
 */
export function tokensFrom(logits: Float32Array, floor: number, into: Candidates): void {
  const bits = new Int32Array(logits.buffer, logits.byteOffset, logits.length);
  into.count = fillFrom(logits, bits, floor, floatBelow(floor), into.tokens, into.logits);
}

function fillFrom(
  logits: Float32Array,
  bits: Int32Array,
  floor: number,
  below: number,
  tokens: Int32Array,
  found: Float32Array,
): number {
  let count = 0;
  for (let token = 0; token < logits.length; ) {
    token = nextTurnAbove(bits, token, logits.length - 8, below);
    for (const end = Math.min(token + 8, logits.length); token < end; token++) {
      const logit = logits[token] as number;
      if (!(logit >= floor && logit > -Infinity)) continue;
      tokens[count] = token;
      found[count++] = logit;
    }
  }
  return count;
}

/** An f32 below a number, or -Infinity. */
function floatBelow(value: number): number {
  const below = Math.fround(value);
  return below < value ? below : Math.fround(value - Math.abs(value) * 2 ** -22 - 2 ** -149);
}

/** Where the first eight logits start that hold one above the floor; past `lastTurn` when none do. */
function nextTurnAbove(bits: Int32Array, token: number, lastTurn: number, floor: number): number {
  floorLogit[0] = floor;
  const least = floorBits[0] as number;
  let t = token;
  if (least >= 0) {
    // floats above a positive one have larger bits; the bits of negative ones are negative
    for (; t <= lastTurn; t += 8) {
      if (
        (bits[t] as number) > least ||
        (bits[t + 1] as number) > least ||
        (bits[t + 2] as number) > least ||
        (bits[t + 3] as number) > least ||
        (bits[t + 4] as number) > least ||
        (bits[t + 5] as number) > least ||
        (bits[t + 6] as number) > least ||
        (bits[t + 7] as number) > least
      )
        break;
    }
  } else {
    // floats above a negative one: positive ones, and negative ones with smaller bits; unsigned, both are smaller
    const unsigned = least >>> 0;
    for (; t <= lastTurn; t += 8) {
      if (
        (bits[t] as number) >>> 0 < unsigned ||
        (bits[t + 1] as number) >>> 0 < unsigned ||
        (bits[t + 2] as number) >>> 0 < unsigned ||
        (bits[t + 3] as number) >>> 0 < unsigned ||
        (bits[t + 4] as number) >>> 0 < unsigned ||
        (bits[t + 5] as number) >>> 0 < unsigned ||
        (bits[t + 6] as number) >>> 0 < unsigned ||
        (bits[t + 7] as number) >>> 0 < unsigned
      )
        break;
    }
  }
  return t;
}

/** Puts a later token in its place: behind equal logits. @returns what a logit must exceed from now on */
function enter(into: Candidates, k: number, token: number, logit: number): number {
  const { tokens, logits } = into;
  let at = into.count < k ? into.count++ : k - 1;
  while (at > 0) {
    const before = logits[at - 1] as number;
    if (before >= logit) break;
    logits[at] = before;
    tokens[at] = tokens[at - 1] as number;
    at -= 1;
  }
  logits[at] = logit;
  tokens[at] = token;
  return into.count === k ? (logits[k - 1] as number) : -Infinity;
}

function gather(into: Candidates, k: number, room: number, token: number, logit: number, floor: number): number {
  into.tokens[into.count] = token;
  into.logits[into.count++] = logit;
  if (into.count < room || room <= k) return floor;
  sortFalling(into);
  into.count = k;
  return into.logits[k - 1] as number;
}
