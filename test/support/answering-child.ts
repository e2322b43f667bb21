// A server with a fake model, for tests that kill it. Argument: its home. Prints its address and a key as one line of JSON.
// A question with `slowly` in it is answered for as long as the server lives.
import { resolveConfig } from '../../src/lib/config.ts';
import { silentLogger } from '../../src/lib/log.ts';
import { startServer } from '../../src/server/start.ts';
import { createKey } from '../../src/store/keys.ts';
import { openStore } from '../../src/store/open.ts';
import { createFakeModel, endless } from './fake-model.ts';

const [home = ''] = process.argv.slice(2);

async function start(): Promise<void> {
  const config = { ...resolveConfig({}, {}, home).values, home, port: 0, defaultModel: 'fake' };
  const model = createFakeModel('fake');
  const ordinary = createFakeModel('fake');
  model.behaviour = (request, signal) =>
    JSON.stringify(request.messages).includes('slowly')
      ? endless()(request, signal)
      : ordinary.generate(request, signal);
  const server = await startServer(config, silentLogger, {
    open: async () => model,
    find: async (name) => (name === 'fake' ? { name, file: import.meta.filename } : undefined),
    plan: async () => ({ contextTokens: 512, sequences: 2 }),
    names: async () => ({ here: ['fake'], catalogue: [] }),
    listModels: async () => [],
  });
  const store = openStore(home);
  const { key } = await createKey(store, { name: 'test', role: 'admin' });
  await store.close();
  process.stdout.write(`${JSON.stringify({ url: server.url, key })}\n`);
}

void start();
