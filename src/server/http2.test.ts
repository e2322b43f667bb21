import { createServer } from 'node:http';
import { type ClientHttp2Session, connect, constants, type IncomingHttpHeaders } from 'node:http2';
import net, { type AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { endless } from '../../test/support/fake-model.ts';
import { startTestServer, type TestServer } from '../../test/support/server.ts';
import { acceptHttp2, type Http2Options } from './http2.ts';

/** How long to wait for what must come; a busy machine may need it. */
const soon = { timeout: 30_000 };

let server: TestServer;
const sessions: ClientHttp2Session[] = [];
beforeAll(async () => {
  server = await startTestServer({ bodyLimitBytes: 100_000 });
});
afterEach(() => {
  server.model.behaviour = undefined;
  for (const session of sessions.splice(0)) session.destroy();
});
afterAll(() => server.stop());

function open(url = server.url): ClientHttp2Session {
  const session = connect(url);
  session.on('error', () => undefined);
  sessions.push(session);
  return session;
}

/** @param body undefined: the request has none; `onData` sees each piece of the answer */
function ask(session: ClientHttp2Session, path: string, body?: string, onData?: (text: string) => void) {
  const stream = session.request({
    ':method': body === undefined ? 'GET' : 'POST',
    ':path': path,
    'x-api-key': server.key,
    ...(body !== undefined && { 'content-type': 'application/json' }),
  });
  const answer = new Promise<{ headers: IncomingHttpHeaders; text: string }>((resolve, reject) => {
    let headers: IncomingHttpHeaders = {};
    let text = '';
    stream.on('response', (given) => {
      headers = given;
    });
    stream.setEncoding('utf8').on('data', (piece: string) => {
      text += piece;
      onData?.(piece);
    });
    stream.on('error', reject);
    stream.on('end', () => resolve({ headers, text }));
  });
  answer.catch(() => undefined);
  stream.end(body);
  return { stream, answer };
}
const chat = (content: string, stream = false) =>
  JSON.stringify({ model: 'fake', stream, messages: [{ role: 'user', content }] });

describe('over HTTP/2 without TLS', () => {
  it('a Host header does not hide the machine that the authority names', async () => {
    const stream = open().request({
      ':path': '/v1/models',
      ':authority': 'evil.example',
      host: '127.0.0.1',
      'x-api-key': server.key,
    });
    const status = await new Promise((resolve, reject) => {
      stream.on('response', (headers) => resolve(headers[':status'])).on('error', reject);
    });
    expect(status).toBe(403);
  });

  it('requests are answered as over HTTP/1', async () => {
    const { headers, text } = await ask(open(), '/v1/chat/completions', chat('hello')).answer;
    expect(headers[':status']).toBe(200);
    expect(headers['x-request-id']).toMatch(/^req_/);
    expect(JSON.parse(text).choices[0].message.content).toBe('Hello from the fake model.');
  });

  it('answers are streamed', async () => {
    const pieces: string[] = [];
    await ask(open(), '/v1/chat/completions', chat('hello', true), (piece) => pieces.push(piece)).answer;
    expect(pieces.join('')).toMatch(/data: \{.*"Hello".*data: \[DONE\]\n\n$/s);
  });

  it('many share one connection', async () => {
    const session = open();
    const answers = Array.from({ length: 50 }, () => ask(session, '/v1/chat/completions', chat('hi')).answer);
    expect(new Set((await Promise.all(answers)).map(({ headers }) => headers[':status']))).toEqual(new Set([200]));
  });

  it('a large body is read whole, and one too large refused', async () => {
    const session = open();
    const whole = await ask(session, '/v1/chat/completions', chat('é'.repeat(40_000))).answer;
    expect(whole.headers[':status']).toBe(200);
    const refused = await ask(session, '/v1/chat/completions', chat('a'.repeat(200_000))).answer;
    expect(refused.headers[':status']).toBe(413);
  });

  it('whoever has no key is refused', async () => {
    const stream = open().request({ ':path': '/v1/models' });
    const status = await new Promise((resolve) => stream.on('response', (headers) => resolve(headers[':status'])));
    expect(status).toBe(401);
  });

  it.each(['cancels its stream', 'closes the connection'])('a generation ends when its caller %s', async (how) => {
    server.model.behaviour = endless();
    const before = server.model.aborted;
    const session = open();
    const pieces: string[] = [];
    const { stream } = ask(session, '/v1/chat/completions', chat('hello', true), (piece) => pieces.push(piece));
    await vi.waitFor(() => expect(pieces.length).toBeGreaterThan(0), soon);
    if (how === 'cancels its stream') stream.close(constants.NGHTTP2_CANCEL);
    else session.destroy();
    await vi.waitFor(() => expect(server.model.aborted).toBe(before + 1), soon);
  });
});

/** Sends bytes as they are, and gives what came back once the connection ended or `enough` says so. */
function sendRaw(
  pieces: (string | Buffer)[],
  enough: (text: string) => boolean,
  port = Number(new URL(server.url).port),
) {
  return new Promise<string>((resolve, reject) => {
    const socket = net.connect(port, '127.0.0.1');
    let text = '';
    const end = () => {
      socket.destroy();
      resolve(text);
    };
    socket.on('data', (data) => {
      text += data.toString('latin1');
      if (enough(text)) end();
    });
    socket.on('end', end).on('error', reject);
    socket.setNoDelay(true);
    const next = () => {
      const piece = pieces.shift();
      if (piece !== undefined) socket.write(piece, () => setImmediate(next));
    };
    socket.on('connect', next);
  });
}
const preface = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
/** An empty SETTINGS frame. */
const settings = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]);
const isSettings = (text: string) => text.length >= 9 && text.charCodeAt(3) === 4;

describe('the first bytes of a connection', () => {
  it('may come one by one', async () => {
    const answer = await sendRaw([...preface, settings], isSettings);
    expect(isSettings(answer)).toBe(true);
  });

  it('that are HTTP/1 are answered so', async () => {
    const answer = await sendRaw(['GET /health HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n'], () => false);
    expect(answer).toMatch(/^HTTP\/1\.1 200 OK/);
  });

  it.each([
    ['no HTTP at all', '\x16\x03\x01\x02\x00\r\n\r\n'],
    ['a preface that goes wrong', 'PRI * HTTP/2.0\r\n\r\nSN\r\n\r\n'],
    ['a header without end', 'GET / HTTP/1.1\r\nhost\r\n\r\n'],
  ])('that are %s are refused by Node itself', async (_, bytes) => {
    expect(await sendRaw([bytes], () => false)).toMatch(/^HTTP\/1\.1 400 Bad Request/);
  });

  it('followed by no HTTP/2 end the connection, and no other', async () => {
    const session = open();
    await ask(session, '/health').answer;
    await sendRaw([preface, 'x'.repeat(1000)], () => false).catch(() => undefined);
    expect((await ask(session, '/health').answer).headers[':status']).toBe(200);
  });
});

describe('time limits', () => {
  async function serve(options: Http2Options) {
    const http = createServer();
    const http2 = acceptHttp2(
      http,
      (incoming, outgoing) => {
        incoming.resume();
        incoming.on('end', () => outgoing.end('done'));
      },
      options,
    );
    await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
    const { port } = http.address() as AddressInfo;
    return { http, http2, port, url: `http://127.0.0.1:${port}` };
  }

  it('a connection that asks for nothing ends', async () => {
    const { http, url } = await serve({ idleMs: 20, requestTimeoutMs: 60_000 });
    const session = open(url);
    await new Promise((resolve) => session.once('close', resolve));
    http.close();
  });

  it('a body that never ends costs its stream', async () => {
    const { http, http2, url } = await serve({ idleMs: 60_000, requestTimeoutMs: 20 });
    const stream = open(url).request({ ':method': 'POST', ':path': '/' });
    stream.write('a');
    await new Promise((resolve) => stream.on('error', () => undefined).once('close', resolve));
    http2.destroy();
    http.close();
  });

  it('those of HTTP/1 do not end a connection that was handed over', async () => {
    const { http, http2, url } = await serve({ idleMs: 60_000, requestTimeoutMs: 60_000 });
    http.headersTimeout = 1;
    http.requestTimeout = 1;
    const session = open(url);
    await ask(session, '/').answer;
    // what the server would end, were it still its own
    http.closeAllConnections();
    expect((await ask(session, '/').answer).text).toBe('done');
    http2.destroy();
    http.close();
  });
});

it('whoever comes to a response late learns that its caller has gone', async () => {
  const http = createServer();
  const seen: boolean[] = [];
  const http2 = acceptHttp2(
    http,
    (_, outgoing) => {
      seen.push(outgoing.destroyed);
      outgoing.once('close', () => setImmediate(() => seen.push(outgoing.destroyed)));
    },
    { idleMs: 60_000, requestTimeoutMs: 60_000 },
  );
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  const stream = open(`http://127.0.0.1:${(http.address() as AddressInfo).port}`).request({ ':path': '/' });
  stream.on('error', () => undefined);
  await vi.waitFor(() => expect(seen).toEqual([false]), soon);
  stream.close(constants.NGHTTP2_CANCEL);
  await vi.waitFor(() => expect(seen).toEqual([false, true]), soon);
  http2.destroy();
  http.close();
});

it('a server that closes answers what it was asked, then lets go', async () => {
  const other = await startTestServer();
  const session = open(other.url);
  const stream = session.request({ ':path': '/health' });
  await new Promise((resolve) => stream.resume().once('end', resolve));
  await other.stop();
  await vi.waitFor(() => expect(session.closed || session.destroyed).toBe(true), soon);
});
