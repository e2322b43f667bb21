// The parts of JSON that need no schema: white space, strings, numbers, any value. White space is what models like to
// write, and bounded: nothing, one space, or a new line with its indentation.
import { type CharSet, charSet, charsOf, complement, contains, intersect } from './regular/char-set.ts';
import { type Alternative, literal, maxRepetitions, oneOf, type Rule, type Rules } from './rules.ts';

/** Most spaces a line is indented by. */
const maxIndentation = 40;

/** Most digits of an integer that no bound limits, after the point, and of an exponent: all such numbers are finite. */
export const numberDigits = { integer: 19, fraction: 17, exponent: 2 } as const;

/** `none`: compact JSON. `some`: where people break and indent lines, and a space after a colon. */
export type WhiteSpace = 'none' | 'some';

export interface JsonRules {
  readonly rules: Rules;
  /** White space after `{`, `[` and `,` and before `}` and `]`. */
  readonly gap: Alternative;
  /** A colon and the white space after it. */
  readonly colon: Alternative;
  /** A character inside a string, in any spelling. */
  readonly char: Rule;
  readonly string: Rule;
  readonly number: Rule;
  readonly boolean: Rule;
  readonly object: Rule;
  readonly array: Rule;
  /** Any JSON value. */
  readonly value: Rule;
}

const quote = literal('"');
const digit = oneOf([0x30, 0x39]);
const oneToNine = oneOf([0x31, 0x39]);
const hexDigit = '[0-9A-Fa-f]';

/** Characters that stand in a string as they are. */
const plainChars: CharSet = complement(
  charSet([
    [0x00, 0x1f],
    [0x22, 0x22],
    [0x5c, 0x5c],
  ]),
);

/** What JSON writes as a backslash and a letter. */
const shortEscapes: readonly (readonly [char: number, letter: string])[] = [
  [0x08, 'b'],
  [0x09, 't'],
  [0x0a, 'n'],
  [0x0c, 'f'],
  [0x0d, 'r'],
  [0x22, '"'],
  [0x5c, '\\'],
];

export function jsonRules(rules: Rules, whiteSpace: WhiteSpace): JsonRules {
  const gap = gapOf(rules, whiteSpace);
  const colon = whiteSpace === 'none' ? [literal(':')] : [literal(':'), rules.rule('space', [[], [literal(' ')]])];
  const char = rules.rule('char', [
    [oneOf(plainChars)],
    [literal('\\'), '["\\\\/bfnrt]'],
    // \u escapes of surrogates only in pairs, which are one character
    [literal('\\u'), '[0-9A-CE-Fa-ce-f]', hexDigit, hexDigit, hexDigit],
    [literal('\\u'), '[Dd]', '[0-7]', hexDigit, hexDigit],
    [literal('\\u'), '[Dd]', '[89ABab]', hexDigit, hexDigit, literal('\\u'), '[Dd]', '[C-Fc-f]', hexDigit, hexDigit],
  ]);
  const string = rules.rule('string', [[quote, ...rules.repeat([char], 0, Number.POSITIVE_INFINITY), quote]]);
  const number = numberRule(rules);
  const boolean = rules.rule('boolean', [[literal('true')], [literal('false')]]);
  const value = rules.declare('value');
  const object = listRule(rules, gap, '{', [string, ...colon, value], '}');
  const array = listRule(rules, gap, '[', [value], ']');
  rules.define(value, [[object], [array], [string], [number], [boolean], [literal('null')]]);
  return { rules, gap, colon, char, string, number, boolean, object, array, value };
}

function gapOf(rules: Rules, whiteSpace: WhiteSpace): Alternative {
  if (whiteSpace === 'none') return [];
  const indentation = rules.repeat([literal(' ')], 0, maxIndentation);
  return [rules.rule('gap', [[], [literal(' ')], [literal('\n'), ...indentation]])];
}

function listRule(rules: Rules, gap: Alternative, open: string, item: Alternative, close: string): Rule {
  const more = rules.repeat([literal(','), ...gap, ...item], 0, Number.POSITIVE_INFINITY);
  return rules.rule('list', [
    [literal(open), ...gap, literal(close)],
    [literal(open), ...gap, ...item, ...more, ...gap, literal(close)],
  ]);
}

/** Up to so many digits. */
export function digits(rules: Rules, min: number, max: number): Alternative {
  return rules.repeat([digit], min, max);
}

function numberRule(rules: Rules): Rule {
  const sign = rules.rule('sign', [[], [literal('-')]]);
  const whole = rules.rule('whole', [[literal('0')], [oneToNine, ...digits(rules, 0, numberDigits.integer - 1)]]);
  const fraction = rules.rule('fraction', [[], [literal('.'), ...digits(rules, 1, numberDigits.fraction)]]);
  const exponent = rules.rule('exponent', [
    [],
    ['[Ee]', rules.rule('sign', [[], ['[+-]']]), ...digits(rules, 1, numberDigits.exponent)],
  ]);
  return rules.rule('number', [[sign, whole, fraction, exponent]]);
}

/** A string of `min` to `max` characters. */
export function stringOfLength(json: JsonRules, min: number, max: number): Alternative {
  if (min === 0 && max === Number.POSITIVE_INFINITY) return [json.string];
  const most = max === Number.POSITIVE_INFINITY ? max : Math.min(max, maxRepetitions);
  return [quote, ...json.rules.repeat([json.char], min, most), quote];
}

/**
 * One character of a set as it stands in a JSON string, each in one spelling only: as itself where JSON allows that.
 * @param set not empty
 */
export function charInString(rules: Rules, set: CharSet): Alternative {
  const alternatives: Alternative[] = [];
  const plain = intersect(set, plainChars);
  if (plain.length > 0) alternatives.push([oneOf(plain)]);
  const letters = shortEscapes.filter(([char]) => contains(set, char)).map(([, letter]) => letter);
  if (letters.length > 0) alternatives.push([literal('\\'), oneOf(charsOf(letters.join('')))]);
  // the other controls: \u and four digits, of which the last two tell them apart
  for (const row of [0x00, 0x10]) {
    const controls = Array.from({ length: 16 }, (_, i) => row + i).filter(
      (code) => contains(set, code) && !shortEscapes.some(([char]) => char === code),
    );
    const last = controls.map((code) => (code % 16).toString(16)).join('');
    if (last !== '') alternatives.push([literal(`\\u00${row === 0 ? '0' : '1'}`), oneOf(charsOf(last))]);
  }
  return alternatives.length === 1 ? (alternatives[0] as Alternative) : [rules.rule('chars', alternatives)];
}
