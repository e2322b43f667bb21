// A disk that fills up in the middle of a pull. The operating system's answer is put in by hand: one write takes half
// of its bytes, the next is refused, as it is on a real disk.
import { mkdtempSync, readFileSync } from 'node:fs';
import { readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { type LoopbackHub, startHub } from '../../test/support/loopback-hub.ts';
import { resolveConfig } from '../lib/config.ts';
import { pullModel } from './pull.ts';

const disk = vi.hoisted(() => ({ roomBytes: Number.POSITIVE_INFINITY }));

vi.mock('node:fs/promises', async (original) => {
  const real = await original<typeof import('node:fs/promises')>();
  return {
    ...real,
    open: async (...args: Parameters<typeof real.open>) => {
      const handle = await real.open(...args);
      if (!String(args[0]).endsWith('.part')) return handle;
      const write = handle.write.bind(handle) as (...args: unknown[]) => Promise<{ bytesWritten: number }>;
      handle.write = (async (bytes: Uint8Array, offset: number, length: number, position: number) => {
        if (disk.roomBytes <= 0) throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
        const taken = Math.min(length, disk.roomBytes);
        disk.roomBytes -= taken;
        return await write(bytes, offset, taken, position);
      }) as typeof handle.write;
      return handle;
    },
  };
});

const fixture = readFileSync(path.join(import.meta.dirname, '../../test/fixtures/tiny.gguf'));
const repo = 'someone/Tiny-GGUF';
let hub: LoopbackHub;
let home: string;

beforeEach(async () => {
  hub = await startHub();
  hub.repositories.set(repo, new Map([['Tiny-Q8_0.gguf', fixture]]));
  home = mkdtempSync(path.join(tmpdir(), 'freehold-full-'));
});
afterEach(async () => {
  await hub.close();
  await rm(home, { recursive: true, force: true });
});

it('says that the disk is full, keeps what was written and goes on once there is room', async () => {
  const { values: config } = resolveConfig({ home, hubEndpoint: hub.url }, {}, home);
  disk.roomBytes = 123_456;
  await expect(pullModel(`hf:${repo}`, { config })).rejects.toMatchObject({
    code: 'disk_full',
    hint: expect.stringContaining('goes on where it stopped'),
  });
  expect((await stat(path.join(home, 'models/tiny@q8_0.gguf.part'))).size).toBe(123_456);
  expect((await readdir(path.join(home, 'models'))).sort()).toEqual([
    'tiny@q8_0.gguf.part',
    'tiny@q8_0.gguf.part.json',
  ]);
  disk.roomBytes = Number.POSITIVE_INFINITY;
  const model = await pullModel(`hf:${repo}`, { config });
  expect(await readFile(model.file)).toEqual(fixture);
  expect(hub.seen.at(-1)?.headers.range).toBe('bytes=123456-');
});
