// The HTTP application without a socket, with a fake model and a store of its own.
import { rmSync } from 'node:fs';
import path from 'node:path';
import type { ModelKind } from '../../src/hub/types.ts';
import { type Config, resolveConfig } from '../../src/lib/config.ts';
import { silentLogger } from '../../src/lib/log.ts';
import { createApp } from '../../src/server/app.ts';
import type { App, Services } from '../../src/server/context.ts';
import { createMetrics } from '../../src/server/metrics.ts';
import { createModelRegistry } from '../../src/server/model-registry.ts';
import { createSignInTokens } from '../../src/server/sign-in.ts';
import { createKey } from '../../src/store/keys.ts';
import { openStore } from '../../src/store/open.ts';
import { createFakeModel, type FakeModel, fakePieces } from './fake-model.ts';
import { testHome } from './server.ts';

export interface TestApp {
  app: App;
  services: Services;
  key: string;
  home: string;
  model: FakeModel;
  /** One that makes vectors, called `vectors`, and one that scores, called `scores`. */
  vectors: FakeModel;
  scores: FakeModel;
  /** A JSON request with the key; `headers` set to undefined leave one out. */
  send(method: string, path: string, body?: unknown, headers?: Record<string, string | undefined>): Promise<Response>;
  stop(): Promise<void>;
}

export async function createTestApp(settings: Partial<Config> = {}, parts: Partial<Services> = {}): Promise<TestApp> {
  const { home, file } = testHome();
  const config = { ...resolveConfig({}, {}, home).values, home, defaultModel: 'fake', ...settings };
  const model = createFakeModel('fake');
  const vectors = createFakeModel('vectors', fakePieces, 'embedding');
  const scores = createFakeModel('scores', fakePieces, 'rerank');
  const kinds: Record<string, ModelKind> = { fake: 'chat', vectors: 'embedding', scores: 'rerank' };
  const store = openStore(home);
  const { key } = await createKey(store, { name: 'test', role: 'admin' });
  const services: Services = {
    config,
    store,
    models: createModelRegistry({
      config,
      open: async ({ name }) => [vectors, scores].find((each) => each.name === name) ?? model,
      find: async (name) => (Object.hasOwn(kinds, name) ? { name, file, kind: kinds[name] as ModelKind } : undefined),
      plan: async () => ({ contextTokens: 512, sequences: 2 }),
      names: async () => ({ here: ['fake'], catalogue: ['qwen3-4b'] }),
      logger: silentLogger,
    }),
    listModels: async () => [{ id: 'fake', title: 'Fake', createdSeconds: 0, owner: 'file', details: {} }],
    signIn: createSignInTokens(),
    metrics: createMetrics(),
    logger: silentLogger,
    version: '0.0.0',
    webRoot: path.join(home, 'web'),
    ...parts,
  };
  const app = createApp(services);
  return {
    app,
    services,
    key,
    home,
    model,
    vectors,
    scores,
    async send(method, path, body, headers = {}) {
      const all = { 'x-api-key': key, 'content-type': 'application/json', ...headers };
      const given = Object.entries(all).filter((pair): pair is [string, string] => pair[1] !== undefined);
      return app.request(path, {
        method,
        headers: given,
        ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      });
    },
    async stop() {
      await services.models.close();
      await store.close();
      rmSync(home, { recursive: true, force: true });
    },
  };
}
