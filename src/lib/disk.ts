// Small truths about disks that whoever writes files needs.
import { open } from 'node:fs/promises';

/** Makes a rename in a folder itself durable; file systems that cannot flush a folder are left alone. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r').catch(() => undefined);
  await handle?.sync().catch(() => undefined);
  await handle?.close();
}

/** Whether an error of the operating system says that there is no room: on the disk, or within the user's share of it. */
export function isDiskFull(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  return code === 'ENOSPC' || code === 'EDQUOT';
}
