import { getEventListeners } from 'node:events';
import { describe, expect, it } from 'vitest';
import { createTestApp } from '../../test/support/app.ts';
import { failing } from '../../test/support/fake-model.ts';
import { type ErrorCode, FreeholdError } from '../lib/errors.ts';
import { type Logger, silentLogger } from '../lib/log.ts';
import { waitingForStop, whenStopping } from './stopping.ts';

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

describe('what waits for the end of the server', () => {
  it('is called once, unless it was taken back; the signal has one listener for all', () => {
    const { signal, ...stopping } = controller();
    const called: number[] = [];
    const stays = Array.from({ length: 100 }, (_, index) => whenStopping(signal, () => called.push(index)));
    expect([getEventListeners(signal, 'abort').length, waitingForStop(signal)]).toEqual([1, 100]);
    for (const stay of stays.slice(2)) stay();
    expect(waitingForStop(signal)).toBe(2);
    stopping.abort();
    stopping.abort();
    expect(called).toEqual([0, 1]);
  });

  it('is called at once where it has ended already', () => {
    const { signal, abort } = controller();
    abort();
    let called = 0;
    whenStopping(signal, () => {
      called += 1;
    })();
    expect([called, waitingForStop(signal)]).toEqual([1, 0]);
  });

  it('may take itself and others back while it is called', () => {
    const { signal, abort } = controller();
    const called: string[] = [];
    const first = whenStopping(signal, () => {
      called.push('first');
      first();
    });
    whenStopping(signal, () => called.push('second'));
    abort();
    expect(called).toEqual(['first', 'second']);
  });
});

function controller() {
  const stopping = new AbortController();
  return { signal: stopping.signal, abort: () => stopping.abort() };
}
