import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createKey, findKey, hasKeys, listKeys, revokeKey } from './keys.ts';
import { databaseName, openStore, type Store } from './open.ts';
import { migrations } from './schema.ts';
import { createSession, deleteSession, endSessions, findSession, listSessions } from './sessions.ts';

let root: string;
let home: string;
let store: Store;
beforeEach(() => {
  root = mkdtempSync(path.join(tmpdir(), 'freehold-store-'));
  home = path.join(root, 'home');
  store = openStore(home);
});
afterEach(async () => {
  await store.close();
  rmSync(root, { recursive: true, force: true });
});

/** Runs a module in another process that has the same database open. */
const elsewhere = (code: string) => [
  '--import',
  'tsx',
  '--input-type=module',
  '-e',
  `import { openStore } from ${JSON.stringify(path.join(import.meta.dirname, 'open.ts'))};
   import { createKey } from ${JSON.stringify(path.join(import.meta.dirname, 'keys.ts'))};
   const store = openStore(${JSON.stringify(home)});
   ${code}`,
];

describe('a store', () => {
  it('keeps its folder and file to its owner', () => {
    expect(statSync(home).mode & 0o777).toBe(0o700);
    expect(statSync(path.join(home, databaseName)).mode & 0o777).toBe(0o600);
    expect(statSync(path.join(home, `${databaseName}-wal`)).mode & 0o777).toBe(0o600);
  });

  it('opens again with what it held, and migrates once', async () => {
    const { key } = await createKey(store, { name: 'first', role: 'admin' });
    await store.close();
    store = openStore(home);
    expect(await findKey(store, key)).toMatchObject({ name: 'first', role: 'admin' });
  });

  it('refuses a database of a newer release and leaves it alone', async () => {
    await store.close();
    const { default: Database } = await import('libsql');
    const raw = new Database(store.file);
    raw.exec(`pragma user_version = ${migrations.length + 1}`);
    raw.close();
    expect(() => openStore(home)).toThrow(expect.objectContaining({ code: 'store_newer' }));
    expect(() => openStore(home)).toThrow(expect.objectContaining({ code: 'store_newer' }));
  });

  it('says that the disk is full, and goes on once it is not', async () => {
    await sql`pragma max_page_count = 1`.execute(store.db);
    const fill = async () => {
      for (let count = 0; count < 2000; count++) await createKey(store, { name: 'x'.repeat(100), role: 'member' });
    };
    await expect(fill()).rejects.toMatchObject({
      code: 'disk_full',
      status: 507,
      message: expect.stringContaining(store.file),
    });
    await sql`pragma max_page_count = 10000`.execute(store.db);
    await createKey(store, { name: 'after', role: 'admin' });
  });

  it('says so when the file is no database', async () => {
    await store.close();
    writeFileSync(store.file, 'this is not a database, and it is long enough to be looked at as one'.repeat(100));
    expect(() => openStore(home)).toThrow(
      expect.objectContaining({ code: 'file_io', hint: expect.stringContaining('move it away') }),
    );
  });
});

describe('keys', () => {
  it('are random, shown once and stored only as a hash', async () => {
    const one = await createKey(store, { name: 'one', role: 'service' });
    const two = await createKey(store, { name: 'two', role: 'member' });
    expect(one.key).toMatch(/^fh_[0-9A-Za-z]{40}$/);
    expect(one.key).not.toBe(two.key);
    for (const file of [store.file, `${store.file}-wal`]) expect(readFileSync(file).includes(one.key)).toBe(false);
    expect((await listKeys(store)).map(({ name, role, prefix }) => [name, role, prefix])).toEqual([
      ['one', 'service', one.key.slice(0, 8)],
      ['two', 'member', two.key.slice(0, 8)],
    ]);
  });

  it('are found by the whole key only', async () => {
    const { id, key } = await createKey(store, { name: 'one', role: 'admin' });
    expect(await findKey(store, key)).toMatchObject({ id });
    const changed = key.slice(0, -1) + (key.endsWith('A') ? 'B' : 'A');
    for (const wrong of ['', 'fh_', key.slice(0, -1), `${key}0`, changed, ` ${key}`, "' or 1=1 --"]) {
      expect(await findKey(store, wrong)).toBeUndefined();
    }
  });

  it('are refused once revoked, and so are their sessions', async () => {
    const { id, key } = await createKey(store, { name: 'one', role: 'admin' });
    const token = await createSession(store, { keyId: id, name: 'one', role: 'admin' });
    const other = await createSession(store, { name: 'owner', role: 'admin' });
    expect(await findSession(store, token)).toMatchObject({ keyId: id });
    expect(await revokeKey(store, id)).toBe(true);
    expect(await revokeKey(store, id)).toBe(false);
    expect(await findKey(store, key)).toBeUndefined();
    expect(await findSession(store, token)).toBeUndefined();
    expect(await findSession(store, other)).toMatchObject({ name: 'owner' });
    expect(await hasKeys(store)).toBe(true);
  });

  it('that are revoked open no session, even one begun at the same moment', async () => {
    const { id } = await createKey(store, { name: 'one', role: 'admin' });
    await revokeKey(store, id);
    const token = await createSession(store, { keyId: id, name: 'one', role: 'admin' });
    expect(await findSession(store, token)).toBeUndefined();
  });

  it('note that they were used', async () => {
    const { key } = await createKey(store, { name: 'one', role: 'admin' });
    expect((await listKeys(store))[0]?.lastUsedAt).toBeUndefined();
    await findKey(store, key);
    expect((await listKeys(store))[0]?.lastUsedAt).toBeTypeOf('number');
  });

  it('need a printable name and a known role', async () => {
    for (const name of ['', '   ', 'x'.repeat(101), 'a\u0000b', 'a\nb']) {
      await expect(createKey(store, { name, role: 'admin' })).rejects.toMatchObject({
        code: 'invalid_request',
        field: 'name',
      });
    }
    await expect(createKey(store, { name: 'x', role: 'root' as 'admin' })).rejects.toMatchObject({ field: 'role' });
  });

  it('made by another process are known here at once', async () => {
    const made = execFileSync(
      process.execPath,
      elsewhere(`console.log((await createKey(store, { name: 'cli', role: 'service' })).key)`),
    );
    expect(await findKey(store, made.toString().trim())).toMatchObject({ name: 'cli' });
  });

  it('that were printed survive kill -9', async () => {
    const child = spawn(
      process.execPath,
      elsewhere(
        `for (;;) { const { key } = await createKey(store, { name: 'loop', role: 'service' }); process.stdout.write(key + '\\n'); }`,
      ),
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    let printed = '';
    await new Promise<void>((resolve) => {
      child.stdout.on('data', (chunk: Buffer) => {
        printed += chunk.toString();
        if (printed.split('\n').length > 5) child.kill('SIGKILL');
      });
      child.on('close', () => resolve());
    });
    const keys = printed.split('\n').filter((line) => line.length === 43);
    expect(keys.length).toBeGreaterThanOrEqual(4);
    for (const key of keys) expect(await findKey(store, key)).toMatchObject({ name: 'loop' });
  });
});

describe('sessions', () => {
  it('end when deleted and when their time is over', async () => {
    const token = await createSession(store, { name: 'owner', role: 'admin' });
    const old = await createSession(store, { name: 'owner', role: 'admin' });
    await store.db
      .updateTable('sessions')
      .set({ expires_at: Date.now() - 1 })
      .where('hash', '=', (await hashes())[1]!)
      .execute();
    const found = await Promise.all([findSession(store, token), findSession(store, old)]);
    expect(found.filter(Boolean)).toHaveLength(1);
    await deleteSession(store, token);
    expect(await findSession(store, token)).toBeUndefined();
  });

  it('are listed, and all ended at once', async () => {
    const { id } = await createKey(store, { name: 'one', role: 'member' });
    const tokens = [
      await createSession(store, { name: 'owner', role: 'admin' }),
      await createSession(store, { keyId: id, name: 'one', role: 'member' }),
    ];
    const listed = await listSessions(store);
    expect(listed.map(({ name, role, keyId }) => [name, role, keyId])).toEqual([
      ['owner', 'admin', undefined],
      ['one', 'member', id],
    ]);
    for (const token of tokens) expect(JSON.stringify(listed)).not.toContain(token);
    expect(await endSessions(store)).toBe(2);
    for (const token of tokens) expect(await findSession(store, token)).toBeUndefined();
    expect(await listSessions(store)).toEqual([]);
    expect(await endSessions(store)).toBe(0);
  });

  const hashes = async () => (await store.db.selectFrom('sessions').select('hash').execute()).map(({ hash }) => hash);
});
