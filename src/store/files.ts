// Files that callers upload: a row for what they are, a blob for their bytes, one owner each. A row is written when its
// blob is on the disk, in one transaction with the blob's name, so that after kill -9 every file that was acknowledged is
// there and whole, and nothing else stays behind a start. Knows nothing of HTTP.
import type { FileHandle } from 'node:fs/promises';
import { type Kysely, sql } from 'kysely';
import { FreeholdError } from '../lib/errors.ts';
import { formatBytes } from '../lib/units.ts';
import { isFileId, listBlobs, openBlob, removeBlob, removeUnfinished, syncBlobs, type Upload } from './blobs.ts';
import type { Store } from './open.ts';
import type { FilesTable, Schema } from './schema.ts';

export { beginUpload, isFileId, type Upload } from './blobs.ts';

export interface StoredFile {
  id: string;
  owner: string;
  name: string;
  mediaType: string;
  purpose: string;
  sizeBytes: number;
  /** Milliseconds since 1970, as the other times. */
  createdAt: number;
  /** From when on it is gone; undefined: never. */
  expiresAt: number | undefined;
}

/** How much one owner may keep. */
export interface FileQuota {
  files: number;
  bytes: number;
}

/** @throws FreeholdError quota_exceeded */
export function requireQuota(usage: FileQuota, quota: FileQuota): void {
  if (usage.files > quota.files) {
    throw new FreeholdError('quota_exceeded', `A key may keep ${quota.files} files, and this would be one more.`, {
      hint: 'Delete files that are not needed (DELETE /v1/files/ID), or raise filesPerKey where the server runs.',
    });
  }
  if (usage.bytes > quota.bytes) {
    throw new FreeholdError(
      'quota_exceeded',
      `A key may keep ${formatBytes(quota.bytes)} in files, and this is more.`,
      {
        hint: 'Delete files that are not needed (DELETE /v1/files/ID), or raise fileBytesPerKey where the server runs.',
      },
    );
  }
}

/**
 * Makes an upload a file. On return it is on the disk; when it throws, nothing is left of it.
 * @throws FreeholdError quota_exceeded, disk_full, file_io
 */
export async function keepFile(
  store: Store,
  upload: Upload,
  facts: Pick<StoredFile, 'owner' | 'name' | 'mediaType' | 'purpose' | 'expiresAt'>,
  quota: FileQuota,
): Promise<StoredFile> {
  const file: StoredFile = { ...facts, id: upload.id, sizeBytes: upload.sizeBytes, createdAt: Date.now() };
  try {
    await upload.flush();
    await immediately(store, async (db) => {
      await db.insertInto('files').values(toRow(file)).execute();
      requireQuota(await usageIn(db, file.owner), quota);
      upload.name();
      await syncBlobs(store);
    });
  } catch (error) {
    await upload.abandon();
    throw error;
  }
  return file;
}

/** What an owner keeps now. */
export const fileUsage = (store: Store, owner: string): Promise<FileQuota> => usageIn(store.db, owner);

async function usageIn(db: Kysely<Schema>, owner: string): Promise<FileQuota> {
  const row = await db
    .selectFrom('files')
    .select((column) => [
      column.fn.countAll<number>().as('files'),
      column.fn.coalesce(column.fn.sum<number>('size_bytes'), sql<number>`0`).as('bytes'),
    ])
    .where('owner', '=', owner)
    .where(isThere)
    .executeTakeFirstOrThrow();
  return { files: Number(row.files), bytes: Number(row.bytes) };
}

/** The file, if the owner has it. */
export async function findFile(store: Store, owner: string, id: string): Promise<StoredFile | undefined> {
  if (!isFileId(id)) return undefined;
  const row = await store.db
    .selectFrom('files')
    .selectAll()
    .where('id', '=', id)
    .where('owner', '=', owner)
    .where(isThere)
    .executeTakeFirst();
  return row && toFile(row);
}

export interface FilePage {
  /** Ids in which order. */
  order: 'newest first' | 'oldest first';
  limit: number;
  /** Goes on behind this id in the order, whether or not it still names a file. */
  after?: string | undefined;
  purpose?: string | undefined;
}

/** One page of an owner's files, and whether there are more behind it. */
export async function listFiles(
  store: Store,
  owner: string,
  { order, limit, after, purpose }: FilePage,
): Promise<{ files: StoredFile[]; more: boolean }> {
  const newest = order === 'newest first';
  let query = store.db.selectFrom('files').selectAll().where('owner', '=', owner).where(isThere);
  if (after !== undefined) query = query.where('id', newest ? '<' : '>', after);
  if (purpose !== undefined) query = query.where('purpose', '=', purpose);
  const rows = await query
    .orderBy('id', newest ? 'desc' : 'asc')
    .limit(limit + 1)
    .execute();
  return { files: rows.slice(0, limit).map(toFile), more: rows.length > limit };
}

/** @returns false when the owner has no such file */
export async function deleteFile(store: Store, owner: string, id: string): Promise<boolean> {
  if (!isFileId(id)) return false;
  const result = await store.db
    .deleteFrom('files')
    .where('id', '=', id)
    .where('owner', '=', owner)
    .where(isThere)
    .executeTakeFirst();
  if (result.numDeletedRows === 0n) return false;
  // what is left of it after a crash here, the next start removes
  await removeBlob(store, id);
  return true;
}

/**
 * Opens the content of a file. Whoever opened it closes it; deleting the file meanwhile does not cut it short.
 * @throws FreeholdError file_not_found when it was deleted just now
 */
export const openFile = (store: Store, file: StoredFile): Promise<FileHandle> => openBlob(store, file.id);

/** Removes files that expired. */
export async function removeExpired(store: Store): Promise<void> {
  const rows = await store.db.deleteFrom('files').where('expires_at', '<=', Date.now()).returning('id').execute();
  for (const { id } of rows) await removeBlob(store, id);
}

/** What a start puts in order: files that expired, uploads that were not finished, blobs that no row knows. */
export async function tidyFiles(store: Store): Promise<void> {
  await removeExpired(store);
  await removeUnfinished(store);
  // nobody writes meanwhile, so a blob without a row is not one that is about to get it
  await immediately(store, async (db) => {
    const blobs = await listBlobs(store);
    const rows = await db.selectFrom('files').select('id').execute();
    const known = new Set(rows.map(({ id }) => id));
    for (const id of blobs) if (!known.has(id)) await removeBlob(store, id);
  });
}

/** A transaction that has the database to itself from its beginning. */
async function immediately(store: Store, work: (db: Kysely<Schema>) => Promise<void>): Promise<void> {
  await store.db.connection().execute(async (db) => {
    await sql`begin immediate`.execute(db);
    try {
      await work(db);
      await sql`commit`.execute(db);
    } catch (error) {
      await sql`rollback`.execute(db).catch(() => undefined);
      throw error;
    }
  });
}

const isThere = () => sql<boolean>`(expires_at is null or expires_at > ${Date.now()})`;

const toRow = (file: StoredFile): FilesTable => ({
  id: file.id,
  owner: file.owner,
  name: file.name,
  media_type: file.mediaType,
  purpose: file.purpose,
  size_bytes: file.sizeBytes,
  created_at: file.createdAt,
  expires_at: file.expiresAt ?? null,
});

const toFile = (row: FilesTable): StoredFile => ({
  id: row.id,
  owner: row.owner,
  name: row.name,
  mediaType: row.media_type,
  purpose: row.purpose,
  sizeBytes: row.size_bytes,
  createdAt: row.created_at,
  expiresAt: row.expires_at ?? undefined,
});
