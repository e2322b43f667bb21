// Reads an ECMAScript regular expression into a syntax tree. Knows the syntax only; what it matches is
// pattern-language.ts. Constructs that are no regular language (back-references) or that look behind are refused by name.
import { FreeholdError } from '../../../lib/errors.ts';
import { type CharSet, charSet, charsOf, complement, union } from './char-set.ts';
import { propertySet } from './unicode-property.ts';

export type PatternNode =
  | { kind: 'chars'; set: CharSet }
  | { kind: 'sequence'; items: PatternNode[] }
  | { kind: 'either'; items: PatternNode[] }
  | { kind: 'repeat'; item: PatternNode; min: number; max: number }
  | { kind: 'start' }
  | { kind: 'end' }
  | { kind: 'look'; item: PatternNode; negative: boolean };

const digits = charsOf('0123456789');
const wordChars = charSet([
  [0x30, 0x39],
  [0x41, 0x5a],
  [0x5f, 0x5f],
  [0x61, 0x7a],
]);
const lineEnds = charsOf('\n\r\u2028\u2029');
const spaces = union(
  lineEnds,
  charSet([
    [0x09, 0x0d],
    [0x2000, 0x200a],
  ]),
  charsOf(' \u00a0\u1680\u202f\u205f\u3000\ufeff'),
);

const classEscapes: Record<string, CharSet> = {
  d: digits,
  D: complement(digits),
  w: wordChars,
  W: complement(wordChars),
  s: spaces,
  S: complement(spaces),
};
const controlEscapes: Record<string, number> = { t: 9, n: 10, v: 11, f: 12, r: 13 };

/** Longest pattern and deepest nesting of groups that is read. */
export const patternLimits = { length: 2000, depth: 50 } as const;

/**
 * @param field where the pattern stands, for messages
 * @throws FreeholdError invalid_request when it is not a regular expression, unsupported for what no automaton does
 */
export function parsePattern(pattern: string, field: string): PatternNode {
  if (pattern.length > patternLimits.length) {
    throw new FreeholdError(
      'unsupported',
      `The pattern at ${field} has ${pattern.length} characters; at most ${patternLimits.length} are read.`,
      { field },
    );
  }
  checkSyntax(pattern, field);
  return new PatternReader(pattern, field).read();
}

/** ECMAScript itself decides what a pattern is: as schemas read it, with the flag u, or as older code does. */
function checkSyntax(pattern: string, field: string): void {
  let failure: unknown;
  for (const flags of ['u', '']) {
    try {
      new RegExp(pattern, flags);
      return;
    } catch (cause) {
      failure ??= cause;
    }
  }
  throw new FreeholdError(
    'invalid_request',
    `The pattern at ${field} is not a regular expression: ${(failure as Error).message}.`,
    { field, cause: failure },
  );
}

class PatternReader {
  readonly #pattern: string;
  readonly #chars: readonly string[];
  readonly #field: string;
  #at = 0;
  #depth = 0;

  constructor(pattern: string, field: string) {
    this.#pattern = pattern;
    this.#chars = Array.from(pattern);
    this.#field = field;
  }

  read(): PatternNode {
    const node = this.#alternatives();
    if (this.#at < this.#chars.length) throw this.#refuse(`"${this.#peek()}"`);
    return node;
  }

  #peek(offset = 0): string | undefined {
    return this.#chars[this.#at + offset];
  }

  #skip(text: string): boolean {
    if (!Array.from(text).every((char, i) => this.#peek(i) === char)) return false;
    this.#at += text.length;
    return true;
  }

  #refuse(what: string): FreeholdError {
    return new FreeholdError(
      'unsupported',
      `The pattern ${JSON.stringify(this.#pattern)} at ${this.#field} uses ${what}.`,
      {
        field: this.#field,
        hint: 'Literals, classes, groups, alternatives, quantifiers, anchors and lookaheads can be enforced.',
      },
    );
  }

  #alternatives(): PatternNode {
    if (++this.#depth > patternLimits.depth) throw this.#refuse(`groups nested over ${patternLimits.depth} deep`);
    const items = [this.#sequence()];
    while (this.#skip('|')) items.push(this.#sequence());
    this.#depth -= 1;
    return items.length === 1 ? (items[0] as PatternNode) : { kind: 'either', items };
  }

  #sequence(): PatternNode {
    const items: PatternNode[] = [];
    while (this.#peek() !== undefined && this.#peek() !== '|' && this.#peek() !== ')') {
      items.push(this.#quantified(this.#atom()));
    }
    return items.length === 1 ? (items[0] as PatternNode) : { kind: 'sequence', items };
  }

  #atom(): PatternNode {
    const char = this.#peek() as string;
    this.#at += 1;
    switch (char) {
      case '^':
        return { kind: 'start' };
      case '$':
        return { kind: 'end' };
      case '.':
        return { kind: 'chars', set: complement(lineEnds) };
      case '(':
        return this.#group();
      case '[':
        return { kind: 'chars', set: this.#class() };
      case '\\':
        return { kind: 'chars', set: this.#escape(false) };
      default:
        return { kind: 'chars', set: charsOf(char) };
    }
  }

  #group(): PatternNode {
    for (const [look, negative] of [
      ['?=', false],
      ['?!', true],
    ] as const) {
      if (this.#skip(look)) return { kind: 'look', item: this.#groupBody(), negative };
    }
    if (this.#skip('?<=') || this.#skip('?<!')) throw this.#refuse('a lookbehind');
    if (this.#skip('?<')) {
      while (this.#peek() !== '>') this.#at += 1;
      this.#at += 1;
    } else if (this.#skip('?') && !this.#skip(':')) throw this.#refuse('flags inside a group');
    return this.#groupBody();
  }

  #groupBody(): PatternNode {
    const node = this.#alternatives();
    if (!this.#skip(')')) throw this.#refuse('an unclosed group');
    return node;
  }

  #quantified(item: PatternNode): PatternNode {
    const bounds = this.#quantifier();
    if (!bounds) return item;
    this.#skip('?'); // a lazy quantifier matches the same texts
    return { kind: 'repeat', item, min: bounds[0], max: bounds[1] };
  }

  #quantifier(): [number, number] | undefined {
    if (this.#skip('*')) return [0, Number.POSITIVE_INFINITY];
    if (this.#skip('+')) return [1, Number.POSITIVE_INFINITY];
    if (this.#skip('?')) return [0, 1];
    if (this.#peek() !== '{') return undefined;
    const match = /^\{(\d+)(,?)(\d*)\}/.exec(this.#chars.slice(this.#at, this.#at + 40).join(''));
    if (!match) return undefined; // older code reads a lone brace as itself
    this.#at += match[0].length;
    const min = Number(match[1]);
    const max = match[2] === '' ? min : match[3] === '' ? Number.POSITIVE_INFINITY : Number(match[3]);
    return [min, max];
  }

  #class(): CharSet {
    const negative = this.#skip('^');
    const sets: CharSet[] = [];
    while (!this.#skip(']')) {
      const first = this.#classAtom();
      if (this.#peek() === '-' && this.#peek(1) !== ']' && isSingle(first)) {
        this.#at += 1;
        const last = this.#classAtom();
        if (isSingle(last)) sets.push(charSet([[first[0] as number, last[0] as number]]));
        else sets.push(first, charsOf('-'), last); // older code reads [\w-x] so
      } else sets.push(first);
    }
    const set = union(...sets);
    return negative ? complement(set) : set;
  }

  #classAtom(): CharSet {
    const char = this.#peek();
    if (char === undefined) throw this.#refuse('an unclosed class');
    this.#at += 1;
    return char === '\\' ? this.#escape(true) : charsOf(char);
  }

  /** What follows a backslash. */
  #escape(inClass: boolean): CharSet {
    const char = this.#peek() as string;
    this.#at += 1;
    if (classEscapes[char]) return classEscapes[char];
    if (controlEscapes[char]) return charSet([[controlEscapes[char], controlEscapes[char]]]);
    if (char === 'b' && inClass) return charSet([[8, 8]]);
    if (char === 'b' || char === 'B') throw this.#refuse(`the word boundary \\${char}`);
    if (char === '0' && !/\d/.test(this.#peek() ?? '')) return charSet([[0, 0]]);
    if (/\d/.test(char) || char === 'k') throw this.#refuse(`the back-reference \\${char}`);
    if (char === 'p' || char === 'P') return this.#property(char === 'P');
    if (char === 'x' || char === 'u') return this.#hexadecimal(char);
    if (char === 'c' && /[A-Za-z]/.test(this.#peek() ?? '')) {
      const code = (this.#chars[this.#at++] as string).charCodeAt(0) % 32;
      return charSet([[code, code]]);
    }
    return charsOf(char);
  }

  #hexadecimal(char: 'x' | 'u'): CharSet {
    const rest = this.#chars.slice(this.#at, this.#at + 12).join('');
    const match = (char === 'x' ? /^([0-9a-f]{2})/i : /^([0-9a-f]{4}|\{[0-9a-f]+\})/i).exec(rest);
    if (!match) return charsOf(char);
    this.#at += match[0].length;
    let code = Number.parseInt(match[0].replace('{', ''), 16);
    const low = /^\\u(d[c-f][0-9a-f]{2})/i.exec(this.#chars.slice(this.#at, this.#at + 6).join(''));
    if (code >= 0xd800 && code < 0xdc00 && low) {
      this.#at += 6;
      code = 0x10000 + ((code - 0xd800) << 10) + (Number.parseInt(low[1] as string, 16) - 0xdc00);
    }
    return code > 0x10ffff ? [] : charSet([[code, code]]);
  }

  #property(negative: boolean): CharSet {
    const match = /^\{([\w=]+)\}/.exec(this.#chars.slice(this.#at, this.#at + 80).join(''));
    const set = match && propertySet(match[1] as string);
    if (!match || !set) throw this.#refuse('a Unicode property that is not known');
    this.#at += match[0].length;
    return negative ? complement(set) : set;
  }
}

function isSingle(set: CharSet): boolean {
  return set.length === 2 && set[0] === set[1];
}
