// A model file that is there and damaged is told as that, over HTTP too: the wrong answer is "there is no such model".
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { startTestServer, type TestServer } from '../../test/support/server.ts';
import { findLocalModel, listLocalModels } from '../hub/models.ts';

const fixture = path.join(import.meta.dirname, '../../test/fixtures/tiny.gguf');
let server: TestServer;

beforeEach(async () => {
  vi.stubEnv('OLLAMA_MODELS', '/nowhere');
  server = await startTestServer(
    { defaultModel: 'hurt' },
    {
      find: (name) => findLocalModel(name, server.config),
      listModels: async () =>
        (await listLocalModels(server.config)).map(({ name }) => ({
          id: name,
          title: name,
          createdSeconds: 0,
          owner: 'file',
          details: {},
        })),
    },
  );
  const folder = path.join(server.home, 'models');
  await mkdir(folder);
  await writeFile(path.join(folder, 'good.gguf'), await readFile(fixture));
  await writeFile(path.join(folder, 'hurt.gguf'), (await readFile(fixture)).subarray(0, 5000));
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await server.stop();
});

const headers = () => ({ 'x-api-key': server.key, 'content-type': 'application/json' });
const ask = (model: string) =>
  fetch(`${server.url}/v1/messages`, {
    method: 'POST',
    headers: headers(),
    body: JSON.stringify({ model, max_tokens: 5, messages: [{ role: 'user', content: 'hi' }] }),
  });

it('is 422 with the name of the file and no folder, by its name and as the default', async () => {
  for (const model of ['hurt', 'default']) {
    const response = await ask(model);
    const { error } = (await response.json()) as { error: { message: string } };
    expect(response.status).toBe(422);
    expect(error.message).toMatch(/"hurt" is here but cannot be used: hurt\.gguf: Not a valid GGUF/);
    expect(error.message).not.toContain(server.home);
  }
  expect((await fetch(`${server.url}/v1/models/hurt`, { headers: headers() })).status).toBe(422);
  expect((await fetch(`${server.url}/v1/models/nothing`, { headers: headers() })).status).toBe(404);
  expect((await ask('nothing')).status).toBe(404);
});

it('disturbs no other model, and answers again once its file is mended', async () => {
  expect((await ask('good')).status).toBe(200);
  await rm(path.join(server.home, 'models/hurt.gguf'));
  await writeFile(path.join(server.home, 'models/hurt.gguf'), await readFile(fixture));
  expect((await ask('hurt')).status).toBe(200);
});
