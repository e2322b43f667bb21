// What libggml itself reads from a GGUF: the reference that our own reader is tested against.
import koffi from 'koffi';
import type { Native } from './ffi.ts';

/** Names of the metadata types by their number, as libggml numbers them. */
const types = ['u8', 'i8', 'u16', 'i16', 'u32', 'i32', 'f32', 'bool', 'string', 'array', 'u64', 'i64', 'f64'] as const;
const widths: Record<string, number> = {
  u8: 1,
  i8: 1,
  u16: 2,
  i16: 2,
  u32: 4,
  i32: 4,
  f32: 4,
  bool: 1,
  u64: 8,
  i64: 8,
  f64: 8,
};
const koffiTypes: Record<string, string> = {
  u8: 'uint8',
  i8: 'int8',
  u16: 'uint16',
  i16: 'int16',
  u32: 'uint32',
  i32: 'int32',
  f32: 'float',
  bool: 'bool',
  u64: 'uint64',
  i64: 'int64',
  f64: 'double',
};

export interface NativeGguf {
  version: number;
  alignment: number;
  dataOffset: number;
  /** In the order of the file; 64-bit integers as koffi gives them (bigint beyond 2^53). */
  metadata: { key: string; type: string; elementType?: string; value: unknown }[];
  tensors: { name: string; typeId: number; offset: number; sizeBytes: number }[];
}

/** @returns undefined where libggml refuses the file */
export function readNativeGguf({ ggml }: Native, file: string): NativeGguf | undefined {
  const gguf = ggml.gguf_init_from_file(file, { no_alloc: true, ctx: null });
  if (!gguf) return undefined;
  try {
    const metadata = Array.from({ length: Number(ggml.gguf_get_n_kv(gguf)) }, (_, i) => {
      const key = ggml.gguf_get_key(gguf, i) as string;
      const type = types[ggml.gguf_get_kv_type(gguf, i)] as string;
      if (type === 'string') return { key, type, value: ggml.gguf_get_val_str(gguf, i) as string };
      if (type !== 'array')
        return { key, type, value: koffi.decode(ggml.gguf_get_val_data(gguf, i), koffiTypes[type] as string) };
      const elementType = types[ggml.gguf_get_arr_type(gguf, i)] as string;
      const length = Number(ggml.gguf_get_arr_n(gguf, i));
      const value =
        elementType === 'string'
          ? Array.from({ length }, (_, j) => ggml.gguf_get_arr_str(gguf, i, j) as string)
          : length === 0
            ? []
            : decodeArray(ggml.gguf_get_arr_data(gguf, i), elementType, length);
      return { key, type, elementType, value };
    });
    const tensors = Array.from({ length: Number(ggml.gguf_get_n_tensors(gguf)) }, (_, i) => ({
      name: ggml.gguf_get_tensor_name(gguf, i) as string,
      typeId: ggml.gguf_get_tensor_type(gguf, i) as number,
      offset: Number(ggml.gguf_get_tensor_offset(gguf, i)),
      sizeBytes: Number(ggml.gguf_get_tensor_size(gguf, i)),
    }));
    return {
      version: ggml.gguf_get_version(gguf),
      alignment: Number(ggml.gguf_get_alignment(gguf)),
      dataOffset: Number(ggml.gguf_get_data_offset(gguf)),
      metadata,
      tensors,
    };
  } finally {
    ggml.gguf_free(gguf);
  }
}

function decodeArray(pointer: unknown, type: string, length: number): unknown[] {
  const width = widths[type] as number;
  return Array.from({ length }, (_, i) => koffi.decode(pointer as any, i * width, koffiTypes[type] as string));
}
