// Random numbers by address: every draw of a run is made from the run's seed and the place it is for (an epoch, a window, a
// step's sample), never from a generator that was left somewhere. A run that resumes needs no random state, and a sample
// disturbs nothing.
import { createRandom, type Random } from '../lib/random.ts';

/** A generator of its own for each place; equal parts give equal numbers. */
export function randomAt(...parts: readonly (number | string)[]): Random {
  return createRandom(seedOf(...parts));
}

/** 32 bits of a hash of the parts: FNV-1a over their text, mixed as MurmurHash3 ends. */
export function seedOf(...parts: readonly (number | string)[]): number {
  let hash = 0x811c9dc5;
  for (const character of parts.join('\u0000'))
    hash = Math.imul(hash ^ (character.codePointAt(0) as number), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** 0 to count - 1 in random order (Fisher and Yates). */
export function shuffled(count: number, random: Random): Uint32Array {
  const order = Uint32Array.from({ length: count }, (_, index) => index);
  for (let index = count - 1; index > 0; index--) {
    const other = Math.floor(random.next() * (index + 1));
    const held = order[index] as number;
    order[index] = order[other] as number;
    order[other] = held;
  }
  return order;
}
