// The characters of a Unicode property, as the JavaScript engine knows them.
import { type CharSet, charSet } from './char-set.ts';

const known = new Map<string, CharSet>();
let allChars: string | undefined;

/** @param name as in `\p{name}`: `L`, `Lu`, `Script=Greek`, …; undefined when the engine does not know it */
export function propertySet(name: string): CharSet | undefined {
  const cached = known.get(name);
  if (cached) return cached;
  let runs: RegExp;
  try {
    runs = new RegExp(`\\p{${name}}+`, 'gu');
  } catch {
    return undefined;
  }
  allChars ??= Array.from({ length: 0x1100 }, (_, row) => charsOfRow(row)).join('');
  const ranges = Array.from(allChars.matchAll(runs), ([run]) => {
    const first = run.codePointAt(0) as number;
    // a run across the surrogates skips them
    return [first, lastChar(run)] as const;
  });
  const set = charSet(ranges);
  known.set(name, set);
  return set;
}

/** 256 characters in order; none for surrogates. */
function charsOfRow(row: number): string {
  if (row >= 0xd8 && row < 0xe0) return '';
  return String.fromCodePoint(...Array.from({ length: 256 }, (_, i) => row * 256 + i));
}

function lastChar(text: string): number {
  const beforeLast = text.codePointAt(text.length - 2);
  return beforeLast !== undefined && beforeLast > 0xffff ? beforeLast : text.charCodeAt(text.length - 1);
}
