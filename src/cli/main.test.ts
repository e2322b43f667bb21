// The whole command in a process of its own, where nobody listens to what it says.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';

let home: string;
beforeAll(() => {
  home = mkdtempSync(path.join(tmpdir(), 'freehold-main-'));
});
afterAll(() => rmSync(home, { recursive: true, force: true }));

const main = ['--import', 'tsx', path.join(import.meta.dirname, 'main.ts')];
const environment = () => ({ ...process.env, HOME: home, FREEHOLD_HOME: path.join(home, 'freehold') });

// a device on which every write fails as on a full disk
it.skipIf(!existsSync('/dev/full'))('goes on to its end when standard error cannot be written', () => {
  const { status } = spawnSync(process.execPath, [...main, 'models', '--nonsense'], {
    stdio: ['ignore', 'ignore', openSync('/dev/full', 'w')],
    env: environment(),
  });
  expect(status).toBe(2);
});

it('ends without a word when the reader of its answer goes away', async () => {
  const child = spawn(process.execPath, [...main, 'models', '--catalogue', '--json'], { env: environment() });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  // gone before the first byte comes
  child.stdout.destroy();
  const status = await new Promise((resolve) => child.on('exit', resolve));
  expect([status, said]).toEqual([0, '']);
});
