// Free memory read from files laid out as Linux has them.
import { mkdtempSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { availableMemory } from './memory.ts';

let root: string;
beforeEach(async () => {
  root = mkdtempSync(path.join(tmpdir(), 'freehold-memory-'));
  await put('proc/meminfo', 'MemTotal:       16000000 kB\nMemFree:  1000 kB\nMemAvailable:   12000000 kB\n');
});
afterEach(() => rm(root, { recursive: true, force: true }));

async function put(file: string, text: string | number): Promise<void> {
  await mkdir(path.dirname(path.join(root, file)), { recursive: true });
  await writeFile(path.join(root, file), `${text}\n`);
}

describe('free memory', () => {
  it('is what the kernel calls available', () => {
    expect(availableMemory(root)).toEqual({ totalBytes: 16_384_000_000, freeBytes: 12_288_000_000 });
  });

  it('is bounded by the tightest cgroup above, file cache not counted (v2)', async () => {
    await put('proc/self/cgroup', '0::/slice/unit');
    await put('sys/fs/cgroup/slice/memory.max', 4_000_000_000);
    await put('sys/fs/cgroup/slice/memory.current', 1_500_000_000);
    await put('sys/fs/cgroup/slice/memory.stat', 'anon 1\ninactive_file 500000000\n');
    await put('sys/fs/cgroup/slice/unit/memory.max', 'max');
    await put('sys/fs/cgroup/slice/unit/memory.current', 5);
    expect(availableMemory(root)).toEqual({ totalBytes: 4e9, freeBytes: 3e9 });
  });

  it('is bounded where a container sees its group as the root', async () => {
    await put('proc/self/cgroup', '0::/');
    await put('sys/fs/cgroup/memory.max', 2_000_000_000);
    await put('sys/fs/cgroup/memory.current', 2_500_000_000);
    expect(availableMemory(root)).toEqual({ totalBytes: 2e9, freeBytes: 0 });
  });

  it('is bounded by version 1 groups, whose "no limit" is a huge number', async () => {
    await put('proc/self/cgroup', '5:cpu,memory:/box\n1:name=systemd:/x');
    await put('sys/fs/cgroup/memory/box/memory.limit_in_bytes', 3_000_000_000);
    await put('sys/fs/cgroup/memory/box/memory.usage_in_bytes', 1_000_000_000);
    await put('sys/fs/cgroup/memory/memory.limit_in_bytes', '9223372036854771712');
    await put('sys/fs/cgroup/memory/memory.usage_in_bytes', 1);
    expect(availableMemory(root)).toEqual({ totalBytes: 3e9, freeBytes: 2e9 });
  });

  it('is something sensible on this very machine', () => {
    const { totalBytes, freeBytes } = availableMemory();
    expect(freeBytes).toBeGreaterThan(0);
    expect(freeBytes).toBeLessThanOrEqual(totalBytes);
  });
});
