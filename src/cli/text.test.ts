import { describe, expect, it } from 'vitest';
import { displayWidth, oneLine, StreamWrap, stripControls, truncate, wrapText } from './text.ts';

describe('stripControls', () => {
  it('removes what could drive a terminal and keeps text, newlines and tabs', () => {
    expect(stripControls('a\u001b[31mred\u001b[0m\u0007\r\n\tb')).toBe('a[31mred[0m\n\tb');
    expect(stripControls('\u001b]0;title\u0007x')).toBe(']0;titlex');
    expect(stripControls('\u009b31mC1 \u0085\u0090\u009d x\u007f')).toBe('31mC1  x');
    expect(stripControls('é ü 漢字 🙂 \u00a0')).toBe('é ü 漢字 🙂 \u00a0');
  });

  it('needs no memory between fragments: an escape sequence that is split loses its ESC all the same', () => {
    const whole = 'before\u001b[2Jafter';
    for (let cut = 0; cut <= whole.length; cut += 1) {
      expect(stripControls(whole.slice(0, cut)) + stripControls(whole.slice(cut))).toBe('before[2Jafter');
    }
  });

  it('leaves no C0 but newline and tab, no DEL and no C1 of the first 256 characters', () => {
    const all = Array.from({ length: 256 }, (_, code) => String.fromCharCode(code)).join('');
    const kept = [...stripControls(all)].map((character) => character.charCodeAt(0));
    expect(kept).toEqual([
      9,
      10,
      ...Array.from({ length: 95 }, (_, index) => 32 + index),
      ...Array.from({ length: 96 }, (_, index) => 160 + index),
    ]);
  });
});

describe('oneLine', () => {
  it('turns line ends and tabs into spaces and drops the rest', () => {
    expect(oneLine('a\r\nb\tc\u001b[1m')).toBe('a b c[1m');
  });
});

describe('displayWidth and truncate', () => {
  it('count columns, not characters', () => {
    expect(displayWidth('abc')).toBe(3);
    expect(displayWidth('漢字')).toBe(4);
    expect(displayWidth('e\u0301')).toBe(1);
    expect(displayWidth('🙂')).toBe(2);
  });

  it('cut with an ellipsis and never beyond the columns', () => {
    expect(truncate('hello', 5)).toBe('hello');
    expect(truncate('hello', 4)).toBe('hel…');
    expect(displayWidth(truncate('漢字漢字', 4))).toBeLessThanOrEqual(4);
  });
});

function inFragments(text: string, columns: number, size: number): string {
  const wrap = new StreamWrap(columns);
  let out = '';
  for (let at = 0; at < text.length; at += size) out += wrap.push(text.slice(at, at + size));
  return out + wrap.end();
}

describe('StreamWrap', () => {
  const text =
    'The quick brown fox jumps over the lazy dog and then sleeps.\n\nA new paragraph begins here, indented:\n  - one\n';

  it('wraps at word borders, within the columns', () => {
    const wrapped = inFragments(text, 24, 3);
    for (const line of wrapped.split('\n')) expect(displayWidth(line)).toBeLessThanOrEqual(24);
    expect(wrapped).toContain('\n\nA new paragraph');
    expect(wrapped).toContain('\n  - one\n');
    expect(wrapped.replace(/\s+/g, ' ')).toBe(text.replace(/\s+/g, ' '));
  });

  it('gives the same lines however the text is cut', () => {
    const whole = inFragments(text, 30, text.length);
    for (const size of [1, 2, 5, 7, 31]) expect(inFragments(text, 30, size)).toBe(whole);
  });

  it('leaves lines between fences alone', () => {
    const code = '```\nconst answer = someFunction(first, second, third, fourth);\n```\n';
    expect(inFragments(code, 24, 4)).toBe(code);
    expect(inFragments(`${code}and after it words are wrapped again`, 24, 4)).toContain('after it words are\n');
  });

  it('breaks between wide characters, which stand without spaces', () => {
    const wrapped = inFragments('漢字'.repeat(20), 21, 3);
    expect(wrapped.split('\n').every((line) => displayWidth(line) <= 21)).toBe(true);
    expect(wrapped.replaceAll('\n', '')).toBe('漢字'.repeat(20));
  });

  it('lets a word longer than a line through, whole', () => {
    const url = `https://example.org/${'x'.repeat(60)}`;
    expect(inFragments(`see ${url} there`, 24, 6).replaceAll('\n', '')).toContain(url);
  });

  it('holds back only the word being written', () => {
    const wrap = new StreamWrap(40);
    expect(wrap.push('Hello wor')).toBe('Hello');
    expect(wrap.push('ld ')).toBe(' world');
  });

  it('does not wrap where there is no width', () => {
    expect(inFragments(text, 0, 3)).toBe(text);
    expect(inFragments('a  b', 0, 1)).toBe('a  b');
  });
});

describe('wrapText', () => {
  it('indents every line', () => {
    expect(wrapText('one two three four five six', 24, '  ')).toBe('  one two three four\n  five six');
  });
});
