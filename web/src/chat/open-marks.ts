// What to show of a Markdown block that is still being written: half-written marks are closed or held back, so that
// `**bol` does not show its stars, nor a table its bars, before the rest has come. Only the look of a stream depends on
// this; the finished answer is rendered as the model wrote it. The idea is Vercel's Streamdown ("remend").
import { readFence } from './markdown-blocks.ts';

/** The block with its open code span, link, strong or struck text closed, and a table without its first row held back. */
export function closeOpenMarks(block: string): string {
  if (readFence(block)) return block;
  const text = holdTable(block);
  const lastLineAt = text.lastIndexOf('\n') + 1;
  const lastLine = text.slice(lastLineAt);
  const insideCode = /^(?: {4}|\t)/.test(lastLine) || /(?:^|\n)\s*(?:`{3,}|~{3,})/.test(text);
  return insideCode ? text : text.slice(0, lastLineAt) + closeLine(lastLine);
}

function holdTable(block: string): string {
  const lines = block.split('\n');
  const notBars = lines.findLastIndex((line) => !line.startsWith('|'));
  const bars = lines.slice(notBars + 1);
  const delimiterOpen = bars.length === 2 && /^[\s:|-]*$/.test(bars[1] as string);
  return bars.length === 1 || delimiterOpen ? lines.slice(0, notBars + 1).join('\n') : block;
}

function closeLine(line: string): string {
  // code spans are masked: what stands in them is no mark
  const masked = line.replace(/(?<!`)(`+)(?!`).*?(?<!`)\1(?!`)/g, (code) => '\0'.repeat(code.length));
  const tick = /`+/.exec(masked);
  if (tick) return closeOrDrop(line, tick.index, tick[0]);

  const link = /!?\[([^\][]*)(?:\]\([^)\s]*)?$/.exec(masked);
  if (link && !/^\s*(?:[-*+]|\d+[.)])\s+\[[ xX]?$/.test(line)) {
    const label = line
      .slice(link.index)
      .replace(/^!?\[/, '')
      .replace(/\]\([^)]*$/, '');
    return closeLine(line.slice(0, link.index) + label);
  }
  for (const mark of ['**', '~~']) {
    if (masked.split(mark).length % 2 === 0) return closeOrDrop(line, masked.lastIndexOf(mark), mark);
  }
  return line;
}

/** Closes the mark opened at `at`, or takes it away when nothing follows it yet. */
function closeOrDrop(line: string, at: number, mark: string): string {
  return line.slice(at + mark.length).trim() === '' ? line.slice(0, at) : line.trimEnd() + mark;
}
