import { afterEach, describe, expect, it, vi } from 'vitest';
import { createOutput, createStyle, fields, table, wantsColour } from './output.ts';
import { displayWidth } from './text.ts';

const plain = createStyle(false);

describe('colours', () => {
  it('are for terminals, and NO_COLOR and TERM=dumb turn them off', () => {
    expect(wantsColour({ isTTY: true }, {})).toBe(true);
    expect(wantsColour({ isTTY: false }, {})).toBe(false);
    expect(wantsColour({}, {})).toBe(false);
    expect(wantsColour({ isTTY: true }, { NO_COLOR: '1' })).toBe(false);
    expect(wantsColour({ isTTY: true }, { NO_COLOR: '' })).toBe(true);
    expect(wantsColour({ isTTY: true }, { TERM: 'dumb' })).toBe(false);
    expect(wantsColour({}, { FORCE_COLOR: '1' })).toBe(true);
    expect(wantsColour({}, { FORCE_COLOR: '1', NO_COLOR: '1' })).toBe(false);
  });

  it('leave text as it is when off', () => {
    expect(plain.bold(plain.accent('x'))).toBe('x');
    expect(createStyle(true).bold('x')).toBe('\u001b[1mx\u001b[22m');
  });
});

describe('what is printed', () => {
  afterEach(() => {
    vi.restoreAllMocks();
  });

  it('may be coloured and drives the terminal in no other way, whatever names it holds', () => {
    let printed = '';
    for (const stream of [process.stdout, process.stderr]) {
      vi.spyOn(stream, 'write').mockImplementation((text) => {
        printed += text;
        return true;
      });
    }
    const output = createOutput(false);
    const name = 'evil\u001b]0;title\u0007\u001b[2J\u009b1A\r\u001b[38;5;1m\u001b\u001b[1m[5mname';
    for (const print of [output.line, output.prose, output.note]) print(`Deleted ${createStyle(true).bold(name)}.`);
    expect(printed).toContain('\u001b[1mevil');
    expect(printed.replaceAll('\u001b[1m', '').replaceAll('\u001b[22m', '')).not.toMatch(
      /[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/,
    );
  });
});

describe('table', () => {
  const columns = [{ title: 'NAME', shrinks: true }, { title: 'SIZE', align: 'right' as const }, { title: 'FROM' }];

  it('aligns columns and leaves no trailing spaces', () => {
    expect(
      table(
        columns,
        [
          ['qwen3-0.6b', '640 MB', 'freehold'],
          ['漢字', '1.2 GB', 'ollama'],
        ],
        plain,
      ),
    ).toEqual(['NAME          SIZE  FROM', 'qwen3-0.6b  640 MB  freehold', '漢字        1.2 GB  ollama']);
  });

  it('shrinks the column that may, to the width of the terminal', () => {
    const lines = table(columns, [['a-very-long-model-name-indeed', '640 MB', 'freehold']], plain, 30);
    for (const line of lines) expect(displayWidth(line)).toBeLessThanOrEqual(30);
    expect(lines[1]).toContain('…');
  });

  it('lets nothing in a cell drive the terminal, and counts no colour codes as width', () => {
    const [, row] = table([{ title: 'A' }, { title: 'B' }], [['x\u001b[31m\ny', 'z']], plain);
    expect(row).toBe('x[31m y  z');
    const coloured = table(
      [{ title: 'A', paint: (cell) => `\u001b[1m${cell}\u001b[22m` }, { title: 'B' }],
      [
        ['x', '1'],
        ['long', '2'],
      ],
      plain,
    );
    expect(coloured.map((line) => line.replaceAll(/\u001b\[\d+m/g, ''))).toEqual(['A     B', 'x     1', 'long  2']);
  });
});

describe('fields', () => {
  it('puts the values in one column', () => {
    expect(
      fields(
        [
          ['Open', 'http://x'],
          ['Admin key', 'fh_1'],
        ],
        plain,
      ),
    ).toEqual(['  Open       http://x', '  Admin key  fh_1']);
  });
});
