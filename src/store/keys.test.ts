import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import Database from 'libsql';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { allScopes } from '../lib/scopes.ts';
import { createKey, findKey, keyState, listKeys, revokeKey, rotateKey } from './keys.ts';
import { openStore, type Store } from './open.ts';
import { migrations } from './schema.ts';
import { hashSecret } from './secrets.ts';
import { createSession, findSession } from './sessions.ts';

let home: string;
let store: Store;
/** The same database as another process has it. */
let elsewhere: Store;
beforeEach(() => {
  home = mkdtempSync(path.join(tmpdir(), 'freehold-keys-'));
  store = openStore(home);
  elsewhere = openStore(home);
  vi.useFakeTimers({ toFake: ['Date'] });
});
afterEach(async () => {
  vi.useRealTimers();
  await store.close();
  await elsewhere.close();
  rmSync(home, { recursive: true, force: true });
});

const later = (ms: number) => vi.setSystemTime(Date.now() + ms);
const hour = 3600_000;
const service = { name: 'shop', role: 'service' as const };

describe('a key', () => {
  it('is without limits unless it has some', async () => {
    const { id, key } = await createKey(store, service);
    expect(await findKey(store, key)).toMatchObject({ scopes: allScopes, expiresAt: undefined });
    const scopes = { routes: ['chat' as const], models: ['tiny', 'default'] };
    const limited = await createKey(store, { ...service, scopes });
    expect(await findKey(store, limited.key)).toMatchObject({ scopes });
    const listed = new Map((await listKeys(store)).map((each) => [each.id, each.scopes]));
    expect(listed.get(id)).toEqual(allScopes);
    expect(listed.get(limited.id)).toEqual(scopes);
  });

  it.each([
    [{ scopes: { routes: ['chess'], models: ['*'] } }, 'scopes'],
    [{ scopes: { routes: [], models: ['*'] } }, 'scopes'],
    [{ scopes: { routes: ['*'], models: [] } }, 'models'],
    [{ scopes: { routes: ['*'], models: ['a b'] } }, 'models'],
    [{ scopes: { routes: ['*'], models: [''] } }, 'models'],
    [{ scopes: { routes: ['*'], models: Array.from({ length: 101 }, (_, n) => `m${n}`) } }, 'models'],
    [{ expiresAt: 1 }, 'expires'],
    [{ expiresAt: Number.NaN }, 'expires'],
  ])('cannot be made with %j', async (options, field) => {
    const bad = createKey(store, { ...service, ...(options as object) });
    await expect(bad).rejects.toMatchObject({ code: 'invalid_request', field });
    expect(await listKeys(store)).toEqual([]);
  });

  it('ends at its expiry, with the sign-ins made with it, however often it was seen before', async () => {
    const { id, key } = await createKey(store, { ...service, expiresAt: Date.now() + hour });
    const token = await createSession(store, { keyId: id, name: 'shop', role: 'member' });
    expect(await findKey(store, key)).toMatchObject({ id });
    expect(await findSession(store, token)).toMatchObject({ keyId: id });
    later(hour);
    expect(await findKey(store, key)).toBeUndefined();
    expect(await findSession(store, token)).toBeUndefined();
    expect((await listKeys(store)).map((each) => keyState(each, Date.now()))).toEqual(['expired']);
  });

  it('gives its limits to the sign-ins made with it', async () => {
    const scopes = { routes: ['models' as const], models: ['tiny'] };
    const { id } = await createKey(store, { ...service, scopes });
    const token = await createSession(store, { keyId: id, name: 'shop', role: 'member' });
    expect(await findSession(store, token)).toMatchObject({ scopes });
    const owner = await createSession(store, { name: 'owner', role: 'admin' });
    expect(await findSession(store, owner)).toMatchObject({ scopes: allScopes });
  });

  it('is refused at once when another process revokes it', async () => {
    const { id, key } = await createKey(store, service);
    expect(await findKey(store, key)).toMatchObject({ id });
    expect(await findKey(store, key)).toMatchObject({ id });
    expect(await revokeKey(elsewhere, id)).toBe(true);
    expect(await findKey(store, key)).toBeUndefined();
  });

  it('is refused at once when this process revokes it', async () => {
    const { id, key } = await createKey(store, service);
    await findKey(store, key);
    await findKey(store, key);
    await revokeKey(store, id);
    expect(await findKey(store, key)).toBeUndefined();
  });

  it('that another process makes is known at once', async () => {
    const { key: first } = await createKey(store, service);
    await findKey(store, first);
    const { id, key } = await createKey(elsewhere, service);
    expect(await findKey(store, key)).toMatchObject({ id });
  });

  it('is read once for many requests, while nothing is written', async () => {
    const { key } = await createKey(store, service);
    await findKey(store, key);
    const first = await findKey(store, key);
    expect(await findKey(store, key)).toBe(first);
    await createKey(elsewhere, service);
    expect(await findKey(store, key)).not.toBe(first);
  });
});

describe('a rotation', () => {
  it('makes a new secret of the same key; the old one is good as long as was said', async () => {
    const scopes = { routes: ['chat' as const], models: ['*'] };
    const { id, key: old } = await createKey(store, { ...service, scopes });
    await findKey(store, old);
    const { key, previousUntil } = await rotateKey(elsewhere, id, { graceMs: hour });
    expect(previousUntil).toBe(Date.now() + hour);
    for (const secret of [old, key]) expect(await findKey(store, secret)).toMatchObject({ id, scopes });
    const [listed] = await listKeys(store);
    expect(listed && keyState(listed, Date.now())).toBe('rotating');
    expect(listed?.prefix).toBe(key.slice(0, 8));
    later(hour);
    expect(await findKey(store, old)).toBeUndefined();
    expect(await findKey(store, key)).toMatchObject({ id });
    expect(listed && keyState(listed, Date.now())).toBe('active');
  });

  it('without a grace ends the old secret at once, and a second one ends the first one’s', async () => {
    const { id, key: first } = await createKey(store, service);
    const { key: second } = await rotateKey(store, id, { graceMs: hour });
    const { key: third } = await rotateKey(store, id, { graceMs: hour });
    expect(await findKey(store, first)).toBeUndefined();
    expect(await findKey(store, second)).toMatchObject({ id });
    const { key: fourth, previousUntil } = await rotateKey(store, id, { graceMs: 0 });
    expect(previousUntil).toBeUndefined();
    for (const secret of [second, third]) expect(await findKey(store, secret)).toBeUndefined();
    expect(await findKey(store, fourth)).toMatchObject({ id });
  });

  it('does not outlive a revocation or an expiry, by either secret', async () => {
    const { id, key: old } = await createKey(store, { ...service, expiresAt: Date.now() + hour });
    const { key } = await rotateKey(store, id, { graceMs: 2 * hour });
    later(hour);
    for (const secret of [old, key]) expect(await findKey(store, secret)).toBeUndefined();
    await expect(rotateKey(store, id, { graceMs: 0 })).rejects.toMatchObject({ field: 'expires' });
    const again = await rotateKey(store, id, { graceMs: hour, expiresAt: Date.now() + hour });
    expect(await findKey(store, again.key)).toMatchObject({ id });
    await revokeKey(store, id);
    for (const secret of [key, again.key]) expect(await findKey(store, secret)).toBeUndefined();
  });

  it.each([-1, 0.5, Number.NaN, 31 * 24 * hour])('refuses a grace of %d ms', async (graceMs) => {
    const { id, key } = await createKey(store, service);
    await expect(rotateKey(store, id, { graceMs })).rejects.toMatchObject({ field: 'grace' });
    expect(await findKey(store, key)).toMatchObject({ id });
  });

  it('refuses an unknown key and a revoked one', async () => {
    const { id } = await createKey(store, service);
    await revokeKey(store, id);
    for (const each of [id, 'key_none']) {
      await expect(rotateKey(store, each, { graceMs: 0 })).rejects.toMatchObject({ code: 'not_found' });
    }
  });

  it('keeps only hashes', async () => {
    const { id, key: old } = await createKey(store, service);
    const { key } = await rotateKey(store, id, { graceMs: hour });
    const row = await store.db.selectFrom('api_keys').selectAll().executeTakeFirstOrThrow();
    expect(row).toMatchObject({ hash: hashSecret(key), previous_hash: hashSecret(old) });
    for (const secret of [old, key]) expect(JSON.stringify(row)).not.toContain(secret);
  });
});

it('keys of a release without scopes may do everything and never end', async () => {
  const folder = path.join(home, 'old');
  await openStore(folder).close();
  const file = path.join(folder, 'freehold.db');
  rmSync(file);
  const raw = new Database(file);
  for (const statement of migrations.slice(0, 2).flat()) raw.exec(statement);
  const key = `fh_${'a'.repeat(40)}`;
  raw
    .prepare(`insert into api_keys values ('key_old', 'old', 'member', ?, 'fh_aaaaa', 1, null, null)`)
    .run(hashSecret(key));
  raw.exec('pragma user_version = 2');
  raw.close();
  const opened = openStore(folder);
  expect(await findKey(opened, key)).toMatchObject({ id: 'key_old', scopes: allScopes, expiresAt: undefined });
  await opened.close();
});
