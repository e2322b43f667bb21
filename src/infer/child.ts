// Starting and ending the program of a model process. It gets no secret of the environment, and what it writes to its
// standard error goes to the log.
import { type ChildProcess, fork } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { childEnvironment } from '../lib/child-environment.ts';
import type { Logger } from '../lib/log.ts';
import { NativeLog } from './native-log.ts';

/** The program; run from `dist/` also when this file runs from `src/`. */
const entry = fileURLToPath(
  new URL(import.meta.url.endsWith('.ts') ? '../../dist/infer/process/main.js' : './process/main.js', import.meta.url),
);

/** How long a process may take to leave after it was asked to. */
const graceMs = 2_000;

/** Starts a model process, which does nothing before it is told to load. */
export function startChild(logger: Logger): { child: ChildProcess; log: NativeLog } {
  const child = fork(entry, [], {
    env: childEnvironment(),
    execArgv: ['--enable-source-maps'],
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  const log = new NativeLog();
  if (child.stderr) {
    createInterface({ input: child.stderr }).on('line', (line) => {
      log.add(line);
      logger.debug({ pid: child.pid }, line);
    });
  }
  return { child, log };
}

/** @returns when the process has ended; it is asked first, and killed where it does not hear */
export async function endChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  await new Promise<void>((resolve) => {
    const timer = setTimeout(() => child.kill('SIGKILL'), graceMs);
    child.once('exit', () => {
      clearTimeout(timer);
      resolve();
    });
    if (child.connected) child.disconnect();
    else child.kill('SIGTERM');
  });
}
