import { mkdtempSync } from 'node:fs';
import { readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import os, { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { takeLock } from './lock.ts';

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'freehold-lock-'));
  file = path.join(folder, 'a.lock');
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const holder = (change: object) =>
  writeFile(file, JSON.stringify({ token: 'other', pid: process.pid, host: os.hostname(), ...change }));

describe('the lock', () => {
  it('is held by one at a time and leaves nothing behind', async () => {
    let inside = 0;
    let most = 0;
    const work = async () => {
      const release = await takeLock(file);
      inside += 1;
      most = Math.max(most, inside);
      await new Promise((resolve) => setTimeout(resolve, 20));
      inside -= 1;
      await release();
    };
    await Promise.all([work(), work(), work()]);
    expect(most).toBe(1);
    expect(await readdir(folder)).toEqual([]);
  });

  it('of a process that is gone is taken over, by one of many', async () => {
    // process numbers end far below this
    await holder({ pid: 2 ** 30 });
    const [first, ...others] = Array.from({ length: 4 }, () => takeLock(file));
    const releases = await Promise.all([
      first?.then((release) => release()),
      ...others.map((each) => each.then((release) => release())),
    ]);
    expect(releases).toHaveLength(4);
    expect(await readdir(folder)).toEqual([]);
  });

  it('of a process that is gone is held by one at a time while many take it over', async () => {
    for (let round = 0; round < 20; round++) {
      await holder({ pid: 2 ** 30 });
      let holding = 0;
      let most = 0;
      const work = async () => {
        const release = await takeLock(file);
        most = Math.max(most, ++holding);
        await new Promise(setImmediate);
        holding -= 1;
        await release();
      };
      await Promise.all(Array.from({ length: 3 }, work));
      expect(most).toBe(1);
    }
    expect(await readdir(folder)).toEqual([]);
  });

  it('of a process number that is used again is taken over', async (context) => {
    if (process.platform !== 'linux') return context.skip('needs /proc');
    await holder({ started: '1' });
    await (await takeLock(file))();
    expect(await readdir(folder)).toEqual([]);
  });

  it('of another machine is waited for until that has been silent for long', async () => {
    await holder({ host: 'elsewhere' });
    const abort = new AbortController();
    let waited = false;
    const waiting = takeLock(file, {
      signal: abort.signal,
      onWait: () => {
        waited = true;
        abort.abort();
      },
    });
    await expect(waiting).rejects.toThrow();
    expect(waited).toBe(true);
    const longAgo = new Date(Date.now() - 3_600_000);
    await utimes(file, longAgo, longAgo);
    await (await takeLock(file))();
    expect(await readdir(folder)).toEqual([]);
  });

  it('that was written half is taken over once it is old', async () => {
    await writeFile(file, '{"tok');
    const longAgo = new Date(Date.now() - 60_000);
    await utimes(file, longAgo, longAgo);
    const release = await takeLock(file);
    expect(JSON.parse(await readFile(file, 'utf8'))).toMatchObject({ pid: process.pid });
    await release();
  });

  it('is not given back by one who lost it', async () => {
    const release = await takeLock(file);
    await holder({});
    await release();
    expect(JSON.parse(await readFile(file, 'utf8')).token).toBe('other');
  });
});
