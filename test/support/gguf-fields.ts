// A small valid GGUF file as a list of fields, each with its bytes and what they are, encoded by hand from the
// specification and without our writer. Tests damage one field at a time.

export type FieldKind =
  | 'magic'
  | 'version'
  | 'count' // number of tensors, keys or array elements
  | 'length' // bytes of a string
  | 'key'
  | 'text'
  | 'token' // text where bytes that are not UTF-8 are let through
  | 'type'
  | 'element-type'
  | 'number'
  | 'bool'
  | 'alignment'
  | 'name'
  | 'dimensions'
  | 'extent'
  | 'tensor-type'
  | 'offset'
  | 'padding'
  | 'data';

export interface Field {
  kind: FieldKind;
  /** For messages. */
  what: string;
  bytes: Buffer;
}

export const u32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
};
export const u64 = (value: number | bigint): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
};
const f32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return bytes;
};

const field = (kind: FieldKind, what: string, bytes: Buffer): Field => ({ kind, what, bytes });
const string = (kind: 'key' | 'text' | 'token' | 'name', what: string, text: string): Field[] => [
  field('length', `length of ${what}`, u64(Buffer.byteLength(text))),
  field(kind, what, Buffer.from(text)),
];
const entry = (key: string, type: number, ...value: Field[]): Field[] => [
  ...string('key', `key ${key}`, key),
  field('type', `type of ${key}`, u32(type)),
  ...value,
];
const array = (key: string, elementType: number, length: number, ...elements: Field[]): Field[] =>
  entry(
    key,
    9,
    field('element-type', `element type of ${key}`, u32(elementType)),
    field('count', `length of ${key}`, u64(length)),
    ...elements,
  );
const tensor = (name: string, shape: number[], type: number, offset: number): Field[] => [
  ...string('name', `name ${name}`, name),
  field('dimensions', `dimensions of ${name}`, u32(shape.length)),
  ...shape.map((extent, index) => field('extent', `extent ${index} of ${name}`, u64(extent))),
  field('tensor-type', `type of ${name}`, u32(type)),
  field('offset', `offset of ${name}`, u64(offset)),
];

/** One field after another of a file with 9 keys and 3 tensors, aligned to 64 bytes; the last tensor is not padded. */
export function sampleFields(): Field[] {
  const header = [
    field('magic', 'magic', Buffer.from('GGUF')),
    field('version', 'version', u32(3)),
    field('count', 'number of tensors', u64(3)),
    field('count', 'number of keys', u64(9)),
    ...entry('general.architecture', 8, ...string('text', 'general.architecture', 'llamaé')),
    ...entry('general.alignment', 4, field('alignment', 'general.alignment', u32(64))),
    ...entry('sample.a', 10, field('number', 'sample.a', u64(2n ** 63n))),
    ...entry('sample.b', 6, field('number', 'sample.b', f32(0.5))),
    ...entry('sample.c', 7, field('bool', 'sample.c', Buffer.from([1]))),
    ...array('sample.d', 7, 3, field('bool', 'sample.d', Buffer.from([0, 1, 1]))),
    ...array('sample.e', 5, 2, field('number', 'sample.e', Buffer.concat([u32(7), u32(0xffffffff)]))),
    ...array('sample.f', 8, 2, ...string('text', 'sample.f[0]', 'one'), ...string('text', 'sample.f[1]', 'zwölf')),
    ...array('tokenizer.ggml.tokens', 8, 1, ...string('token', 'token 0', 'Ġa')),
    ...tensor('first', [8, 3], 0, 0),
    ...tensor('second', [32, 2], 8, 128),
    ...tensor('third', [3, 1, 2], 1, 256),
  ];
  const headerBytes = header.reduce((sum, { bytes }) => sum + bytes.length, 0);
  return [
    ...header,
    field('padding', 'padding of the header', Buffer.alloc((64 - (headerBytes % 64)) % 64)),
    field('data', 'data of first', Buffer.alloc(96, 1)),
    field('padding', 'padding of first', Buffer.alloc(32)),
    field('data', 'data of second', Buffer.alloc(68, 2)),
    field('padding', 'padding of second', Buffer.alloc(60)),
    field('data', 'data of third', Buffer.alloc(12, 3)),
  ];
}

export function joinFields(fields: readonly Field[]): Buffer {
  return Buffer.concat(fields.map(({ bytes }) => bytes));
}

/** The file with the bytes of one field replaced, in the same or another length. */
export function withField(fields: readonly Field[], index: number, bytes: Buffer): Buffer {
  return joinFields(fields.map((kept, at) => (at === index ? { ...kept, bytes } : kept)));
}
