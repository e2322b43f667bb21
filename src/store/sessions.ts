// Sessions of the web page: a random token in a cookie, its SHA-256 in the table. A session opened with a key ends
// when that key is revoked or expires, and has its limits.
import type { KeyScopes } from '../lib/scopes.ts';
import { readScopes } from './key-record.ts';
import type { Store } from './open.ts';
import type { Role } from './schema.ts';
import { equalHashes, hashSecret, randomBase62 } from './secrets.ts';

export interface Session {
  /** The key it was opened with, if it was. */
  keyId: string | undefined;
  name: string;
  role: Role;
  /** Those of its key; without one, no limits. */
  scopes: KeyScopes;
  /** Milliseconds since 1970. */
  expiresAt: number;
}

/** A session lasts 30 days. */
export const sessionLifetimeMs = 30 * 24 * 3600_000;

/** @returns the token for the cookie: 43 random characters, about 256 bits */
export async function createSession(
  store: Store,
  owner: { keyId?: string; name: string; role: Role },
): Promise<string> {
  const token = randomBase62(43);
  const now = Date.now();
  await store.db.deleteFrom('sessions').where('expires_at', '<=', now).execute();
  await store.db
    .insertInto('sessions')
    .values({
      hash: hashSecret(token),
      key_id: owner.keyId ?? null,
      name: owner.name,
      role: owner.role,
      created_at: now,
      expires_at: now + sessionLifetimeMs,
    })
    .execute();
  return token;
}

/** The session of this token, if it has not ended. */
export async function findSession(store: Store, token: string): Promise<Session | undefined> {
  if (!/^[0-9A-Za-z]{43}$/.test(token)) return undefined;
  const hash = hashSecret(token);
  const row = await store.db
    .selectFrom('sessions')
    .leftJoin('api_keys', 'api_keys.id', 'sessions.key_id')
    .selectAll('sessions')
    .select(['api_keys.scopes', 'api_keys.expires_at as key_expires_at'])
    .where('sessions.hash', '=', hash)
    .where('api_keys.revoked_at', 'is', null)
    .executeTakeFirst();
  if (!row || !equalHashes(row.hash, hash)) return undefined;
  const expiresAt = Math.min(row.expires_at, row.key_expires_at ?? Number.POSITIVE_INFINITY);
  if (expiresAt <= Date.now()) return undefined;
  const { name, role } = row;
  return { keyId: row.key_id ?? undefined, name, role, scopes: readScopes(row.scopes), expiresAt };
}

/** A session as it may be shown. */
export interface SessionRecord extends Omit<Session, 'scopes'> {
  /** Milliseconds since 1970. */
  createdAt: number;
}

/** Sessions that have not ended, oldest first. */
export async function listSessions(store: Store): Promise<SessionRecord[]> {
  const rows = await store.db
    .selectFrom('sessions')
    .selectAll()
    .where('expires_at', '>', Date.now())
    .orderBy('created_at')
    .execute();
  return rows.map((row) => ({
    keyId: row.key_id ?? undefined,
    name: row.name,
    role: row.role,
    createdAt: row.created_at,
    expiresAt: row.expires_at,
  }));
}

/** Ends every session; a running server refuses them from its next request on. @returns how many had not ended yet */
export async function endSessions(store: Store): Promise<number> {
  const open = await listSessions(store);
  await store.db.deleteFrom('sessions').execute();
  return open.length;
}

/** Ends a session; an unknown token is no error. */
export async function deleteSession(store: Store, token: string): Promise<void> {
  await store.db.deleteFrom('sessions').where('hash', '=', hashSecret(token)).execute();
}
