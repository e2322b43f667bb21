// The chat in a terminal: asks, streams the answer wrapped and made harmless, says what it took, obeys slash commands.
// Models come from a function it is given; keyboard and screen are streams, so tests need no terminal.
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Writable } from 'node:stream';
import { FreeholdError } from '../../lib/errors.ts';
import type { Capabilities, TextModel } from '../../lib/text-model.ts';
import { describeFailure } from '../failure.ts';
import { fields, type Style } from '../output.ts';
import { oneLine, StreamWrap, stripControls } from '../text.ts';
import { type Answer, Conversation, type ConversationSettings } from './conversation.ts';
import { ask, type Keyboard, watchKeys } from './prompt.ts';
import { parseSlash, type SlashName, slashCommands } from './slash.ts';

/** A model that can be let go. */
export interface ChatModel extends TextModel {
  readonly device: string;
  close(): Promise<void>;
}

export interface SessionOptions {
  input: Keyboard;
  screen: Writable & { columns?: number };
  style: Style;
  verbose: boolean;
  /** Opens a model by name; called for the first one and for /model. */
  open(name: string): Promise<ChatModel>;
  /** Names of the models here, for /model without a name. */
  list(): Promise<string[]>;
  /** Earlier entries, newest first; grows. */
  history: string[];
  settings: ConversationSettings;
}

/** Chats until the person leaves. The model is closed on return. */
export async function runSession(firstModel: string, options: SessionOptions): Promise<void> {
  const { screen, style } = options;
  const line = (text = '') => screen.write(`${text}\n`);
  let model = await options.open(firstModel);
  const conversation = new Conversation(options.settings);
  line(greeting(model.capabilities(), model.device, style));

  /** Runs one answer on screen. */
  const show = async (run: (callbacks: AnswerCallbacks) => Promise<Answer | undefined>): Promise<void> => {
    const stop = new AbortController();
    const release = watchKeys(options.input, () => stop.abort());
    const printer = new AnswerPrinter(screen, style);
    try {
      printer.wait();
      const answer = await run({ signal: stop.signal, onText: printer.text, onThinking: printer.thinking });
      printer.end();
      if (answer) line(style.dim(answerFacts(answer)));
      else line('Nothing has been asked yet.');
      if (answer?.stopReason === 'context-full') {
        line(style.dim('The context is full. /new starts over; --context-tokens gives more, if the model takes it.'));
      }
    } catch (error) {
      printer.end();
      for (const text of describeFailure(error, style, options.verbose, screen.columns)) line(text);
      if (error instanceof FreeholdError && error.code === 'context_exceeded') line('/new starts over.');
    } finally {
      release();
    }
    line();
  };

  /** @returns true when the chat is over */
  const obey = async (name: SlashName, argument: string): Promise<boolean> => {
    switch (name) {
      case 'bye':
        return true;
      case 'help':
        for (const text of helpLines(style)) line(text);
        return false;
      case 'new':
        conversation.clear();
        line(style.dim('A new chat.'));
        return false;
      case 'retry':
        await show((callbacks) => conversation.retry(model, callbacks));
        return false;
      case 'system':
        if (argument === '') line(conversation.settings.system ?? style.dim('No system text is set.'));
        else {
          const { system: _, ...rest } = conversation.settings;
          conversation.settings = argument === 'off' ? rest : { ...rest, system: argument };
          line(
            style.dim(argument === 'off' ? 'No system text any more.' : 'From now on the model is told that first.'),
          );
        }
        return false;
      case 'stats':
        for (const text of statsLines(conversation, model, style)) line(text);
        return false;
      case 'save':
        line(await save(conversation, model.capabilities().model, argument, style));
        return false;
      case 'model': {
        if (argument === '') {
          for (const each of await options.list()) {
            line(each === model.capabilities().model ? style.accent(`  ${each}`) : `  ${each}`);
          }
          return false;
        }
        const next = await options.open(argument);
        await model.close();
        model = next;
        line(style.dim(`${oneLine(model.capabilities().model)} answers from here on; it sees the chat so far.`));
        return false;
      }
      default:
        return name satisfies never;
    }
  };

  let interrupts = 0;
  try {
    for (;;) {
      const typed = await ask({
        input: options.input,
        output: screen,
        prompt: style.accent('› '),
        more: style.dim('… '),
        history: options.history,
      });
      if (typed.type === 'end') return;
      if (typed.type === 'interrupt') {
        // a half-typed line is dropped; at an empty one the second Ctrl-C leaves
        interrupts = typed.empty ? interrupts + 1 : 0;
        if (interrupts === 2) return;
        if (interrupts === 1) line(style.dim('Ctrl-C once more, or /bye, leaves.'));
        continue;
      }
      interrupts = 0;
      const text = typed.text.trim();
      if (text === '') continue;
      const slash = parseSlash(text);
      try {
        if (slash?.type === 'unknown') line(`There is no /${slash.word}. /help lists what there is.\n`);
        else if (slash) {
          if (await obey(slash.name, slash.argument)) return;
          if (slash.name !== 'retry') line();
        } else await show((callbacks) => conversation.ask(model, text, callbacks));
      } catch (error) {
        for (const each of describeFailure(error, style, options.verbose, screen.columns)) line(each);
        line();
      }
    }
  } finally {
    await model.close();
  }
}

interface AnswerCallbacks {
  signal: AbortSignal;
  onText: (text: string) => void;
  onThinking: (text: string) => void;
}

/** One less than the terminal has, so that no line wraps twice; long lines read badly, so never over 100. */
function answerColumns(screen: { columns?: number }): number {
  return Math.min((screen.columns || 80) - 1, 100);
}

/** Prints an answer as it comes: no control characters, wrapped, thoughts dim. */
export class AnswerPrinter {
  readonly #screen: Writable & { columns?: number };
  readonly #style: Style;
  #waiting = false;
  #mode: 'none' | 'thinking' | 'text' = 'none';
  #wrap: StreamWrap;

  constructor(screen: Writable & { columns?: number }, style: Style) {
    this.#screen = screen;
    this.#style = style;
    this.#wrap = new StreamWrap(answerColumns(screen));
  }

  /** Shows that the model is at work, until the first token. */
  wait(): void {
    this.#screen.write(this.#style.dim('…'));
    this.#waiting = true;
  }

  readonly text = (text: string): void => this.#print('text', text);
  readonly thinking = (text: string): void => this.#print('thinking', text);

  /** Prints what is held back and ends the line. */
  end(): void {
    this.#clearWaiting();
    if (this.#mode === 'none') return;
    this.#write(this.#wrap.end());
    this.#screen.write('\n');
    this.#mode = 'none';
  }

  #print(mode: 'thinking' | 'text', given: string): void {
    let text = stripControls(given);
    if (mode !== this.#mode) {
      // models like to begin with empty lines
      text = text.trimStart();
      if (text === '') return;
      this.#clearWaiting();
      if (this.#mode !== 'none') {
        this.#write(this.#wrap.end());
        this.#screen.write('\n\n');
        this.#wrap = new StreamWrap(answerColumns(this.#screen));
      }
      this.#mode = mode;
    }
    this.#write(this.#wrap.push(text));
  }

  #write(text: string): void {
    if (text === '') return;
    this.#screen.write(this.#mode === 'thinking' ? this.#style.dim(text) : text);
  }

  #clearWaiting(): void {
    if (this.#waiting) this.#screen.write('\r\u001b[K');
    this.#waiting = false;
  }
}

/** `42 tokens · 31.2 tokens/s · first after 0.21 s`. */
export function answerFacts(answer: Answer): string {
  const facts = [`${answer.usage.outputTokens} tokens`];
  if (answer.tokensPerSecond > 0) facts.push(`${answer.tokensPerSecond.toFixed(1)} tokens/s`);
  facts.push(`first after ${(answer.timeToFirstTokenMs / 1000).toFixed(2)} s`);
  if (answer.stopped) facts.push('stopped');
  else if (answer.stopReason === 'max-tokens') facts.push('cut at --max-tokens');
  return facts.join(' · ');
}

function greeting(capabilities: Capabilities, device: string, style: Style): string {
  const facts = `on ${oneLine(device)}, context of ${capabilities.contextTokens} tokens`;
  return [
    `${style.bold(oneLine(capabilities.model))} ${style.dim(facts)}`,
    style.dim('/help lists commands, Ctrl-C stops an answer, /bye leaves.'),
    '',
  ].join('\n');
}

function helpLines(style: Style): string[] {
  const rows = slashCommands.map(
    ({ name, argument, help }) => [`/${name}${argument ? ` ${argument}` : ''}`, help] as const,
  );
  const width = Math.max(...rows.map(([usage]) => usage.length));
  return [
    ...rows.map(([usage, help]) => `  ${style.accent(usage.padEnd(width))}  ${help}`),
    '',
    style.dim('  More lines: end one with \\, or begin and end with """; a paste keeps its own.'),
  ];
}

function statsLines(conversation: Conversation, model: ChatModel, style: Style): string[] {
  const { totals, last, messages } = conversation;
  const { model: name, contextTokens } = model.capabilities();
  const pairs: [string, string][] = [
    ['model', `${oneLine(name)} on ${oneLine(model.device)}`],
    ['answers', String(totals.answers)],
    ['tokens read', `${totals.inputTokens} (${totals.cachedTokens} from the cache)`],
    ['tokens written', String(totals.outputTokens)],
  ];
  if (last) {
    const used = last.usage.inputTokens + last.usage.outputTokens;
    if (messages.length > 0) {
      pairs.push(['context', `${used} of ${contextTokens} tokens (${Math.round((used / contextTokens) * 100)} %)`]);
    }
    pairs.push(['last answer', answerFacts(last)]);
  }
  return fields(pairs, style);
}

async function save(conversation: Conversation, model: string, file: string, style: Style): Promise<string> {
  if (file === '') return 'Where to? /save FILE.';
  if (conversation.messages.length === 0) return 'There is nothing to save yet.';
  const full = path.resolve(file);
  try {
    await writeFile(full, conversation.toMarkdown(model), { flag: 'wx' });
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    throw new FreeholdError(
      'file_io',
      code === 'EEXIST' ? `${full} is there already.` : `${full} cannot be written: ${(cause as Error).message}.`,
      { cause, hint: 'Give another name.' },
    );
  }
  return style.dim(`Saved to ${full}.`);
}
