// Opens an address in the browser of whoever sits here. Arguments of a program are shown to everyone on the machine, so
// an address with a secret in its fragment goes through a file that only its owner may read and that is soon gone.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

/** How long a browser has to read the file, in milliseconds. */
const keepMs = 10_000;

export interface BrowserParts {
  /** Starts a program and forgets it. */
  launch?: (program: string, args: string[]) => void;
}

/**
 * Opens an address; where there is no browser, nothing happens.
 * @returns deletes what was left for the browser to read, at once; by itself it goes after 10 seconds
 */
export function openInBrowser(address: string, { launch = start }: BrowserParts = {}): () => void {
  const secret = new URL(address).hash !== '';
  const folder = secret ? mkdtempSync(path.join(tmpdir(), 'freehold-open-')) : undefined;
  const remove = () => {
    if (folder) rmSync(folder, { recursive: true, force: true });
  };
  let target = address;
  if (folder) {
    target = path.join(folder, 'open.html');
    writeFileSync(target, redirectPage(address), { mode: 0o600, flag: 'wx' });
    setTimeout(remove, keepMs).unref();
  }
  if (process.platform === 'darwin') launch('open', [target]);
  else if (process.platform === 'win32') launch('rundll32', ['url.dll,FileProtocolHandler', target]);
  else launch('xdg-open', [target]);
  return remove;
}

function start(program: string, args: string[]): void {
  const child = spawn(program, args, { stdio: 'ignore', detached: true });
  // no browser here: the address was printed too, to be clicked
  child.on('error', () => {});
  child.unref();
}

/** A page that leads to an address and does nothing else. */
function redirectPage(address: string): string {
  const escaped = new URL(address).href.replace(/[&"'<>]/g, (character) => `&#${character.charCodeAt(0)};`);
  return `<!doctype html>
<meta charset="utf-8">
<meta name="referrer" content="no-referrer">
<meta http-equiv="refresh" content="0; url=${escaped}">
<title>Freehold</title>
<p><a href="${escaped}">Open Freehold</a></p>
`;
}
