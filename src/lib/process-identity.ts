// Which process it was, and whether it still lives: its number alone does not tell, numbers are used again. Knows the
// operating system, not what the process was doing.
import { readFileSync } from 'node:fs';
import os from 'node:os';

export interface ProcessIdentity {
  pid: number;
  host: string;
  /** When it started, where the system tells (Linux): clock ticks since boot. */
  started: string | undefined;
}

/** This process. */
export function thisProcess(): ProcessIdentity {
  return { pid: process.pid, host: os.hostname(), started: startOf(process.pid) };
}

/**
 * Whether a process lives.
 * @returns undefined for one of another host, which cannot be asked
 */
export function lives({ pid, host, started }: ProcessIdentity): boolean | undefined {
  if (host !== os.hostname()) return undefined;
  if (!hasProcess(pid)) return false;
  return started === undefined || started === startOf(pid);
}

function hasProcess(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
  return true;
}

/** Start of a process, from Linux's /proc; undefined elsewhere, and for one that ended and was not yet reaped. */
function startOf(pid: number): string | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // the second field is the command in parentheses and may hold anything; the state follows it, the start is the 20th
    const [state, ...rest] = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return state === 'Z' || state === 'X' ? undefined : rest[18];
  } catch {
    return undefined;
  }
}
