// Rules for strings that a pattern, a format or a length limits, and for property names. Patterns become automata over
// characters, whatever mixture of them holds at once; each state of an automaton is a rule.
import { FreeholdError } from '../../lib/errors.ts';
import { charInString, type JsonRules, stringOfLength } from './json-rules.ts';
import { type Automaton, automatonOf, lengthsOf } from './regular/automaton.ts';
import type { CharSet } from './regular/char-set.ts';
import { type Expression, Expressions, TooManyExpressions } from './regular/expressions.ts';
import { stringFormats } from './regular/formats.ts';
import { parsePattern } from './regular/pattern.ts';
import { textsMatching } from './regular/pattern-language.ts';
import { type Alternative, literal, maxRepetitions, type Rule, type Rules } from './rules.ts';
import type { StringKeywords } from './schema-parts.ts';
import { step } from './schema-pointer.ts';

/** Most states of one automaton, some 25 characters of grammar each. */
export const maxStates = 10_000;

const quote = literal('"');

/** Automata of formats, made once: they are the same for every schema. */
const formatAutomata = new Map<string, Automaton>();

/** Keywords and the place they stand at. */
export interface PlacedString {
  path: string;
  keywords: StringKeywords;
}

export class StringRules {
  readonly #json: JsonRules;
  readonly #expressions = new Expressions();
  readonly #patterns = new Map<string, Expression>();
  /** Languages of the formats met. */
  readonly #formats = new Map<string, Expression>();

  constructor(json: JsonRules) {
    this.#json = json;
  }

  /** Whether a text satisfies the keywords. Lengths count characters, not UTF-16 units. */
  matches(text: string, { keywords, path }: PlacedString): boolean {
    const { minLength = 0, maxLength = Number.POSITIVE_INFINITY } = keywords;
    const length = Array.from(text).length;
    if (length < minLength || length > maxLength) return false;
    return this.#bounded(path, () => this.#expressions.matches(this.#language([{ keywords, path }]), text));
  }

  /** Strings that satisfy all keywords. No alternatives: there are none. */
  string(placed: readonly PlacedString[], path: string): Alternative[] {
    const [min, max] = lengths(placed);
    if (min > max) return [];
    const language = this.#language(placed);
    if (language === this.#expressions.anything) return [stringOfLength(this.#json, min, max)];
    return this.#quoted(language, min, max, path);
  }

  /**
   * Property names other than the given ones, that satisfy keywords.
   * @param allowed for each schema of names, what one of its alternatives asks; undefined: all strings
   */
  otherName(
    taken: readonly string[],
    allowed: readonly (readonly PlacedString[])[] | undefined,
    path: string,
  ): Alternative[] {
    if (taken.length === 0 && !allowed) return [[this.#json.string]];
    const { either, both, not, text } = bound(this.#expressions);
    const others = this.#bounded(path, () => not(either(...taken.map((name) => text(name)))));
    if (!allowed) return this.#quoted(others, 0, Number.POSITIVE_INFINITY, path);
    return allowed.flatMap((placed) => {
      const [min, max] = lengths(placed);
      return min > max ? [] : this.#quoted(both(others, this.#language(placed)), min, max, path);
    });
  }

  /** The texts that all patterns and formats allow, of any length. */
  #language(placed: readonly PlacedString[]): Expression {
    const languages = placed.flatMap(({ keywords: { pattern, format }, path }) => {
      const ofFormat = format === undefined ? undefined : stringFormats[format];
      const languages: Expression[] = [];
      if (pattern !== undefined) languages.push(this.#pattern(pattern, step(path, 'pattern')));
      if (format !== undefined && ofFormat !== undefined) {
        const language = this.#pattern(ofFormat, step(path, 'format'));
        this.#formats.set(format, language);
        languages.push(language);
      }
      return languages;
    });
    return this.#expressions.both(...languages);
  }

  #pattern(pattern: string, field: string): Expression {
    let language = this.#patterns.get(pattern);
    if (!language) {
      language = this.#bounded(field, () => textsMatching(this.#expressions, parsePattern(pattern, field), field));
      this.#patterns.set(pattern, language);
    }
    return language;
  }

  #quoted(language: Expression, min: number, max: number, path: string): Alternative[] {
    const automaton = this.#bounded(path, () => {
      const free = this.#automaton(language);
      const { shortest, longest } = lengthsOf(free);
      if (shortest >= min && longest <= max) return free;
      const most = max === Number.POSITIVE_INFINITY ? max : Math.min(max, maxRepetitions);
      const { repeat, both, anyChar } = bound(this.#expressions);
      return automatonOf(this.#expressions, both(language, repeat(anyChar, min, most)), maxStates);
    });
    return automaton.length === 0 ? [] : [[quote, automatonRule(this.#json.rules, automaton), quote]];
  }

  #automaton(language: Expression): Automaton {
    const format = [...this.#formats].find(([, known]) => known === language)?.[0];
    if (format === undefined) return automatonOf(this.#expressions, language, maxStates);
    const automaton = formatAutomata.get(format) ?? automatonOf(this.#expressions, language, maxStates);
    formatAutomata.set(format, automaton);
    return automaton;
  }

  #bounded<T>(field: string, work: () => T): T {
    try {
      return work();
    } catch (error) {
      if (!(error instanceof TooManyExpressions)) throw error;
      throw new FreeholdError('unsupported', `The strings at ${field} need more states than can be followed.`, {
        field,
        hint: 'Anchor patterns with ^ and $, and keep what they repeat, and maxLength beside them, small.',
      });
    }
  }
}

function bound(expressions: Expressions) {
  return {
    either: expressions.either.bind(expressions),
    both: expressions.both.bind(expressions),
    not: expressions.not.bind(expressions),
    text: expressions.text.bind(expressions),
    repeat: expressions.repeat.bind(expressions),
    anyChar: expressions.anyChar,
  };
}

function lengths(placed: readonly PlacedString[]): [min: number, max: number] {
  const min = Math.max(0, ...placed.map(({ keywords }) => keywords.minLength ?? 0));
  return [min, Math.min(...placed.map(({ keywords }) => keywords.maxLength ?? Number.POSITIVE_INFINITY))];
}

/** A rule for the texts of an automaton, which has states. */
function automatonRule(rules: Rules, automaton: Automaton): Rule {
  const entering = automaton.map(() => 0);
  for (const { edges } of automaton) for (const { to } of edges) entering[to] = (entering[to] as number) + 1;
  const made = new Map<number, Rule>();
  const known = new Map<string, Alternative>();
  const charOf = (set: CharSet): Alternative => {
    const key = set.join();
    const char = known.get(key) ?? charInString(rules, set);
    known.set(key, char);
    return char;
  };
  const ruleOf = (number: number): Rule => {
    const rule = made.get(number) ?? rules.declare('s');
    made.set(number, rule);
    return rule;
  };
  /** From a state on: along the only way while there is one, then the rule of the state where ways part. */
  const follow = (number: number): Alternative => {
    const items: Alternative[] = [];
    for (;;) {
      const state = automaton[number];
      const edge = state?.edges[0];
      if (!edge) return items.flat();
      if (state.accepts || state.edges.length > 1 || entering[number] !== 1) return [...items.flat(), ruleOf(number)];
      items.push(charOf(edge.set));
      number = edge.to;
    }
  };
  const start = ruleOf(0);
  for (const [number, rule] of made) {
    const state = automaton[number];
    const end: Alternative[] = state?.accepts ? [[]] : [];
    const edges = state?.edges.map(({ set, to }) => [...charOf(set), ...follow(to)]) ?? [];
    rules.define(rule, [...end, ...edges]);
  }
  return start;
}
