// One of several fixed values, as rules that read each shared beginning once: an enumeration of a thousand names costs
// the grammar engine what its differing letters cost, not a thousand readings.
import type { JsonRules } from './json-rules.ts';
import { type Alternative, literal, type Rules } from './rules.ts';

/** One of several JSON values, objects and arrays among them with white space like any other. */
export function oneOfValues(json: JsonRules, values: readonly unknown[]): Alternative[] {
  const isContainer = (value: unknown) => typeof value === 'object' && value !== null;
  const texts = values.filter((value) => !isContainer(value)).map((value) => JSON.stringify(value));
  const containers = values.filter(isContainer).map((value) => exactly(json, value));
  return texts.length === 0 ? containers : [oneOfTexts(json.rules, texts), ...containers];
}

/** Exactly this JSON value, its properties in its own order. */
function exactly(json: JsonRules, value: unknown): Alternative {
  if (typeof value !== 'object' || value === null) return [literal(JSON.stringify(value))];
  const { gap, colon } = json;
  const [open, close] = Array.isArray(value) ? '[]' : '{}';
  const members: Alternative[] = Array.isArray(value)
    ? value.map((item) => exactly(json, item))
    : Object.entries(value).map(([name, item]) => [literal(JSON.stringify(name)), ...colon, ...exactly(json, item)]);
  const list = members.flatMap((member, i) => (i === 0 ? member : [literal(','), ...gap, ...member]));
  return [literal(open as string), ...gap, ...list, ...(list.length > 0 ? gap : []), literal(close as string)];
}

/** @param texts at least one; those given twice count once */
function oneOfTexts(rules: Rules, texts: readonly string[]): Alternative {
  const unique = [...new Set(texts)].map((text) => Array.from(text));
  unique.sort((a, b) => compare(a, b));
  return branch(rules, unique, 0);
}

function compare(a: readonly string[], b: readonly string[]): number {
  const shared = Math.min(a.length, b.length);
  for (let i = 0; i < shared; i++) {
    if (a[i] !== b[i]) return (a[i] as string) < (b[i] as string) ? -1 : 1;
  }
  return a.length - b.length;
}

/** @param texts sorted, equal in their first `from` characters */
function branch(rules: Rules, texts: readonly (readonly string[])[], from: number): Alternative {
  const first = texts[0] as readonly string[];
  const last = texts.at(-1) as readonly string[];
  // sorted: what the first and the last share, all share
  let to = from;
  while (to < first.length && to < last.length && first[to] === last[to]) to += 1;
  const shared: Alternative = to > from ? [literal(first.slice(from, to).join(''))] : [];
  if (texts.length === 1) return shared;
  const groups = new Map<string | undefined, (readonly string[])[]>();
  for (const text of texts) {
    const group = groups.get(text[to]);
    if (group) group.push(text);
    else groups.set(text[to], [text]);
  }
  const alternatives = Array.from(groups, ([char, group]) => (char === undefined ? [] : branch(rules, group, to)));
  return [...shared, rules.rule('one-of', alternatives)];
}
