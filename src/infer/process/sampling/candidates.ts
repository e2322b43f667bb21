// Tokens that may be drawn, with their logits, in buffers used again for every token. Order: falling logits, equal ones
// by rising token id, so that a row of logits has one order only.

export interface Candidates {
  readonly tokens: Int32Array;
  readonly logits: Float32Array;
  count: number;
}

export function createCandidates(capacity: number): Candidates {
  return { tokens: new Int32Array(capacity), logits: new Float32Array(capacity), count: 0 };
}

/** Up to here moving each candidate to its place is faster than sorting by digits. */
const insertionLimit = 96;

/** Sorts candidates that stand in the order of their tokens. */
export function sortFalling(candidates: Candidates): void {
  if (candidates.count <= insertionLimit) sortByInsertion(candidates);
  else sortByDigits(candidates);
}

/**
 * Puts a candidate where it belongs among sorted ones; the last of a full window falls out.
 * @param window how many there may be
 */
export function insert(candidates: Candidates, window: number, token: number, logit: number): void {
  const { tokens, logits } = candidates;
  let at = candidates.count < window ? candidates.count++ : window - 1;
  while (at > 0 && precedes(logit, token, logits[at - 1] as number, tokens[at - 1] as number)) {
    logits[at] = logits[at - 1] as number;
    tokens[at] = tokens[at - 1] as number;
    at -= 1;
  }
  logits[at] = logit;
  tokens[at] = token;
}

/** Whether a candidate stands before another. */
export function precedes(logit: number, token: number, otherLogit: number, otherToken: number): boolean {
  return logit > otherLogit || (logit === otherLogit && token < otherToken);
}

/** Drops the candidates whose logits are -Infinity or no number; the others keep their order. */
export function dropImpossible(candidates: Candidates): void {
  candidates.count = movePossibleUp(candidates);
}

function movePossibleUp({ tokens, logits, count }: Candidates): number {
  let kept = 0;
  for (let i = 0; i < count; i++) {
    const logit = logits[i] as number;
    if (!(logit > -Infinity)) continue;
    tokens[kept] = tokens[i] as number;
    logits[kept++] = logit;
  }
  return kept;
}

function sortByInsertion(candidates: Candidates): void {
  const { tokens, logits, count } = candidates;
  candidates.count = 0;
  for (let i = 0; i < count; i++) insert(candidates, count, tokens[i] as number, logits[i] as number);
}

const digitBits = 11;
const digitCount = 1 << digitBits;
const starts = new Int32Array(digitCount);
let keys = new Uint32Array(0);
let spareKeys = new Uint32Array(0);
let spareTokens = new Int32Array(0);

/** Three stable passes over 11 bits each of a key that rises as the logit falls. */
function sortByDigits({ tokens, logits, count }: Candidates): void {
  if (keys.length < count) {
    keys = new Uint32Array(count);
    spareKeys = new Uint32Array(count);
    spareTokens = new Int32Array(count);
  }
  const bits = new Uint32Array(logits.buffer, logits.byteOffset, count);
  turnIntoKeys(bits, keys, count);
  moveByDigit(keys, tokens, spareKeys, spareTokens, count, 0);
  moveByDigit(spareKeys, spareTokens, keys, tokens, count, digitBits);
  moveByDigit(keys, tokens, spareKeys, spareTokens, count, 2 * digitBits);
  turnIntoKeys(spareKeys, bits, count);
  tokens.set(spareTokens.subarray(0, count));
}

function turnIntoKeys(from: Uint32Array, to: Uint32Array, count: number): void {
  for (let i = 0; i < count; i++) to[i] = keyOf(from[i] as number);
}

function moveByDigit(
  keys: Uint32Array,
  tokens: Int32Array,
  toKeys: Uint32Array,
  toTokens: Int32Array,
  count: number,
  shift: number,
): void {
  findStarts(keys, count, shift);
  for (let i = 0; i < count; i++) {
    const key = keys[i] as number;
    const digit = (key >>> shift) & (digitCount - 1);
    const at = starts[digit] as number;
    starts[digit] = at + 1;
    toKeys[at] = key;
    toTokens[at] = tokens[i] as number;
  }
}

/** Where the keys of each digit begin once sorted by it. */
function findStarts(keys: Uint32Array, count: number, shift: number): void {
  starts.fill(0);
  countDigits(keys, count, shift);
  let start = 0;
  for (let digit = 0; digit < digitCount; digit++) {
    const size = starts[digit] as number;
    starts[digit] = start;
    start += size;
  }
}

function countDigits(keys: Uint32Array, count: number, shift: number): void {
  for (let i = 0; i < count; i++) {
    const digit = ((keys[i] as number) >>> shift) & (digitCount - 1);
    starts[digit] = (starts[digit] as number) + 1;
  }
}

/** From the bits of a float to its key, and back: the sign bit tells which of the other bits to turn over. */
function keyOf(bits: number): number {
  // -0 equals 0
  if (bits === 0x8000_0000) bits = 0;
  return (bits & 0x8000_0000) !== 0 ? bits : ~bits & 0x7fff_ffff;
}
