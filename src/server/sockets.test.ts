// What only real sockets show: callers that leave, read slowly, lie about lengths, or speak broken HTTP.
import { connect, createServer, type Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { endless, silent } from '../../test/support/fake-model.ts';
import { startTestServer, type TestServer } from '../../test/support/server.ts';
import { FreeholdError } from '../lib/errors.ts';
import { listKeys } from '../store/keys.ts';
import { openStore } from '../store/open.ts';

/** How long to wait for what must come; a busy machine may need it. */
const soon = { timeout: 30_000 };

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer({}, { streams: { undeliveredBytes: 300_000, stallMs: 60_000, keepAliveMs: 60 } });
});
afterAll(() => server.stop());
afterEach(() => {
  server.model.behaviour = undefined;
});

const sockets: Socket[] = [];
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
});

/** A socket to the server and everything it has said. */
async function dial(port = server.port): Promise<{ socket: Socket; text(): string; closed: Promise<void> }> {
  let received = '';
  const socket = connect(port, '127.0.0.1');
  sockets.push(socket);
  socket.on('data', (chunk) => {
    received += chunk.toString();
  });
  socket.on('error', () => {});
  const closed = new Promise<void>((resolve) => socket.on('close', () => resolve()));
  await new Promise<void>((resolve) => socket.once('connect', () => resolve()));
  return { socket, text: () => received, closed };
}

const prompt = (stream: boolean) =>
  JSON.stringify({ model: 'default', max_tokens: 500, stream, messages: [{ role: 'user', content: 'hi' }] });

function request(body: string, headers: Record<string, string> = {}): string {
  const all = {
    host: '127.0.0.1',
    'x-api-key': server.key,
    'content-length': String(Buffer.byteLength(body)),
    ...headers,
  };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return `POST /v1/messages HTTP/1.1\r\n${lines.join('')}\r\n${body}`;
}

const stillWorks = async () => {
  server.model.behaviour = undefined;
  const { socket, text } = await dial();
  socket.write(request(prompt(false)));
  await expect.poll(text, soon).toContain('Hello from the fake model.');
};

describe('a caller that leaves', () => {
  it.each([
    ['in mid-stream', true, endless()],
    ['while a whole answer is made', false, endless()],
    ['before the first piece of a stream', true, silent],
  ] as const)('%s ends its generation', async (_, stream, behaviour) => {
    server.model.behaviour = behaviour;
    const [before, aborted] = [server.model.requests.length, server.model.aborted];
    const { socket, text } = await dial();
    socket.write(request(prompt(stream)));
    await expect.poll(() => server.model.requests.length, soon).toBe(before + 1);
    if (stream && behaviour !== silent) await expect.poll(text, soon).toContain('tick');
    expect(server.model.aborted).toBe(aborted);
    socket.destroy();
    await expect.poll(() => server.model.aborted, soon).toBe(aborted + 1);
    await stillWorks();
  });

  it('by closing its side properly ends it too', async () => {
    server.model.behaviour = silent;
    const [before, aborted] = [server.model.requests.length, server.model.aborted];
    const { socket } = await dial();
    socket.write(request(prompt(false)));
    await expect.poll(() => server.model.requests.length, soon).toBe(before + 1);
    socket.end();
    await expect.poll(() => server.model.aborted, soon).toBe(aborted + 1);
  });
});

describe('a slow reader', () => {
  it('loses its stream when more waits for it than may, and nobody else notices', async () => {
    server.model.behaviour = endless('x'.repeat(20_000), 0);
    const { socket } = await dial();
    socket.pause();
    socket.write(request(prompt(true)));
    const aborted = server.model.aborted;
    await expect.poll(() => server.model.aborted, soon).toBe(aborted + 1);
    await stillWorks();
  });

  it('gets everything when it takes its time within the limits', async () => {
    const pieces = Array.from({ length: 200 }, (_, index) => `${index} ${'y'.repeat(500)}`);
    server.model.behaviour = async function* () {
      yield { type: 'start', inputTokens: 1, cachedTokens: 0 };
      for (const text of pieces) yield { type: 'text-delta', text };
      yield { type: 'usage', inputTokens: 1, cachedTokens: 0, outputTokens: pieces.length };
      yield { type: 'stop', reason: 'end-turn' };
    };
    const { socket, text } = await dial();
    socket.pause();
    socket.write(request(prompt(true)));
    await new Promise((resolve) => setTimeout(resolve, 50));
    socket.resume();
    await expect.poll(text, soon).toContain('message_stop');
    for (const piece of pieces) expect(text()).toContain(piece);
  });
});

describe('a stream that has nothing to say yet', () => {
  it('answers at last with its headers and pings', async () => {
    server.model.behaviour = silent;
    const { socket, text } = await dial();
    socket.write(request(prompt(true)));
    await expect.poll(text, soon).toMatch(/200 OK[\s\S]*event: ping/);
    expect(text()).not.toContain('message_start');
  });
});

describe('a body', () => {
  it('sent in chunks is refused once it is too large, whatever it claims', async () => {
    const { socket, text } = await dial();
    socket.write(
      `POST /v1/messages HTTP/1.1\r\nhost: 127.0.0.1\r\nx-api-key: ${server.key}\r\ntransfer-encoding: chunked\r\n\r\n`,
    );
    const chunk = `10000\r\n${' '.repeat(0x10000)}\r\n`;
    let sent = 0;
    while (sent < 10_000_000 && text() === '') {
      sent += 0x10000;
      if (!socket.write(chunk)) await new Promise((resolve) => setTimeout(resolve, 1));
    }
    await expect.poll(text, soon).toMatch(/^HTTP\/1.1 413[\s\S]*connection: close[\s\S]*request_too_large/i);
    await stillWorks();
  });

  it('that says it is too large is refused before it is sent', async () => {
    const { socket, text, closed } = await dial();
    socket.write(request('', { 'content-length': '10000000' }));
    await expect.poll(text, soon).toMatch(/^HTTP\/1.1 413/);
    await closed;
  });

  it('of two lengths is no request', async () => {
    const { socket, text, closed } = await dial();
    socket.write(request(prompt(false), { 'transfer-encoding': 'chunked' }));
    await closed;
    expect(text()).toMatch(/^HTTP\/1.1 400/);
    await stillWorks();
  });

  it('that breaks off reaches no model', async () => {
    const before = server.model.requests.length;
    const { socket, text, closed } = await dial();
    socket.write(request(prompt(false), { 'content-length': '5000' }));
    socket.end();
    await closed;
    expect(text()).not.toContain('200 OK');
    expect(server.model.requests.length).toBe(before);
    await stillWorks();
  });

  it('of broken JSON does not disturb the request behind it on the same connection', async () => {
    const { socket, text } = await dial();
    socket.write(request('{"model": ') + request(prompt(false)));
    await expect
      .poll(text, soon)
      .toMatch(/^HTTP\/1.1 400[\s\S]*not valid JSON[\s\S]*HTTP\/1.1 200 OK[\s\S]*Hello from the fake model\./);
  });

  it('of 10 MB gets 413 through fetch too', async () => {
    const response = await fetch(`${server.url}/v1/messages`, {
      method: 'POST',
      headers: { 'x-api-key': server.key },
      body: JSON.stringify({ ...JSON.parse(prompt(false)), system: 'x'.repeat(10_000_000) }),
    });
    expect(response.status).toBe(413);
    expect(await response.json()).toMatchObject({ error: { type: 'request_too_large' } });
  });
});

it('broken HTTP is answered with 400 and nothing else', async () => {
  const { socket, text, closed } = await dial();
  socket.write('GET / HTTP/1.1\r\nno colon here\r\n\r\n');
  await closed;
  expect(text()).toMatch(/^HTTP\/1.1 400 Bad Request/);
  expect(text()).not.toMatch(/at .*\.ts/);
});

describe('starting', () => {
  it('refuses to listen beyond this machine with auth off', async () => {
    await expect(startTestServer({ host: '0.0.0.0', auth: false })).rejects.toMatchObject({ code: 'unsafe_bind' });
  });

  it('says which port is in use and what to do, and keeps the first key for the start that works', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => other.once('listening', resolve));
    const { port } = other.address() as { port: number };
    const second = startTestServer({ port });
    await expect(second).rejects.toMatchObject({
      code: 'port_in_use',
      message: expect.stringContaining(String(port)),
      hint: expect.stringContaining('--port'),
    });
    other.close();
  });

  it('makes the first key once, and a page address that signs in', async () => {
    const one = await startTestServer();
    expect(one.key).toMatch(/^fh_/);
    expect(one.signInUrl).toMatch(new RegExp(`^${one.url}/#token=\\w{43}$`));
    await one.close();
    const two = await startTestServer({ home: one.home });
    expect(two.firstAdminKey).toBeUndefined();
    const token = two.signInUrl.split('token=')[1];
    const post = () => fetch(`${two.url}/api/session`, { method: 'POST', body: JSON.stringify({ token }) });
    expect((await post()).status).toBe(200);
    expect((await post()).status).toBe(401);
    await two.stop();
    const store = openStore(one.home);
    expect((await listKeys(store)).map(({ name }) => name)).toEqual(['first admin key']);
    await store.close();
    await one.stop();
  });
});

describe('closing', () => {
  it('lets what is nearly done end, and tells the rest to try again', async () => {
    const closing = await startTestServer();
    closing.model.behaviour = async function* (_request, signal) {
      yield { type: 'start', inputTokens: 1, cachedTokens: 0 };
      yield { type: 'text-delta', text: 'begun' };
      while (!closing.model.closed && !signal.aborted) await new Promise((resolve) => setTimeout(resolve, 5));
      throw new FreeholdError('shutting_down', 'The server is stopping.');
    };
    const response = await fetch(`${closing.url}/v1/messages`, {
      method: 'POST',
      headers: { 'x-api-key': closing.key },
      body: prompt(true),
    });
    const text = response.text();
    await closing.stop();
    expect(await text).toMatch(/begun[\s\S]*event: error[\s\S]*The server is stopping/);
    await expect(fetch(closing.url)).rejects.toThrow();
  });

  it('tells streams and whole answers that the server stops, before their model says that it goes', async () => {
    const closing = await startTestServer();
    closing.model.behaviour = async function* (_request, signal) {
      yield { type: 'start', inputTokens: 1, cachedTokens: 0 };
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
      throw new FreeholdError(
        'shutting_down',
        `The model fake is being unloaded${closing.model.closed ? '' : ' later'}.`,
      );
    };
    const send = (stream: boolean) =>
      fetch(`${closing.url}/v1/messages`, {
        method: 'POST',
        headers: { 'x-api-key': closing.key },
        body: prompt(stream),
      });
    const whole = send(false);
    const stream = await send(true);
    const text = stream.text();
    await expect.poll(() => closing.model.requests.length, soon).toBe(2);
    await closing.stop();
    expect(await text).toMatch(/event: error[\s\S]*"The server is stopping\./);
    const refused = await whole;
    expect([refused.status, refused.headers.get('x-should-retry')]).toEqual([503, 'true']);
    expect(await refused.text()).toContain('The server is stopping.');
  });

  it('does not wait for connections whose last answer is out', async () => {
    const closing = await startTestServer({}, { graceMs: 1_000_000 });
    let finish: () => void = () => {};
    closing.model.behaviour = async function* () {
      yield { type: 'start', inputTokens: 1, cachedTokens: 0 };
      await new Promise<void>((resolve) => {
        finish = resolve;
      });
      yield { type: 'stop', reason: 'end-turn' };
    };
    const { socket, text } = await dial(closing.port);
    socket.write(request(prompt(true), { 'x-api-key': closing.key }));
    await expect.poll(text, soon).toContain('message_start');
    const stopped = closing.stop();
    finish();
    await stopped;
    expect(text()).toContain('message_stop');
  });

  it('does not wait for idle connections', async () => {
    const closing = await startTestServer({}, { graceMs: 1_000_000 });
    const { socket, text, closed } = await dial(closing.port);
    socket.write(`GET /health HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n`);
    await expect.poll(text, soon).toContain('200 OK');
    await closing.stop();
    await closed;
  });
});
