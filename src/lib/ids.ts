import { randomFillSync } from 'node:crypto';

const alphabet = '0123456789ABCDEFGHJKMNPQRSTVWXYZabcdefghjkmnpqrstvwxyz';

const fair = alphabet.length * Math.floor(256 / alphabet.length);

/** Random bytes, drawn for many ids at once: each draw costs more than an id. */
const pool = new Uint8Array(4096);
let poolAt = pool.length;

/** A random id such as `msg_7Qk…`: the prefix, an underscore and 24 characters (about 138 bits). */
export function newId(prefix: string): string {
  let id = '';
  while (id.length < 24) {
    if (poolAt === pool.length) {
      randomFillSync(pool);
      poolAt = 0;
    }
    const byte = pool[poolAt++] as number;
    // reject the tail so that every character is equally likely
    if (byte < fair) id += alphabet[byte % alphabet.length];
  }
  return `${prefix}_${id}`;
}

let lastMs = 0;

/**
 * A random id of the same shape that sorts by when it was made: 8 characters of time, 16 random ones (about 91 bits). Pages
 * of a list go on behind an id even when what it named is gone.
 * @param nowMs milliseconds since 1970
 */
export function newOrderedId(prefix: string, nowMs: number = Date.now()): string {
  // two of one millisecond keep their order
  lastMs = Math.max(nowMs, lastMs + 1);
  let time = '';
  for (let rest = lastMs; time.length < 8; rest = Math.floor(rest / alphabet.length)) {
    time = alphabet[rest % alphabet.length] + time;
  }
  return `${prefix}_${time}${newId('').slice(1, 17)}`;
}
