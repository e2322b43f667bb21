// From what a caller presented to the key it is. Runs with every request, so what was read is kept in memory, but only as
// long as SQLite says that nothing was written since, by any process: a revoked key is refused from its next request on.
import { type ApiKey, toApiKey } from './key-record.ts';
import type { Store } from './open.ts';
import { equalHashes, hashSecret } from './secrets.ts';

/** A secret that is good until a time. */
interface Known {
  key: ApiKey;
  /** The earliest of what ends it, in milliseconds since 1970: the key's expiry, the grace of a rotation. */
  goodUntil: number;
}

interface Cache {
  /** `store.changes()` when it was filled. */
  mark: string;
  /** By the hash of the secret. Secrets that are not known are not kept: anyone could fill it with them. */
  known: Map<string, Known>;
}

const caches = new WeakMap<Store, Cache>();
const mostKnown = 10_000;

const keyShape = /^fh_[0-9A-Za-z]{40}$/;
/** A use is written down at most this often for each key, so that requests do not wait for the disk. */
const lastUsedEveryMs = 5 * 60_000;

/**
 * The key that was presented, if it is known, not revoked and not expired. Also notes that it was used.
 * @param presentedKey whatever the caller sent
 */
export async function findKey(store: Store, presentedKey: string): Promise<ApiKey | undefined> {
  if (!keyShape.test(presentedKey)) return undefined;
  const hash = hashSecret(presentedKey);
  const found = cacheOf(store).get(hash) ?? (await read(store, hash));
  const now = Date.now();
  if (!found || found.goodUntil <= now) return undefined;
  const { key } = found;
  if (key.lastUsedAt === undefined || now - key.lastUsedAt > lastUsedEveryMs) {
    // a full disk must not lock anyone out: the note is worth less than the request
    await store.db
      .updateTable('api_keys')
      .set({ last_used_at: now })
      .where('id', '=', key.id)
      .execute()
      .catch(() => undefined);
  }
  return key;
}

function cacheOf(store: Store): Map<string, Known> {
  const mark = store.changes();
  let cache = caches.get(store);
  if (cache?.mark !== mark || cache.known.size >= mostKnown) {
    cache = { mark, known: new Map() };
    caches.set(store, cache);
  }
  return cache.known;
}

async function read(store: Store, hash: string): Promise<Known | undefined> {
  // the mark is taken first: what is written while the row is read makes a new one
  const known = cacheOf(store);
  const row = await store.db
    .selectFrom('api_keys')
    .selectAll()
    .where((column) => column.or([column('hash', '=', hash), column('previous_hash', '=', hash)]))
    .executeTakeFirst();
  if (!row || row.revoked_at !== null) return undefined;
  const isCurrent = equalHashes(row.hash, hash);
  if (!isCurrent && !equalHashes(row.previous_hash ?? '', hash)) return undefined;
  const goodUntil = Math.min(
    row.expires_at ?? Number.POSITIVE_INFINITY,
    isCurrent ? Number.POSITIVE_INFINITY : (row.previous_until ?? 0),
  );
  const found = { key: toApiKey(row), goodUntil };
  known.set(hash, found);
  return found;
}
