// The log of a process of its own: what it writes where standard error works, and what becomes of the process where not.
import { spawnSync } from 'node:child_process';
import { existsSync, openSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';

/** Logs a line, waits, logs another, then speaks on standard output. */
const program = `
  import { createLogger } from ${JSON.stringify(path.join(import.meta.dirname, 'log.ts'))};
  const logger = createLogger('info');
  logger.info({ hubToken: 'hf_secret' }, 'one');
  await new Promise((resolve) => setTimeout(resolve, 50));
  logger.error('two');
  console.log('still here');
`;
const run = (stderr: number | 'pipe') =>
  spawnSync(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', stderr],
    encoding: 'utf8',
  });

it('goes to standard error, line by line, without secrets', () => {
  const { status, stdout, stderr } = run('pipe');
  expect([status, stdout]).toEqual([0, 'still here\n']);
  const lines = stderr
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(lines).toMatchObject([{ msg: 'one', hubToken: '[redacted]' }, { msg: 'two' }]);
});

// a device on which every write fails as on a full disk
it.skipIf(!existsSync('/dev/full'))('ends nothing where it cannot be written', () => {
  const { status, stdout, signal } = run(openSync('/dev/full', 'w'));
  expect([status, signal, stdout]).toEqual([0, null, 'still here\n']);
});
