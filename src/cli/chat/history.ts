// What was typed in earlier chats, for the arrow-up key: one JSON string a line, newest last, readable by its owner only.
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';

const most = 500;

/** The history file of a home folder. */
export function historyFile(home: string): string {
  return path.join(home, 'chat-history');
}

/** Entries, newest first, as readline wants them. Lines that do not parse are dropped; no file is an empty history. */
export async function readHistory(file: string): Promise<string[]> {
  const text = await readFile(file, 'utf8').catch(() => '');
  const entries: string[] = [];
  for (const line of text.split('\n')) {
    try {
      const entry: unknown = JSON.parse(line);
      if (typeof entry === 'string' && entry !== '') entries.push(entry);
    } catch {
      // an empty or damaged line
    }
  }
  return entries.reverse().slice(0, most);
}

/** Writes the newest entries, mode 0600. @param entries newest first */
export async function writeHistory(file: string, entries: readonly string[]): Promise<void> {
  await mkdir(path.dirname(file), { recursive: true, mode: 0o700 });
  const lines = entries
    .slice(0, most)
    .reverse()
    .map((entry) => JSON.stringify(entry));
  await writeFile(file, lines.length === 0 ? '' : `${lines.join('\n')}\n`, { mode: 0o600 });
  await chmod(file, 0o600);
}
