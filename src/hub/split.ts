// Models split over several files, as llama.cpp names them: `name-00001-of-00003.gguf`. Works on names only.

const pattern = /-(\d{5})-of-(\d{5})\.gguf$/i;

/** Part number (from 1) and count, and the name before them; undefined when the name is not that of a part. */
export function splitOf(file: string): { part: number; count: number; prefix: string } | undefined {
  const found = pattern.exec(file);
  if (!found) return undefined;
  const part = Number(found[1]);
  const count = Number(found[2]);
  return part >= 1 && part <= count ? { part, count, prefix: file.slice(0, found.index) } : undefined;
}

/** `prefix-00002-of-00003.gguf`. */
export function partName(prefix: string, part: number, count: number): string {
  return `${prefix}-${String(part).padStart(5, '0')}-of-${String(count).padStart(5, '0')}.gguf`;
}

/** All files of the model that `file` belongs to, first part first; the file alone when it is not split. */
export function partsOf(file: string): string[] {
  const split = splitOf(file);
  if (!split) return [file];
  return Array.from({ length: split.count }, (_, index) => partName(split.prefix, index + 1, split.count));
}
