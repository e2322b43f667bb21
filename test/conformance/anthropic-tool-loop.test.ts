// A coding agent on the real Anthropic SDK mends a program with tools, against a model that is scripted: what the script
// does next depends on what the tools told it.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import Anthropic from '@anthropic-ai/sdk';
import { betaAgentToolset20260401 } from '@anthropic-ai/sdk/tools/agent-toolset/node';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { GenerateEvent, GenerateRequest } from '../../src/lib/text-model.ts';
import { runAgent } from '../clients/tool-loop.ts';
import { answer, calls, says } from '../support/model-script.ts';
import { startTestServer, type TestServer } from '../support/server.ts';

let server: TestServer;
let folder: string;
beforeAll(async () => {
  server = await startTestServer();
  folder = mkdtempSync(path.join(tmpdir(), 'freehold-agent-'));
  writeFileSync(path.join(folder, 'add.mjs'), 'export const add = (a, b) => a - b;\n');
  writeFileSync(
    path.join(folder, 'check.mjs'),
    "import { add } from './add.mjs';\nif (add(2, 3) !== 5) throw new Error('add is wrong');\nconsole.log('all good');\n",
  );
});
afterAll(async () => {
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** The results of tools that the last turn holds, with whether they failed. */
function lastResults({ messages }: GenerateRequest): string[] {
  return (messages.at(-1)?.content ?? []).flatMap((block) =>
    block.type === 'tool-result'
      ? [
          `${block.isError ? 'failed: ' : ''}${block.content.map((part) => (part.type === 'text' ? part.text : '')).join('')}`,
        ]
      : [],
  );
}

/** A programmer of few words. */
function nextStep(request: GenerateRequest): GenerateEvent[] {
  const [result = '', second = ''] = lastResults(request);
  if (result === '') {
    return [
      ...says('I look ', 'at both.'),
      ...calls('run', { command: 'node check.mjs' }),
      ...calls('read_file', { path: 'add.mjs' }),
    ];
  }
  if (/^failed: .*add is wrong/s.test(result) && second.includes('a - b')) {
    return calls('write_file', { path: 'add.mjs', content: second.replace('a - b', 'a + b') });
  }
  if (result === 'Wrote add.mjs.') return calls('run', { command: 'node check.mjs' });
  if (/all good\nexit code 0/.test(result)) return says('It adds again.');
  return says(`I did not expect: ${result}`);
}

it('a coding agent finds, mends and checks with tools', async () => {
  server.model.behaviour = async function* (request) {
    yield* answer(nextStep(request));
  };
  const client = new Anthropic({ baseURL: server.url, apiKey: server.key, maxRetries: 0 });
  const result = await runAgent({ client, model: 'default', folder, task: 'check.mjs fails. Mend add.mjs.' });
  expect(result).toMatchObject({ done: true, turns: 4, text: 'It adds again.' });
  expect(result.called).toEqual(['run', 'read_file', 'write_file', 'run']);
  expect(readFileSync(path.join(folder, 'add.mjs'), 'utf8')).toBe('export const add = (a, b) => a + b;\n');
  const tools = server.model.requests.at(-1)?.tools ?? [];
  expect(tools.map(({ name }) => name)).toEqual(['read_file', 'write_file', 'run']);
});

it('so do the tools for coding that the SDK brings, in its own loop', async () => {
  const own = path.join(folder, 'own');
  mkdirSync(own);
  writeFileSync(path.join(own, 'sum.mjs'), 'console.log(2 - 3);\n');
  const steps = [
    calls('grep', { pattern: 'console' }),
    calls('read', { file_path: 'sum.mjs' }),
    calls('edit', { file_path: 'sum.mjs', old_string: '2 - 3', new_string: '2 + 3' }),
    calls('bash', { command: 'node sum.mjs' }),
  ];
  const told: string[] = [];
  server.model.behaviour = async function* (request) {
    told.push(...lastResults(request));
    yield* answer(steps.shift() ?? says(`It says ${told.at(-1)?.trim()}.`));
  };
  const client = new Anthropic({ baseURL: server.url, apiKey: server.key, maxRetries: 0 });
  const tools = betaAgentToolset20260401({ workdir: own });
  try {
    const message = await client.beta.messages.toolRunner({
      model: 'default',
      max_tokens: 500,
      tools,
      messages: [{ role: 'user', content: 'sum.mjs subtracts. Mend it.' }],
    });
    expect(message.content).toMatchObject([{ type: 'text', text: 'It says 5.' }]);
  } finally {
    for (const tool of tools) await tool.close?.();
  }
  expect(told.join('\n')).toContain('console.log(2 - 3)');
  expect(readFileSync(path.join(own, 'sum.mjs'), 'utf8')).toBe('console.log(2 + 3);\n');
});

it('a call that leaves the folder fails, and the model is told', async () => {
  let told = '';
  server.model.behaviour = async function* (request) {
    const [result] = lastResults(request);
    if (result === undefined) yield* answer(calls('read_file', { path: '../../etc/passwd' }));
    else {
      told = result;
      yield* answer(says('I may not.'));
    }
  };
  const client = new Anthropic({ baseURL: server.url, apiKey: server.key, maxRetries: 0 });
  const result = await runAgent({ client, model: 'default', folder, task: 'Look around.' });
  expect(result.done).toBe(true);
  expect(told).toMatch(/^failed: .*outside of the folder/);
});
