// Reads the grammars that infer/grammar writes and decides which texts they take, without native code. Covers the
// notation those grammars use: literals, classes, rules and alternatives.

type Terminal = { ranges: [number, number][] };
type Item = Terminal | string;

/** What may still follow: items of an alternative from an index on, then what is below. */
interface Stack {
  id: number;
  items: Item[] | undefined;
  at: number;
  below: Stack | undefined;
}

/** Decides whether a grammar takes a text from its first character to its last. */
export class GrammarReader {
  readonly rules = new Map<string, Item[][]>();
  readonly #itemIds = new Map<Item[], number>();
  readonly #stacks = new Map<string, Stack>();
  readonly #bottom: Stack = { id: 0, items: undefined, at: 0, below: undefined };

  constructor(text: string) {
    for (const line of text.trimEnd().split('\n')) {
      const [, name, body] = /^([a-z0-9-]+) ::= (.*)$/.exec(line) ?? [];
      if (name === undefined || body === undefined) throw new Error(`not a rule: ${line}`);
      if (this.rules.has(name)) throw new Error(`two rules ${name}`);
      this.rules.set(name, readAlternatives(body));
    }
    for (const items of [...this.rules.values()].flat()) this.#itemIds.set(items, this.#itemIds.size);
  }

  takes(text: string): boolean {
    let stacks = this.#expand([this.#push(['root'], 0, this.#bottom)]);
    for (const char of text) {
      const code = char.codePointAt(0) as number;
      const next: Stack[] = [];
      for (const { items, at, below } of stacks) {
        const item = items?.[at] as Terminal | undefined;
        if (item?.ranges.some(([first, last]) => first <= code && code <= last)) {
          next.push(this.#push(items as Item[], at + 1, below as Stack));
        }
      }
      stacks = this.#expand(next);
      if (stacks.size === 0) return false;
    }
    return stacks.has(this.#bottom);
  }

  #push(items: Item[], at: number, below: Stack): Stack {
    if (at >= items.length) return below;
    if (!this.#itemIds.has(items)) this.#itemIds.set(items, this.#itemIds.size);
    const key = `${this.#itemIds.get(items)},${at},${below.id}`;
    const known = this.#stacks.get(key);
    if (known) return known;
    const stack = { id: this.#stacks.size + 1, items, at, below };
    this.#stacks.set(key, stack);
    return stack;
  }

  /** Until every stack begins with a terminal or is at the bottom. */
  #expand(from: Stack[]): Set<Stack> {
    const seen = new Set(from);
    const ready = new Set<Stack>();
    for (const stack of seen) {
      const item = stack.items?.[stack.at];
      if (typeof item !== 'string') {
        ready.add(stack);
        continue;
      }
      const after = this.#push(stack.items as Item[], stack.at + 1, stack.below as Stack);
      const alternatives = this.rules.get(item);
      if (!alternatives) throw new Error(`no rule ${item}`);
      for (const items of alternatives) seen.add(this.#push(items, 0, after));
    }
    return ready;
  }
}

function readAlternatives(body: string): Item[][] {
  const alternatives: Item[][] = [[]];
  let at = 0;
  const read = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at;
    const match = pattern.exec(body);
    if (match) at += match[0].length;
    return match;
  };
  while (at < body.length) {
    if (read(/ +/y)) continue;
    if (read(/\|/y)) alternatives.push([]);
    else {
      const items = alternatives.at(-1) as Item[];
      const literal = read(/"((?:[^"\\]|\\.)*)"/y)?.[1];
      const group = literal === undefined ? read(/\[((?:[^\]\\]|\\.)*)\]/y)?.[1] : undefined;
      if (literal !== undefined) for (const code of readChars(literal)) items.push({ ranges: [[code, code]] });
      else if (group !== undefined) items.push({ ranges: readRanges(group) });
      else items.push((read(/[a-z0-9-]+/y) ?? fail(body.slice(at)))[0]);
    }
  }
  return alternatives;
}

function fail(rest: string): never {
  throw new Error(`unreadable: ${rest}`);
}

const charPattern = /\\x(..)|\\u(....)|\\U(........)|\\(.)|(.)/gsu;

function readChars(text: string): number[] {
  return Array.from(text.matchAll(charPattern), readChar);
}

function readChar(match: RegExpExecArray): number {
  const [, x, u, U, escaped, plain] = match;
  const hex = x ?? u ?? U;
  return hex === undefined ? (((escaped ?? plain) as string).codePointAt(0) as number) : Number.parseInt(hex, 16);
}

function readRanges(text: string): [number, number][] {
  const parts = Array.from(text.matchAll(charPattern));
  const ranges: [number, number][] = [];
  for (let i = 0; i < parts.length; i++) {
    const first = readChar(parts[i] as RegExpExecArray);
    const isRange = parts[i + 1]?.[0] === '-' && i + 2 < parts.length;
    ranges.push([first, isRange ? readChar(parts[i + 2] as RegExpExecArray) : first]);
    if (isRange) i += 2;
  }
  return ranges;
}
