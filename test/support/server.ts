// A real server on a free port of this machine, with a fake model and a home of its own.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type Config, resolveConfig } from '../../src/lib/config.ts';
import { silentLogger } from '../../src/lib/log.ts';
import { type RunningServer, type StartParts, startServer } from '../../src/server/start.ts';
import { createFakeModel, type FakeModel } from './fake-model.ts';

export interface TestServer extends RunningServer {
  /** The first admin key. */
  key: string;
  home: string;
  model: FakeModel;
  config: Config;
  stop(): Promise<void>;
}

/** A fresh home folder with a file that stands for the model `fake`. */
export function testHome(): { home: string; file: string } {
  const home = mkdtempSync(path.join(tmpdir(), 'freehold-server-'));
  const file = path.join(home, 'fake.gguf');
  writeFileSync(file, 'GGUF');
  return { home, file };
}

export async function startTestServer(settings: Partial<Config> = {}, parts: StartParts = {}): Promise<TestServer> {
  const { home, file } = testHome();
  const config = { ...resolveConfig({}, {}, home).values, home, port: 0, defaultModel: 'fake', ...settings };
  const model = createFakeModel('fake');
  const server = await startServer(config, silentLogger, {
    open: async () => model,
    find: async (name) => (name === 'fake' ? { name, file } : undefined),
    plan: async () => ({ contextTokens: 512, sequences: 2 }),
    names: async () => ({ here: ['fake'], catalogue: ['qwen3-4b'] }),
    listModels: async () => [
      { id: 'fake', title: 'Fake', createdSeconds: 1_700_000_000, owner: 'file', details: { state: 'ready' } },
    ],
    graceMs: 200,
    ...parts,
  });
  return {
    ...server,
    key: server.firstAdminKey ?? '',
    home,
    model,
    config,
    async stop() {
      await server.close();
      rmSync(home, { recursive: true, force: true });
    },
  };
}
