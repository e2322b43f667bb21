// The bytes of files on disk: `<home>/files/ID`, and what is still being written in `<home>/files/incoming`. A file is
// flushed before it gets its name, so what has a name is whole. Knows ids and bytes; what they are is in files.ts.
import { mkdirSync, renameSync } from 'node:fs';
import { type FileHandle, open, readdir, rm, stat } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { isDiskFull, syncFolder } from '../lib/disk.ts';
import { FreeholdError } from '../lib/errors.ts';
import { newOrderedId } from '../lib/ids.ts';
import { lives, thisProcess } from '../lib/process-identity.ts';
import type { Store } from './open.ts';

/** Bytes that are being written down. Ends with `keep` or `abandon`. */
export interface Upload {
  /** What it will be called. */
  id: string;
  /** So far. */
  sizeBytes: number;
  /** @throws FreeholdError disk_full, file_io */
  write(bytes: Uint8Array): Promise<void>;
  /** Flushes it to the disk; `name` then gives it its name. @throws FreeholdError disk_full, file_io */
  flush(): Promise<void>;
  /** At once, so that it can happen within a transaction. `syncBlobs` makes it durable. @throws FreeholdError as `flush` */
  name(): void;
  /** Removes what was written, named or not; harmless when called twice, or after an error. */
  abandon(): Promise<void>;
}

const idShape = /^file_[0-9A-Za-z]{24}$/;

/** Whether something may be an id; only such ever become part of a path. */
export const isFileId = (text: string): boolean => idShape.test(text);

const folderOf = (store: Store) => path.join(path.dirname(store.file), 'files');
const incomingOf = (store: Store) => path.join(folderOf(store), 'incoming');

/** @param id as `isFileId` accepts it */
export function blobPath(store: Store, id: string): string {
  if (!isFileId(id)) throw new Error(`not an id of a file: ${JSON.stringify(id.slice(0, 100))}`);
  return path.join(folderOf(store), id);
}

/** @throws FreeholdError disk_full, file_io */
export async function beginUpload(store: Store): Promise<Upload> {
  const id = newOrderedId('file');
  const { pid, host, started } = thisProcess();
  const name = [pid, started ?? '', Buffer.from(host).toString('base64url'), id].join('.');
  const incoming = path.join(incomingOf(store), name);
  const handle = await told(async () => {
    mkdirSync(incomingOf(store), { recursive: true, mode: 0o700 });
    return open(incoming, 'wx', 0o600);
  });
  return createUpload(id, handle, incoming, blobPath(store, id));
}

function createUpload(id: string, handle: FileHandle, incoming: string, final: string): Upload {
  let isOpen = true;
  const close = async () => {
    if (isOpen) await handle.close();
    isOpen = false;
  };
  const upload: Upload = {
    id,
    sizeBytes: 0,
    async write(bytes) {
      await told(async () => {
        for (let from = 0; from < bytes.byteLength; ) {
          from += (await handle.write(bytes, from, bytes.byteLength - from)).bytesWritten;
        }
      });
      upload.sizeBytes += bytes.byteLength;
    },
    flush: () =>
      told(async () => {
        await handle.sync();
        await close();
      }),
    name() {
      try {
        renameSync(incoming, final);
      } catch (cause) {
        throw fileError(cause);
      }
    },
    async abandon() {
      await close().catch(() => undefined);
      await Promise.all([rm(incoming, { force: true }), rm(final, { force: true })]);
    },
  };
  return upload;
}

/** Makes the names that uploads were given durable. */
export const syncBlobs = (store: Store): Promise<void> => syncFolder(folderOf(store));

/** @throws FreeholdError file_not_found, file_io */
export async function openBlob(store: Store, id: string): Promise<FileHandle> {
  return told(() => open(blobPath(store, id), 'r'));
}

/** @throws FreeholdError file_io; not when it is gone already */
export async function removeBlob(store: Store, id: string): Promise<void> {
  await told(() => rm(blobPath(store, id), { force: true }));
}

/** The ids of all that has a name. */
export async function listBlobs(store: Store): Promise<string[]> {
  const names = await readdir(folderOf(store)).catch(() => []);
  return names.filter(isFileId);
}

/** Longest an upload of a process that cannot be asked is left alone, in milliseconds. */
const strangersKeptMs = 24 * 3600_000;

/** Removes what processes that ended did not finish writing. */
export async function removeUnfinished(store: Store): Promise<void> {
  for (const name of await readdir(incomingOf(store)).catch(() => [])) {
    const [pid, started, host, id] = name.split('.');
    if (!id || !isFileId(id)) continue;
    const file = path.join(incomingOf(store), name);
    const writer = {
      pid: Number(pid),
      started: started || undefined,
      host: Buffer.from(host ?? '', 'base64url').toString() || os.hostname(),
    };
    const alive = lives(writer) ?? (await stat(file).catch(() => undefined))?.mtimeMs ?? 0;
    const keep = typeof alive === 'boolean' ? alive : Date.now() - alive < strangersKeptMs;
    if (!keep) await rm(file, { force: true });
  }
}

/** What the operating system says, in our own errors. */
async function told<T>(work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    throw fileError(cause);
  }
}

function fileError(cause: unknown): FreeholdError {
  if (isDiskFull(cause)) {
    return new FreeholdError('disk_full', 'The disk is full, so the file was not kept.', {
      hint: 'Free some space where the server runs, or delete files.',
      cause,
    });
  }
  if ((cause as NodeJS.ErrnoException).code === 'ENOENT') {
    return new FreeholdError('file_not_found', 'The content of the file is gone from the disk.', { cause });
  }
  return new FreeholdError('file_io', 'The file cannot be written, read or removed.', { cause });
}
