// `freehold up`, from dist/, with a home of its own: started, awaited, stopped.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';

const program = path.join(import.meta.dirname, '../dist/cli/main.js');

export interface ServerProcess {
  port: number;
  pid: number;
  /** When it was started, on the clock of `performance.now()`. */
  startedAt: number;
  /** Process ids of the server's children: the model processes. */
  children(): number[];
  stop(): Promise<void>;
}

/**
 * Starts the server without keys and waits until it listens; the model may still be loading.
 * @param args more of the command line, e.g. `--model FILE`
 * @param env on top of this process's environment; without FREEHOLD_HOME a new folder is the home, removed at the end
 */
export async function startServerProcess(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<ServerProcess> {
  const home = env.FREEHOLD_HOME ?? mkdtempSync(path.join(tmpdir(), 'freehold-bench-'));
  const port = await freePort();
  const startedAt = performance.now();
  const child = spawn(
    process.execPath,
    [program, 'up', '--port', String(port), '--no-auth', '--log-level', 'silent', ...args],
    { env: { ...process.env, ...env, FREEHOLD_HOME: home }, stdio: 'ignore' },
  );
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const stop = async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
    await exited;
    if (!env.FREEHOLD_HOME) rmSync(home, { recursive: true, force: true });
  };
  await untilOk(`http://127.0.0.1:${port}/health`, child);
  const pid = child.pid as number;
  return { port, pid, startedAt, children: () => childrenOf(pid), stop };
}

/** Asks again and again until the address answers. @throws when the process has ended */
export async function untilOk(url: string, child: ChildProcess): Promise<void> {
  for (;;) {
    const ok = await fetch(url).then(
      (response) => response.ok,
      () => false,
    );
    if (ok) return;
    if (child.exitCode !== null || child.signalCode !== null)
      throw new Error(`the server ended (${child.signalCode ?? `status ${child.exitCode}`})`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

export function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const probe = createServer().listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as { port: number };
      probe.close(() => resolve(port));
    });
  });
}

/** Process ids of a process's children; none where the system does not tell. */
export function childrenOf(pid: number): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number);
  } catch {
    return [];
  }
}
