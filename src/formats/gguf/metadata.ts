// Values by key in a parsed file, and array entries for one to be written. Each look-up answers undefined when the key is absent
// or holds something of another kind, since what a missing key means is for the caller to say.
import type { GgufArrayEntry, GgufArrayValues, GgufFile, GgufScalarType } from './types.ts';

type WithMetadata = Pick<GgufFile, 'metadata'>;

/** A string; undefined when absent or not a string. */
export function metadataString(file: WithMetadata, key: string): string | undefined {
  const entry = file.metadata.get(key);
  return entry?.type === 'string' ? entry.value : undefined;
}

/** A number of any numeric type; undefined when absent, not a number, or a 64-bit integer beyond 2^53. */
export function metadataNumber(file: WithMetadata, key: string): number | undefined {
  const value = file.metadata.get(key)?.value;
  return typeof value === 'number' ? value : undefined;
}

/** A bool; undefined when absent or not a bool. */
export function metadataBoolean(file: WithMetadata, key: string): boolean | undefined {
  const entry = file.metadata.get(key);
  return entry?.type === 'bool' ? entry.value : undefined;
}

/** An array of strings; undefined when absent, of another type, or left out by the reader. */
export function metadataStrings(file: WithMetadata, key: string): string[] | undefined {
  const entry = file.metadata.get(key);
  return entry?.type === 'array' && entry.elementType === 'string' ? entry.value : undefined;
}

/** An array of numbers of any numeric type as plain numbers; undefined when absent, of another type, or left out. */
export function metadataNumbers(file: WithMetadata, key: string): number[] | undefined {
  const entry = file.metadata.get(key);
  if (entry?.type !== 'array' || entry.elementType === 'string' || entry.elementType === 'bool') return undefined;
  return entry.value === undefined ? undefined : Array.from(entry.value as ArrayLike<number | bigint>, Number);
}

/** An array entry for `writeGguf`. */
export function arrayEntry<T extends GgufScalarType>(elementType: T, value: GgufArrayValues[T]): GgufArrayEntry {
  return { type: 'array', elementType, length: value.length, value } as GgufArrayEntry;
}
