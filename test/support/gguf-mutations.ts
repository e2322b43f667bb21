// Over a thousand damaged GGUF files, each invalid for a known reason, and as many random bit flips that may or may not
// be. Deterministic; derived field by field from the sample in gguf-fields.ts.
import { type Field, joinFields, sampleFields, u32, u64, withField } from './gguf-fields.ts';

export interface Mutation {
  what: string;
  bytes: Buffer;
}

const hugeNumbers = [2n ** 31n, 2n ** 32n + 1n, 2n ** 53n, 2n ** 61n, 2n ** 63n - 1n, 2n ** 63n, 2n ** 64n - 1n];

/** Bytes to put in the place of a field, each making the file invalid. */
function wrongBytes({ kind, bytes }: Field): Buffer[] {
  const each = (change: (byte: number) => number) =>
    Array.from(bytes, (_, at) => Buffer.from(bytes.map((byte, index) => (index === at ? change(byte) : byte))));
  switch (kind) {
    case 'magic':
      return Array.from({ length: 32 }, (_, bit) =>
        Buffer.from(bytes.map((byte, index) => (index === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte))),
      );
    case 'version':
      return [0, 1, 4, 5, 0x0300_0000, 0x0200_0000, 0x7fff_ffff, 0xffff_ffff].map(u32);
    case 'count':
    case 'length':
      return [...hugeNumbers, 1000n].map(u64);
    case 'key':
    case 'name':
      return [...each(() => 0xff), ...each(() => 0xc0), ...each(() => 0), ...each((byte) => byte | 0x80)];
    case 'text':
      return [...each(() => 0xff), ...each(() => 0xc0), ...each(() => 0xf8)];
    case 'type':
      return [13, 14, 255, 65_536, 0x0800_0000, 0xffff_ffff].map(u32);
    case 'element-type':
      return [9, 13, 14, 255, 65_536, 0xffff_ffff].map(u32);
    case 'bool':
      return [2, 3, 127, 128, 255].flatMap((value) => each(() => value));
    case 'alignment':
      return [0, 1, 2, 4, 7, 12, 33, 63, 65, 256, 2 ** 31, 0xffff_ffff].map(u32);
    case 'dimensions':
      return [0, 5, 6, 256, 0xffff_ffff].map(u32);
    case 'extent':
      return [0n, 5n, 1000n, ...hugeNumbers].map(u64);
    case 'tensor-type':
      return [4, 5, 31, 32, 33, 36, 37, 38, 43, 100, 0x8000_0000, 0xffff_ffff].map(u32);
    case 'offset':
      return [1n, 8n, 32n, 64n, 320n, 1024n, ...hugeNumbers].map(u64);
    default:
      return [];
  }
}

/** Files every one of which has to be refused. */
export function invalidFiles(): Mutation[] {
  const fields = sampleFields();
  const whole = joinFields(fields);
  const found: Mutation[] = [];
  for (let length = 0; length < whole.length; length++) {
    found.push({ what: `cut after ${length} bytes`, bytes: whole.subarray(0, length) });
  }
  for (const [index, field] of fields.entries()) {
    for (const bytes of wrongBytes(field)) {
      if (bytes.equals(field.bytes)) continue;
      found.push({ what: `${field.what} is ${bytes.toString('hex')}`, bytes: withField(fields, index, bytes) });
    }
  }
  // a second of the same name, both of keys and of tensors
  const same = (from: string, to: string) => {
    const at = fields.findIndex(({ kind, bytes }) => ['key', 'name'].includes(kind) && bytes.toString() === from);
    const bytes = Buffer.from(to);
    const changed = fields.map((kept, index) =>
      index === at ? { ...kept, bytes } : index === at - 1 ? { ...kept, bytes: u64(bytes.length) } : kept,
    );
    found.push({ what: `${from} is called ${to} too`, bytes: joinFields(changed) });
  };
  const letters = ['a', 'b', 'c', 'd', 'e', 'f'];
  for (const from of letters) for (const to of letters) if (from !== to) same(`sample.${from}`, `sample.${to}`);
  same('general.alignment', 'sample.a');
  same('second', 'first');
  same('third', 'first');
  same('third', 'second');
  // keys, names and types left out or of the wrong size
  for (const [index, { kind, what }] of fields.entries()) {
    if (kind === 'padding' || kind === 'data') continue;
    found.push({ what: `${what} is left out`, bytes: withField(fields, index, Buffer.alloc(0)) });
  }
  return found;
}

/** Files with one to three bits flipped anywhere: some are still valid. */
export function flippedFiles(count: number): Mutation[] {
  const whole = joinFields(sampleFields());
  let state = 12345;
  const below = (limit: number) => {
    // Numerical Recipes' linear congruential generator; its high bits are good enough to choose places
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
  return Array.from({ length: count }, () => {
    const bytes = Buffer.from(whole);
    const places = Array.from({ length: 1 + below(3) }, () => below(whole.length * 8));
    for (const bit of places) bytes.writeUInt8(bytes.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
    return { what: `bits ${places.join(', ')} flipped`, bytes };
  });
}
