// Cuts Markdown into top-level blocks, so that a streaming answer re-renders only its last one. A cut is made only where
// the meaning of neither side changes: at a blank line before an unindented line that does not go on with a list, and around
// a top-level code fence. When in doubt the text stays together, which costs time and never correctness.
// The idea is Vercel's Streamdown; this splitter reads lines instead of running a lexer.

export interface SplitMarkdown {
  text: string;
  /** Joined, they are `text` again. */
  blocks: string[];
  /** A link or footnote definition was seen: it may concern any block, so the text is one block. */
  whole: boolean;
}

const fenceOpening = /^ {0,3}(?:(`{3,})[^`]*|(~{3,}).*)$/;
const listItem = /^( {0,3})([-*+]|\d{1,9}[.)])( {1,4}(?=\S)|\s|$)/;
const definition = /^ {0,3}\[[^\]]+\]:\s*\S/;

/** Splits `text`; given the split of an earlier, shorter state of the same text, looks only at what is new. */
export function splitMarkdown(text: string, earlier?: SplitMarkdown): SplitMarkdown {
  if (earlier && text === earlier.text) return earlier;
  if (!earlier || !text.startsWith(earlier.text)) return splitFrom(text, []);
  if (earlier.whole) return { text, blocks: [text], whole: true };
  // The last line may have been incomplete, which decides about the cut before it, but about no earlier cut.
  return splitFrom(text, earlier.blocks.slice(0, -2));
}

function splitFrom(text: string, kept: string[]): SplitMarkdown {
  const blocks = [...kept];
  let start = kept.reduce((length, block) => length + block.length, 0);
  let position = start;
  /** The marks that opened the top-level fence we are in. */
  let fence = '';
  /** In a list: the column where the text of its last top-level item begins. 0: not in a list. */
  let listColumn = 0;
  let afterFence = false;
  let afterBlank = true;

  const cut = () => {
    if (position > start) blocks.push(text.slice(start, position));
    start = position;
    listColumn = 0;
  };

  while (position < text.length) {
    const newline = text.indexOf('\n', position);
    const end = newline < 0 ? text.length : newline + 1;
    const line = text.slice(position, end).trimEnd();
    const indent = indentOf(line);

    if (fence !== '') {
      if (indent < 4 && closesFence(line, fence)) {
        fence = '';
        afterFence = true;
      }
    } else if (line === '') {
      afterBlank = true;
    } else if (listColumn === 0 || indent < listColumn) {
      // (lines further in belong to the list, whatever they are: a fence in there ends with its item at the latest)
      if (definition.test(line)) return { text, blocks: [text], whole: true };
      const opening = fenceOpening.exec(line);
      const item = listItem.exec(line);
      const goesOn = listColumn > 0 ? item !== null : indent > 1;
      if (opening || afterFence || (afterBlank && !goesOn)) cut();
      if (opening) fence = (opening[1] ?? opening[2]) as string;
      if (item) listColumn = Math.max(2, item[0].trimEnd().length + (item[3]?.length || 1));
      afterFence = false;
      afterBlank = false;
    } else {
      afterBlank = false;
    }
    position = end;
  }
  if (text.length > start) blocks.push(text.slice(start));
  return { text, blocks, whole: false };
}

/** Columns of white space a line begins with; a tab reaches to the next multiple of four. */
function indentOf(line: string): number {
  let column = 0;
  for (const character of line) {
    if (character === ' ') column += 1;
    else if (character === '\t') column += 4 - (column % 4);
    else break;
  }
  return column;
}

function closesFence(line: string, mark: string): boolean {
  const marks = line.trim();
  return marks.length >= mark.length && marks === (mark[0] as string).repeat(marks.length);
}

/** A block that is nothing but one fenced code block, open or closed: its language and code. Undefined for any other block. */
export function readFence(block: string): { language: string; code: string } | undefined {
  const match = /^(`{3,}|~{3,})([^\n]*)(?:\n|$)/.exec(block);
  if (!match || (match[1]?.startsWith('`') && match[2]?.includes('`'))) return undefined;
  const mark = match[1] as string;
  const lines = block.slice(match[0].length).split('\n');
  const close = lines.findIndex((line) => indentOf(line) < 4 && closesFence(line, mark));
  if (close >= 0 && lines.slice(close + 1).some((line) => line.trim() !== '')) return undefined;
  const code = close >= 0 ? lines.slice(0, close).join('\n') : lines.join('\n').replace(/\n$/, '');
  return { language: (match[2] as string).trim().split(/[\s{:]/)[0] ?? '', code };
}
