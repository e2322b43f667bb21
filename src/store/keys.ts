// API keys: `fh_` and 40 random characters, shown once, stored as SHA-256. Knows nothing of HTTP.
import { FreeholdError } from '../lib/errors.ts';
import { newId } from '../lib/ids.ts';
import type { Store } from './open.ts';
import type { ApiKeysTable, Role } from './schema.ts';
import { equalHashes, hashSecret, randomBase62 } from './secrets.ts';

export type { Role } from './schema.ts';

export const roles: readonly Role[] = ['admin', 'member', 'service'];

/** A key as it may be shown: everything but the secret. */
export interface ApiKey {
  id: string;
  name: string;
  role: Role;
  /** The first 8 characters of the key. */
  prefix: string;
  /** Milliseconds since 1970, as the other times. */
  createdAt: number;
  /** Kept to within five minutes. */
  lastUsedAt: number | undefined;
  revokedAt: number | undefined;
}

const keyShape = /^fh_[0-9A-Za-z]{40}$/;
/** A use is written down at most this often for each key, so that requests do not wait for the disk. */
const lastUsedEveryMs = 5 * 60_000;

/**
 * Creates a key. On return it is on disk.
 * @returns its id, and the key itself: the only time it can be had
 * @throws FreeholdError invalid_request for an empty or overlong name or an unknown role
 */
export async function createKey(
  store: Store,
  options: { name: string; role: Role },
): Promise<{ id: string; key: string }> {
  const name = options.name.trim();
  if (name.length === 0 || name.length > 100 || /[\p{Cc}]/u.test(name)) {
    throw new FreeholdError(
      'invalid_request',
      `The name of a key must have 1 to 100 characters and no control characters.`,
      {
        field: 'name',
      },
    );
  }
  if (!roles.includes(options.role)) {
    throw new FreeholdError(
      'invalid_request',
      `The role "${options.role}" is unknown; roles are ${roles.join(', ')}.`,
      {
        field: 'role',
      },
    );
  }
  const key = `fh_${randomBase62(40)}`;
  const id = newId('key');
  await store.db
    .insertInto('api_keys')
    .values({ id, name, role: options.role, hash: hashSecret(key), prefix: key.slice(0, 8), created_at: Date.now() })
    .execute();
  return { id, key };
}

/** All keys, revoked ones too, oldest first. */
export async function listKeys(store: Store): Promise<ApiKey[]> {
  const rows = await store.db.selectFrom('api_keys').selectAll().orderBy('created_at').orderBy('id').execute();
  return rows.map(toApiKey);
}

/**
 * Revokes a key and every session opened with it. A running server refuses it from its next request on.
 * @param id the key's id (`key_…`)
 * @returns false when no such key is in use
 */
export async function revokeKey(store: Store, id: string): Promise<boolean> {
  const result = await store.db
    .updateTable('api_keys')
    .set({ revoked_at: Date.now() })
    .where('id', '=', id)
    .where('revoked_at', 'is', null)
    .executeTakeFirst();
  await store.db.deleteFrom('sessions').where('key_id', '=', id).execute();
  return result.numUpdatedRows > 0n;
}

/**
 * The key that was presented, if it is known and not revoked. Also notes that it was used.
 * @param presentedKey whatever the caller sent
 */
export async function findKey(store: Store, presentedKey: string): Promise<ApiKey | undefined> {
  if (!keyShape.test(presentedKey)) return undefined;
  const hash = hashSecret(presentedKey);
  const row = await store.db.selectFrom('api_keys').selectAll().where('hash', '=', hash).executeTakeFirst();
  if (!row || !equalHashes(row.hash, hash) || row.revoked_at !== null) return undefined;
  const now = Date.now();
  if (row.last_used_at === null || now - row.last_used_at > lastUsedEveryMs) {
    // a full disk must not lock anyone out: the note is worth less than the request
    await store.db
      .updateTable('api_keys')
      .set({ last_used_at: now })
      .where('id', '=', row.id)
      .execute()
      .catch(() => undefined);
  }
  return toApiKey(row);
}

/** Whether any key was ever created here; false means a first start. */
export async function hasKeys(store: Store): Promise<boolean> {
  return (await store.db.selectFrom('api_keys').select('id').limit(1).executeTakeFirst()) !== undefined;
}

type Row = Omit<ApiKeysTable, 'last_used_at' | 'revoked_at'> & {
  last_used_at: number | null;
  revoked_at: number | null;
};

function toApiKey(row: Row): ApiKey {
  return {
    id: row.id,
    name: row.name,
    role: row.role,
    prefix: row.prefix,
    createdAt: row.created_at,
    lastUsedAt: row.last_used_at ?? undefined,
    revokedAt: row.revoked_at ?? undefined,
  };
}
