// The disk: room on it, errors it gives, files that are there whole or not at all.
import { mkdir, open, rename, rm, statfs } from 'node:fs/promises';
import path from 'node:path';
import { isDiskFull, syncFolder } from '../lib/disk.ts';
import { FreeholdError } from '../lib/errors.ts';
import { formatBytes } from '../lib/units.ts';

/** Left free beside a download, in bytes. */
const spareBytes = 64e6;

/** Free bytes for this user on the disk that holds `folder`, which need not exist yet; undefined where unknown. */
export async function freeDiskBytes(folder: string): Promise<number | undefined> {
  for (let at = path.resolve(folder); ; at = path.dirname(at)) {
    try {
      const disk = await statfs(at);
      return disk.bavail * disk.bsize;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || at === path.dirname(at)) return undefined;
    }
  }
}

/**
 * @param neededBytes still to be written
 * @throws FreeholdError disk_full when less than that plus 64 MB is free
 */
export async function requireDiskSpace(
  folder: string,
  neededBytes: number,
  what: string,
  freeBytes: (folder: string) => Promise<number | undefined> = freeDiskBytes,
): Promise<void> {
  const free = await freeBytes(folder);
  if (free === undefined || free >= neededBytes + spareBytes) return;
  throw new FreeholdError(
    'disk_full',
    `${what} needs ${formatBytes(neededBytes)} on the disk of ${folder} (and ${formatBytes(spareBytes)} to spare), ` +
      `and ${formatBytes(free)} is free.`,
    { hint: 'Free some space, remove a model with `freehold rm`, or set FREEHOLD_HOME to a folder on a larger disk.' },
  );
}

/** Makes a FreeholdError of what the operating system said about a file. */
export function diskError(error: unknown, file: string, doing: string): FreeholdError {
  if (error instanceof FreeholdError) return error;
  const code = (error as NodeJS.ErrnoException).code ?? String(error);
  if (isDiskFull(error)) {
    return new FreeholdError('disk_full', `The disk is full: ${doing} ${file} stopped.`, {
      cause: error,
      hint: 'Free some space and pull again: it goes on where it stopped. FREEHOLD_HOME may be on a larger disk.',
    });
  }
  const hint = ['EACCES', 'EPERM', 'EROFS'].includes(code)
    ? 'Check who may write there, or set FREEHOLD_HOME to a folder of your own.'
    : 'Check the disk.';
  return new FreeholdError('file_io', `${doing} ${file} failed: ${code}.`, { cause: error, hint });
}

/**
 * Writes a small file: a temporary one beside it, flushed, then renamed over it.
 * @param mode permissions, where others must not read it
 * @throws FreeholdError disk_full, file_io
 */
export async function writeFileDurably(file: string, text: string, mode = 0o666): Promise<void> {
  const temporary = `${file}.${process.pid}.tmp`;
  try {
    const handle = await open(temporary, 'w', mode);
    try {
      await handle.writeFile(text);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, file);
  } catch (error) {
    await rm(temporary, { force: true });
    throw diskError(error, file, 'Writing');
  }
}

/** Flushes a finished file and moves it to its place. @throws FreeholdError disk_full, file_io */
export async function moveDurably(from: string, to: string): Promise<void> {
  try {
    const handle = await open(from, 'r+');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(from, to);
    await syncFolder(path.dirname(to));
  } catch (error) {
    throw diskError(error, to, 'Writing');
  }
}

/** Makes a folder and its parents, those that are new for this user only. @throws FreeholdError file_io, disk_full */
export async function makeFolder(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 }).catch((error: unknown) => {
    throw diskError(error, folder, 'Making the folder');
  });
}
