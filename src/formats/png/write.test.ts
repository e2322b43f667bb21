import { crc32, inflateSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { encodePng } from './write.ts';

/** Reads what the writer wrote by the specification, not by the writer. */
function decode(file: Uint8Array): { width: number; height: number; pixels: number[]; chunks: string[] } {
  const bytes = Buffer.from(file);
  expect(bytes.subarray(0, 8).toString('latin1')).toBe('\u0089PNG\r\n\u001a\n');
  const chunks = new Map<string, Buffer>();
  for (let at = 8; at < bytes.length; ) {
    const length = bytes.readUInt32BE(at);
    const type = bytes.toString('latin1', at + 4, at + 8);
    expect(bytes.readUInt32BE(at + 8 + length)).toBe(crc32(bytes.subarray(at + 4, at + 8 + length)));
    chunks.set(type, bytes.subarray(at + 8, at + 8 + length));
    at += 12 + length;
  }
  const header = chunks.get('IHDR') as Buffer;
  const [width, height] = [header.readUInt32BE(0), header.readUInt32BE(4)];
  expect([...header.subarray(8)]).toEqual([8, 2, 0, 0, 0]);
  const raw = inflateSync(chunks.get('IDAT') as Buffer);
  const pixels: number[] = [];
  for (let row = 0; row < height; row++) {
    const filter = raw[row * (width * 3 + 1)];
    expect(filter).toBe(2);
    for (let index = 0; index < width * 3; index++) {
      const above = row === 0 ? 0 : (pixels[(row - 1) * width * 3 + index] as number);
      pixels.push(((raw[row * (width * 3 + 1) + 1 + index] as number) + above) & 255);
    }
  }
  return { width, height, pixels, chunks: [...chunks.keys()] };
}

describe('a PNG', () => {
  it('holds the pixels it was made of', () => {
    const pixels = Uint8Array.from({ length: 5 * 3 * 3 }, (_, index) => (index * 89) % 256);
    const { width, height, pixels: read, chunks } = decode(encodePng(pixels, 5, 3));
    expect([width, height]).toEqual([5, 3]);
    expect(read).toEqual([...pixels]);
    expect(chunks).toEqual(['IHDR', 'IDAT', 'IEND']);
  });

  it('says how large it is meant to be seen', () => {
    expect(decode(encodePng(new Uint8Array(3), 1, 1, 5669)).chunks).toContain('pHYs');
  });

  it('is not made of too few pixels', () => {
    expect(() => encodePng(new Uint8Array(3), 2, 1)).toThrow('three bytes');
  });
});
