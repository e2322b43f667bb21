import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Automaton, automatonOf, lengthsOf } from './automaton.ts';
import { Expressions, TooManyExpressions } from './expressions.ts';
import { parsePattern, patternLimits } from './pattern.ts';
import { textsMatching } from './pattern-language.ts';

const languageOf = (pattern: string, expressions = new Expressions()) =>
  textsMatching(expressions, parsePattern(pattern, '#/pattern'), '#/pattern');

/** Decides a text with the automaton of a pattern, or with derivatives where the automaton is large. */
function matcher(pattern: string): (text: string) => boolean {
  const expressions = new Expressions();
  const language = languageOf(pattern, expressions);
  let automaton: Automaton;
  try {
    automaton = automatonOf(expressions, language, 100);
  } catch {
    return (text) => expressions.matches(language, text);
  }
  return (text) => {
    let state = automaton[0];
    for (const char of text) {
      const code = char.codePointAt(0) as number;
      const holds = (set: readonly number[]) =>
        set.some((first, i) => i % 2 === 0 && first <= code && code <= (set[i + 1] as number));
      const edge = state?.edges.find(({ set }) => holds(set));
      if (!edge) return false;
      state = automaton[edge.to];
    }
    return state?.accepts ?? false;
  };
}

const letters = 'abA1_- \n.é日🙂';
const text = fc.string({ unit: fc.constantFrom(...Array.from(letters)), maxLength: 8 });

/** Patterns of every kind that is read, over a small alphabet so that texts match now and then. */
const { pattern } = fc.letrec<{ pattern: string; sequence: string; atom: string }>((tie) => ({
  atom: fc.oneof(
    { depthSize: 'xsmall', withCrossShrink: true },
    fc.constantFrom(
      'a',
      'b',
      'A',
      '1',
      'é',
      '🙂',
      '.',
      '\\d',
      '\\w',
      '\\s',
      '\\D',
      '\\W',
      '\\S',
      '\\.',
      '\\u00e9',
      '\\x61',
    ),
    fc.constantFrom('[ab]', '[^a]', '[a-z]', '[^\\w]', '[\\d-]', '[\\s\\S]', '[é-日]', '\\u{1F642}', '[]', '[^]'),
    tie('pattern').map((inner) => `(${inner})`),
    tie('pattern').map((inner) => `(?:${inner})`),
  ),
  sequence: fc
    .array(fc.tuple(tie('atom'), fc.constantFrom('', '', '', '*', '+', '?', '{2}', '{1,2}', '{0,1}', '+?', '{2,}')), {
      minLength: 1,
      maxLength: 3,
    })
    .map((parts) => parts.map((part) => part.join('')).join('')),
  pattern: fc.array(tie('sequence'), { minLength: 1, maxLength: 2 }).map((parts) => parts.join('|')),
}));
const anchored = fc
  .tuple(fc.constantFrom('', '^', '^(?=.*a)', '^(?!b)', '(?!a$)'), pattern, fc.constantFrom('', '$'))
  .map(([before, inner, after]) => (before === '' && after === '' ? inner : `${before}(?:${inner})${after}`));

describe('the language of a pattern', () => {
  it('holds the texts in which the pattern matches, as the language of schemas defines it', () => {
    fc.assert(
      fc.property(anchored, fc.array(text, { minLength: 10, maxLength: 10 }), (source, texts) => {
        const expected = new RegExp(source, 'u');
        const matches = matcher(source);
        for (const sample of texts) expect([sample, matches(sample)]).toEqual([sample, expected.test(sample)]);
      }),
      { numRuns: 200 },
    );
  });

  it('follows anchors wherever they stand', () => {
    for (const source of [
      'a|^b',
      '^a|b$',
      '^(a|$)',
      '(^|_)a',
      'a($|_)',
      '^^a$$',
      'a$b',
      '(?:^a)?b',
      '(?=a)a|(?!a)b',
      'a^',
    ]) {
      const expected = new RegExp(source, 'u');
      const matches = matcher(source);
      for (const sample of ['', 'a', 'b', 'ab', 'ba', '_a', 'a_', 'xa', 'aa', 'bb', 'b_a']) {
        expect([source, sample, matches(sample)]).toEqual([source, sample, expected.test(sample)]);
      }
    }
  });

  it('knows escapes of every kind', () => {
    const matches = matcher('^\\t\\n\\v\\f\\r\\0\\cJ[\\b\\-\\]]\\ud83d\\ude42\\/$');
    expect(matches('\t\n\v\f\r\0\n\b🙂/')).toBe(true);
    expect(matches('\t\n\v\f\r\0\n-🙂/')).toBe(true);
    expect(matches('\t\n\v\f\r\0\na🙂/')).toBe(false);
    expect(matcher('^\\p{Lu}\\p{L}*[^\\P{L}a]$')('Éaß')).toBe(true);
    expect(matcher('^\\p{Lu}\\p{L}*[^\\P{L}a]$')('Éßa')).toBe(false);
    // as older code writes them
    expect(matcher('^\\d{3}\\-\\d{2}$')('123-45')).toBe(true);
    expect(matcher('^[\\w-.]+$')('a-b.c')).toBe(true);
    expect(matcher('^a{,2}$')('a{,2}')).toBe(true);
  });

  it('tells how short and how long texts are', () => {
    const lengths = (source: string) => {
      const expressions = new Expressions();
      return lengthsOf(automatonOf(expressions, languageOf(source, expressions), 2000));
    };
    expect(lengths('^a{2,5}b?$')).toEqual({ shortest: 2, longest: 6 });
    expect(lengths('^(a|bc)*$')).toEqual({ shortest: 0, longest: Number.POSITIVE_INFINITY });
    expect(lengths('a$b')).toEqual({ shortest: Number.POSITIVE_INFINITY, longest: Number.NEGATIVE_INFINITY });
  });
});

describe('a pattern', () => {
  const refusal = (source: string) => {
    try {
      languageOf(source);
    } catch (error) {
      return error as { code: string; message: string; field: string };
    }
    return undefined;
  };

  it('with what no automaton follows is refused by name', () => {
    for (const [source, named] of [
      ['(a)\\1', 'back-reference'],
      ['(?<x>a)\\k<x>', 'back-reference'],
      ['\\bword\\b', 'word boundary'],
      ['(?<=a)b', 'lookbehind'],
      ['(?:a$|b)*', 'anchor'],
      ['(?:(?=a)b)+', 'lookahead'],
      ['a*^b', '\\^'],
      ['\\p{Nonsense}', 'Unicode property|regular expression'],
      [`${'('.repeat(60)}a${')'.repeat(60)}`, 'nested'],
      ['a'.repeat(patternLimits.length + 1), 'characters'],
    ] as const) {
      const error = refusal(source);
      expect([source, error?.field, error?.message]).toEqual([source, '#/pattern', expect.stringMatching(named)]);
    }
  });

  it('that is none is a malformed request', () => {
    for (const source of ['(', 'a)', '[a', '*a', '(?P<x>a)', 'a{2,1}']) {
      expect([source, refusal(source)?.code]).toEqual([source, 'invalid_request']);
    }
  });

  it('with too many states ends in an error, not in waiting', () => {
    const expressions = new Expressions(20_000);
    expect(() => automatonOf(expressions, languageOf('a.{25}b', expressions), 1000)).toThrow(TooManyExpressions);
  });
});
