// Bad requests at every door: each row of the table of routes meets bodies that are too large, slow, cut off or no JSON,
// methods it does not have, and credentials that contradict each other. Every answer has the shape of its protocol and a
// status that says whose fault it is; none is a 500, and the server answers the next request.
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ApiRoute, apiRoutes, type Protocol, protocolOfPath, writtenPath } from '../src/server/api-paths.ts';
import { type Listening, listen } from '../src/server/listen.ts';
import { createKey } from '../src/store/keys.ts';
import { createTestApp, type TestApp } from './support/app.ts';
import { modelRoutes, requestTo } from './support/route-requests.ts';

const limitBytes = 20_000;
let test: TestApp;
let listening: Listening;
beforeAll(async () => {
  test = await createTestApp({ port: 0, bodyLimitBytes: limitBytes, fileLimitBytes: limitBytes });
  listening = await listen(test.app, test.services.config);
});
afterAll(async () => {
  await listening.close(0, async () => undefined);
  await test.stop();
});

const placeOf = (route: ApiRoute) => route.path.replace(/:\w+(\{[^}]*\})?/g, 'fake');
/** POST routes that read a JSON body. */
const jsonRoutes = apiRoutes.filter(
  (route) => route.methods.includes('POST') && !['/v1/files', '/v1/responses/:id/cancel'].includes(writtenPath(route)),
);
const kindOf = (route: ApiRoute) =>
  route.scope === 'embeddings' ? 'vectors' : route.scope === 'rerank' ? 'scores' : 'fake';

const shapes: Record<Protocol, object> = {
  anthropic: {
    type: 'error',
    error: { type: expect.any(String), message: expect.any(String) },
    request_id: expect.any(String),
  },
  openai: { error: { message: expect.any(String), type: expect.any(String), code: expect.any(String) } },
  bedrock: { message: expect.any(String) },
  ollama: { error: expect.any(String) },
  ours: { error: { message: expect.any(String), type: expect.any(String), code: expect.any(String) } },
};

/** The answer is an error in the protocol of its path. */
function expectError(path: string, text: string, version?: string): void {
  const protocol = protocolOfPath(path.replace(/\?.*/, ''), version);
  expect(JSON.parse(text), text).toMatchObject(shapes[protocol]);
  expect(text).not.toMatch(/\n\s+at |node_modules|\.ts:\d/);
}

type Piece = string | Uint8Array | number;

/** Writes pieces to a connection, numbers being waits in milliseconds; what came back until it was closed, or for so long. */
async function raw(pieces: readonly Piece[], options: { halfClose?: boolean; waitMs?: number } = {}): Promise<string> {
  const socket = connect({ port: listening.port, host: '127.0.0.1', allowHalfOpen: true });
  let answer = '';
  const ended = new Promise<void>((resolve) => {
    socket.on('end', resolve).on('close', () => resolve());
  });
  socket
    .on('error', () => {})
    .on('data', (chunk) => {
      answer += chunk.toString('latin1');
    });
  for (const piece of pieces) {
    if (typeof piece === 'number') await sleep(piece);
    else if (!socket.destroyed && socket.writable) socket.write(piece);
  }
  if (options.halfClose) socket.end();
  await Promise.race([ended, sleep(options.waitMs ?? 5000)]);
  socket.destroy();
  return answer;
}
const head = (path: string, headers: Record<string, string | number>, method = 'POST') =>
  `${method} ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n${Object.entries(headers)
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('')}\r\n`;
const keyed = (more: Record<string, string | number> = {}) => ({
  'x-api-key': test.key,
  'content-type': 'application/json',
  ...more,
});
const statusOf = (answer: string) => Number(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1] ?? 0);
const bodyOf = (answer: string) => answer.slice(answer.indexOf('\r\n\r\n') + 4);
const stillServes = async () =>
  expect(
    (await fetch(`http://127.0.0.1:${listening.port}/v1/models`, { headers: { 'x-api-key': test.key } })).status,
  ).toBe(200);

describe.each(jsonRoutes)('POST $path', (route) => {
  const path = placeOf(route);

  it.each<[string, string | Uint8Array]>([
    ['nothing', ''],
    ['blanks', '  \n'],
    ['half a request', '{"model":"default","messages":[{"ro'],
    ['a trailing comma', '{"model":"default",}'],
    ['null', 'null'],
    ['a number', '1'],
    ['a text', '"hi"'],
    ['a list', '[]'],
    ['XML', '<request/>'],
    ['a form', 'model=default&prompt=hi'],
    ['deep nesting', '['.repeat(4000)],
    ['nesting beyond any use', `${'{"a":'.repeat(500)}1${'}'.repeat(500)}`],
    ['UTF-8 that is none', Buffer.from([0x7b, 0x22, 0x61, 0x22, 0x3a, 0x22, 0xff, 0xfe, 0x22, 0x7d])],
    ['UTF-16', Buffer.from('\ufeff{"model":"default"}', 'utf16le')],
    ['numbers as fields', '{"model":1,"messages":2,"input":3,"prompt":4,"query":5,"name":6,"key":7}'],
    ['a prototype', '{"__proto__":{"model":"default"},"constructor":{"prototype":{}}}'],
  ])('is given %s', async (_, body) => {
    const response = await test.app.request(path, { method: 'POST', headers: keyed() as Record<string, string>, body });
    expect(response.status).toBe(400);
    expectError(path, await response.text());
  });

  it.each(['text/plain', 'application/xml', 'multipart/form-data; boundary=b', 'x', ''])(
    'reads no form as JSON because its type is %j',
    async (type) => {
      const headers = { ...keyed(), 'content-type': type };
      const body = '--b\r\nContent-Disposition: form-data; name="model"\r\n\r\ndefault\r\n--b--\r\n';
      const response = await test.app.request(path, {
        method: 'POST',
        headers: headers as Record<string, string>,
        body,
      });
      expect(response.status).toBe(400);
      expectError(path, await response.text());
    },
  );

  it('refuses what is compressed', async () => {
    const headers = { ...keyed(), 'content-encoding': 'gzip' } as Record<string, string>;
    const response = await test.app.request(path, { method: 'POST', headers, body: '{}' });
    expect(response.status).toBe(400);
    expectError(path, await response.text());
  });

  it('refuses a body that says it is too large, and one that becomes so', async () => {
    const announced = await raw([head(path, keyed({ 'content-length': 1e9 }))]);
    expect(statusOf(announced)).toBe(413);
    expectError(path, bodyOf(announced));
    const chunk = Buffer.alloc(limitBytes / 2, ' ');
    const size = `${chunk.length.toString(16)}\r\n`;
    const chunks = Array.from({ length: 4 }, () => [size, chunk, '\r\n', 5]).flat();
    const grown = await raw([head(path, keyed({ 'transfer-encoding': 'chunked' })), ...chunks]);
    expect(statusOf(grown)).toBe(413);
    await stillServes();
  });

  it.each([true, false])('ends with a body that is cut short (half closed: %s)', async (halfClose) => {
    const answer = await raw([head(path, keyed({ 'content-length': 100 })), '{"model":'], {
      halfClose,
      waitMs: halfClose ? 5000 : 50,
    });
    // a half of a request is answered with an error, or with nothing: never with success, never with a 500
    expect([0, 400]).toContain(statusOf(answer));
    await stillServes();
  });
});

describe.each(modelRoutes)('POST $path', (route) => {
  it('takes a body that trickles in, with any content type', async () => {
    const { path, body } = requestTo(route, kindOf(route));
    const text = JSON.stringify(body);
    const pieces = (text.match(/[\s\S]{1,11}/g) ?? []).flatMap((piece): Piece[] => [piece, 1]);
    const headers = keyed({ 'content-length': Buffer.byteLength(text), 'content-type': 'text/plain' });
    const answer = await raw([head(path, headers), ...pieces]);
    expect(statusOf(answer), answer).toBe(200);
  });

  it('takes fields it does not know', async () => {
    const { path, body } = requestTo(route, kindOf(route));
    const response = await test.send('POST', path, { ...body, somethingElse: { a: [1] } });
    expect(response.status, await response.text()).toBe(200);
  });
});

describe('data that is no base64', () => {
  const parts: [string, object][] = [
    [
      '/v1/messages',
      {
        model: 'default',
        max_tokens: 5,
        messages: [
          {
            role: 'user',
            content: [
              { type: 'document', source: { type: 'base64', media_type: 'text/plain', data: '!!not base64!!' } },
            ],
          },
        ],
      },
    ],
    [
      '/v1/messages',
      {
        model: 'default',
        max_tokens: 5,
        messages: [
          {
            role: 'user',
            content: [{ type: 'image', source: { type: 'base64', media_type: 'image/png', data: '!!not base64!!' } }],
          },
        ],
      },
    ],
    [
      '/v1/chat/completions',
      {
        model: 'default',
        messages: [
          {
            role: 'user',
            content: [{ type: 'file', file: { file_data: 'data:text/plain;base64,!!!', filename: 'a' } }],
          },
        ],
      },
    ],
    [
      '/v1/responses',
      {
        model: 'default',
        input: [{ role: 'user', content: [{ type: 'input_file', file_data: '!!!', filename: 'a' }] }],
      },
    ],
    [
      '/model/fake/converse',
      {
        messages: [
          {
            role: 'user',
            content: [{ text: 'x' }, { document: { name: 'a', format: 'txt', source: { bytes: '!!!' } } }],
          },
        ],
      },
    ],
    ['/api/chat', { model: 'default', messages: [{ role: 'user', content: 'x', images: ['!!!'] }] }],
  ];
  it.each(parts)('to %s is a 400', async (path, body) => {
    const response = await test.send('POST', path, body);
    expect(response.status).toBe(400);
    expectError(path, await response.text());
  });
});

/** `input_tokens` is also a word that stands where an id does, and is asked for as one. */
const sharesIts = (method: string, { path }: ApiRoute) =>
  path === '/v1/responses/input_tokens' && ['GET', 'HEAD', 'DELETE'].includes(method);

describe.each(apiRoutes)('$path', (route) => {
  const path = placeOf(route);
  const others = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND'].filter(
    (method) => !route.methods.includes(method) && !sharesIts(method, route),
  );

  it.each(others)('does not answer to %s, and says to what it does', async (method) => {
    const response = await test.send(method, path);
    expect(response.status).toBe(405);
    expect(response.headers.get('allow')).toBe(route.methods.join(', '));
    if (method !== 'HEAD') expectError(path, await response.text());
  });

  it('tells a stranger nothing but that it asks for a key', async () => {
    if (route.scope === 'open') return;
    for (const method of ['OPTIONS', ...route.methods]) {
      // signing in is how a stranger ends being one; so is ending a session
      if (route.scope === 'session' && method !== 'GET') continue;
      const wrong: Record<string, string>[] = [
        {},
        { 'x-api-key': 'fh_wrong' },
        { authorization: 'Basic eDp5' },
        { authorization: 'Bearer' },
      ];
      for (const headers of wrong) {
        const response = await test.app.request(path, { method, headers });
        expect([401, 403]).toContain(response.status);
        expect(response.headers.has('allow')).toBe(false);
        if (method !== 'HEAD') expectError(path, await response.text());
      }
    }
  });

  it('answers HEAD as GET, without a body', async () => {
    if (!route.methods.includes('HEAD')) return;
    const [get, without] = [await test.send('GET', path), await test.send('HEAD', path)];
    expect(without.status).toBe(get.status);
    expect(without.headers.get('content-type')).toBe(get.headers.get('content-type'));
    expect(await without.text()).toBe('');
  });
});

it('a Host header does not hide the machine that a target names', async () => {
  const ask = (target: string) => raw([`GET ${target} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n`]);
  expect(statusOf(await ask('http://127.0.0.1/health'))).toBe(200);
  expect(statusOf(await ask('http://evil.example/health'))).toBe(403);
});

describe('credentials', () => {
  const ask = (lines: string) =>
    raw([`GET /v1/models HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n${lines}\r\n`]);
  const x = (key: string) => `x-api-key: ${key}\r\n`;
  const bearer = (key: string) => `authorization: Bearer ${key}\r\n`;

  it('may be presented twice when they are the same', async () => {
    expect(statusOf(await ask(x(test.key) + bearer(test.key)))).toBe(200);
  });

  it('that differ are refused, each good or not, in any order and any header', async () => {
    const { key } = await createKey(test.services.store, { name: 'other', role: 'admin' });
    const pairs = [
      x(test.key) + bearer(key),
      bearer(key) + x(test.key),
      x(test.key) + bearer('fh_wrong'),
      x('fh_wrong') + bearer(test.key),
      x(test.key) + x(key),
      x(test.key) + x(test.key),
      bearer(test.key) + bearer(key),
      `${x(test.key)}authorization: Basic eDp5\r\n`,
      `${x(test.key)}authorization: AWS4-HMAC-SHA256 Credential=x, SignedHeaders=host, Signature=0\r\n`,
    ];
    for (const lines of pairs) expect(statusOf(await ask(lines)), lines).toBe(401);
    const signed = `/v1/models?X-Amz-Signature=${'0'.repeat(64)}&X-Amz-Algorithm=AWS4-HMAC-SHA256`;
    expect((await test.send('GET', signed)).status).toBe(401);
  });

  it.each(['', ' ', 'fh_', `fh_${'a'.repeat(40)}`, 'a'.repeat(10_000), "fh_' or 1=1 --", '\u00e9'.repeat(43)])(
    'as odd as %j are refused',
    async (key) => {
      expect(statusOf(await ask(x(Buffer.from(key).toString('latin1'))))).toBe(401);
      expect(statusOf(await ask(bearer(Buffer.from(key).toString('latin1'))))).toBe(401);
    },
  );
});

describe('headers without end', () => {
  it.each<[string, () => string]>([
    ['one of 1 MB', () => `x-long: ${'a'.repeat(1 << 20)}\r\n`],
    ['100,000 of them', () => 'x-a: b\r\n'.repeat(100_000)],
  ])('%s are cut off', async (_, lines) => {
    const answer = await raw([`POST /v1/messages HTTP/1.1\r\nhost: 127.0.0.1\r\n${x(test.key)}${lines()}\r\n`]);
    expect([0, 431]).toContain(statusOf(answer));
    await stillServes();
  });
  const x = (key: string) => `x-api-key: ${key}\r\n`;

  it('a path without end is cut off or not found', async () => {
    const answer = await raw([head(`/v1/${'a'.repeat(100_000)}`, keyed(), 'GET')]);
    expect([0, 404, 414, 431]).toContain(statusOf(answer));
    const long = await raw([head(`/v1/files/${'a'.repeat(8000)}`, keyed(), 'GET')]);
    expect(statusOf(long)).toBe(404);
    expect(bodyOf(long).length).toBeLessThan(1000);
    await stillServes();
  });

  it.each([
    '/v1/files/%',
    '/v1/files/%00',
    '/v1/files/%2e%2e%2f',
    '/v1/models/%ff',
    '/model/%zz/converse',
    '/v1//files',
    '/v1/files/..%5c',
  ])('a path as odd as %s is an error of the caller', async (path) => {
    for (const method of ['GET', 'POST', 'DELETE']) {
      const status = statusOf(await raw([head(path, keyed({ 'content-length': 0 }), method)]));
      expect(status).toBeGreaterThanOrEqual(400);
      expect(status).toBeLessThan(500);
    }
  });
});
