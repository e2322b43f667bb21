import { execFileSync } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { openRegularFile, readSmallFile } from './regular-file.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'freehold-regular-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

it('opens files and links to files', async () => {
  const file = path.join(folder, 'file');
  await writeFile(file, 'words');
  await symlink(file, path.join(folder, 'link'));
  expect(await readSmallFile(file)).toBe('words');
  expect(await readSmallFile(path.join(folder, 'link'))).toBe('words');
});

it.skipIf(process.platform === 'win32')('opens no folder, pipe or device, and waits for none', async () => {
  const pipe = path.join(folder, 'pipe');
  execFileSync('mkfifo', [pipe]);
  await symlink(pipe, path.join(folder, 'link'));
  for (const file of [folder, pipe, path.join(folder, 'link'), '/dev/zero']) {
    expect(await openRegularFile(file), file).toBeUndefined();
    await expect(readSmallFile(file), file).rejects.toMatchObject({ code: 'file_io' });
  }
});

it('says that a file is missing, and does not read one that is far too large', async () => {
  await expect(openRegularFile(path.join(folder, 'gone'))).rejects.toMatchObject({ code: 'ENOENT' });
  const large = path.join(folder, 'large');
  await writeFile(large, '');
  await truncate(large, 1e12);
  await expect(readSmallFile(large)).rejects.toMatchObject({ message: expect.stringContaining('1.0 TB') });
});
