import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GrammarReader } from '../../../test/support/gbnf.ts';
import { compileSchema } from './compile-schema.ts';

const reader = (schema: unknown) => new GrammarReader(compileSchema(schema));

/** `undefined` where the schema leaves no number. */
function readerUnlessEmpty(schema: unknown): GrammarReader | undefined {
  try {
    return reader(schema);
  } catch (error) {
    if ((error as { code?: string }).code === 'invalid_request') return undefined;
    throw error;
  }
}

const smallInteger = fc.integer({ min: -1200, max: 1200 });
/** Decimals people write. */
const decimal = fc
  .tuple(fc.integer({ min: -30_000, max: 30_000 }), fc.constantFrom(1, 10, 100, 1000))
  .map(([digits, scale]) => (digits === 0 ? 0 : digits / scale));

describe('bounds of integers', () => {
  it('let exactly the integers between them through', () => {
    fc.assert(
      fc.property(fc.option(smallInteger), fc.option(smallInteger), smallInteger, (min, max, value) => {
        fc.pre(min === null || max === null || min <= max);
        const grammar = reader({
          type: 'integer',
          ...(min !== null && { minimum: min }),
          ...(max !== null && { maximum: max }),
        });
        for (const near of [value, min ?? value, max ?? value, (min ?? 0) - 1, (max ?? 0) + 1]) {
          expect([near, grammar.takes(String(near))]).toEqual([
            near,
            near >= (min ?? -Infinity) && near <= (max ?? Infinity),
          ]);
        }
      }),
      { numRuns: 150 },
    );
  });

  it('hold for any size of number', () => {
    fc.assert(
      fc.property(fc.maxSafeInteger(), fc.maxSafeInteger(), fc.maxSafeInteger(), (a, b, value) => {
        const [minimum, maximum] = [Math.min(a, b), Math.max(a, b)];
        const grammar = reader({ type: 'integer', minimum, maximum });
        expect(grammar.takes(String(value))).toBe(value >= minimum && value <= maximum);
        expect(grammar.takes(String(minimum)) && grammar.takes(String(maximum))).toBe(true);
        if (minimum > Number.MIN_SAFE_INTEGER) expect(grammar.takes(String(minimum - 1))).toBe(false);
        if (maximum < Number.MAX_SAFE_INTEGER) expect(grammar.takes(String(maximum + 1))).toBe(false);
      }),
      { numRuns: 100 },
    );
  });

  it('may be exclusive, fractions, or from a format', () => {
    const exclusive = reader({ type: 'integer', exclusiveMinimum: 2, exclusiveMaximum: 5 });
    expect([2, 3, 4, 5].map((value) => exclusive.takes(String(value)))).toEqual([false, true, true, false]);
    const fractions = reader({ type: 'integer', minimum: 1.5, exclusiveMaximum: 3.5 });
    expect([1, 2, 3, 4].map((value) => fractions.takes(String(value)))).toEqual([false, true, true, false]);
    const format = reader({ type: 'integer', format: 'int32', minimum: -5 });
    expect(['-6', '-5', '2147483647', '2147483648'].map((text) => format.takes(text))).toEqual([
      false,
      true,
      true,
      false,
    ]);
    const whole = reader({ type: 'number', multipleOf: 1, minimum: 0 });
    expect(['0', '17', '0.5', '-1'].map((text) => whole.takes(text))).toEqual([true, true, false, false]);
  });

  it('beyond what doubles tell apart still hold for the number that is read', () => {
    const bound = 2 ** 60;
    const grammar = reader({ type: 'integer', exclusiveMaximum: bound, minimum: 2 ** 59 });
    expect(grammar.takes(String(bound))).toBe(false);
    expect(grammar.takes((BigInt(bound) - 1n).toString())).toBe(false);
    expect(grammar.takes((BigInt(bound) - 2n ** 20n).toString())).toBe(true);
    expect(reader({ type: 'integer', maximum: 1e300 }).takes('123')).toBe(true);
    expect(reader({ type: 'number', maximum: Number.MAX_VALUE }).takes('-1.5e3')).toBe(true);
  });
});

describe('bounds of numbers', () => {
  it('let exactly the numbers between them through', () => {
    const bounds = fc.record(
      { minimum: decimal, maximum: decimal, exclusiveMinimum: decimal, exclusiveMaximum: decimal },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(bounds, decimal, (given, value) => {
        const { minimum, maximum, exclusiveMinimum, exclusiveMaximum } = given;
        const inside = (x: number) =>
          x >= (minimum ?? -Infinity) &&
          x <= (maximum ?? Infinity) &&
          x > (exclusiveMinimum ?? -Infinity) &&
          x < (exclusiveMaximum ?? Infinity);
        const grammar = readerUnlessEmpty({ type: 'number', ...given });
        for (const near of [value, ...Object.values(given).flatMap((bound) => [bound, bound + 0.001, bound - 0.001])]) {
          const text = Number(near.toFixed(4)).toString();
          expect([text, grammar?.takes(text) ?? false]).toEqual([text, inside(Number(text))]);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('are not crossed by digits that a double cannot hold', () => {
    const grammar = reader({ type: 'number', exclusiveMinimum: 4, exclusiveMaximum: 5 });
    expect(grammar.takes('4.99999999999999')).toBe(true);
    expect(grammar.takes('4.9999999999999999')).toBe(false);
    expect(grammar.takes('4.0000000000000001')).toBe(false);
    expect(grammar.takes('4.0')).toBe(false);
  });

  it('with more digits than doubles hold are refused, or leave whole numbers', () => {
    expect(() => reader({ type: 'number', minimum: 0.1234567890123456 })).toThrow(
      expect.objectContaining({ code: 'unsupported', field: '#' }),
    );
    const large = reader({ type: 'number', minimum: 0, maximum: 900_000_000_000_000 });
    expect(large.takes('899999999999999')).toBe(true);
    expect(large.takes('900000000000001')).toBe(false);
  });

  it('unlimited numbers are finite', () => {
    const grammar = reader({ type: 'number' });
    for (const text of ['0', '-0', '12.5', '-1e5', '2.5E-07', '9999999999999999999'])
      expect(grammar.takes(text)).toBe(true);
    for (const text of ['', '-', '01', '.5', '1.', '1e', '1e999', '+1', 'NaN', '9'.repeat(400)]) {
      expect(grammar.takes(text)).toBe(false);
    }
  });
});
