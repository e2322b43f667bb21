// Credentials for programs that sign their requests (SigV4): an access key id, which is no secret, and a secret access
// key, shown once. To verify a signature takes the secret itself, so it is kept encrypted, not hashed. Roles, scopes and
// expiry are those of keys. Knows nothing of HTTP, nor of signatures.
import { randomBytes } from 'node:crypto';
import path from 'node:path';
import { newId } from '../lib/ids.ts';
import type { KeyScopes } from '../lib/scopes.ts';
import { readScopes } from './key-record.ts';
import { type KeyOptions, keyColumns } from './keys.ts';
import type { Store } from './open.ts';
import type { Role } from './schema.ts';
import { readSealingKey } from './sealing-key.ts';
import { randomBase62 } from './secrets.ts';

/** A credential as it may be shown: everything but the secret. */
export interface AwsCredential {
  id: string;
  name: string;
  role: Role;
  scopes: KeyScopes;
  /** `FHIA` and 16 characters. */
  accessKeyId: string;
  /** Milliseconds since 1970, as the other times. */
  createdAt: number;
  /** Kept to within five minutes. */
  lastUsedAt: number | undefined;
  revokedAt: number | undefined;
  expiresAt: number | undefined;
}

const homeOf = ({ file }: Store) => path.dirname(file);

/** `FHIA` and 16 random characters of A-Z 2-7, 80 bits. */
function newAccessKeyId(): string {
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
  return `FHIA${Array.from(randomBytes(16), (byte) => letters[byte % 32]).join('')}`;
}

/**
 * Creates a credential. On return it is on disk.
 * @returns its parts; the secret can be had this once
 * @throws FreeholdError invalid_request as `createKey`; file_io when the key file cannot be used
 */
export async function createAwsCredential(
  store: Store,
  options: KeyOptions,
): Promise<{ id: string; accessKeyId: string; secretAccessKey: string }> {
  const columns = keyColumns(options);
  // a new key file beside secrets of the old one would hide that it was lost
  const sealing = await readSealingKey(homeOf(store), !(await hasUsable(store)));
  const [id, accessKeyId, secretAccessKey] = [newId('aws'), newAccessKeyId(), randomBase62(40)];
  await store.db
    .insertInto('aws_credentials')
    .values({
      id,
      ...columns,
      access_key_id: accessKeyId,
      sealed_secret: sealing.seal(secretAccessKey, accessKeyId),
      created_at: Date.now(),
    })
    .execute();
  return { id, accessKeyId, secretAccessKey };
}

async function hasUsable(store: Store): Promise<boolean> {
  const query = store.db.selectFrom('aws_credentials').select('id').where('revoked_at', 'is', null).limit(1);
  return (await query.executeTakeFirst()) !== undefined;
}

/** All credentials, revoked ones too, oldest first. */
export async function listAwsCredentials(store: Store): Promise<AwsCredential[]> {
  const rows = await store.db.selectFrom('aws_credentials').selectAll().orderBy('created_at').orderBy('id').execute();
  return rows.map(toAwsCredential);
}

/**
 * Revokes a credential. A running server refuses it from its next request on.
 * @param id `aws_…`, or the access key id
 * @returns false when no such credential is in use
 */
export async function revokeAwsCredential(store: Store, id: string): Promise<boolean> {
  const result = await store.db
    .updateTable('aws_credentials')
    // what no longer opens anything need not be kept either
    .set({ revoked_at: Date.now(), sealed_secret: '' })
    .where((column) => column.or([column('id', '=', id), column('access_key_id', '=', id)]))
    .where('revoked_at', 'is', null)
    .executeTakeFirst();
  return result.numUpdatedRows > 0n;
}

type Known = AwsCredential & { secretAccessKey: string };

/** What was read, as long as SQLite says that nothing was written since, by any process; as of keys. */
const caches = new WeakMap<Store, { mark: string; known: Map<string, Known> }>();

/** A use is written down at most this often for each credential. */
const lastUsedEveryMs = 5 * 60_000;

/**
 * The credential of that access key id with its secret, if it is known, not revoked and not expired.
 * @throws FreeholdError file_io when its secret cannot be decrypted
 */
export async function findAwsCredential(store: Store, accessKeyId: string): Promise<Known | undefined> {
  if (!/^FHIA[A-Z2-7]{16}$/.test(accessKeyId)) return undefined;
  const mark = store.changes();
  let cache = caches.get(store);
  if (cache?.mark !== mark) {
    cache = { mark, known: new Map() };
    caches.set(store, cache);
  }
  let found = cache.known.get(accessKeyId);
  if (!found) {
    const query = store.db.selectFrom('aws_credentials').selectAll().where('access_key_id', '=', accessKeyId);
    const row = await query.executeTakeFirst();
    if (!row || row.revoked_at !== null) return undefined;
    const sealing = await readSealingKey(homeOf(store), false);
    found = { ...toAwsCredential(row), secretAccessKey: sealing.unseal(row.sealed_secret, accessKeyId) };
    cache.known.set(accessKeyId, found);
  }
  return found.expiresAt !== undefined && found.expiresAt <= Date.now() ? undefined : found;
}

/** Writes down that a credential was used. Never fails: a full disk must not lock anyone out. */
export async function noteAwsCredentialUse(store: Store, { id, lastUsedAt }: AwsCredential): Promise<void> {
  const now = Date.now();
  if (lastUsedAt !== undefined && now - lastUsedAt <= lastUsedEveryMs) return;
  const update = store.db.updateTable('aws_credentials').set({ last_used_at: now }).where('id', '=', id);
  await update.execute().catch(() => undefined);
}

function toAwsCredential(row: {
  id: string;
  name: string;
  role: Role;
  scopes: string | null;
  access_key_id: string;
  created_at: number;
  last_used_at: number | null;
  revoked_at: number | null;
  expires_at: number | null;
}): AwsCredential {
  return {
    id: row.id,
    name: row.name,
    role: row.role,
    scopes: readScopes(row.scopes),
    accessKeyId: row.access_key_id,
    createdAt: row.created_at,
    lastUsedAt: row.last_used_at ?? undefined,
    revokedAt: row.revoked_at ?? undefined,
    expiresAt: row.expires_at ?? undefined,
  };
}
