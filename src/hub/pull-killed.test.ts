// A pull whose process is killed with SIGKILL in the middle leaves nothing that harms the next one.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync } from 'node:fs';
import { readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { onDownloads, startHub } from '../../test/support/loopback-hub.ts';
import { resolveConfig } from '../lib/config.ts';
import { listLocalModels } from './models.ts';
import { pullModel } from './pull.ts';

const root = path.join(import.meta.dirname, '../..');
const fixture = readFileSync(path.join(root, 'test/fixtures/tiny.gguf'));

it('takes over the lock of a killed pull and goes on with its bytes', async () => {
  const hub = await startHub();
  const home = mkdtempSync(path.join(tmpdir(), 'freehold-killed-'));
  hub.repositories.set('someone/Tiny-GGUF', new Map([['Tiny-Q8_0.gguf', fixture]]));
  hub.tricks.push(
    onDownloads(1, (_, response, bytes) => {
      response.writeHead(200, { etag: hub.etagOf(bytes), 'content-length': bytes.length });
      response.write(bytes.subarray(0, 70_000));
    }),
  );
  const script = path.join(root, 'test/support/pull-child.ts');
  const child = spawn(process.execPath, ['--import', 'tsx', script, home, hub.url, 'hf:someone/Tiny-GGUF'], {
    cwd: root,
    stdio: 'ignore',
  });
  const ended = new Promise((resolve) => child.on('exit', resolve));
  const part = path.join(home, 'models/tiny@q8_0.gguf.part');
  while (((await stat(part).catch(() => undefined))?.size ?? 0) < 70_000) {
    expect(child.exitCode).toBeNull();
    await sleep(20);
  }
  child.kill('SIGKILL');
  await ended;
  const { values: config } = resolveConfig({ home, hubEndpoint: hub.url }, {}, home);
  expect(await readdir(path.join(home, 'models'))).toContain('tiny@q8_0.lock');
  expect((await listLocalModels(config)).filter((model) => model.file.startsWith(home))).toEqual([]);

  const model = await pullModel('hf:someone/Tiny-GGUF', { config });
  expect(await readFile(model.file)).toEqual(fixture);
  expect(hub.seen.at(-1)?.headers.range).toBe('bytes=70000-');
  expect((await readdir(path.join(home, 'models'))).sort()).toEqual(['tiny@q8_0.gguf', 'tiny@q8_0.json']);
  await hub.close();
  await rm(home, { recursive: true, force: true });
});
