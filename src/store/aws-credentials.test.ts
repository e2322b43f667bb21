import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  createAwsCredential,
  findAwsCredential,
  listAwsCredentials,
  noteAwsCredentialUse,
  revokeAwsCredential,
} from './aws-credentials.ts';
import { openStore, type Store } from './open.ts';
import { readSealingKey, sealingKeyName } from './sealing-key.ts';

let home: string;
let store: Store;
let keyFile: string;
beforeEach(() => {
  home = mkdtempSync(path.join(tmpdir(), 'freehold-aws-'));
  keyFile = path.join(home, sealingKeyName);
  store = openStore(home);
});
afterEach(async () => {
  vi.useRealTimers();
  await store.close();
  rmSync(home, { recursive: true, force: true });
});
/** Another process: nothing that this one remembers. */
const reopen = async () => {
  await store.close();
  store = openStore(home);
};
const create = (options: object = {}) => createAwsCredential(store, { name: 'boto', role: 'service', ...options });

describe('a credential', () => {
  it('is found by its access key id, with the secret that was shown', async () => {
    const { id, accessKeyId, secretAccessKey } = await create({ scopes: { routes: ['chat'], models: ['*'] } });
    expect(accessKeyId).toMatch(/^FHIA[A-Z2-7]{16}$/);
    expect(secretAccessKey).toMatch(/^[0-9A-Za-z]{40}$/);
    await reopen();
    expect(await findAwsCredential(store, accessKeyId)).toMatchObject({
      id,
      name: 'boto',
      role: 'service',
      scopes: { routes: ['chat'], models: ['*'] },
      secretAccessKey,
    });
  });

  it('is listed without its secret', async () => {
    const { id, accessKeyId, secretAccessKey } = await create();
    const listed = await listAwsCredentials(store);
    expect(listed).toMatchObject([
      { id, accessKeyId, lastUsedAt: undefined, revokedAt: undefined, scopes: { routes: ['*'] } },
    ]);
    expect(JSON.stringify(listed)).not.toContain(secretAccessKey);
  });

  it('leaves no secret readable in the files of the database', async () => {
    const { secretAccessKey } = await create();
    await store.close();
    expect(readFileSync(store.file).includes(secretAccessKey)).toBe(false);
    store = openStore(home);
  });

  it.each(['', 'FHIA', 'AKIAIOSFODNN7EXAMPLE', "FHIA' or 1=1 --aaaaaa"])('is not found by "%s"', async (id) => {
    await create();
    expect(await findAwsCredential(store, id)).toBeUndefined();
  });

  it.each(['id', 'accessKeyId'] as const)(
    'is refused once it is revoked by its %s, also where it was known',
    async (by) => {
      const made = await create();
      expect(await findAwsCredential(store, made.accessKeyId)).toBeDefined();
      const other = openStore(home);
      expect(await revokeAwsCredential(other, made[by])).toBe(true);
      expect(await revokeAwsCredential(other, made[by])).toBe(false);
      await other.close();
      expect(await findAwsCredential(store, made.accessKeyId)).toBeUndefined();
      expect((await listAwsCredentials(store))[0]?.revokedAt).toBeTypeOf('number');
    },
  );

  it('is refused once it has expired, also where it was known', async () => {
    vi.useFakeTimers({ toFake: ['Date'] });
    const { accessKeyId } = await create({ expiresAt: Date.now() + 1000 });
    expect(await findAwsCredential(store, accessKeyId)).toBeDefined();
    vi.setSystemTime(Date.now() + 1000);
    expect(await findAwsCredential(store, accessKeyId)).toBeUndefined();
  });

  it('notes its use, but not every one', async () => {
    vi.useFakeTimers({ toFake: ['Date'] });
    const { accessKeyId } = await create();
    const use = async () => {
      const found = await findAwsCredential(store, accessKeyId);
      if (found) await noteAwsCredentialUse(store, found);
      return (await listAwsCredentials(store))[0]?.lastUsedAt;
    };
    const first = await use();
    expect(first).toBe(Date.now());
    vi.setSystemTime(Date.now() + 60_000);
    expect(await use()).toBe(first);
    vi.setSystemTime(Date.now() + 300_000);
    expect(await use()).toBe(Date.now());
  });

  it.each<[string, object]>([
    ['no name', { name: ' ' }],
    ['an unknown role', { role: 'root' }],
    ['an unknown scope', { scopes: { routes: ['everything'], models: ['*'] } }],
    ['an expiry in the past', { expiresAt: 1 }],
  ])('is not created with %s', async (_, options) => {
    await expect(create(options)).rejects.toMatchObject({ code: 'invalid_request' });
    expect(await listAwsCredentials(store)).toEqual([]);
  });
});

describe('the key file', () => {
  it('is made when it is first needed, for its owner only, and kept', async () => {
    expect(() => statSync(keyFile)).toThrow(/ENOENT/);
    await create();
    expect(statSync(keyFile).mode & 0o777).toBe(0o600);
    const content = readFileSync(keyFile, 'utf8');
    await create();
    expect(readFileSync(keyFile, 'utf8')).toBe(content);
  });

  it('is one, though several make it at once', async () => {
    const keys = await Promise.all(Array.from({ length: 8 }, () => readSealingKey(home, true)));
    const sealed = keys.map((key) => key.seal('secret', 'owner'));
    const last = await readSealingKey(home, false);
    expect(sealed.map((text) => last.unseal(text, 'owner'))).toEqual(Array<string>(8).fill('secret'));
    expect(new Set(sealed).size).toBe(8);
  });

  const spoil: [string, () => void, RegExp][] = [
    ['is readable by others', () => chmodSync(keyFile, 0o640), /mode is 0640/],
    ['is writable by others', () => chmodSync(keyFile, 0o602), /mode is 0602/],
    ['is empty', () => writeFileSync(keyFile, ''), /is damaged/],
    ['is too long', () => writeFileSync(keyFile, 'a'.repeat(1000)), /is damaged/],
    ['is cut off', () => writeFileSync(keyFile, 'ab'.repeat(31)), /is damaged/],
    ['is missing', () => rmSync(keyFile), /is missing/],
    ['is another', () => writeFileSync(keyFile, 'ab'.repeat(32)), /another key/],
    [
      'is a folder',
      () => {
        rmSync(keyFile);
        mkdirSync(keyFile);
      },
      /is a folder/,
    ],
  ];
  it.each(spoil)('that %s is refused with a clear error', async (_, change, message) => {
    const { accessKeyId } = await create();
    await reopen();
    change();
    await expect(findAwsCredential(store, accessKeyId)).rejects.toMatchObject({
      code: 'file_io',
      message: expect.stringMatching(message),
    });
  });

  it('that is missing is not made anew while credentials need the old one', async () => {
    const { id } = await create();
    rmSync(keyFile);
    await expect(create()).rejects.toMatchObject({ code: 'file_io', hint: expect.stringMatching(/revoke/) });
    await revokeAwsCredential(store, id);
    await create();
    expect(statSync(keyFile).mode & 0o777).toBe(0o600);
  });
});

it('a secret cannot be put in the place of another', async () => {
  const [one, two] = [await create(), await create()];
  const { sealed_secret } = await store.db
    .selectFrom('aws_credentials')
    .select('sealed_secret')
    .where('id', '=', one.id)
    .executeTakeFirstOrThrow();
  await store.db.updateTable('aws_credentials').set({ sealed_secret }).where('id', '=', two.id).execute();
  await expect(findAwsCredential(store, two.accessKeyId)).rejects.toMatchObject({ code: 'file_io' });
  expect(await findAwsCredential(store, one.accessKeyId)).toBeDefined();
});

it.each(['', 'v1.', 'v1.AAAA', 'v2.AAAA'])('what was never sealed is refused: "%s"', async (sealed) => {
  const key = await readSealingKey(home, true);
  expect(() => key.unseal(sealed, 'owner')).toThrow(expect.objectContaining({ code: 'file_io' }));
});
