import { expect, it } from 'vitest';
import { createTestApp } from '../../test/support/app.ts';
import { failing } from '../../test/support/fake-model.ts';
import { type ErrorCode, FreeholdError } from '../lib/errors.ts';
import { type Logger, silentLogger } from '../lib/log.ts';

/** What the server logs for one request that fails with this error. */
async function logged(error: FreeholdError, stream: boolean, stopping = new AbortController()) {
  const lines: { level: string; fields: Record<string, unknown> }[] = [];
  const at = (level: string) => (fields: Record<string, unknown>) => lines.push({ level, fields });
  const logger = Object.assign(Object.create(silentLogger), {
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
  }) as Logger;
  const test = await createTestApp({}, { logger, stopping: stopping.signal });
  test.model.behaviour = failing(error, stream ? 1 : 0);
  const body = { model: 'default', max_tokens: 5, stream, messages: [{ role: 'user', content: 'hi' }] };
  const text = await (await test.send('POST', '/v1/messages', body)).text();
  await test.stop();
  return { lines, text };
}

it.each([
  ['shutting_down', false],
  ['shutting_down', true],
  ['cancelled', false],
  ['cancelled', true],
] as [ErrorCode, boolean][])('%s is a line of information without a stack (streamed: %s)', async (code, stream) => {
  const { lines } = await logged(new FreeholdError(code, 'Over.', { cause: new Error('x') }), stream);
  expect(lines.map(({ level }) => level)).toEqual(['info']);
  expect(lines[0]?.fields).toMatchObject({ errorCode: code });
  expect(lines[0]?.fields).not.toHaveProperty('err');
});

it('a fault stays an error with its stack', async () => {
  const { lines } = await logged(new FreeholdError('model_failed', 'Broken.'), false);
  expect(lines.map(({ level }) => level)).toEqual(['error', 'error']);
  expect(lines[0]?.fields.err).toBeInstanceOf(FreeholdError);
});

it('whatever a request meets while the server ends is told as that', async () => {
  for (const code of ['shutting_down', 'cancelled', 'model_process_lost'] as const) {
    const stopping = new AbortController();
    stopping.abort();
    const { text, lines } = await logged(new FreeholdError(code, 'The model is being unloaded.'), false, stopping);
    expect(text).toContain('The server is stopping.');
    expect(lines.map(({ level }) => level)).toEqual(['info']);
  }
});
