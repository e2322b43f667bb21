// What a GGUF file holds, as plain data: the 13 metadata value types, the tensor types of ggml with their block
// sizes, and the shape of a parsed file. Knows numbers and names, reads and writes nothing.
// Format: ggml's docs/gguf.md, versions 2 and 3 (same layout), little-endian.

/** First four bytes of every GGUF file. */
export const ggufMagic = 'GGUF';
/** Version our writer writes. */
export const ggufVersion = 3;
/** Least and most alignment of tensor data in bytes: no machine has larger pages than the most. */
export const minAlignment = 8;
export const maxAlignment = 1 << 16;

/** Alignment of tensor data in bytes where `general.alignment` says nothing. */
export const defaultAlignment = 32;
/** Most dimensions a tensor has. */
export const maxDimensions = 4;
/** Tensor names are shorter than this, in UTF-8 bytes (ggml keeps them in a fixed buffer with a closing zero). */
export const maxNameBytes = 64;
/** Metadata keys are at most this long, in UTF-8 bytes. */
export const maxKeyBytes = 65_535;

/** Metadata value types by name, with their number in the file. */
export const ggufTypeIds = {
  u8: 0,
  i8: 1,
  u16: 2,
  i16: 3,
  u32: 4,
  i32: 5,
  f32: 6,
  bool: 7,
  string: 8,
  array: 9,
  u64: 10,
  i64: 11,
  f64: 12,
} as const;

export type GgufType = keyof typeof ggufTypeIds;
export type GgufScalarType = Exclude<GgufType, 'array'>;

/** Name of a metadata value type by its number; undefined for numbers the format does not know. */
export const ggufTypeNames: readonly (GgufType | undefined)[] = Object.keys(ggufTypeIds) as GgufType[];

/** Bytes of one value; 0 for those whose size depends on the value. */
export const ggufTypeSizes: Readonly<Record<GgufType, number>> = {
  u8: 1,
  i8: 1,
  u16: 2,
  i16: 2,
  u32: 4,
  i32: 4,
  f32: 4,
  bool: 1,
  string: 0,
  array: 0,
  u64: 8,
  i64: 8,
  f64: 8,
};

/**
 * How each scalar type looks in JavaScript. A 64-bit integer is a `number` when it is a safe integer (within 2^53) and
 * a `bigint` otherwise, so counts and ids are plain numbers and nothing is ever rounded.
 */
export interface GgufScalarValues {
  u8: number;
  i8: number;
  u16: number;
  i16: number;
  u32: number;
  i32: number;
  f32: number;
  bool: boolean;
  string: string;
  u64: number | bigint;
  i64: number | bigint;
  f64: number;
}

/** How an array of each scalar type looks: typed arrays for numbers; 64-bit integers are always bigints there. */
export interface GgufArrayValues {
  u8: Uint8Array;
  i8: Int8Array;
  u16: Uint16Array;
  i16: Int16Array;
  u32: Uint32Array;
  i32: Int32Array;
  f32: Float32Array;
  bool: boolean[];
  string: string[];
  u64: BigUint64Array;
  i64: BigInt64Array;
  f64: Float64Array;
}

export type GgufScalarEntry = { [T in GgufScalarType]: { type: T; value: GgufScalarValues[T] } }[GgufScalarType];

/**
 * An array. `value` is absent when the reader was told to leave out arrays of this length; `length` is always there.
 * `lossy` marks an array of strings some of which were not valid UTF-8 and had the bad bytes replaced by U+FFFD; it is only set on arrays whose values were kept.
 * Arrays never nest: the format would allow it, ggml refuses such files, and no model has them.
 */
export type GgufArrayEntry = {
  [T in GgufScalarType]: { type: 'array'; elementType: T; length: number; value?: GgufArrayValues[T]; lossy?: true };
}[GgufScalarType];

export type GgufEntry = GgufScalarEntry | GgufArrayEntry;
export type GgufValue = GgufScalarValues[GgufScalarType] | GgufArrayValues[GgufScalarType];

/** Metadata in the order of the file. */
export type GgufMetadata = Map<string, GgufEntry>;

export interface GgmlTypeInfo {
  name: string;
  /** Number in the file and in libggml. */
  id: number;
  /** Elements in one block; a row is a whole number of blocks. */
  blockSize: number;
  /** Bytes of one block. */
  blockBytes: number;
  /** Whether a block holds scales and packed bits rather than plain numbers. */
  quantised: boolean;
}

const plain = <N extends string>(name: N, id: number, blockBytes: number) => ({
  name,
  id,
  blockSize: 1,
  blockBytes,
  quantised: false,
});
const packed = <N extends string>(name: N, id: number, blockSize: number, blockBytes: number) => ({
  name,
  id,
  blockSize,
  blockBytes,
  quantised: true,
});

/** Every tensor type of ggml, by number; a test compares the table with the pinned libggml. Names are ggml's in lower case. Missing numbers are retired types. */
export const ggmlTypes = [
  plain('f32', 0, 4),
  plain('f16', 1, 2),
  packed('q4_0', 2, 32, 18),
  packed('q4_1', 3, 32, 20),
  packed('q5_0', 6, 32, 22),
  packed('q5_1', 7, 32, 24),
  packed('q8_0', 8, 32, 34),
  packed('q8_1', 9, 32, 36),
  packed('q2_k', 10, 256, 84),
  packed('q3_k', 11, 256, 110),
  packed('q4_k', 12, 256, 144),
  packed('q5_k', 13, 256, 176),
  packed('q6_k', 14, 256, 210),
  packed('q8_k', 15, 256, 292),
  packed('iq2_xxs', 16, 256, 66),
  packed('iq2_xs', 17, 256, 74),
  packed('iq3_xxs', 18, 256, 98),
  packed('iq1_s', 19, 256, 50),
  packed('iq4_nl', 20, 32, 18),
  packed('iq3_s', 21, 256, 110),
  packed('iq2_s', 22, 256, 82),
  packed('iq4_xs', 23, 256, 136),
  plain('i8', 24, 1),
  plain('i16', 25, 2),
  plain('i32', 26, 4),
  plain('i64', 27, 8),
  plain('f64', 28, 8),
  packed('iq1_m', 29, 256, 56),
  plain('bf16', 30, 2),
  packed('tq1_0', 34, 256, 54),
  packed('tq2_0', 35, 256, 66),
  packed('mxfp4', 39, 32, 17),
  packed('nvfp4', 40, 64, 36),
  packed('q1_0', 41, 128, 18),
  packed('q2_0', 42, 64, 18),
] as const satisfies readonly GgmlTypeInfo[];

export type GgmlTypeName = (typeof ggmlTypes)[number]['name'];
export type GgmlType = GgmlTypeInfo & { name: GgmlTypeName };

const byId = new Map<number, GgmlType>(ggmlTypes.map((type) => [type.id, type]));
const byName = new Map<string, GgmlType>(ggmlTypes.map((type) => [type.name, type]));

/** The tensor type of a number in a file; undefined for unknown and for retired numbers. */
export function ggmlTypeById(id: number): GgmlType | undefined {
  return byId.get(id);
}

/** The tensor type of a name, in any case (`Q4_K`, `q4_k`); undefined when there is none. */
export function ggmlTypeByName(name: string): GgmlType | undefined {
  return byName.get(name.toLowerCase());
}

/** Types that earlier versions of ggml had and current ones refuse. */
export const retiredGgmlTypes: ReadonlyMap<number, string> = new Map([
  [4, 'q4_2'],
  [5, 'q4_3'],
  [31, 'q4_0_4_4'],
  [32, 'q4_0_4_8'],
  [33, 'q4_0_8_8'],
  [36, 'iq4_nl_4_4'],
  [37, 'iq4_nl_4_8'],
  [38, 'iq4_nl_8_8'],
]);

export interface GgufTensor {
  name: string;
  /** Elements along each dimension, 1 to 4 of them, fastest first (ggml's `ne`): a matrix of R rows of C is [C, R]. */
  shape: number[];
  type: GgmlTypeName;
  /** Bytes from `GgufFile.dataOffset`, as in the file. */
  offset: number;
  /** Bytes of the data, padding not counted. */
  sizeBytes: number;
}

export interface GgufFile {
  version: 2 | 3;
  /** Bytes; every tensor's data begins at a multiple of it. */
  alignment: number;
  metadata: GgufMetadata;
  tensors: GgufTensor[];
  /** Bytes from the start of the file to the first tensor's data. */
  dataOffset: number;
  fileSizeBytes: number;
}

/** The next multiple of `alignment` at or after `offset`, both in bytes. */
export function alignUp(offset: number, alignment: number): number {
  return Math.ceil(offset / alignment) * alignment;
}

/** Bytes of a tensor; undefined when it has no valid size: not 1..4 dimensions of at least 1, a row that is no whole number of blocks, or beyond 2^53. */
export function tensorSizeBytes(shape: readonly number[], type: GgmlType): number | undefined {
  if (shape.length < 1 || shape.length > maxDimensions) return undefined;
  if (!shape.every((extent) => Number.isSafeInteger(extent) && extent >= 1)) return undefined;
  const [first, ...rest] = shape as [number, ...number[]];
  if (first % type.blockSize !== 0) return undefined;
  let sizeBytes = (first / type.blockSize) * type.blockBytes;
  // each product of whole numbers is exact or rounds to something beyond 2^53, so the test cannot be fooled
  for (const extent of rest) sizeBytes = Number.isSafeInteger(sizeBytes) ? sizeBytes * extent : Number.NaN;
  return Number.isSafeInteger(sizeBytes) ? sizeBytes : undefined;
}
