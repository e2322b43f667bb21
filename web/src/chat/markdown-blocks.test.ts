import fc from 'fast-check';
import { createElement } from 'react';
import { renderToStaticMarkup } from 'react-dom/server';
import Markdown from 'react-markdown';
import remarkGfm from 'remark-gfm';
import { describe, expect, it } from 'vitest';
import { readFence, splitMarkdown } from './markdown-blocks.ts';

const html = (text: string) =>
  renderToStaticMarkup(createElement(Markdown, { remarkPlugins: [remarkGfm] }, text))
    .replace(/\s*\n\s*/g, '\n')
    .trim();
const joined = (blocks: string[]) => blocks.map(html).filter(Boolean).join('\n');

const anyLine = fc.constantFrom(
  ...[
    'Words.',
    '# Heading',
    '- item',
    '  - nested',
    '1. first',
    '2. second',
    '   continued',
    '    code',
    '```js',
    '```',
  ],
  ...['````', '  ```', '    ```', '- ```', '~~~', '> quote', '| a | b |', '|---|---|', '---', '\tx', '', '', ''],
);
const anyText = fc.array(anyLine, { maxLength: 14 }).map((lines) => lines.join('\n'));

/** What models write: whole constructs, one after the other, the last of them perhaps cut off. */
const construct = fc.constantFrom(
  'One line.\nAnother line.',
  '# Heading',
  '- item\n- item\n  - nested\n\n    deep\n- last',
  '* loose\n\n* list\n\n  with text',
  '1. first\n2. second\n   continued',
  '1. run\n\n   ```sh\n   npm start\n\n   npm test\n   ```\n\n2. then this',
  '- try\n  ```js\na()\n\nb()',
  '1. one\n\n    ```\n    x\n\n    ```\n\n    more',
  '```js\na()\n\n  ```\n\nb()',
  '~~~\n```\n\n~~~',
  '````md\n```js\n\n```\n````',
  '```\nnever closed\n\n- a',
  '> quote\n> - in it\nlazy',
  '| a | b |\n|---|---|\n| 1 | 2 |',
  '---',
  '**bold** and `code`',
  '-',
  '1) one',
);
const markdown = fc
  .array(fc.tuple(construct, fc.constantFrom('\n', '\n\n', '\n\n\n')), { maxLength: 6 })
  .chain((pieces) => {
    const text = pieces.flat().join('');
    return fc.nat({ max: text.length }).map((cut) => text.slice(0, text.length - (cut % 12)));
  });

describe('splitMarkdown', () => {
  it('cuts between paragraphs, headings, lists and code', () => {
    const text = 'Intro:\n```js\n\na()\n```\nAfter.\n\n# Title\n\n- a\n\n- b\n\n  more\n\nEnd';
    expect(splitMarkdown(text).blocks).toEqual([
      'Intro:\n',
      '```js\n\na()\n```\n',
      'After.\n\n',
      '# Title\n\n',
      '- a\n\n- b\n\n  more\n\n',
      'End',
    ]);
  });

  it('keeps a text with link or footnote definitions whole', () => {
    const text = 'See [it][1].\n\nMore.\n\n[1]: https://example.com';
    expect(splitMarkdown(text)).toEqual({ text, blocks: [text], whole: true });
  });

  it('loses nothing', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        expect(splitMarkdown(text).blocks.join('')).toBe(text);
      }),
    );
  });

  it('renders, block by block, what the whole text renders', () => {
    fc.assert(
      fc.property(markdown, (text) => {
        expect(joined(splitMarkdown(text).blocks)).toBe(html(text));
      }),
      { numRuns: 300 },
    );
  });

  it('gives the same split however the text grew', () => {
    fc.assert(
      fc.property(anyText, fc.array(fc.nat({ max: 200 }), { maxLength: 20 }), (text, lengths) => {
        let split = splitMarkdown('');
        for (const length of [...lengths].sort((a, b) => a - b)) split = splitMarkdown(text.slice(0, length), split);
        expect(splitMarkdown(text, split)).toEqual(splitMarkdown(text));
      }),
      { numRuns: 300 },
    );
  });

  it('keeps finished blocks as they are while the text grows', () => {
    const before = splitMarkdown('One.\n\nTwo.\n\nThr');
    const after = splitMarkdown('One.\n\nTwo.\n\nThree', before);
    expect(after.blocks).toEqual(['One.\n\n', 'Two.\n\n', 'Three']);
  });

  it('starts again when the text is another', () => {
    expect(splitMarkdown('B', splitMarkdown('A\n\nA')).blocks).toEqual(['B']);
  });
});

describe('readFence', () => {
  it('reads language and code, open or closed', () => {
    expect(readFence('```ts title="x"\na\n\nb\n```\n\n')).toEqual({ language: 'ts', code: 'a\n\nb' });
    expect(readFence('~~~\na\n')).toEqual({ language: '', code: 'a' });
    expect(readFence('````md\n```js\n```\n````')).toEqual({ language: 'md', code: '```js\n```' });
  });

  it('is undefined for anything else', () => {
    for (const text of ['text', '`` a ``', '```inline```', '```\na\n```\ntext'])
      expect(readFence(text)).toBeUndefined();
  });
});
