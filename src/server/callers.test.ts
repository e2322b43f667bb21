// Callers of streams that leave, read slowly or come in thousands: the same in every protocol.
import { getEventListeners } from 'node:events';
import { connect as connectHttp2 } from 'node:http2';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createTestApp, type TestApp } from '../../test/support/app.ts';
import { endless, type Generate, silent } from '../../test/support/fake-model.ts';
import {
  bodyLength,
  type Caller,
  call,
  rawRequest,
  type StreamingRequest,
  streamingRequests,
} from '../../test/support/streaming-requests.ts';
import { apiPaths, apiRoutes, writtenPath } from './api-paths.ts';
import { type Listening, listen } from './listen.ts';
import { waitingForStop } from './stopping.ts';

/** How long to wait for what must come; a busy machine may need it. */
const soon = { timeout: 30_000 };

const stopping = new AbortController();
let test: TestApp;
let listening: Listening;
beforeAll(async () => {
  const streams = { undeliveredBytes: 300_000, stallMs: 60_000, keepAliveMs: 60_000 };
  test = await createTestApp({ port: 0 }, { stopping: stopping.signal, streams });
  listening = await listen(test.app, test.services.config);
});
afterAll(async () => {
  await listening.close(0, async () => stopping.abort());
  await test.stop();
});
const callers: Caller[] = [];
afterEach(() => {
  for (const { socket } of callers.splice(0)) socket.destroy();
  test.model.behaviour = undefined;
});

async function dial(): Promise<Caller> {
  const caller = await call(listening.port);
  callers.push(caller);
  return caller;
}

/** What generations that are over have left behind. */
const left = () => ({
  stop: waitingForStop(stopping.signal),
  signal: getEventListeners(stopping.signal, 'abort').length,
});

it('every route by which models talk is in the table of streams, or answers whole', () => {
  const whole = [
    '/v1/messages/count_tokens',
    '/model/:modelId/converse',
    '/model/:modelId/invoke',
    '/model/:modelId/count-tokens',
  ];
  const known = [...streamingRequests.map(({ route }) => route), ...whole];
  const talking = apiRoutes.filter(({ scope, methods }) => scope === 'chat' && methods.includes('POST'));
  for (const route of talking) expect(known).toContain(writtenPath(route));
  for (const { route } of streamingRequests) expect(apiPaths).toContain(route);
});

describe.each(streamingRequests)('$route', ({ path, body }) => {
  const begin = async (behaviour: Generate) => {
    test.model.behaviour = behaviour;
    const before = { requests: test.model.requests.length, aborted: test.model.aborted };
    const caller = await dial();
    caller.socket.write(rawRequest(path, test.key, JSON.stringify(body)));
    await expect.poll(() => test.model.requests.length, soon).toBe(before.requests + 1);
    return { ...caller, aborted: before.aborted };
  };

  it('ends its generation when the caller leaves in mid-stream', async () => {
    const { socket, heard, aborted } = await begin(endless());
    await expect.poll(() => bodyLength(heard()), soon).toBeGreaterThan(500);
    expect(test.model.aborted).toBe(aborted);
    socket.destroy();
    await expect.poll(() => test.model.aborted, soon).toBe(aborted + 1);
    await expect.poll(left, soon).toEqual({ stop: 0, signal: 1 });
  });

  it('ends it when the caller leaves before the first piece', async () => {
    const { socket, aborted } = await begin(silent);
    socket.destroy();
    await expect.poll(() => test.model.aborted, soon).toBe(aborted + 1);
  });

  it('ends it when the caller closes its side of the connection', async () => {
    const { socket, heard, aborted } = await begin(endless());
    await expect.poll(() => bodyLength(heard()), soon).toBeGreaterThan(500);
    socket.end();
    await expect.poll(() => test.model.aborted, soon).toBe(aborted + 1);
  });

  it('takes nothing more from a model that does not notice', async () => {
    let pieces = 0;
    let over = false;
    const { socket, heard } = await begin(async function* (_request, signal) {
      try {
        yield { type: 'start', inputTokens: 1, cachedTokens: 0 };
        for (;;) {
          if (signal.aborted) pieces += 1;
          yield { type: 'text-delta', text: 'tick ' };
          await new Promise((resolve) => setTimeout(resolve, 1));
        }
      } finally {
        over = true;
      }
    });
    await expect.poll(() => bodyLength(heard()), soon).toBeGreaterThan(500);
    socket.destroy();
    await expect.poll(() => over, soon).toBe(true);
    expect(pieces).toBeLessThanOrEqual(1);
  });

  it('ends it when the caller reads nothing and too much waits', async () => {
    test.model.behaviour = endless('x'.repeat(20_000), 0);
    const caller = await dial();
    caller.socket.pause();
    const { aborted } = test.model;
    caller.socket.write(rawRequest(path, test.key, JSON.stringify(body)));
    await expect.poll(() => test.model.aborted, soon).toBe(aborted + 1);
  });
});

it.each(['its stream', 'its connection'])(
  'over HTTP/2 too a caller that closes %s ends its generation',
  async (what) => {
    test.model.behaviour = endless();
    const { path, body } = streamingRequests.find(({ route }) => route.endsWith('converse-stream')) as StreamingRequest;
    const session = connectHttp2(`http://127.0.0.1:${listening.port}`);
    session.on('error', () => {});
    const stream = session.request({ ':method': 'POST', ':path': path, authorization: `Bearer ${test.key}` });
    stream.on('error', () => {});
    let heard = 0;
    stream.on('data', (chunk: Buffer) => {
      heard += chunk.length;
    });
    stream.end(JSON.stringify(body));
    await expect.poll(() => heard, soon).toBeGreaterThan(500);
    const { aborted } = test.model;
    if (what === 'its stream') stream.close();
    else session.destroy();
    await expect.poll(() => test.model.aborted, soon).toBe(aborted + 1);
    await expect.poll(left, soon).toEqual({ stop: 0, signal: 1 });
    session.destroy();
  },
);

it('a thousand streams that were left leave nothing behind', async () => {
  test.model.behaviour = async function* (request, signal) {
    yield { type: 'start', inputTokens: 1, cachedTokens: 0 };
    yield { type: 'text-delta', text: 'hello' };
    yield* silent(request, signal);
  };
  const { aborted } = test.model;
  for (let batch = 0; batch < 10; batch++) {
    const some = await Promise.all(
      Array.from({ length: 100 }, async (_, index) => {
        const { path, body } = streamingRequests[index % streamingRequests.length] as StreamingRequest;
        const caller = await dial();
        caller.socket.write(rawRequest(path, test.key, JSON.stringify(body)));
        return caller;
      }),
    );
    await expect.poll(() => some.every(({ heard }) => bodyLength(heard()) > 0), soon).toBe(true);
    // however many there are, the server's signal has one listener
    expect(left()).toEqual({ stop: 100, signal: 1 });
    for (const { socket } of some) socket.destroy();
    await expect.poll(() => test.model.aborted, soon).toBe(aborted + (batch + 1) * 100);
    await expect.poll(left, soon).toEqual({ stop: 0, signal: 1 });
  }
  expect(test.services.models.running()).toHaveLength(1);
});

it('a request whose answer is complete leaves nothing behind either, on a connection that goes on', async () => {
  const { socket, heard } = await dial();
  for (let round = 1; round <= 20; round++) {
    const body = JSON.stringify({ model: 'default', max_tokens: 5, messages: [{ role: 'user', content: 'hi' }] });
    socket.write(rawRequest('/v1/messages', test.key, body));
    await expect.poll(() => heard().split('"stop_reason"').length, soon).toBe(round + 1);
  }
  expect(left().stop).toBe(0);
});
