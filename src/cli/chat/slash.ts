// What may be typed after a slash in a chat. Parsing only; session.ts carries it out.

/** Every command of the chat, in the order /help shows them. */
export const slashCommands = [
  { name: 'new', argument: '', help: 'start over; the system text stays' },
  { name: 'model', argument: 'NAME', help: 'go on with another model; without a name: what is here' },
  { name: 'system', argument: 'TEXT', help: 'set the system text; without: show it; `off` clears it' },
  { name: 'retry', argument: '', help: 'answer the last question once more' },
  { name: 'stats', argument: '', help: 'tokens and speed so far' },
  { name: 'save', argument: 'FILE', help: 'write the chat to a Markdown file' },
  { name: 'help', argument: '', help: 'this list' },
  { name: 'bye', argument: '', help: 'leave (also Ctrl-D, or Ctrl-C twice)' },
] as const;

export type SlashName = (typeof slashCommands)[number]['name'];

const aliases: Record<string, SlashName> = { '?': 'help', exit: 'bye', quit: 'bye', q: 'bye', clear: 'new' };

export type Slash = { type: 'command'; name: SlashName; argument: string } | { type: 'unknown'; word: string };

/** The command in what was typed; undefined when it is a message, as `/usr/bin is what?` is. */
export function parseSlash(typed: string): Slash | undefined {
  const match = /^\/([a-z]+|\?)(?:\s+([\s\S]*))?$/i.exec(typed.trim());
  if (!match) return undefined;
  const word = (match[1] as string).toLowerCase();
  const name = aliases[word] ?? slashCommands.find((command) => command.name === word)?.name;
  return name ? { type: 'command', name, argument: (match[2] ?? '').trim() } : { type: 'unknown', word };
}
