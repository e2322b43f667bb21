// Vectors between the server process and a model process: little-endian f32 in base64, one vector after the other.
// Knows nothing of messages.

/** @param vectors all of one length */
export function base64Of(vectors: readonly Float32Array[]): string {
  return Buffer.concat(
    vectors.map(({ buffer, byteOffset, byteLength }) => Buffer.from(buffer, byteOffset, byteLength)),
  ).toString('base64');
}

/**
 * The vectors again.
 * @param dimensions length of each, >= 1
 */
export function floatsOf(base64: string, dimensions: number): Float32Array[] {
  // copied: a buffer from the pool may begin where no float may
  const all = new Float32Array(Uint8Array.from(Buffer.from(base64, 'base64')).buffer);
  return Array.from({ length: all.length / dimensions }, (_, i) => all.slice(i * dimensions, (i + 1) * dimensions));
}
