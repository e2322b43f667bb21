// Text on its way to a terminal: made harmless, measured and wrapped. Pure; knows no stream and no command.

const controls = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g;

/**
 * Removes every control character except newline and tab: C0, DEL and C1, so also the ESC that starts a terminal
 * escape sequence. What a model wrote, or a file holds, can then neither move the cursor nor set a window's title.
 * Works on fragments: each character is judged by itself.
 */
export function stripControls(text: string): string {
  return text.replace(controls, '');
}

/** The escape sequences that `createStyle` writes, and nothing else; they change how text looks and move nothing. */
const ownStyles = /(\u001b\[(?:1|2|22|31|36|39)m)/;

/** As `stripControls`, but leaves the colours that commands paint with. */
export function stripAllButStyles(text: string): string {
  return text
    .split(ownStyles)
    .map((part) => (ownStyles.test(part) ? part : stripControls(part)))
    .join('');
}

/** One line for a table or a message: no control characters, newlines and tabs as spaces. */
export function oneLine(text: string): string {
  return stripControls(text.replace(/[\n\r\t]+/g, ' '));
}

const zeroWidth = /^[\p{Mark}\u200b-\u200f\u2060]$/u;
const wide =
  /^[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]$/u;

/** Columns one code point takes: 0 for marks, 2 for East Asian wide characters and emoji, otherwise 1. */
export function characterWidth(character: string): number {
  if (character < '\u0300') return 1;
  if (zeroWidth.test(character)) return 0;
  return wide.test(character) ? 2 : 1;
}

/** Columns a text without control characters takes. */
export function displayWidth(text: string): number {
  let width = 0;
  for (const character of text) width += characterWidth(character);
  return width;
}

/** The same of a text with the colours that commands paint with. */
export function paintedWidth(text: string): number {
  return displayWidth(
    text
      .split(ownStyles)
      .filter((part) => !ownStyles.test(part))
      .join(''),
  );
}

/** Cuts to `columns`, the last one an ellipsis where something was cut. */
export function truncate(text: string, columns: number): string {
  if (displayWidth(text) <= columns) return text;
  let kept = '';
  let width = 0;
  for (const character of text) {
    width += characterWidth(character);
    if (width > columns - 1) break;
    kept += character;
  }
  return `${kept}…`;
}

/**
 * Wraps text that arrives in fragments at word borders. `push` returns what may be printed now; the word being
 * written is held back until it is known to fit. Lines between ``` fences, and words longer than a line, are left
 * to the terminal, so that code can be copied.
 */
export class StreamWrap {
  readonly #columns: number;
  #word = '';
  #wordWidth = 0;
  #spaces = '';
  #column = 0;
  #lineStart = '';
  #inCode = false;

  /** @param columns of the terminal; below 20, or not a number, nothing is wrapped */
  constructor(columns: number) {
    this.#columns = columns >= 20 ? columns : Number.POSITIVE_INFINITY;
  }

  push(text: string): string {
    let out = '';
    for (const character of text) {
      if (character === '\n') {
        out += `${this.#release()}\n`;
        if (this.#lineStart.trimStart().startsWith('```')) this.#inCode = !this.#inCode;
        this.#lineStart = '';
        this.#column = 0;
        this.#spaces = '';
      } else if (character === ' ' || character === '\t') {
        out += this.#release();
        this.#spaces += character;
        this.#note(character);
      } else {
        this.#note(character);
        const width = characterWidth(character);
        if (width === 2) out += this.#release();
        this.#word += character;
        this.#wordWidth += width;
        // a wide character is a word of its own; a word longer than a line will not fit better later
        if (width === 2 || this.#wordWidth >= this.#columns) out += this.#release();
      }
    }
    return out;
  }

  /** What is still held back. */
  end(): string {
    return this.#release();
  }

  #note(character: string): void {
    if (this.#lineStart.length < 16) this.#lineStart += character;
  }

  #release(): string {
    if (this.#word === '') return '';
    const gap = this.#spaces.length;
    let out: string;
    const fits = this.#column + gap + this.#wordWidth <= this.#columns;
    if (fits || this.#column === 0 || this.#inCode) {
      out = this.#spaces + this.#word;
      this.#column += gap + this.#wordWidth;
    } else {
      out = `\n${this.#word}`;
      this.#column = this.#wordWidth;
    }
    this.#spaces = '';
    this.#word = '';
    this.#wordWidth = 0;
    return out;
  }
}

/** Wraps a whole text to `columns`, each line after `indent`. */
export function wrapText(text: string, columns: number, indent = ''): string {
  const wrap = new StreamWrap(columns - indent.length);
  return (wrap.push(text) + wrap.end())
    .split('\n')
    .map((line) => (line === '' ? line : indent + line))
    .join('\n');
}
