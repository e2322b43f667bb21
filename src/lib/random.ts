// A seeded random generator: xoshiro128** (Blackman and Vigna, 2018), its state filled by splitmix32.
// Not for secrets; those come from node:crypto.

export interface Random {
  /** Uniform in [0, 1), 32 bits of it. */
  next(): number;
}

/** @param seed unsigned 32-bit; the same seed gives the same numbers on every machine */
export function createRandom(seed: number): Random {
  let fill = seed >>> 0;
  const splitmix = () => {
    fill = (fill + 0x9e3779b9) >>> 0;
    let z = fill;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return (z ^ (z >>> 15)) >>> 0;
  };
  let [a, b, c, d] = [splitmix(), splitmix(), splitmix(), splitmix()];
  const rotate = (x: number, k: number) => ((x << k) | (x >>> (32 - k))) >>> 0;
  return {
    next() {
      const result = Math.imul(rotate(Math.imul(b, 5), 7), 9) >>> 0;
      const t = (b << 9) >>> 0;
      c = (c ^ a) >>> 0;
      d = (d ^ b) >>> 0;
      b = (b ^ c) >>> 0;
      a = (a ^ d) >>> 0;
      c = (c ^ t) >>> 0;
      d = rotate(d, 11);
      return result / 0x1_0000_0000;
    },
  };
}
