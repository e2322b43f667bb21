import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { historyFile, readHistory, writeHistory } from './history.ts';

let home: string;
beforeEach(() => {
  home = mkdtempSync(path.join(tmpdir(), 'freehold-history-'));
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

describe('the history', () => {
  it('comes back as it was, several lines in one entry included, newest first', async () => {
    const file = historyFile(path.join(home, 'new'));
    const entries = ['newest', 'two\nlines', 'oldest "quoted"'];
    await writeHistory(file, entries);
    expect(await readHistory(file)).toEqual(entries);
    expect(readFileSync(file, 'utf8').split('\n')).toHaveLength(4);
  });

  it('can be read by its owner only, also where the file was laxer before', async () => {
    const file = historyFile(home);
    writeFileSync(file, '', { mode: 0o644 });
    await writeHistory(file, ['secret']);
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  it('is empty without a file, and drops damaged lines', async () => {
    expect(await readHistory(historyFile(home))).toEqual([]);
    writeFileSync(historyFile(home), '"one"\n{broken\n7\n"two"\n');
    expect(await readHistory(historyFile(home))).toEqual(['two', 'one']);
  });

  it('keeps the newest 500', async () => {
    const file = historyFile(home);
    await writeHistory(
      file,
      Array.from({ length: 600 }, (_, index) => `entry ${index}`),
    );
    const kept = await readHistory(file);
    expect(kept).toHaveLength(500);
    expect(kept[0]).toBe('entry 0');
  });
});
