// Grammar rules in the making, and their text in llama.cpp's notation (GBNF). Knows nothing of JSON or schemas.
//
// Repetitions are written out as rules here and not as {m,n}: libllama takes every upper bound above 2000 for "any
// number", silently, and spells the others out one by one. Rules that can produce no finite text are left out, and with
// them the alternatives that need them, so that whoever writes rules may describe the impossible.
import { FreeholdError, invariant } from '../../lib/errors.ts';
import { type CharSet, rangesOf } from './regular/char-set.ts';

/** A terminal in GBNF (`literal`, `oneOf`), or a rule. */
export type Item = string | Rule;

/** Items one after the other; none: the empty text. */
export type Alternative = readonly Item[];

export interface Rule {
  readonly name: string;
  alternatives: readonly Alternative[];
}

/** Most characters of a grammar's text. */
export const maxGrammarLength = 1_000_000;

/** Rules in a row that count down one by one; longer repetitions count in blocks of this size. */
const block = 64;

/** Most repetitions that are counted; above, "at most" becomes this many and "at least" is refused. */
export const maxRepetitions = block ** 3;

export class Rules {
  readonly #rules: Rule[] = [];
  readonly #shared = new Map<string, Rule>();
  readonly #numbers = new Map<Rule, number>();
  #length = 0;

  /** The rule with these alternatives; equal ones are one rule. No alternatives: no text. */
  rule(hint: string, alternatives: readonly Alternative[]): Rule {
    const key = this.#keyOf(alternatives);
    let rule = this.#shared.get(key);
    if (!rule) {
      rule = this.declare(hint);
      this.define(rule, alternatives);
      this.#shared.set(key, rule);
    }
    return rule;
  }

  /** A rule to refer to before its alternatives are known. */
  declare(hint: string): Rule {
    const rule: Rule = { name: `${hint}-${this.#rules.length.toString(36)}`, alternatives: [] };
    this.#numbers.set(rule, this.#rules.length);
    this.#rules.push(rule);
    return rule;
  }

  /** @throws FreeholdError unsupported when the grammar grows beyond its limit */
  define(rule: Rule, alternatives: readonly Alternative[]): void {
    rule.alternatives = alternatives;
    this.#length += ruleLength(rule);
    if (this.#length > maxGrammarLength) {
      throw new FreeholdError(
        'unsupported',
        `The grammar of the schema is longer than ${maxGrammarLength} characters.`,
        {
          hint: 'Use a smaller schema, or shorter patterns, enumerations and bounds.',
        },
      );
    }
  }

  #keyOf(alternatives: readonly Alternative[]): string {
    const itemKey = (item: Item) => (typeof item === 'string' ? item : `#${this.#numbers.get(item)}`);
    return alternatives.map((items) => items.map(itemKey).join(' ')).join(' | ');
  }

  /**
   * The items `min` to `max` times, without a choice where there is none.
   * @param items cannot produce the empty text
   * @param max at least `min`; may be infinite
   */
  repeat(items: Alternative, min: number, max: number): Alternative {
    invariant(min <= max && min <= maxRepetitions, 'a repetition has bounds that can be counted');
    const more = max === Number.POSITIVE_INFINITY ? this.#any(items) : this.#upTo(items, max - min);
    return [...this.#exactly(items, min), ...more];
  }

  #any(items: Alternative): Alternative {
    const key = `any ${this.#keyOf([items])}`;
    const known = this.#shared.get(key);
    if (known) return [known];
    const rule = this.declare('any');
    this.#shared.set(key, rule);
    this.define(rule, [[...items, rule], []]);
    return [rule];
  }

  /** By doubling: few rules for any count. */
  #exactly(items: Alternative, count: number): Alternative {
    if (count <= 4) return Array.from({ length: count }, () => items).flat();
    const half = this.rule('half', [this.#exactly(items, count >> 1)]);
    return count % 2 === 0 ? [half, half] : [half, half, ...items];
  }

  /**
   * A row of rules, each one repetition shorter than the last. Beyond a block: either less than a block and the end, or
   * a whole block and then the rest, so that two readings at most are open at any time; beyond a block of blocks, three.
   */
  #upTo(items: Alternative, count: number): Alternative {
    if (count <= 0) return [];
    let size = 1;
    while (count >= block * size && size < block ** 2) size *= block;
    let rest = this.#upTo(items, count % size);
    const oneBlock = this.#exactly(items, size);
    const lessThanBlock = this.#upTo(items, size - 1);
    for (let left = Math.floor(count / size); left > 0; left--) {
      rest = [this.rule('upto', [[...oneBlock, ...rest], lessThanBlock])];
    }
    return rest;
  }

  /**
   * The grammar's text, with `root` first.
   * @returns undefined when the root can produce no finite text
   */
  toText(root: Rule): string | undefined {
    const productive = this.#productive();
    if (!productive.has(root)) return undefined;
    const kept = (rule: Rule) =>
      rule.alternatives.filter((items) => items.every((item) => typeof item === 'string' || productive.has(item)));
    const name = (rule: Rule) => (rule === root ? 'root' : rule.name);
    const lines: string[] = [];
    const reached = new Set<Rule>([root]);
    for (const rule of reached) {
      const alternatives = kept(rule).map((items) => {
        for (const item of items) if (typeof item !== 'string') reached.add(item);
        return items.map((item) => (typeof item === 'string' ? item : name(item))).join(' ') || '""';
      });
      lines.push(`${name(rule)} ::= ${[...new Set(alternatives)].join(' | ')}\n`);
    }
    return lines.join('');
  }

  /** Rules that can produce a finite text: those whose items all can, found from the terminals upwards. */
  #productive(): Set<Rule> {
    const productive = new Set<Rule>();
    const waiting = new Map<Rule, { rule: Rule; missing: number }[]>();
    for (const rule of this.#rules) {
      for (const items of rule.alternatives) {
        const needs = new Set(items.filter((item) => typeof item !== 'string'));
        if (needs.size === 0) productive.add(rule);
        const entry = { rule, missing: needs.size };
        for (const need of needs) {
          const entries = waiting.get(need);
          if (entries) entries.push(entry);
          else waiting.set(need, [entry]);
        }
      }
    }
    for (const rule of productive) {
      for (const entry of waiting.get(rule) ?? []) {
        entry.missing -= 1;
        if (entry.missing === 0) productive.add(entry.rule);
      }
    }
    return productive;
  }
}

function ruleLength(rule: Rule): number {
  let length = rule.name.length + 6;
  for (const items of rule.alternatives) {
    length += 3;
    for (const item of items) length += 1 + (typeof item === 'string' ? item.length : item.name.length);
  }
  return length;
}

/** The terminal for exactly this text. */
export function literal(text: string): string {
  return `"${Array.from(text, (char) => escapeChar(char.codePointAt(0) as number, /["\\]/)).join('')}"`;
}

/** The terminal for one character of a set, which is not empty. */
export function oneOf(set: CharSet): string {
  const written = (code: number) => escapeChar(code, /[^A-Za-z0-9 ]/);
  const ranges = Array.from(rangesOf(set), ([first, last]) =>
    first === last
      ? written(first)
      : last === first + 1
        ? written(first) + written(last)
        : `${written(first)}-${written(last)}`,
  );
  return `[${ranges.join('')}]`;
}

function escapeChar(code: number, escaped: RegExp): string {
  const char = String.fromCodePoint(code);
  if (code >= 0x20 && code < 0x7f && !escaped.test(char)) return char;
  const hex = code.toString(16).toUpperCase();
  if (code <= 0xff) return `\\x${hex.padStart(2, '0')}`;
  return code <= 0xffff ? `\\u${hex.padStart(4, '0')}` : `\\U${hex.padStart(8, '0')}`;
}
