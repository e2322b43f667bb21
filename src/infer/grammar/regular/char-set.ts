// Sets of Unicode characters as sorted ranges. Surrogates are no characters: JSON text cannot hold one by itself.

/** Sorted, disjoint ranges that do not touch: first, last, first, last, … Compare by `join()`. */
export type CharSet = readonly number[];

/** Every Unicode character. */
export const everyChar: CharSet = [0, 0xd7ff, 0xe000, 0x10ffff];

/** @param ranges pairs of first and last, in any order; surrogates among them are left out */
export function charSet(ranges: readonly (readonly [number, number])[]): CharSet {
  const sorted = ranges.filter(([first, last]) => first <= last).sort((a, b) => a[0] - b[0]);
  const merged: number[] = [];
  for (const [first, last] of sorted) {
    const end = merged.at(-1);
    if (end !== undefined && first <= end + 1) merged[merged.length - 1] = Math.max(end, last);
    else merged.push(first, last);
  }
  return intersect(merged, everyChar);
}

/** The characters of a text. */
export function charsOf(text: string): CharSet {
  return charSet(Array.from(text, (char) => [char.codePointAt(0) as number, char.codePointAt(0) as number] as const));
}

export function* rangesOf(set: CharSet): Generator<[first: number, last: number]> {
  for (let i = 0; i < set.length; i += 2) yield [set[i] as number, set[i + 1] as number];
}

export function union(...sets: CharSet[]): CharSet {
  return charSet(sets.flatMap((set) => [...rangesOf(set)]));
}

export function intersect(a: CharSet, b: CharSet): CharSet {
  const common: number[] = [];
  let i = 0;
  let j = 0;
  while (i < a.length && j < b.length) {
    const first = Math.max(a[i] as number, b[j] as number);
    const last = Math.min(a[i + 1] as number, b[j + 1] as number);
    if (first <= last) common.push(first, last);
    if ((a[i + 1] as number) < (b[j + 1] as number)) i += 2;
    else j += 2;
  }
  return common;
}

/** Every character that is not in the set. */
export function complement(set: CharSet): CharSet {
  const rest: number[] = [];
  let next = 0;
  for (const [first, last] of rangesOf(set)) {
    if (first > next) rest.push(next, first - 1);
    next = last + 1;
  }
  if (next <= 0x10ffff) rest.push(next, 0x10ffff);
  return intersect(rest, everyChar);
}

export function contains(set: CharSet, char: number): boolean {
  let from = 0;
  let to = set.length / 2;
  // the last range that begins at or before the character
  while (from < to) {
    const middle = (from + to) >> 1;
    if ((set[2 * middle] as number) <= char) from = middle + 1;
    else to = middle;
  }
  return from > 0 && char <= (set[2 * from - 1] as number);
}

/**
 * Cuts all characters into classes that no set tells apart.
 * @returns disjoint sets that together are `everyChar`
 */
export function classesOf(sets: readonly CharSet[]): CharSet[] {
  const starts = new Set<number>([0, 0xe000]);
  for (const set of sets) {
    for (const [first, last] of rangesOf(set)) {
      starts.add(first);
      starts.add(last + 1);
    }
  }
  const sorted = [...starts].filter((start) => contains(everyChar, start)).sort((a, b) => a - b);
  const at = sets.map(() => 0);
  const classes = new Map<string, [number, number][]>();
  sorted.forEach((first, i) => {
    const last = (sorted[i + 1] ?? 0x110000) - 1;
    let key = '';
    sets.forEach((set, s) => {
      while ((set[(at[s] as number) + 1] ?? Number.POSITIVE_INFINITY) < first) at[s] = (at[s] as number) + 2;
      key += (set[at[s] as number] ?? Number.POSITIVE_INFINITY) <= first ? '1' : '0';
    });
    const ranges = classes.get(key);
    if (ranges) ranges.push([first, last]);
    else classes.set(key, [[first, last]]);
  });
  return [...classes.values()].map((ranges) => charSet(ranges));
}
