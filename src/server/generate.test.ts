// What no well-behaved model brings about; what they do is in app.test.ts, sockets.test.ts and callers.test.ts.
import { expect, it } from 'vitest';
import { createTestApp } from '../../test/support/app.ts';
import { type Logger, silentLogger } from '../lib/log.ts';

it('a stream of a model that counts wrongly ends, is told to the log, and brings nothing down', async () => {
  const told: string[] = [];
  const logger = Object.assign(Object.create(silentLogger), {
    error: (_fields: object, message: string) => told.push(message),
  }) as Logger;
  const test = await createTestApp({}, { logger });
  test.model.behaviour = async function* () {
    yield { type: 'start', inputTokens: 1, cachedTokens: 0 };
    yield { type: 'text-delta', text: 'hello' };
    yield { type: 'usage', inputTokens: 1, cachedTokens: 0, outputTokens: -1 };
    yield { type: 'stop', reason: 'end-turn' };
  };
  const body = { model: 'default', max_tokens: 5, stream: true, messages: [{ role: 'user', content: 'hi' }] };
  const response = await test.send('POST', '/v1/messages', body);
  expect(await response.text()).toContain('message_stop');
  await expect.poll(() => told).toEqual(['a stream did not end as it should']);
  await test.stop();
});
