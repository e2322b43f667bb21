// Opening files that others may have put there. A pipe in the place of a model holds up whoever opens it until somebody
// writes to it, and a device may do anything: both are looked at before they are opened, and opened so that nothing waits.
import { constants } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { FreeholdError } from './errors.ts';
import { formatBytes } from './units.ts';

/**
 * Opens a file for reading, links followed.
 * @returns undefined for a folder, pipe, socket or device
 * @throws what the operating system says
 */
export async function openRegularFile(file: string): Promise<FileHandle | undefined> {
  if (!(await stat(file)).isFile()) return undefined;
  // it may have been replaced since: without this flag opening a pipe waits. Windows has neither
  const handle = await open(file, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  try {
    if ((await handle.stat()).isFile()) return handle;
  } catch (error) {
    await handle.close();
    throw error;
  }
  await handle.close();
  return undefined;
}

/**
 * The text of a small file.
 * @param mostBytes what no honest file of its kind exceeds
 * @throws FreeholdError file_io for what is no regular file or larger; what the operating system says
 */
export async function readSmallFile(file: string, mostBytes = 1 << 20): Promise<string> {
  const handle = await openRegularFile(file);
  if (!handle) throw new FreeholdError('file_io', 'It is a folder, a pipe or a device, not a file.');
  try {
    const { size } = await handle.stat();
    if (size > mostBytes) {
      throw new FreeholdError('file_io', `It has ${formatBytes(size)}, expected at most ${formatBytes(mostBytes)}.`);
    }
    return await handle.readFile('utf8');
  } finally {
    await handle.close();
  }
}
