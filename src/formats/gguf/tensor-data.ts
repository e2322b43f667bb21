// Numbers of the tensors in a GGUF file. Reads plain types only; what quantised blocks mean is libggml's to know.
import { open } from 'node:fs/promises';
import { FreeholdError } from '../../lib/errors.ts';
import { decodeFloats, type FloatTypeName } from './floats.ts';
import type { GgufFile, GgufTensor } from './types.ts';

/**
 * The values of one tensor.
 * @param file the path that `gguf` was read from
 * @returns row-major f32, a copy
 * @throws FreeholdError gguf_invalid when there is no such tensor or its type is not f32, f16 or bf16; file_io
 */
export async function readTensor(file: string, gguf: GgufFile, name: string): Promise<Float32Array> {
  const tensor = gguf.tensors.find((one) => one.name === name);
  if (!tensor) throw new FreeholdError('gguf_invalid', `${file} has no tensor "${name}".`);
  return decodeFloats(await readBytes(file, gguf, tensor), floatTypeOf(file, tensor));
}

function floatTypeOf(file: string, { name, type }: GgufTensor): FloatTypeName {
  if (type === 'f32' || type === 'f16' || type === 'bf16') return type;
  throw new FreeholdError('gguf_invalid', `${file}: tensor "${name}" is ${type}, expected f32, f16 or bf16.`, {
    hint: 'Quantised weights have lost what training needs; take the file they were made from.',
  });
}

async function readBytes(file: string, gguf: GgufFile, { offset, sizeBytes, name }: GgufTensor): Promise<Uint8Array> {
  const bytes = new Uint8Array(sizeBytes);
  try {
    const handle = await open(file, 'r');
    try {
      for (let filled = 0; filled < sizeBytes; ) {
        const length = Math.min(sizeBytes - filled, 1 << 30);
        const { bytesRead } = await handle.read(bytes, filled, length, gguf.dataOffset + offset + filled);
        if (bytesRead === 0) throw new FreeholdError('gguf_invalid', `${file} ends inside tensor "${name}".`);
        filled += bytesRead;
      }
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (error instanceof FreeholdError) throw error;
    const code = (error as NodeJS.ErrnoException).code;
    throw new FreeholdError('file_io', `${file} cannot be read: ${code}.`, { cause: error });
  }
  return bytes;
}
