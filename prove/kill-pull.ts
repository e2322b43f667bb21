// Promise: kill -9 in the middle of a pull loses nothing that was received: the next pull resumes, and what arrives is whole.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';

const file = path.join(import.meta.dirname, '../test/fixtures/tiny.gguf');
const program = path.join(import.meta.dirname, '../dist/cli/main.js');
/** Bytes a second the source sends: slow enough that every kill falls into the download. */
const rateBytes = 120_000;

export async function provePullKill(rounds: number): Promise<void> {
  const bytes = readFileSync(file);
  let sent = 0;
  // a source with ranges and an etag that sends slowly
  const server = createServer((request, response) => {
    const from = Number(/bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);
    response.writeHead(from > 0 ? 206 : 200, {
      etag: '"1"',
      'accept-ranges': 'bytes',
      'content-length': bytes.length - from,
      ...(from > 0 ? { 'content-range': `bytes ${from}-${bytes.length - 1}/${bytes.length}` } : {}),
    });
    if (request.method === 'HEAD') return void response.end();
    let at = from;
    const timer = setInterval(() => {
      const chunk = bytes.subarray(at, at + rateBytes / 50);
      at += chunk.length;
      sent += chunk.length;
      response.write(chunk);
      if (at >= bytes.length) {
        clearInterval(timer);
        response.end();
      }
    }, 20);
    response.on('close', () => clearInterval(timer));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/tiny.gguf`;
  try {
    for (let round = 0; round < rounds; round++) {
      const home = mkdtempSync(path.join(tmpdir(), 'freehold-prove-'));
      sent = 0;
      const pull = () =>
        spawn(process.execPath, [program, 'pull', url, '--json'], {
          env: { ...process.env, FREEHOLD_HOME: home },
          stdio: ['ignore', 'ignore', 'inherit'],
        });
      let kills = 0;
      for (let i = 0; i < 4; i++) {
        const child = pull();
        const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
        await new Promise((resolve) => setTimeout(resolve, 700 + Math.random() * 500));
        if (child.exitCode === null) kills += 1;
        child.kill('SIGKILL');
        await exited;
      }
      const status = await new Promise<number | null>((resolve) => pull().once('exit', resolve));
      assert.equal(status, 0, 'the last pull succeeds');
      const here = readFileSync(path.join(home, 'models', 'tiny.gguf'));
      const hash = (data: Buffer) => createHash('sha256').update(data).digest('hex');
      assert.equal(hash(here), hash(bytes), 'what arrived is what was sent');
      console.log(`round ${round + 1}/${rounds}: ${kills} kills, ${sent} bytes sent for ${bytes.length}`);
      rmSync(home, { recursive: true });
    }
  } finally {
    server.closeAllConnections();
    server.close();
  }
}
