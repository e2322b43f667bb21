// A server that is killed with SIGKILL loses no response that it acknowledged, and says of the others that they are lost.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import OpenAI from 'openai';
import { afterAll, expect, it } from 'vitest';

const root = path.join(import.meta.dirname, '../..');
const home = mkdtempSync(path.join(tmpdir(), 'freehold-killed-'));
afterAll(() => rmSync(home, { recursive: true, force: true }));

interface Child {
  client: OpenAI;
  key: string;
  kill(): Promise<void>;
}

/** @param key of an earlier server of the same home */
async function startChild(key?: string): Promise<Child> {
  const script = path.join(root, 'test/support/answering-child.ts');
  const child = spawn(process.execPath, ['--import', 'tsx', script, home], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = new Promise<void>((resolve) => child.on('exit', () => resolve()));
  let out = '';
  const told = await new Promise<{ url: string; key: string }>((resolve, reject) => {
    child.stdout.on('data', (chunk) => {
      out += chunk;
      if (out.includes('\n')) resolve(JSON.parse(out));
    });
    exited.then(() => reject(new Error(`the server ended: ${out}`)));
  });
  const apiKey = key ?? told.key;
  return {
    client: new OpenAI({ baseURL: `${told.url}/v1`, apiKey, maxRetries: 0 }),
    key: apiKey,
    async kill() {
      child.kill('SIGKILL');
      await exited;
    },
  };
}

const ask = { model: 'default', input: 'hello there' };

it('keeps what was acknowledged, and tells what was lost', async () => {
  const first = await startChild();
  const whole = await first.client.responses.create(ask);
  const slow = await first.client.responses.create({ ...ask, input: 'slowly', background: true });
  let streamed = '';
  for await (const event of await first.client.responses.create({ ...ask, stream: true })) {
    if (event.type !== 'response.completed') continue;
    streamed = event.response.id;
    await first.kill();
    break;
  }

  const second = await startChild(first.key);
  try {
    for (const id of [whole.id, streamed]) {
      expect(await second.client.responses.retrieve(id)).toMatchObject({
        id,
        status: 'completed',
        output_text: 'Hello from the fake model.',
      });
    }
    expect(await second.client.responses.retrieve(slow.id)).toMatchObject({
      status: 'failed',
      error: { code: 'server_error', message: expect.stringContaining('stopped') },
    });
    const next = await second.client.responses.create({ ...ask, previous_response_id: streamed });
    expect(next.status).toBe('completed');
  } finally {
    await second.kill();
  }
});
