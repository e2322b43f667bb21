// How GGUF files (and GPT-2 before them) write a token: every byte as one printable character, so that any sequence of
// bytes is a valid string without spaces. Printable Latin-1 stands for itself, the other 68 bytes for U+0100 on.

const printable = (byte: number) => (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;

/** The character that stands for each byte. */
export const byteLetters: readonly string[] = (() => {
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(printable(byte) ? byte : next++));
})();

const byteOf = new Map(byteLetters.map((letter, byte) => [letter, byte]));

/** Bytes as a string of letters, one each. */
export function spell(bytes: Uint8Array): string {
  let spelled = '';
  for (const byte of bytes) spelled += byteLetters[byte];
  return spelled;
}

/** The bytes of a spelling; undefined when a character of it stands for no byte. */
export function bytesOfSpelling(spelling: string): Uint8Array | undefined {
  const bytes = new Uint8Array(spelling.length);
  for (let at = 0; at < spelling.length; at++) {
    const byte = byteOf.get(spelling[at] as string);
    if (byte === undefined) return undefined;
    bytes[at] = byte;
  }
  return bytes;
}
