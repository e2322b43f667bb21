// How much memory this machine, or the container it runs in, has for a model. Host memory only: what a graphics card
// has free is for whoever talks to the card to say.
import { readFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { AvailableMemory } from './types.ts';

/**
 * What a process could take now without swapping. On Linux `MemAvailable`, bounded by every cgroup limit (v1 and v2)
 * above this process; a group's clean file cache counts as free, since the kernel gives it back. On macOS, where free
 * pages leave out the file cache, at least half of the memory. Elsewhere what the system calls free.
 * @param root where `/proc` and `/sys` are looked for; for tests
 */
export function availableMemory(root = '/'): AvailableMemory {
  let totalBytes = os.totalmem();
  let freeBytes = os.freemem();
  if (process.platform === 'darwin') freeBytes = Math.max(freeBytes, totalBytes / 2);
  const meminfo = read(path.join(root, 'proc/meminfo'));
  if (meminfo === undefined) return { totalBytes, freeBytes };
  totalBytes = kibibytes(meminfo, 'MemTotal') ?? totalBytes;
  freeBytes = kibibytes(meminfo, 'MemAvailable') ?? freeBytes;
  for (const group of groupsOfThisProcess(root)) {
    totalBytes = Math.min(totalBytes, group.limitBytes);
    freeBytes = Math.min(freeBytes, Math.max(0, group.limitBytes - group.usedBytes));
  }
  return { totalBytes, freeBytes };
}

interface GroupMemory {
  limitBytes: number;
  usedBytes: number;
}

function groupsOfThisProcess(root: string): GroupMemory[] {
  const groups: GroupMemory[] = [];
  for (const line of (read(path.join(root, 'proc/self/cgroup')) ?? '').split('\n')) {
    const [id, controllers, ...rest] = line.split(':');
    const where = rest.join(':');
    const unified = id === '0' && controllers === '';
    if (!where || !(unified || controllers?.split(',').includes('memory'))) continue;
    const base = path.join(root, unified ? 'sys/fs/cgroup' : 'sys/fs/cgroup/memory');
    // a container often sees its own group as the root of the mount, so look there and at every parent
    for (let at = path.join('/', where); ; at = path.dirname(at)) {
      const group = unified ? readUnified(path.join(base, at)) : readLegacy(path.join(base, at));
      if (group) groups.push(group);
      if (at === '/') break;
    }
  }
  return groups;
}

function readUnified(dir: string): GroupMemory | undefined {
  const limitBytes = number(read(path.join(dir, 'memory.max')));
  const usedBytes = number(read(path.join(dir, 'memory.current')));
  if (limitBytes === undefined || usedBytes === undefined) return undefined;
  const cache = statistic(read(path.join(dir, 'memory.stat')), 'inactive_file') ?? 0;
  return { limitBytes, usedBytes: Math.max(0, usedBytes - cache) };
}

function readLegacy(dir: string): GroupMemory | undefined {
  const limitBytes = number(read(path.join(dir, 'memory.limit_in_bytes')));
  const usedBytes = number(read(path.join(dir, 'memory.usage_in_bytes')));
  // "no limit" is spelled as a number near 2^63
  if (limitBytes === undefined || usedBytes === undefined || limitBytes >= 2 ** 60) return undefined;
  const cache = statistic(read(path.join(dir, 'memory.stat')), 'total_inactive_file') ?? 0;
  return { limitBytes, usedBytes: Math.max(0, usedBytes - cache) };
}

function kibibytes(meminfo: string, key: string): number | undefined {
  const found = new RegExp(`^${key}:\\s+(\\d+) kB`, 'm').exec(meminfo);
  return found ? Number(found[1]) * 1024 : undefined;
}

function statistic(text: string | undefined, key: string): number | undefined {
  const found = text === undefined ? null : new RegExp(`^${key} (\\d+)`, 'm').exec(text);
  return found ? Number(found[1]) : undefined;
}

/** A whole number alone in a file; undefined for `max` and for anything else. */
function number(text: string | undefined): number | undefined {
  return text !== undefined && /^\d+\s*$/.test(text) ? Number(text) : undefined;
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}
