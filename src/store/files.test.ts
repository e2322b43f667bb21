import { spawn } from 'node:child_process';
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  beginUpload,
  deleteFile,
  fileUsage,
  findFile,
  keepFile,
  listFiles,
  openFile,
  removeExpired,
  type StoredFile,
  tidyFiles,
} from './files.ts';
import { openStore, type Store } from './open.ts';

let home: string;
let store: Store;
beforeEach(() => {
  home = mkdtempSync(path.join(tmpdir(), 'freehold-files-'));
  store = openStore(home);
});
afterEach(async () => {
  vi.useRealTimers();
  await store.close();
  rmSync(home, { recursive: true, force: true });
});

const roomy = { files: 100, bytes: 1 << 20 };
async function keep(owner: string, text = 'hello', quota = roomy, more: Partial<StoredFile> = {}) {
  const upload = await beginUpload(store);
  await upload.write(Buffer.from(text));
  const facts = { owner, name: 'a.txt', mediaType: 'text/plain', purpose: 'user_data', expiresAt: undefined, ...more };
  return keepFile(store, upload, facts, quota);
}
async function textOf(file: StoredFile): Promise<string> {
  const handle = await openFile(store, file);
  try {
    return await handle.readFile('utf8');
  } finally {
    await handle.close();
  }
}
/** Everything that lies in the folder of files. */
const onDisk = () =>
  existsSync(path.join(home, 'files'))
    ? readdirSync(path.join(home, 'files'), { recursive: true, withFileTypes: true }).flatMap((entry) =>
        entry.isFile() ? [entry.name] : [],
      )
    : [];

describe('a file', () => {
  it('is kept, found, read and deleted, for its owner', async () => {
    const file = await keep('me');
    expect(file).toMatchObject({ sizeBytes: 5, name: 'a.txt', owner: 'me' });
    expect(await findFile(store, 'me', file.id)).toEqual(file);
    expect(await textOf(file)).toBe('hello');
    expect(statSync(path.join(home, 'files', file.id)).mode & 0o777).toBe(0o600);
    expect(await deleteFile(store, 'me', file.id)).toBe(true);
    expect(await findFile(store, 'me', file.id)).toBeUndefined();
    expect(await deleteFile(store, 'me', file.id)).toBe(false);
    expect(onDisk()).toEqual([]);
  });

  it('does not exist for others', async () => {
    const file = await keep('me');
    expect(await findFile(store, 'you', file.id)).toBeUndefined();
    expect(await deleteFile(store, 'you', file.id)).toBe(false);
    expect((await listFiles(store, 'you', { order: 'newest first', limit: 10 })).files).toEqual([]);
    expect(await fileUsage(store, 'you')).toEqual({ files: 0, bytes: 0 });
    expect(await textOf(file)).toBe('hello');
  });

  it.each([
    '',
    '../freehold.db',
    'file_',
    `file_${'/'.repeat(24)}`,
    'incoming',
    `file_${'a'.repeat(25)}`,
    '..',
    'file_\0',
  ])('is not found by %j', async (id) => {
    expect(await findFile(store, 'me', id)).toBeUndefined();
    expect(await deleteFile(store, 'me', id)).toBe(false);
    expect(existsSync(store.file)).toBe(true);
  });

  it('that expired is gone, and its bytes after a while', async () => {
    vi.useFakeTimers({ toFake: ['Date'] });
    const file = await keep('me', 'x', roomy, { expiresAt: Date.now() + 1000 });
    expect(await findFile(store, 'me', file.id)).toBeDefined();
    vi.setSystemTime(Date.now() + 1000);
    expect(await findFile(store, 'me', file.id)).toBeUndefined();
    expect(await deleteFile(store, 'me', file.id)).toBe(false);
    expect((await listFiles(store, 'me', { order: 'newest first', limit: 10 })).files).toEqual([]);
    expect(await fileUsage(store, 'me')).toEqual({ files: 0, bytes: 0 });
    await removeExpired(store);
    expect(onDisk()).toEqual([]);
  });

  it('that is being read is read to its end, though it is deleted meanwhile', async () => {
    const file = await keep('me', 'to the end');
    const handle = await openFile(store, file);
    await deleteFile(store, 'me', file.id);
    expect(await handle.readFile('utf8')).toBe('to the end');
    await handle.close();
    await expect(openFile(store, file)).rejects.toMatchObject({ code: 'file_not_found' });
  });

  it('that is given up leaves nothing', async () => {
    const upload = await beginUpload(store);
    await upload.write(Buffer.from('half'));
    await upload.abandon();
    await upload.abandon();
    expect(onDisk()).toEqual([]);
  });
});

describe('a disk that does not do its part', () => {
  it('is told as such, when nothing can be written and when the bytes are gone', async () => {
    const file = await keep('me');
    rmSync(path.join(home, 'files'), { recursive: true });
    await expect(openFile(store, file)).rejects.toMatchObject({ code: 'file_not_found' });
    writeFileSync(path.join(home, 'files'), 'in the way');
    await expect(beginUpload(store)).rejects.toMatchObject({ code: 'file_io' });
    await tidyFiles(store);
    // whoever wants content gone must hear that it may not be
    await expect(deleteFile(store, 'me', file.id)).rejects.toMatchObject({ code: 'file_io' });
    expect(await findFile(store, 'me', file.id)).toBeUndefined();
  });

  it('that fails when the file gets its name keeps neither the file nor its row', async () => {
    const upload = await beginUpload(store);
    await upload.write(Buffer.from('x'));
    rmSync(path.join(home, 'files', 'incoming'), { recursive: true });
    const facts = { owner: 'me', name: 'a', mediaType: 'text/plain', purpose: 'user_data', expiresAt: undefined };
    await expect(keepFile(store, upload, facts, roomy)).rejects.toMatchObject({ code: 'file_not_found' });
    expect(await fileUsage(store, 'me')).toEqual({ files: 0, bytes: 0 });
    expect(onDisk()).toEqual([]);
    await keep('me');
  });
});

describe('a list', () => {
  it('goes on behind an id, either way round, even when what it named is gone', async () => {
    const files: StoredFile[] = [];
    for (let index = 0; index < 5; index++)
      files.push(await keep('me', 'x', roomy, { purpose: index < 2 ? 'a' : 'b' }));
    await keep('you');
    const ids = files.map(({ id }) => id);
    const list = async (page: object) => {
      const found = await listFiles(store, 'me', { order: 'newest first', limit: 2, ...page });
      return [found.files.map(({ id }) => ids.indexOf(id)), found.more];
    };
    expect(await list({})).toEqual([[4, 3], true]);
    expect(await list({ after: ids[3] })).toEqual([[2, 1], true]);
    await deleteFile(store, 'me', ids[1] as string);
    expect(await list({ after: ids[1] })).toEqual([[0], false]);
    expect(await list({ order: 'oldest first', after: ids[0] })).toEqual([[2, 3], true]);
    expect(await list({ purpose: 'b', limit: 3 })).toEqual([[4, 3, 2], false]);
  });
});

describe('a quota', () => {
  it.each([
    [{ files: 1, bytes: 100 }, 'files'],
    [{ files: 10, bytes: 9 }, '9 B'],
  ])('of %j keeps what is more out, and leaves nothing of it', async (quota, words) => {
    await keep('me', 'hello', quota);
    await keep('you', 'hello', quota);
    await expect(keep('me', 'hello', quota)).rejects.toMatchObject({
      code: 'quota_exceeded',
      message: expect.stringContaining(words),
    });
    expect(onDisk()).toHaveLength(2);
    expect(await fileUsage(store, 'me')).toEqual({ files: 1, bytes: 5 });
  });

  it('holds against uploads at once', async () => {
    const all = await Promise.allSettled(
      Array.from({ length: 8 }, () => keep('me', 'hello', { files: 3, bytes: 100 })),
    );
    expect(all.filter(({ status }) => status === 'fulfilled')).toHaveLength(3);
    expect(onDisk()).toHaveLength(3);
  });
});

/** Runs code in another process on the same home, and kills it when it has said a line. */
function killedAfter(code: string): Promise<string> {
  const from = (name: string) => JSON.stringify(path.join(import.meta.dirname, name));
  const child = spawn(
    process.execPath,
    [
      '--import',
      'tsx',
      '--input-type=module',
      '-e',
      `import { openStore } from ${from('open.ts')};
       import * as files from ${from('files.ts')};
       import * as blobs from ${from('blobs.ts')};
       const store = openStore(${JSON.stringify(home)});
       const facts = { owner: 'me', name: 'a', mediaType: 'text/plain', purpose: 'user_data', expiresAt: undefined };
       const say = (text) => process.stdout.write(text + '\\n');
       ${code}`,
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  return new Promise((resolve) => {
    let said = '';
    child.stdout.on('data', (chunk: Buffer) => {
      said += chunk.toString();
      if (said.includes('enough\n')) child.kill('SIGKILL');
    });
    child.once('exit', () => resolve(said));
  });
}

describe('after kill -9', () => {
  it('every file that was acknowledged is there and whole, and nothing else', async () => {
    const said = await killedAfter(`
      for (let n = 0; ; n++) {
        const upload = await files.beginUpload(store);
        await upload.write(Buffer.alloc(50_000, n % 256));
        const { id } = await files.keepFile(store, upload, facts, { files: 1e6, bytes: 1e12 });
        say(id + (n > 20 ? ' enough' : ''));
      }`);
    const acknowledged = said.match(/file_\w{24}(?=.*\n)/g) ?? [];
    expect(acknowledged.length).toBeGreaterThan(20);
    await tidyFiles(store);
    const { files } = await listFiles(store, 'me', { order: 'oldest first', limit: 1000 });
    for (const id of acknowledged) expect(files.map((file) => file.id)).toContain(id);
    expect(onDisk().sort()).toEqual(files.map(({ id }) => id).sort());
    for (const file of files) expect(Buffer.from(await textOf(file)).length).toBeGreaterThanOrEqual(file.sizeBytes);
  });

  it('within an upload, or between its name and its row, a start removes what is left', async () => {
    await killedAfter(`
      const upload = await files.beginUpload(store);
      await upload.write(Buffer.from('half'));
      const named = await files.beginUpload(store);
      await named.flush();
      named.name();
      say('enough');
      setInterval(() => {}, 1000);`);
    expect(onDisk()).toHaveLength(2);
    const kept = await keep('me');
    await tidyFiles(store);
    expect(onDisk()).toEqual([kept.id]);
  });

  it('of another, an upload of a process that lives goes on', async () => {
    const upload = await beginUpload(store);
    await upload.write(Buffer.from('still '));
    await tidyFiles(store);
    await upload.write(Buffer.from('here'));
    const facts = { owner: 'me', name: 'a', mediaType: 'text/plain', purpose: 'user_data', expiresAt: undefined };
    expect(await textOf(await keepFile(store, upload, facts, roomy))).toBe('still here');
  });

  it('of a process of another machine, which cannot be asked, what is left goes after a day', async () => {
    await (await beginUpload(store)).abandon();
    const host = Buffer.from('another-machine').toString('base64url');
    const file = path.join(home, 'files', 'incoming', `1..${host}.file_${'a'.repeat(24)}`);
    writeFileSync(file, 'half');
    await tidyFiles(store);
    expect(readFileSync(file, 'utf8')).toBe('half');
    const longAgo = new Date(Date.now() - 25 * 3600_000);
    utimesSync(file, longAgo, longAgo);
    await tidyFiles(store);
    expect(onDisk()).toEqual([]);
  });
});
