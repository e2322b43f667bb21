// The programs of test/clients as they stand, each in a process of its own, against a listening server: every client
// chats, streams, calls a tool, is held to a schema and gets vectors, with only URL and key changed.
import { execFile } from 'node:child_process';
import { copyFileSync, mkdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { resolveConfig } from '../../src/lib/config.ts';
import { silentLogger } from '../../src/lib/log.ts';
import { type RunningServer, startServer } from '../../src/server/start.ts';
import { clientsFolder } from '../clients/load.ts';
import { createFakeModel, fakePieces, type Generate } from '../support/fake-model.ts';
import { realModelFile } from '../support/real-model.ts';
import { startTestServer, type TestServer, testHome } from '../support/server.ts';

const root = path.join(import.meta.dirname, '../..');
const realModel = await realModelFile();
const homes: string[] = [];
afterAll(() => {
  for (const home of homes) rmSync(home, { recursive: true, force: true });
});

/** What a program prints, by the word before the colon. */
async function run(program: string, url: string, key: string, embeddingModel: string): Promise<Record<string, string>> {
  const tsx = path.join(root, 'node_modules/tsx/dist/cli.mjs');
  const env = { ...process.env, FREEHOLD_URL: url, FREEHOLD_KEY: key, FREEHOLD_EMBEDDING_MODEL: embeddingModel };
  const { stdout } = await promisify(execFile)(process.execPath, [tsx, path.join(clientsFolder, program)], {
    env,
    timeout: 600_000,
  });
  const lines = stdout.split('\n').filter((line) => /^[\w-]+(?: \w+)?: /.test(line));
  return Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]));
}

const chats = ['chat', 'stream', 'tools', 'schema'];
const of = (names: string[], parts: string[]) => names.flatMap((name) => parts.map((part) => `${name} ${part}`));

/** Each program, and what it tells of. */
const programs: Record<string, string[]> = {
  'anthropic.ts': chats,
  'openai.ts': [...chats, 'response', 'embeddings'],
  'bedrock.ts': [...chats, 'embeddings'],
  'ollama.ts': [...chats, 'embeddings'],
  'vercel-ai.ts': [
    ...of(['anthropic', 'openai', 'openai-compatible', 'amazon-bedrock'], chats),
    ...of(['openai', 'openai-compatible', 'amazon-bedrock'], ['embeddings']),
  ],
  'langchain.ts': [
    ...of(['anthropic', 'openai', 'aws', 'ollama'], chats),
    ...of(['openai', 'aws', 'ollama'], ['embeddings']),
  ],
};
const last = (part: string) => part.split(' ').at(-1) as string;

const usage = { inputTokens: 5, cachedTokens: 0, outputTokens: 5 };
const city = '{"city":"Paris","country":"France"}';

/** Says what the programs ask for: a call where there are tools and no result yet, JSON where a schema is to be met. */
const scripted: Generate = async function* (request) {
  yield { type: 'start', ...usage };
  const result = request.messages.some(({ content }) => content.some(({ type }) => type === 'tool-result'));
  const { toolChoice, tools = [] } = request;
  const name = toolChoice?.type === 'tool' ? toolChoice.name : tools[0]?.name;
  if (name && !result && toolChoice?.type !== 'none') {
    yield { type: 'tool-use-start', id: 'call_0123456789abcdefABCDEFGH', name };
    const json = name === 'weather' ? '{"city":"Paris"}' : city;
    for (const piece of [json.slice(0, 9), json.slice(9)]) yield { type: 'tool-use-delta', json: piece };
    yield { type: 'tool-use-stop' };
    yield { type: 'usage', ...usage };
    yield { type: 'stop', reason: 'tool-use' };
    return;
  }
  const pieces = request.responseSchema ? [city] : result ? ['It is 21', ' degrees.'] : ['Hello', ' from Freehold.'];
  for (const text of pieces) yield { type: 'text-delta', text };
  yield { type: 'usage', ...usage };
  yield { type: 'stop', reason: 'end-turn' };
};

const expected: Record<string, string> = {
  chat: 'Hello from Freehold.',
  response: 'Hello from Freehold.',
  stream: 'Hello from Freehold.',
  tools: 'weather {"city":"Paris"} It is 21 degrees.',
  schema: city,
  embeddings: '2 4',
};

describe('programs of other vendors’ clients', () => {
  let server: TestServer;
  beforeAll(async () => {
    const vectors = createFakeModel('vectors', fakePieces, 'embedding');
    const { file, home } = testHome();
    homes.push(home);
    server = await startTestServer(
      {},
      {
        open: async ({ name }) => (name === 'vectors' ? vectors : server.model),
        find: async (name) => {
          if (name === 'vectors') return { name, file, kind: 'embedding' };
          return name === 'fake' ? { name, file, kind: 'chat' } : undefined;
        },
      },
    );
    server.model.behaviour = scripted;
  });
  afterAll(() => server.stop());

  it.each(Object.entries(programs))(
    '%s says the same as at its vendor',
    { timeout: 120_000 },
    async (program, parts) => {
      const told = await run(program, server.url, server.key, 'vectors');
      expect(told).toEqual(Object.fromEntries(parts.map((part) => [part, expected[last(part)]])));
    },
  );
});

describe.skipIf(!realModel)('needs a real model: programs of other vendors’ clients', () => {
  let server: RunningServer;
  beforeAll(async () => {
    const { home } = testHome();
    homes.push(home);
    mkdirSync(path.join(home, 'models'), { recursive: true });
    copyFileSync(path.join(root, 'test/fixtures/tiny-bert.gguf'), path.join(home, 'models/tiny-bert.gguf'));
    const { values } = resolveConfig({}, {}, home);
    server = await startServer({ ...values, home, port: 0, defaultModel: realModel as string }, silentLogger);
  });
  afterAll(() => server.close());

  it.each(Object.entries(programs))('%s', { timeout: 600_000 }, async (program, parts) => {
    const told = await run(program, server.url, server.firstAdminKey as string, 'tiny-bert');
    // what a model says may have lines that look like those of the program
    expect(Object.keys(told)).toEqual(expect.arrayContaining(parts));
    for (const part of parts) {
      if (last(part) === 'schema') expect(JSON.parse(told[part] as string)).toHaveProperty('country');
      if (last(part) === 'tools') expect(told[part]).toMatch(/^weather \{"city":|^the model called none$/);
      if (last(part) === 'embeddings') expect(told[part]).toMatch(/^2 \d+$/);
      expect(told[part]).not.toBe('');
    }
  });
});
