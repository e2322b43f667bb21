// "Does it fit?" is asked of the memory that the model will be loaded into: the device's where there is one.
import path from 'node:path';
import { expect, it } from 'vitest';
import { createFakeModel } from '../../test/support/fake-model.ts';
import { testHome } from '../../test/support/server.ts';
import { resolveConfig } from '../lib/config.ts';
import { silentLogger } from '../lib/log.ts';
import { startServer } from './start.ts';

it('a model is refused where the device is full, and loaded as soon as it is not', async () => {
  const { home } = testHome();
  const config = { ...resolveConfig({}, {}, home).values, home, port: 0, defaultModel: 'tiny' };
  let freeBytes = 60e6;
  const server = await startServer(config, silentLogger, {
    find: async (name) => ({ name, file: path.join(import.meta.dirname, '../../test/fixtures/tiny.gguf') }),
    open: async ({ name }) => createFakeModel(name),
    memory: async () => ({ totalBytes: 1e9, freeBytes, device: 'Test Card' }),
  });
  await expect(server.models.get('tiny')).rejects.toMatchObject({
    code: 'does_not_fit',
    message: expect.stringContaining('is free on Test Card'),
  });
  freeBytes = 900e6;
  expect((await server.models.get('tiny')).name).toBe('tiny');
  await server.close();
});
