// Needs dist/: the program that is watched is a process of its own.
import { spawn } from 'node:child_process';
import { describe, expect, it } from 'vitest';

const watchdog = new URL('../../../dist/infer/process/watchdog.js', import.meta.url).href;
/** A program that is watched and does `then` once its watchdog runs. */
const watched = (then: string) => `
import(${JSON.stringify(watchdog)}).then(async ({ startWatchdog }) => {
  await startWatchdog(process.ppid);
  ${then};
});`;
const blocked = watched(`process.stdout.write(String(process.pid), () => {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
})`);
const parent = `
require('node:child_process').spawn(process.execPath, ['-e', ${JSON.stringify(blocked)}], { stdio: 'inherit' });
setInterval(() => {}, 1000);`;

describe('a process whose main thread is blocked', () => {
  it('ends when its parent was killed', async () => {
    const server = spawn(process.execPath, ['-e', parent], { stdio: ['ignore', 'pipe', 'inherit'] });
    // both processes hold the pipe: it closes when the last of them has ended
    const closed = new Promise((resolve) => server.stdout.once('close', resolve));
    const pid = await new Promise<number>((resolve) => server.stdout.once('data', (data) => resolve(Number(data))));
    expect(() => process.kill(pid, 0)).not.toThrow();
    server.kill('SIGKILL');
    await closed;
  });

  it('is left alone while its parent lives, and ends as it likes', async () => {
    const alone = spawn(process.execPath, ['-e', watched('setTimeout(() => process.exit(7), 100)')], {
      stdio: 'ignore',
    });
    expect(await new Promise((resolve) => alone.once('exit', resolve))).toBe(7);
  });
});
