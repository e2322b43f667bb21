// A key as it may be shown, and how it is read from its row. Knows no queries.
import { allScopes, type KeyScopes } from '../lib/scopes.ts';
import type { ApiKeysTable, Role } from './schema.ts';

/** A key as it may be shown: everything but the secret. */
export interface ApiKey {
  id: string;
  name: string;
  role: Role;
  scopes: KeyScopes;
  /** The first 8 characters of the key; of the new one after a rotation. */
  prefix: string;
  /** Milliseconds since 1970, as the other times. */
  createdAt: number;
  /** Kept to within five minutes. */
  lastUsedAt: number | undefined;
  revokedAt: number | undefined;
  /** From when on it is refused; undefined: never. */
  expiresAt: number | undefined;
  rotatedAt: number | undefined;
  /** Until when the secret before the last rotation is good, while it is. */
  previousUntil: number | undefined;
}

/** `rotating`: in use, and the secret before the last rotation is still good too. */
export type KeyState = 'active' | 'rotating' | 'expired' | 'revoked';

/** @param nowMs milliseconds since 1970 */
export function keyState(key: ApiKey, nowMs: number): KeyState {
  if (key.revokedAt !== undefined) return 'revoked';
  if (key.expiresAt !== undefined && key.expiresAt <= nowMs) return 'expired';
  return key.previousUntil !== undefined && key.previousUntil > nowMs ? 'rotating' : 'active';
}

/** A row of the table as it is read. */
export type KeyRow = {
  [Column in keyof ApiKeysTable]: ApiKeysTable[Column] extends { __select__: infer Read } ? Read : ApiKeysTable[Column];
};

/** @param text of the column `scopes` */
export const readScopes = (text: string | null): KeyScopes =>
  text === null ? allScopes : (JSON.parse(text) as KeyScopes);

export function toApiKey(row: KeyRow): ApiKey {
  return {
    id: row.id,
    name: row.name,
    role: row.role,
    scopes: readScopes(row.scopes),
    prefix: row.prefix,
    createdAt: row.created_at,
    lastUsedAt: row.last_used_at ?? undefined,
    revokedAt: row.revoked_at ?? undefined,
    expiresAt: row.expires_at ?? undefined,
    rotatedAt: row.rotated_at ?? undefined,
    previousUntil: row.previous_until ?? undefined,
  };
}
