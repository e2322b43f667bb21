import { randomBytes } from 'node:crypto';

const alphabet = '0123456789ABCDEFGHJKMNPQRSTVWXYZabcdefghjkmnpqrstvwxyz';

/** A random id such as `msg_7Qk…`: the prefix, an underscore and 24 characters (about 138 bits). */
export function newId(prefix: string): string {
  let id = '';
  while (id.length < 24) {
    for (const byte of randomBytes(32)) {
      // reject the tail so that every character is equally likely
      if (byte < alphabet.length * Math.floor(256 / alphabet.length) && id.length < 24)
        id += alphabet[byte % alphabet.length];
    }
  }
  return `${prefix}_${id}`;
}
