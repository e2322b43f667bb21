// A caller that leaves, from the socket to the engine: with the fixture's weights, in this process, so that each token the
// engine computes afterwards can be counted.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { LocalTextModel } from '../src/infer/local-text-model.ts';
import { AsyncQueue } from '../src/lib/async-queue.ts';
import { cancelled } from '../src/lib/errors.ts';
import type { GenerateEvent } from '../src/lib/text-model.ts';
import { type Fixture, loadFixture, startEngine, type TestEngine } from './support/engine.ts';
import { createFakeModel } from './support/fake-model.ts';
import { startTestServer, type TestServer } from './support/server.ts';
import { bodyLength, call, rawRequest, streamingRequests } from './support/streaming-requests.ts';

/** How long to wait for what must come; a busy machine may need it. */
const soon = { timeout: 30_000 };

let fixture: Fixture;
let engine: TestEngine;
let server: TestServer;
/** What became of the last generation. */
let last: { events: GenerateEvent[]; eventsAtAbort: number | undefined };
beforeAll(async () => {
  fixture = await loadFixture();
  engine = await startEngine(fixture, {}, { contextTokens: 2048 });
  server = await startTestServer({}, { open: async () => model });
});
afterAll(() => server?.stop());

/** The engine as the server sees a model; a process of its own would cancel as this does. */
const model: LocalTextModel = {
  ...createFakeModel('fake'),
  stats: () => engine.engine.stats(),
  async *generate(request, signal) {
    const queue = new AsyncQueue<GenerateEvent>();
    const seen: typeof last = { events: [], eventsAtAbort: undefined };
    last = seen;
    const asked = engine.ask({
      ...request,
      text: 'tell me everything',
      maxTokens: 1500,
      ignoreEnd: true,
      onEvent: (event) => {
        seen.events.push(event);
        queue.push(event);
        if (event.type === 'stop') queue.end();
      },
    });
    signal?.addEventListener('abort', () => {
      seen.eventsAtAbort = seen.events.length;
      asked.cancel();
      queue.fail(cancelled());
    });
    yield* queue;
  },
};

const talking = streamingRequests.filter(({ route }) => ['/v1/messages', '/v1/chat/completions'].includes(route));

describe.each(talking)('$route', ({ path, body }) => {
  it('computes at most one more step once its caller has left', async () => {
    const { socket, heard } = await call(server.port);
    socket.write(rawRequest(path, server.key, JSON.stringify(body)));
    // at once: the answer is not long
    await new Promise<void>((resolve) => socket.on('data', () => bodyLength(heard()) > 500 && resolve()));
    expect(last.eventsAtAbort).toBeUndefined();
    socket.destroy();
    await expect.poll(() => last.eventsAtAbort, soon).toBeDefined();
    await expect.poll(() => engine.engine.stats().active, soon).toBe(0);
    // another request passes through the engine: whatever the one before still computed has been heard of by then
    const { events, eventsAtAbort } = last;
    await engine.answer({ text: 'hello', maxTokens: 4 });
    expect(events.length - (eventsAtAbort as number)).toBeLessThanOrEqual(1);
    expect(events.some(({ type }) => type === 'stop')).toBe(false);
  });
});
