import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { StopMatcher } from './stop-matcher.ts';

function run(stops: string[], deltas: string[]): { text: string; stop: string | undefined } {
  const matcher = new StopMatcher(stops);
  let text = '';
  for (const delta of deltas) {
    const match = matcher.push(delta);
    text += match.text;
    if (match.stop !== undefined) return { text, stop: match.stop };
  }
  return { text: text + matcher.flush(), stop: undefined };
}

describe('StopMatcher', () => {
  it('ends before a stop string that is spread over deltas', () => {
    expect(run(['END'], ['one E', 'N', 'D two'])).toEqual({ text: 'one ', stop: 'END' });
  });

  it('shows text again that only looked like a stop string', () => {
    expect(run(['END'], ['E', 'N', 'T'])).toEqual({ text: 'ENT', stop: undefined });
    expect(run(['aab'], ['a', 'a', 'a', 'b'])).toEqual({ text: 'a', stop: 'aab' });
  });

  it('takes the first to come, and the longest of those', () => {
    expect(run(['two', 'one'], ['one two'])).toEqual({ text: '', stop: 'one' });
    expect(run(['ab', 'abc'], ['xabc'])).toEqual({ text: 'x', stop: 'abc' });
  });

  it('holds nothing back that cannot become a stop string', () => {
    expect(new StopMatcher(['END']).push('hello ')).toEqual({ text: 'hello ' });
    expect(new StopMatcher([]).push('hello E')).toEqual({ text: 'hello E' });
  });

  it('shows the same text however it is cut into deltas', () => {
    const letters = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 40 });
    fc.assert(
      fc.property(
        letters,
        fc.array(fc.string({ unit: fc.constantFrom('a', 'b', 'c'), minLength: 1, maxLength: 4 }), {
          minLength: 1,
          maxLength: 3,
        }),
        fc.array(fc.nat(5), { minLength: 40, maxLength: 40 }),
        (text, stops, cuts) => {
          const deltas: string[] = [];
          let rest = text;
          for (const cut of cuts) {
            deltas.push(rest.slice(0, cut));
            rest = rest.slice(cut);
          }
          deltas.push(rest);
          const first = Math.min(...stops.map((stop) => text.indexOf(stop)).filter((at) => at >= 0));
          const result = run(stops, deltas);
          // a shorter stop string may complete before a longer one that began earlier; then the shorter decides
          if (first === Number.POSITIVE_INFINITY) expect(result).toEqual({ text, stop: undefined });
          else {
            expect(result.stop).toBeDefined();
            expect(text.startsWith(result.text + result.stop)).toBe(true);
            expect(stops.some((stop) => result.text.includes(stop))).toBe(false);
          }
        },
      ),
    );
  });
});
