// API keys: `fh_` and 40 random characters, shown once, stored as SHA-256; with scopes, an expiry and rotation. How a
// presented key is found is key-lookup.ts. Knows nothing of HTTP.
import { FreeholdError } from '../lib/errors.ts';
import { newId } from '../lib/ids.ts';
import { allScopes, type KeyScopes, routeScopes } from '../lib/scopes.ts';
import { type ApiKey, toApiKey } from './key-record.ts';
import type { Store } from './open.ts';
import type { Role } from './schema.ts';
import { hashSecret, randomBase62 } from './secrets.ts';

export { findKey } from './key-lookup.ts';
export { type ApiKey, type KeyState, keyState } from './key-record.ts';
export type { Role } from './schema.ts';

export const roles: readonly Role[] = ['admin', 'member', 'service'];

export interface KeyOptions {
  name: string;
  role: Role;
  /** Default: no limits. */
  scopes?: KeyScopes;
  /** Milliseconds since 1970. Default: it does not expire. */
  expiresAt?: number;
}

const newSecret = () => `fh_${randomBase62(40)}`;

/**
 * Creates a key. On return it is on disk.
 * @returns its id, and the key itself: the only time it can be had
 * @throws FreeholdError invalid_request for an empty or overlong name, an unknown role or scope, an expiry that is past
 */
export async function createKey(store: Store, options: KeyOptions): Promise<{ id: string; key: string }> {
  const columns = keyColumns(options);
  const key = newSecret();
  const id = newId('key');
  await store.db
    .insertInto('api_keys')
    .values({
      id,
      ...columns,
      hash: hashSecret(key),
      prefix: key.slice(0, 8),
      created_at: Date.now(),
    })
    .execute();
  return { id, key };
}

/**
 * What credentials of every type have in common, as columns.
 * @throws FreeholdError invalid_request for an empty or overlong name, an unknown role or scope, an expiry that is past
 */
export function keyColumns(options: KeyOptions) {
  const name = options.name.trim();
  if (name.length === 0 || name.length > 100 || /[\p{Cc}]/u.test(name)) {
    throw invalid('name', 'The name of a key must have 1 to 100 characters and no control characters.');
  }
  if (!roles.includes(options.role)) {
    throw invalid('role', `The role "${options.role}" is unknown; roles are ${roles.join(', ')}.`);
  }
  const scopes = options.scopes ?? allScopes;
  requireScopes(scopes);
  requireFuture(options.expiresAt);
  return {
    name,
    role: options.role,
    scopes: isUnlimited(scopes) ? null : JSON.stringify({ routes: scopes.routes, models: scopes.models }),
    expires_at: options.expiresAt ?? null,
  };
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
    .set({ revoked_at: Date.now(), previous_hash: null, previous_until: null })
    .where('id', '=', id)
    .where('revoked_at', 'is', null)
    .executeTakeFirst();
  await store.db.deleteFrom('sessions').where('key_id', '=', id).execute();
  return result.numUpdatedRows > 0n;
}

/** The longest that two secrets of a key are good side by side. */
export const longestGraceMs = 30 * 24 * 3600_000;

/**
 * Gives a key a new secret. It stays the same key: id, name, limits and what it owns. Of secrets before the last one,
 * none is good any more.
 * @param options.graceMs how long the secret it has now is good beside the new one, in milliseconds; 0: not at all
 * @param options.expiresAt a new expiry. Default: the one it has
 * @returns the new key, the only time it can be had, and until when the old one is good
 * @throws FreeholdError not_found for one that is unknown or revoked; invalid_request for one that has expired without a
 *   new expiry, or a bad grace
 */
export async function rotateKey(
  store: Store,
  id: string,
  options: { graceMs: number; expiresAt?: number },
): Promise<{ key: string; previousUntil: number | undefined }> {
  const { graceMs, expiresAt } = options;
  if (!Number.isInteger(graceMs) || graceMs < 0 || graceMs > longestGraceMs) {
    throw invalid('grace', 'The old key may stay good for at most 30 days.');
  }
  requireFuture(expiresAt);
  const now = Date.now();
  const key = newSecret();
  const previousUntil = graceMs === 0 ? undefined : now + graceMs;
  const row = await store.db.selectFrom('api_keys').selectAll().where('id', '=', id).executeTakeFirst();
  if (id.startsWith('aws_')) {
    throw invalid('id', 'Credentials of the type aws are not rotated.', 'Create others, use them, and revoke these.');
  }
  if (!row || row.revoked_at !== null) {
    throw new FreeholdError(
      'not_found',
      row ? `The key ${id} is revoked.` : `There is no key with the id "${id.slice(0, 100)}".`,
      { hint: '`freehold keys list` shows the ids (key_…); a key itself (fh_…) cannot be looked up here.' },
    );
  }
  if (expiresAt === undefined && row.expires_at !== null && row.expires_at <= now) {
    throw invalid(
      'expires',
      `The key ${id} has expired, and a new secret would not change that.`,
      'Add: --expires 30d',
    );
  }
  const result = await store.db
    .updateTable('api_keys')
    .set((column) => ({
      hash: hashSecret(key),
      prefix: key.slice(0, 8),
      rotated_at: now,
      previous_hash: previousUntil === undefined ? null : column.ref('hash'),
      previous_until: previousUntil ?? null,
      ...(expiresAt === undefined ? {} : { expires_at: expiresAt }),
    }))
    .where('id', '=', id)
    // of two that rotate at once, one must be told: the secret it was given would never be good
    .where('hash', '=', row.hash)
    .where('revoked_at', 'is', null)
    .executeTakeFirst();
  if (result.numUpdatedRows === 0n) {
    throw new FreeholdError('in_use', `The key ${id} was rotated or revoked by another process just now.`);
  }
  return { key, previousUntil };
}

/** Whether any key was ever created here; false means a first start. */
export async function hasKeys(store: Store): Promise<boolean> {
  return (await store.db.selectFrom('api_keys').select('id').limit(1).executeTakeFirst()) !== undefined;
}

const isUnlimited = (scopes: KeyScopes) => [scopes.routes, scopes.models].every((list) => list.includes('*'));

function requireScopes({ routes, models }: KeyScopes): void {
  const known: readonly string[] = ['*', ...routeScopes];
  const unknown = routes.find((scope) => !known.includes(scope));
  if (unknown !== undefined) {
    throw invalid('scopes', `The scope "${unknown}" is unknown; scopes are ${routeScopes.join(', ')}, or * for all.`);
  }
  if (routes.length === 0) throw invalid('scopes', 'A key needs at least one scope, or * for all.');
  const bad = models.find((name) => !/^[^\s,\p{Cc}]{1,200}$/u.test(name));
  if (bad !== undefined) throw invalid('models', `"${bad.slice(0, 100)}" is not the name of a model.`);
  if (models.length === 0 || models.length > 100) {
    throw invalid('models', 'A key is for 1 to 100 models by name, or for * (all).');
  }
}

function requireFuture(expiresAt: number | undefined): void {
  if (expiresAt === undefined || (Number.isSafeInteger(expiresAt) && expiresAt > Date.now())) return;
  throw invalid('expires', 'A key must expire in the future.');
}

const invalid = (field: string, message: string, hint?: string) =>
  new FreeholdError('invalid_request', message, { field, ...(hint === undefined ? {} : { hint }) });
