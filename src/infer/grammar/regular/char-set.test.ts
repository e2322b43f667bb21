import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type CharSet,
  charSet,
  classesOf,
  complement,
  contains,
  everyChar,
  intersect,
  rangesOf,
  union,
} from './char-set.ts';
import { propertySet } from './unicode-property.ts';

const char = fc.oneof(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 0xd7f0, max: 0xe010 }), fc.constant(0x10ffff));
const set = fc.array(fc.tuple(char, char), { maxLength: 6 }).map((ranges) => charSet(ranges));
const isCharacter = (code: number) => code < 0xd800 || code > 0xdfff;

describe('sets of characters', () => {
  it('are kept sorted, apart, and without surrogates', () => {
    fc.assert(
      fc.property(set, (given) => {
        let before = -2;
        for (const [first, last] of rangesOf(given)) {
          expect(first > before + 1 || (first === 0xe000 && before === 0xd7ff)).toBe(true);
          expect(first <= last && isCharacter(first) && isCharacter(last)).toBe(true);
          before = last;
        }
      }),
    );
  });

  it('combine as sets do', () => {
    fc.assert(
      fc.property(set, set, char.filter(isCharacter), (a, b, code) => {
        const [inA, inB] = [contains(a, code), contains(b, code)];
        expect(contains(union(a, b), code)).toBe(inA || inB);
        expect(contains(intersect(a, b), code)).toBe(inA && inB);
        expect(contains(complement(a), code)).toBe(!inA);
      }),
    );
  });

  it('cut all characters into classes that none of them tells apart', () => {
    fc.assert(
      fc.property(fc.array(set, { maxLength: 4 }), (sets) => {
        const classes = classesOf(sets);
        expect(union(...classes)).toEqual(everyChar);
        for (const [i, one] of classes.entries()) {
          for (const other of classes.slice(i + 1)) expect(intersect(one, other)).toEqual([]);
          for (const given of sets) {
            const shared: CharSet = intersect(one, given);
            expect(shared.length === 0 || shared.join() === one.join()).toBe(true);
          }
        }
      }),
    );
  });

  it('of a Unicode property hold what the property says', () => {
    const letters = propertySet('L') as CharSet;
    for (const letter of 'aZéß東𝒳') expect(contains(letters, letter.codePointAt(0) as number)).toBe(true);
    for (const other of '1 _-🙂') expect(contains(letters, other.codePointAt(0) as number)).toBe(false);
    expect(propertySet('Script=Greek')?.length).toBeGreaterThan(2);
    expect(propertySet('Nonsense')).toBeUndefined();
  });
});
