// The line a person types into: history, more lines by """ or a trailing backslash or a paste, Ctrl-C and Ctrl-D.
// Between questions nothing reads the terminal but `watchKeys`. Knows no model.
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';

/** What became of a question to the person. */
export type Typed =
  | { type: 'text'; text: string }
  /** Ctrl-C; `empty` when nothing had been typed. */
  | { type: 'interrupt'; empty: boolean }
  /** Ctrl-D. */
  | { type: 'end' };

export interface Keyboard extends Readable {
  isTTY?: boolean;
  setRawMode?(raw: boolean): unknown;
}

export interface PromptOptions {
  input: Keyboard;
  output: Writable;
  /** Before the first line. */
  prompt: string;
  /** Before the lines after it. */
  more: string;
  /** Newest first; the new entry is added. */
  history: string[];
}

const pasteOn = '\u001b[?2004h';
const pasteOff = '\u001b[?2004l';

/** Gathers lines into one message: `"""` … `"""`, or a backslash at the end of a line. */
export class LineGatherer {
  #lines: string[] = [];
  #quoted = false;

  /** True while more lines belong to the message. */
  get open(): boolean {
    return this.#quoted || this.#lines.length > 0;
  }

  /**
   * @param pasted the line came in a paste that goes on, so its end is no end of message
   * @returns the message when it is whole
   */
  push(line: string, pasted = false): string | undefined {
    if (this.#quoted) {
      const end = line.indexOf('"""');
      if (end < 0) {
        this.#lines.push(line);
        return undefined;
      }
      if (end > 0) this.#lines.push(line.slice(0, end));
      return this.#finish();
    }
    if (this.#lines.length === 0 && line.trimStart().startsWith('"""')) {
      const rest = line.trimStart().slice(3);
      const end = rest.indexOf('"""');
      if (end >= 0) return rest.slice(0, end);
      this.#quoted = true;
      if (rest !== '') this.#lines.push(rest);
      return undefined;
    }
    if (pasted) {
      this.#lines.push(line);
      return undefined;
    }
    if (line.endsWith('\\')) {
      this.#lines.push(line.slice(0, -1));
      return undefined;
    }
    this.#lines.push(line);
    return this.#finish();
  }

  #finish(): string {
    const text = this.#lines.join('\n');
    this.#lines = [];
    this.#quoted = false;
    return text;
  }
}

const flat = (entry: string) => entry.replaceAll('\n', ' ');

/** Asks once. Terminal state is as before when it returns. */
export function ask(options: PromptOptions): Promise<Typed> {
  const { input, output, history } = options;
  return new Promise((resolve) => {
    const gatherer = new LineGatherer();
    const lines = createInterface({
      input,
      output,
      terminal: true,
      // one entry may hold several lines; readline shows one
      history: history.map(flat),
      historySize: 500,
      removeHistoryDuplicates: true,
      prompt: options.prompt,
    });
    let pasting = false;
    const onKey = (_text: string | undefined, key: { name?: string } | undefined) => {
      if (key?.name === 'paste-start') pasting = true;
      if (key?.name === 'paste-end') pasting = false;
    };
    let settled = false;
    const settle = (typed: Typed) => {
      if (settled) return;
      settled = true;
      input.off('keypress', onKey);
      output.write(pasteOff);
      lines.close();
      if (typed.type === 'text' && typed.text.trim() !== '') {
        const old = history.indexOf(typed.text);
        if (old >= 0) history.splice(old, 1);
        history.unshift(typed.text);
      }
      resolve(typed);
    };
    input.on('keypress', onKey);
    lines.on('line', (line) => {
      const text = gatherer.push(line, pasting);
      if (text !== undefined) {
        // an entry of several lines that was taken back unchanged gets its lines back
        const recalled = history.find((entry) => entry.includes('\n') && flat(entry) === text);
        return settle({ type: 'text', text: recalled ?? text });
      }
      lines.setPrompt(options.more);
      lines.prompt();
    });
    lines.on('SIGINT', () => {
      const empty = lines.line === '' && !gatherer.open;
      output.write('\n');
      settle({ type: 'interrupt', empty });
    });
    lines.on('close', () => {
      if (settled) return;
      output.write('\n');
      settle({ type: 'end' });
    });
    output.write(pasteOn);
    lines.prompt();
  });
}

/**
 * Watches the keyboard while an answer is printed: Ctrl-C or Escape stops it, everything else is dropped.
 * Raw mode, so that Ctrl-C reaches nobody else: the model process shares the terminal.
 * @returns call it to let go
 */
export function watchKeys(input: Keyboard, onStop: () => void): () => void {
  const onData = (data: Buffer | string) => {
    const keys = data.toString();
    // a lone ESC is the key; longer sequences are arrows and the like
    if (keys.includes('\u0003') || keys === '\u001b') onStop();
  };
  input.setRawMode?.(true);
  input.on('data', onData);
  input.resume();
  return () => {
    input.off('data', onData);
    input.setRawMode?.(false);
    input.pause();
  };
}
