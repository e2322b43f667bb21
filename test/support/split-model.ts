// A model cut into parts as llama.cpp's gguf-split does it: each part is a GGUF with some of the tensors, the first has
// the metadata, and each says which part of how many it is.
import { readGgufBytes } from '../../src/formats/gguf/read.ts';
import type { GgufEntry } from '../../src/formats/gguf/types.ts';
import { ggufBytes } from '../../src/formats/gguf/write.ts';

/** @param bytes a whole GGUF file */
export async function splitModel(bytes: Buffer, count: number): Promise<Buffer[]> {
  const { metadata, tensors, dataOffset } = await readGgufBytes(bytes);
  const whole = tensors.map(({ name, shape, type, offset, sizeBytes }) => {
    const start = dataOffset + offset;
    return { name, shape, type, data: bytes.subarray(start, start + sizeBytes) };
  });
  const perPart = Math.ceil(whole.length / count);
  return Promise.all(
    Array.from({ length: count }, async (_, index) => {
      const place: [string, GgufEntry][] = [
        ['split.no', { type: 'u16', value: index }],
        ['split.count', { type: 'u16', value: count }],
        ['split.tensors.count', { type: 'i32', value: whole.length }],
      ];
      return Buffer.from(
        await ggufBytes({
          metadata: index === 0 ? [...metadata, ...place] : place,
          tensors: whole.slice(index * perPart, (index + 1) * perPart),
        }),
      );
    }),
  );
}
