// PNG from pixels: one IHDR, one IDAT, one IEND (W3C PNG specification, third edition). Knows no drawing.
import { crc32, deflateSync } from 'node:zlib';
import { invariant } from '../../lib/errors.ts';

const signature = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);

/**
 * @param pixels red, green and blue, 8 bits each, row by row: `width * height * 3` bytes
 * @param pixelsPerMetre how large it is meant to be seen, e.g. 5669 for 144 pixels an inch; default: unsaid
 */
export function encodePng(pixels: Uint8Array, width: number, height: number, pixelsPerMetre?: number): Uint8Array {
  invariant(pixels.length === width * height * 3, 'a picture has three bytes a pixel');
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  // 8 bits a channel, colour without alpha
  header.set([8, 2, 0, 0, 0], 8);
  const chunks = [chunk('IHDR', header)];
  if (pixelsPerMetre !== undefined) {
    const density = Buffer.alloc(9);
    density.writeUInt32BE(pixelsPerMetre, 0);
    density.writeUInt32BE(pixelsPerMetre, 4);
    density[8] = 1;
    chunks.push(chunk('pHYs', density));
  }
  chunks.push(
    chunk('IDAT', deflateSync(filtered(pixels, width, height), { level: 9 })),
    chunk('IEND', Buffer.alloc(0)),
  );
  return Buffer.concat([signature, ...chunks]);
}

/** Each row after the byte of its filter: the difference to the row above, which flat drawings compress best with. */
function filtered(pixels: Uint8Array, width: number, height: number): Uint8Array {
  const stride = width * 3;
  const rows = new Uint8Array(height * (stride + 1));
  for (let row = 0; row < height; row++) {
    const at = row * (stride + 1);
    rows[at] = 2;
    for (let index = 0; index < stride; index++) {
      const above = row === 0 ? 0 : (pixels[(row - 1) * stride + index] as number);
      rows[at + 1 + index] = (pixels[row * stride + index] as number) - above;
    }
  }
  return rows;
}

function chunk(type: string, data: Uint8Array): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const whole = Buffer.alloc(body.length + 8);
  whole.writeUInt32BE(data.length, 0);
  whole.set(body, 4);
  whole.writeUInt32BE(crc32(body), whole.length - 4);
  return whole;
}
