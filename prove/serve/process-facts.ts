// What the system says of a process: memory, handles, processor time. Linux only: it reads /proc.
import { readdirSync, readFileSync } from 'node:fs';

/** Kernel's clock ticks a second, as /proc shows processor time. */
const ticksPerSecond = 100;

/** Memory a process holds now, in bytes. */
export function residentBytes(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024;
}

/** Open files, sockets and pipes. */
export function handles(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

/** Processor time of all its threads since it began, in milliseconds, to 10 ms. */
export function cpuMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return ((Number(fields[11]) + Number(fields[12])) * 1000) / ticksPerSecond;
}

/** Processor time of a process while nobody asks anything of it. */
export async function cpuMsOver(pid: number, spanMs: number): Promise<number> {
  const before = cpuMs(pid);
  await pause(spanMs);
  return cpuMs(pid) - before;
}

export const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}
