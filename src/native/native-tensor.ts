// A tensor of ggml as the other rooms hold it: its type and sizes. The pointer stays here, with what it belongs to. Sizes are ggml's:
// `ne[0]` is the innermost.
import { invariant } from '../lib/errors.ts';
import type { Handle, Pointer } from './handle.ts';
import type { TensorFunctions } from './tensor-functions.ts';

export type StorageType = 'f32' | 'f16' | 'bf16' | 'i32';
/** Sizes or strides in numbers (not bytes), innermost first. */
export type Four = readonly [number, number, number, number];

export const bytesOf: Record<StorageType, number> = { f32: 4, f16: 2, bf16: 2, i32: 4 };

/** A tensor of a block or of a graph; gone with it. Its numbers are contiguous but in views. */
export interface NativeTensor {
  readonly type: StorageType;
  readonly ne: Four;
}

/** Where the numbers of a view lie within a contiguous tensor. */
export interface Layout {
  readonly ne: Four;
  readonly strides: Four;
  readonly offset: number;
}

const pointers = new WeakMap<NativeTensor, { pointer: Pointer; owner: Handle }>();

export function registerTensor(pointer: Pointer, owner: Handle, type: StorageType, ne: Four): NativeTensor {
  invariant(pointer, 'ggml gives a tensor');
  const tensor: NativeTensor = { type, ne };
  pointers.set(tensor, { pointer, owner });
  return tensor;
}

/** @throws FreeholdError native_disposed */
export function pointerOfTensor(tensor: NativeTensor): Pointer {
  const found = pointers.get(tensor);
  invariant(found, 'the tensor was made in this room');
  invariant(found.owner.pointer, 'its block or graph lives');
  return found.pointer;
}

export function readTensor(functions: TensorFunctions, tensor: NativeTensor): Float32Array {
  const pointer = pointerOfTensor(tensor);
  const count = tensor.ne.reduce((product, size) => product * size, 1);
  invariant(tensor.type !== 'i32', 'indices are not read');
  const values = new Float32Array(count);
  if (tensor.type === 'f32') {
    functions.ggml_backend_tensor_get(pointer, values, 0, values.byteLength);
    return values;
  }
  const stored = new Uint16Array(count);
  functions.ggml_backend_tensor_get(pointer, stored, 0, stored.byteLength);
  const convert = tensor.type === 'f16' ? functions.ggml_fp16_to_fp32_row : functions.ggml_bf16_to_fp32_row;
  convert(stored, values, count);
  return values;
}
