import { describe, expect, it } from 'vitest';
import { closeOpenMarks } from './open-marks.ts';

describe('closeOpenMarks', () => {
  it('closes what is open', () => {
    expect(closeOpenMarks('a **bold wor')).toBe('a **bold wor**');
    expect(closeOpenMarks('run `npm st')).toBe('run `npm st`');
    expect(closeOpenMarks('~~gone')).toBe('~~gone~~');
    expect(closeOpenMarks('- **Item')).toBe('- **Item**');
  });

  it('holds back a mark that nothing follows yet', () => {
    expect(closeOpenMarks('a **')).toBe('a ');
    expect(closeOpenMarks('a `')).toBe('a ');
  });

  it('shows the label of a link or image whose address is not complete', () => {
    expect(closeOpenMarks('see [the docs](https://exam')).toBe('see the docs');
    expect(closeOpenMarks('see [the do')).toBe('see the do');
    expect(closeOpenMarks('![a cat](htt')).toBe('a cat');
  });

  it('leaves complete marks, code and task boxes alone', () => {
    for (const text of [
      'a **b** c',
      'run `a ** b` now',
      '[a](b) c',
      '- [',
      '- [x',
      '```js\nconst a = `**',
      'two ``a`b`` ok',
    ])
      expect(closeOpenMarks(text)).toBe(text);
  });

  it('does not take a star inside code for an open mark', () => {
    expect(closeOpenMarks('`**` and **b')).toBe('`**` and **b**');
  });

  it('holds a table back until its delimiter row is complete', () => {
    expect(closeOpenMarks('Look:\n\n| a | b')).toBe('Look:\n');
    expect(closeOpenMarks('| a | b |\n|--')).toBe('');
    const table = '| a | b |\n|---|---|\n';
    expect(closeOpenMarks(table)).toBe(table);
    expect(closeOpenMarks(`${table}| 1 |`)).toBe(`${table}| 1 |`);
  });
});
