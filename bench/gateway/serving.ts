// What both servers of this bench are asked, and what of it they answer alike.
import { setTimeout as sleep } from 'node:timers/promises';

export type ServerQuestion =
  | { type: 'start'; answers?: CannedAnswer[] }
  | { type: 'cpu' }
  | { type: 'memory' }
  | { type: 'aborts' }
  | { type: 'profile'; on: boolean };

/** What the bare server says to a path: the very bytes that ours said. */
export interface CannedAnswer {
  path: string;
  headers: Record<string, string>;
  body: string;
}

export interface ServerAnswer {
  port?: number;
  /** Of ours: what to authenticate with. */
  key?: string;
  /** Processor time since the process began, of all its threads. */
  cpuMs?: number;
  residentBytes?: number;
  heapBytes?: number;
  /** When generations were aborted. */
  abortsMs?: number[];
}

export function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** What is held once garbage is gone; the process must have been started with --expose-gc. */
export async function memory(): Promise<ServerAnswer> {
  for (let round = 0; round < 4; round++) {
    (globalThis as { gc?: () => void }).gc?.();
    await sleep(200);
  }
  const { rss, heapUsed } = process.memoryUsage();
  return { residentBytes: rss, heapBytes: heapUsed };
}
