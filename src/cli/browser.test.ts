import { existsSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { openInBrowser } from './browser.ts';

const launched: string[][] = [];
const launch = (program: string, args: string[]) => {
  launched.push([program, ...args]);
};

describe('an address with a sign-in token', () => {
  it('is on no command line: it goes through a file that only its owner may read, and that goes', () => {
    const remove = openInBrowser('http://127.0.0.1:8080/#token=secret', { launch });
    const line = launched.at(-1) ?? [];
    expect(line.join(' ')).not.toContain('secret');
    const file = line.at(-1) ?? '';
    expect(readFileSync(file, 'utf8')).toContain('url=http://127.0.0.1:8080/#token=secret"');
    expect(statSync(file).mode & 0o077).toBe(0);
    expect(statSync(path.dirname(file)).mode & 0o077).toBe(0);
    remove();
    expect(existsSync(path.dirname(file))).toBe(false);
    remove();
  });

  it('cannot break out of that page', () => {
    const remove = openInBrowser(`http://h/?a=1&b='#token="><script>`, { launch });
    const page = readFileSync(launched.at(-1)?.at(-1) ?? '', 'utf8');
    expect(page).not.toContain('<script>');
    remove();
  });
});

it('an address without one is opened as it is', () => {
  openInBrowser('http://127.0.0.1:8080/', { launch })();
  expect(launched.at(-1)?.at(-1)).toBe('http://127.0.0.1:8080/');
});
