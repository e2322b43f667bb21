// How soon Freehold is there: `--help`, listening, the first streamed token; and what it takes: memory, disk.
// The model is FREEHOLD_TEST_MODEL, else the default model where it was pulled, else the fixture (and says so).
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { realModelFile } from '../test/support/real-model.ts';
import type { Figure } from './main.ts';
import { type ServerProcess, startServerProcess } from './server-process.ts';

const root = path.join(import.meta.dirname, '..');
const program = path.join(root, 'dist/cli/main.js');
const rounds = 5;

const median = (values: number[]) => [...values].sort((a, b) => a - b)[values.length >> 1] as number;

function helpMs(): number {
  const startedAt = performance.now();
  execFileSync(process.execPath, [program, '--help'], { stdio: 'ignore' });
  return performance.now() - startedAt;
}

/** Bytes of memory a process holds, in MB. */
function residentMb(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1000;
}

/** Starts `freehold up`, runs `measure` once it listens, stops it. */
async function withServer<T>(
  env: NodeJS.ProcessEnv,
  args: string[],
  measure: (server: ServerProcess) => Promise<T>,
): Promise<T> {
  const server = await startServerProcess(args, env);
  try {
    return await measure(server);
  } finally {
    await server.stop();
  }
}

async function firstToken(port: number): Promise<void> {
  const response = await fetch(`http://127.0.0.1:${port}/v1/messages`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'anthropic-version': '2023-06-01' },
    body: JSON.stringify({
      model: 'default',
      max_tokens: 16,
      stream: true,
      messages: [{ role: 'user', content: 'Say hello.' }],
    }),
  });
  if (!response.ok || !response.body)
    throw new Error(`the server answered ${response.status}: ${await response.text()}`);
  let seen = '';
  for await (const chunk of response.body) {
    seen += Buffer.from(chunk).toString();
    if (seen.includes('content_block_delta')) return;
  }
  throw new Error('the stream ended without a token');
}

export async function benchStart(): Promise<Figure[]> {
  const model = (await realModelFile()) ?? path.join(root, 'test/fixtures/tiny.gguf');
  process.stderr.write(`model: ${path.basename(model)}\n`);
  const help: number[] = [];
  const listening: number[] = [];
  const token: number[] = [];
  for (let round = 0; round < rounds; round++) {
    help.push(helpMs());
    await withServer({}, ['--model', model], async ({ port, startedAt }) => {
      listening.push(performance.now() - startedAt);
      await firstToken(port);
      token.push(performance.now() - startedAt);
    });
  }
  // no model, and no way to fetch one: a hub that refuses, no pip on PATH
  const idleMb = await withServer(
    { PATH: path.dirname(process.execPath), FREEHOLD_HUB_ENDPOINT: 'http://127.0.0.1:9' },
    [],
    async ({ pid }) => {
      await new Promise((resolve) => setTimeout(resolve, 3000));
      return residentMb(pid);
    },
  );
  const diskMb = Number(
    execFileSync('du', ['-sm', path.join(root, 'node_modules')])
      .toString()
      .split('\t')[0],
  );
  const atMost = (limit: number) => ({ limit, side: 'at most' as const });
  return [
    { name: '--help, median', value: median(help), unit: 'ms', bar: atMost(300) },
    { name: 'up to listening, median', value: median(listening), unit: 'ms' },
    { name: 'up to the first streamed token, median', value: median(token), unit: 'ms', bar: atMost(3000) },
    { name: 'up to the first streamed token, slowest', value: Math.max(...token), unit: 'ms' },
    { name: 'server process without a model', value: idleMb, unit: 'MB', bar: atMost(150) },
    { name: 'node_modules, development tools included', value: diskMb, unit: 'MB', bar: atMost(400) },
  ];
}
