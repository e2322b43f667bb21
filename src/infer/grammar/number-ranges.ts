// Numbers between bounds, digit by digit: a grammar cannot compare, but it can follow a bound as long as the number
// equals it so far. Bounds are exact decimals; texts are canonical (no leading zeros, no exponent).
//
// A number that is parsed to the nearest double keeps its order to a bound that is a double, so inclusive bounds hold
// for any number of digits. Exclusive ones need the number told apart from the bound: 15 digits always are.
import { digits, numberDigits } from './json-rules.ts';
import { type Alternative, literal, oneOf, type Rules } from './rules.ts';

/** A limit of a range. `fraction` has no zeros at its end; the sign is that of the whole number. */
export interface Bound {
  negative: boolean;
  whole: string;
  fraction: string;
  exclusive: boolean;
}

/** Digits that every double keeps. */
const exactDigits = 15;

/** @returns undefined for a number with more digits before or after the point than are compared */
export function boundOf(value: number, exclusive: boolean): Bound | undefined {
  const [mantissa, exponent] = Math.abs(value).toExponential().split('e') as [string, string];
  const [lead, rest = ''] = mantissa.split('.') as [string, string?];
  const point = 1 + Number(exponent);
  const text = lead + rest;
  if (point > 40 || text.length - point > exactDigits) return undefined;
  const whole = point > 0 ? text.slice(0, point).padEnd(point, '0') : '0';
  const fraction = point > 0 ? text.slice(point) : '0'.repeat(-point) + text;
  return { negative: value < 0, whole, fraction: fraction.replace(/0+$/, ''), exclusive };
}

/** Integers from `min` to `max`; undefined: as far as digits go. No alternatives: there are none. */
export function integersBetween(rules: Rules, min: bigint | undefined, max: bigint | undefined): Alternative[] {
  const alternatives: Alternative[] = [];
  if (max === undefined || max >= 0n) {
    const from = min === undefined || min < 0n ? 0n : min;
    alternatives.push(...naturals(rules, from, max));
  }
  if (min === undefined || min < 0n) {
    const from = max === undefined || max >= 0n ? 1n : -max;
    const magnitudes = naturals(rules, from, min === undefined ? undefined : -min);
    if (magnitudes.length > 0) alternatives.push([literal('-'), rules.rule('integer', magnitudes)]);
  }
  return alternatives;
}

/** Integers from `min` to `max`, neither negative: those of each length from a bound on, or of all lengths at once. */
function naturals(rules: Rules, min: bigint, max: bigint | undefined): Alternative[] {
  const most = max === undefined ? Math.max(numberDigits.integer, min.toString().length) : max.toString().length;
  const alternatives: Alternative[] = [];
  if (min === 0n) {
    if (max !== undefined && max < 0n) return [];
    alternatives.push([literal('0')]);
    min = 1n;
  }
  // lengths of which every number is in the range are one row of digits
  let whole: { from: number; to: number } | undefined;
  for (let length = min.toString().length; length <= most; length++) {
    const least = 10n ** BigInt(length - 1);
    const greatest = 10n ** BigInt(length) - 1n;
    const from = min > least ? min : least;
    const to = max !== undefined && max < greatest ? max : greatest;
    if (from === least && to === greatest) whole = { from: whole?.from ?? length, to: length };
    else if (from <= to) alternatives.push(...sameLength(rules, from.toString(), to.toString()));
  }
  if (whole) alternatives.push([digitRange(1, 9), ...digits(rules, whole.from - 1, whole.to - 1)]);
  return alternatives;
}

/** Digit strings from `from` to `to`, all of one length. */
function sameLength(rules: Rules, from: string, to: string): Alternative[] {
  const rest = from.length - 1;
  const first = Number(from[0]);
  const last = Number(to[0]);
  if (rest === 0) return [[digitRange(first, last)]];
  if (/^0+$/.test(from.slice(1)) && /^9+$/.test(to.slice(1))) {
    return [[digitRange(first, last), ...digits(rules, rest, rest)]];
  }
  const follow = (low: string, high: string) => rules.rule('digits', sameLength(rules, low, high));
  if (first === last) return [[digitRange(first, first), follow(from.slice(1), to.slice(1))]];
  const alternatives: Alternative[] = [[digitRange(first, first), follow(from.slice(1), '9'.repeat(rest))]];
  if (last - first > 1) alternatives.push([digitRange(first + 1, last - 1), ...digits(rules, rest, rest)]);
  alternatives.push([digitRange(last, last), follow('0'.repeat(rest), to.slice(1))]);
  return alternatives;
}

function digitRange(first: number, last: number): string {
  return oneOf([0x30 + first, 0x30 + last]);
}

/**
 * Decimals between bounds.
 * @returns undefined where the bounds have too many digits to tell numbers apart from them
 */
export function decimalsBetween(rules: Rules, low: Bound | 'none', high: Bound | 'none'): Alternative[] | undefined {
  const min = low === 'none' ? undefined : low;
  const max = high === 'none' ? undefined : high;
  const wholeDigits = Math.max(min?.whole.length ?? 1, max?.whole.length ?? 1);
  const fractionDigits = exactDigits - wholeDigits;
  const finest = Math.max(min?.fraction.length ?? 0, max?.fraction.length ?? 0);
  if (fractionDigits < Math.max(1, finest + 1)) return undefined;
  const magnitudes = (from: Bound | undefined, to: Bound | undefined) =>
    magnitudesBetween(rules, from ?? zero, to, fractionDigits);

  const alternatives: Alternative[] = [];
  if (max === undefined || !max.negative) alternatives.push(...magnitudes(min?.negative ? undefined : min, max));
  if (min === undefined || min.negative) {
    const negative = magnitudes(max?.negative ? max : { ...zero, exclusive: true }, min);
    if (negative.length > 0) alternatives.push([literal('-'), rules.rule('decimal', negative)]);
  }
  return alternatives;
}

const zero: Bound = { negative: false, whole: '0', fraction: '', exclusive: false };

/** Decimals from `min` to `max` by size alone: their signs are left aside. */
function magnitudesBetween(rules: Rules, min: Bound, max: Bound | undefined, fractionDigits: number): Alternative[] {
  const follow = new FractionRules(rules, fractionDigits);
  const least = BigInt(min.whole);
  if (max === undefined) {
    return [
      [literal(min.whole), ...follow.fraction(min, undefined)],
      ...naturals(rules, least + 1n, undefined).map((whole) => [...whole, ...follow.fraction(undefined, undefined)]),
    ];
  }
  const greatest = BigInt(max.whole);
  if (least > greatest) return [];
  if (least === greatest) return [[literal(min.whole), ...follow.fraction(min, max)]];
  const between = naturals(rules, least + 1n, greatest - 1n);
  return [
    [literal(min.whole), ...follow.fraction(min, undefined)],
    ...between.map((whole) => [...whole, ...follow.fraction(undefined, undefined)]),
    [literal(max.whole), ...follow.fraction(undefined, max)],
  ];
}

/** What may follow the whole part of a decimal. */
class FractionRules {
  readonly #rules: Rules;
  readonly #most: number;

  constructor(rules: Rules, most: number) {
    this.#rules = rules;
    this.#most = most;
  }

  /** Nothing, or a point and digits; at least `min` and at most `max` where the whole part equals theirs. */
  fraction(min: Bound | undefined, max: Bound | undefined): Alternative {
    const alternatives: Alternative[] = [];
    if (this.#mayEnd(0, min, max)) alternatives.push([]);
    alternatives.push(...this.#digits(0, min, max).map((items) => [literal('.'), ...items]));
    return [this.#rules.rule('fraction', alternatives)];
  }

  /** Whether the number so far, which equals the given bounds so far, lies between them. */
  #mayEnd(at: number, min: Bound | undefined, max: Bound | undefined): boolean {
    if (min && (at < min.fraction.length || min.exclusive)) return false;
    return !max || at < max.fraction.length || !max.exclusive;
  }

  #digits(at: number, min: Bound | undefined, max: Bound | undefined): Alternative[] {
    if (at >= this.#most) return [];
    if (!min && !max) return [digits(this.#rules, 1, this.#most - at)];
    const low = min ? Number(min.fraction[at] ?? '0') : 0;
    const high = max ? Number(max.fraction[at] ?? '0') : 9;
    if (min && max && low > high) return [];
    const alternatives: Alternative[] = [];
    const add = (first: number, last: number, nextMin: Bound | undefined, nextMax: Bound | undefined) => {
      if (first <= last) alternatives.push([digitRange(first, last), ...this.#after(at + 1, nextMin, nextMax)]);
    };
    if (low === high && min && max) add(low, low, min, max);
    else {
      if (min) add(low, low, min, undefined);
      add(min ? low + 1 : low, max ? high - 1 : high, undefined, undefined);
      if (max) add(high, high, undefined, max);
    }
    return alternatives;
  }

  #after(at: number, min: Bound | undefined, max: Bound | undefined): Alternative {
    // a number that has all digits of an inclusive lower bound is above it whatever follows
    if (min && at >= min.fraction.length && !min.exclusive) min = undefined;
    const end: Alternative[] = this.#mayEnd(at, min, max) ? [[]] : [];
    return [this.#rules.rule('decimals', [...end, ...this.#digits(at, min, max)])];
  }
}
