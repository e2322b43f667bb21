// Regular languages as expressions with derivatives: what is left of a language after a character. Besides the usual
// operators there are intersection and complement, so that "matches this pattern, in 3 to 20 characters, and is none of
// these words" is one expression.
//
// After J. A. Brzozowski, "Derivatives of regular expressions" (1964), and Owens, Reppy and Turon, "Regular-expression
// derivatives re-examined" (2009). Equal expressions are one object.
import { type CharSet, contains, everyChar, union } from './char-set.ts';

export type Form =
  | { kind: 'nothing' }
  | { kind: 'empty' }
  | { kind: 'chars'; set: CharSet }
  | { kind: 'sequence'; first: Expression; rest: Expression }
  | { kind: 'either'; items: readonly Expression[] }
  | { kind: 'both'; items: readonly Expression[] }
  | { kind: 'not'; item: Expression }
  | { kind: 'repeat'; item: Expression; min: number; max: number };

export interface Expression {
  readonly id: number;
  readonly form: Form;
  /** Whether the empty text is in the language. */
  readonly nullable: boolean;
  /** Derivatives known so far, by character. */
  readonly derivatives: Map<number, Expression>;
}

/** Thrown when a language takes more expressions, or more work to find them, than it is worth. */
export class TooManyExpressions extends Error {}

/** Operands put together, over all expressions made: about a second of work. */
const maxOperands = 1_000_000;

/** Makes expressions; those of one maker may be combined. */
export class Expressions {
  readonly #known = new Map<string, Expression>();
  readonly #limit: number;
  #operands = 0;
  /** No text at all. */
  readonly nothing: Expression;
  /** The empty text. */
  readonly empty: Expression;
  /** Any one character. */
  readonly anyChar: Expression;
  /** Any text. */
  readonly anything: Expression;

  /** @param limit of expressions made, after which TooManyExpressions is thrown */
  constructor(limit = 100_000) {
    this.#limit = limit;
    this.nothing = this.#make('0', { kind: 'nothing' }, false);
    this.empty = this.#make('1', { kind: 'empty' }, true);
    this.anyChar = this.chars(everyChar);
    this.anything = this.repeat(this.anyChar, 0, Number.POSITIVE_INFINITY);
  }

  #make(key: string, form: Form, nullable: boolean): Expression {
    const known = this.#known.get(key);
    if (known) return known;
    if (this.#known.size >= this.#limit) throw new TooManyExpressions();
    const made: Expression = { id: this.#known.size, form, nullable, derivatives: new Map() };
    this.#known.set(key, made);
    return made;
  }

  chars(set: CharSet): Expression {
    return set.length === 0 ? this.nothing : this.#make(`c${set.join()}`, { kind: 'chars', set }, false);
  }

  text(text: string): Expression {
    const chars = Array.from(text, (char) => char.codePointAt(0) as number);
    return this.sequence(...chars.map((char) => this.chars([char, char])));
  }

  sequence(...items: Expression[]): Expression {
    return items.reduceRight((rest, first) => this.#pair(first, rest), this.empty);
  }

  #pair(first: Expression, rest: Expression): Expression {
    if (first === this.nothing || rest === this.nothing) return this.nothing;
    if (first === this.empty) return rest;
    if (rest === this.empty) return first;
    if (first === this.anything && rest === this.anything) return rest;
    // one shape for equal sequences: nested to the right
    if (first.form.kind === 'sequence') return this.#pair(first.form.first, this.#pair(first.form.rest, rest));
    return this.#make(`.${first.id},${rest.id}`, { kind: 'sequence', first, rest }, first.nullable && rest.nullable);
  }

  either(...items: Expression[]): Expression {
    const flat = new Set<Expression>();
    const sets: CharSet[] = [];
    for (const item of items.flatMap((item) => (item.form.kind === 'either' ? item.form.items : [item]))) {
      if (item === this.anything) return item;
      if (item.form.kind === 'chars') sets.push(item.form.set);
      else if (item !== this.nothing) flat.add(item);
    }
    if (sets.length > 0) flat.add(this.chars(sets.length === 1 ? (sets[0] as CharSet) : union(...sets)));
    const sorted = this.#inOrder(flat);
    if (sorted.length < 2) return sorted[0] ?? this.nothing;
    const nullable = sorted.some((item) => item.nullable);
    return this.#make(`|${sorted.map(({ id }) => id).join()}`, { kind: 'either', items: sorted }, nullable);
  }

  both(...items: Expression[]): Expression {
    const flat = new Set<Expression>();
    for (const item of items.flatMap((item) => (item.form.kind === 'both' ? item.form.items : [item]))) {
      if (item === this.nothing) return item;
      if (item !== this.anything) flat.add(item);
    }
    const sorted = this.#inOrder(flat);
    if (sorted.length < 2) return sorted[0] ?? this.anything;
    const nullable = sorted.every((item) => item.nullable);
    if (flat.has(this.empty)) return nullable ? this.empty : this.nothing;
    return this.#make(`&${sorted.map(({ id }) => id).join()}`, { kind: 'both', items: sorted }, nullable);
  }

  #inOrder(items: ReadonlySet<Expression>): Expression[] {
    this.#operands += items.size;
    if (this.#operands > maxOperands) throw new TooManyExpressions();
    return [...items].sort((a, b) => a.id - b.id);
  }

  not(item: Expression): Expression {
    if (item.form.kind === 'not') return item.form.item;
    if (item === this.nothing) return this.anything;
    if (item === this.anything) return this.nothing;
    return this.#make(`!${item.id}`, { kind: 'not', item }, !item.nullable);
  }

  /** @param max at least `min`; may be infinite */
  repeat(item: Expression, min: number, max: number): Expression {
    if (max === 0 || item === this.empty) return this.empty;
    if (item === this.nothing) return min === 0 ? this.empty : this.nothing;
    if (min === 1 && max === 1) return item;
    if (item.nullable) min = 0;
    if (item.form.kind === 'repeat' && item.form.min === 0 && item.form.max === Number.POSITIVE_INFINITY) return item;
    return this.#make(`*${item.id},${min},${max}`, { kind: 'repeat', item, min, max }, min === 0);
  }

  /** The rest of every text of the language that begins with the character. */
  derive(expression: Expression, char: number): Expression {
    const { form, derivatives } = expression;
    let rest = derivatives.get(char);
    if (rest) return rest;
    switch (form.kind) {
      case 'nothing':
      case 'empty':
        rest = this.nothing;
        break;
      case 'chars':
        rest = contains(form.set, char) ? this.empty : this.nothing;
        break;
      case 'sequence': {
        const inFirst = this.#pair(this.derive(form.first, char), form.rest);
        rest = form.first.nullable ? this.either(inFirst, this.derive(form.rest, char)) : inFirst;
        break;
      }
      case 'either':
        rest = this.either(...form.items.map((item) => this.derive(item, char)));
        break;
      case 'both':
        rest = this.both(...form.items.map((item) => this.derive(item, char)));
        break;
      case 'not':
        rest = this.not(this.derive(form.item, char));
        break;
      case 'repeat': {
        const more = this.repeat(form.item, Math.max(0, form.min - 1), form.max - 1);
        rest = this.#pair(this.derive(form.item, char), more);
        break;
      }
      default:
        return form satisfies never;
    }
    derivatives.set(char, rest);
    return rest;
  }

  /** Whether the text is in the language. */
  matches(expression: Expression, text: string): boolean {
    let rest = expression;
    for (const char of text) rest = this.derive(rest, char.codePointAt(0) as number);
    return rest.nullable;
  }

  /** Every set of characters the expression names. */
  setsIn(expression: Expression): CharSet[] {
    const sets: CharSet[] = [];
    const seen = new Set<Expression>([expression]);
    for (const { form } of seen) {
      if (form.kind === 'chars') sets.push(form.set);
      else if (form.kind === 'sequence') seen.add(form.first).add(form.rest);
      else if (form.kind === 'not' || form.kind === 'repeat') seen.add(form.item);
      else if (form.kind === 'either' || form.kind === 'both') for (const item of form.items) seen.add(item);
    }
    return sets;
  }
}
