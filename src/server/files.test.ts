// Uploaded files, asked of the application and, where a connection matters, of a server.
import { existsSync, readdirSync, readlinkSync } from 'node:fs';
import { connect as connectHttp2 } from 'node:http2';
import { connect } from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { createTestApp, type TestApp } from '../../test/support/app.ts';
import { startTestServer, type TestServer } from '../../test/support/server.ts';
import { createKey } from '../store/keys.ts';
import { openStore } from '../store/open.ts';

let test: TestApp;
let server: TestServer | undefined;
afterEach(async () => {
  vi.useRealTimers();
  await server?.stop();
  server = undefined;
});
const start = async (settings = {}) => {
  await test?.stop();
  test = await createTestApp(settings);
};
afterEach(() => test?.stop());

const anthropic = { 'anthropic-version': '2023-06-01' };

function form(file: File | string | undefined, fields: Record<string, string> = { purpose: 'user_data' }): FormData {
  const body = new FormData();
  for (const [name, value] of Object.entries(fields)) body.append(name, value);
  if (file !== undefined) body.append('file', file);
  return body;
}
const text = (content: string, name = 'a.txt') => new File([content], name, { type: 'text/plain' });

async function post(body: FormData | string, headers: Record<string, string> = {}): Promise<Response> {
  return test.app.request('/v1/files', { method: 'POST', body, headers: { 'x-api-key': test.key, ...headers } });
}
async function upload(content = 'hello', name = 'a.txt', headers: Record<string, string> = {}): Promise<string> {
  const response = await post(form(text(content, name)), headers);
  expect(response.status).toBe(200);
  return ((await response.json()) as { id: string }).id;
}
const get = (where: string, headers: Record<string, string> = {}) => test.send('GET', where, undefined, headers);
const onDisk = (home = test.home) => {
  const folder = path.join(home, 'files');
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
};

describe('a reader that takes nothing', () => {
  it('does not keep the file open', async () => {
    server = await startTestServer({}, { streams: { stallMs: 200 } });
    const { port, key } = server;
    const sent = await fetch(`http://127.0.0.1:${port}/v1/files`, {
      method: 'POST',
      headers: { 'x-api-key': key },
      body: form(text('x'.repeat(30_000_000))),
    });
    const { id } = (await sent.json()) as { id: string };
    const socket = connect(port, '127.0.0.1');
    const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
    socket.on('error', () => {});
    socket.once('readable', () => socket.pause());
    socket.write(`GET /v1/files/${id}/content HTTP/1.1\r\nhost: 127.0.0.1\r\nx-api-key: ${key}\r\n\r\n`);
    await expect.poll(() => openDescriptors(id), { timeout: 30_000 }).toBe(1);
    await expect.poll(() => openDescriptors(id), { timeout: 30_000 }).toBe(0);
    socket.destroy();
    await closed;
  });
});

/** How often this process has the file open. */
const openDescriptors = (id: string) =>
  readdirSync('/proc/self/fd').filter((descriptor) => {
    try {
      return readlinkSync(`/proc/self/fd/${descriptor}`).includes(id);
    } catch {
      return false;
    }
  }).length;

describe('a file', () => {
  it('is uploaded, shown, handed back and deleted, in OpenAI’s shape', async () => {
    await start();
    const id = await upload();
    const shown = { id, object: 'file', bytes: 5, filename: 'a.txt', purpose: 'user_data', status: 'processed' };
    expect(await (await get(`/v1/files/${id}`)).json()).toMatchObject(shown);
    expect(await (await get('/v1/files')).json()).toMatchObject({ object: 'list', data: [shown], has_more: false });
    expect(await (await get(`/v1/files/${id}/content`)).text()).toBe('hello');
    const gone = await test.send('DELETE', `/v1/files/${id}`);
    expect(await gone.json()).toEqual({ id, object: 'file', deleted: true });
    for (const where of [`/v1/files/${id}`, `/v1/files/${id}/content`]) expect((await get(where)).status).toBe(404);
    expect((await test.send('DELETE', `/v1/files/${id}`)).status).toBe(404);
    expect(onDisk()).toEqual([]);
  });

  it('is the same in Anthropic’s shape', async () => {
    await start();
    const response = await post(form(text('hello'), {}), anthropic);
    const created = (await response.json()) as { id: string };
    const { id } = created;
    expect(created).toEqual({
      type: 'file',
      id,
      filename: 'a.txt',
      mime_type: 'text/plain',
      size_bytes: 5,
      created_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
      downloadable: true,
      expires_at: null,
    });
    expect(await (await get(`/v1/files/${id}?beta=true`, anthropic)).json()).toEqual(created);
    expect(await (await get('/v1/files', anthropic)).json()).toEqual({
      data: [created],
      has_more: false,
      next_page: null,
      first_id: id,
      last_id: id,
    });
    const gone = await test.send('DELETE', `/v1/files/${id}`, undefined, anthropic);
    expect(await gone.json()).toEqual({ type: 'file_deleted', id });
    const error = (await (await get(`/v1/files/${id}`, anthropic)).json()) as object;
    expect(error).toMatchObject({ type: 'error', error: { type: 'not_found_error' } });
  });

  it('comes back byte for byte, to be saved and never shown', async () => {
    await start();
    const bytes = Uint8Array.from({ length: 200_000 }, (_, index) => (index * 31) % 256);
    const page = new File([bytes], '<b>"x";\\ü.html', { type: 'text/html' });
    const { id } = (await (await post(form(page))).json()) as { id: string };
    const content = await get(`/v1/files/${id}/content`);
    expect(new Uint8Array(await content.arrayBuffer())).toEqual(bytes);
    const headers = Object.fromEntries(content.headers);
    expect(headers).toMatchObject({
      'content-type': 'application/octet-stream',
      'x-content-type-options': 'nosniff',
      'content-length': '200000',
      'content-disposition': expect.stringMatching(/^attachment; filename="[ !#$&-:<-[\]-~]*"; filename\*=UTF-8''\S+$/),
    });
    const head = await test.send('HEAD', `/v1/files/${id}/content`);
    expect([head.status, head.headers.get('content-length'), await head.text()]).toEqual([200, '200000', '']);
  });

  it.each([
    ['../../../etc/passwd', 'passwd'],
    ['C:\\temp\\x.txt', 'x.txt'],
    ['a\u0001b\u202etxt.exe', 'abtxt.exe'],
    ['..', 'unnamed'],
    ['/', 'unnamed'],
    ['   ', 'unnamed'],
    ['x'.repeat(1000), 'x'.repeat(255)],
    ['мій файл 📄.txt', 'мій файл 📄.txt'],
  ])('called %j is called %j', async (given, name) => {
    await start();
    const id = await upload('x', given);
    expect(await (await get(`/v1/files/${id}`)).json()).toMatchObject({ filename: name });
    const content = await get(`/v1/files/${id}/content`);
    expect(decodeURIComponent(content.headers.get('content-disposition')?.split("UTF-8''")[1] ?? '')).toBe(name);
  });

  it('keeps only a media type that is one', async () => {
    await start();
    const boundary = 'b';
    const part = (type: string) =>
      `--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\nContent-Type: ${type}\r\n\r\nx\r\n--b--\r\n`;
    for (const [type, kept] of [
      ['text/x-python; charset=utf-8', 'text/x-python'],
      ['text/html\u0001', 'application/octet-stream'],
      ['<script>', 'application/octet-stream'],
    ] as const) {
      const headers = { ...anthropic, 'content-type': `multipart/form-data; boundary=${boundary}` };
      expect(await (await post(part(type), headers)).json()).toMatchObject({ mime_type: kept });
    }
  });

  it('goes by itself where it was said when', async () => {
    await start();
    vi.useFakeTimers({ toFake: ['Date'] });
    const fields = {
      purpose: 'batch',
      'expires_after[anchor]': 'created_at',
      'expires_after[seconds]': '3600',
    };
    const file = (await (await post(form(text('x'), fields))).json()) as Record<string, number>;
    expect((file.expires_at ?? 0) - (file.created_at ?? 0)).toBe(3600);
    vi.setSystemTime(Date.now() + 3600_000);
    expect((await get(`/v1/files/${file.id}`)).status).toBe(404);
    await upload();
    expect(onDisk()).toHaveLength(1);
  });
});

describe('a list of files', () => {
  it('comes in pages of either vendor', async () => {
    await start();
    const ids: string[] = [];
    for (let index = 0; index < 5; index++) ids.push(await upload(`${index}`));
    const page = async (query: string, headers = {}) => {
      const body = (await (await get(`/v1/files?${query}`, headers)).json()) as {
        data: { id: string }[];
        has_more: boolean;
        last_id: string | null;
      };
      return [body.data.map(({ id }) => ids.indexOf(id)), body.has_more];
    };
    expect(await page('limit=2')).toEqual([[4, 3], true]);
    expect(await page(`limit=2&after=${ids[3]}`)).toEqual([[2, 1], true]);
    expect(await page(`order=asc&limit=2&after=${ids[2]}`)).toEqual([[3, 4], false]);
    expect(await page('purpose=batch')).toEqual([[], false]);
    expect(await page('limit=3', anthropic)).toEqual([[4, 3, 2], true]);
    expect(await page(`limit=2&after_id=${ids[2]}`, anthropic)).toEqual([[1, 0], false]);
    expect(await page(`limit=2&before_id=${ids[1]}`, anthropic)).toEqual([[3, 2], true]);
    expect(await page(`limit=2&page=${ids[3]}`, anthropic)).toEqual([[2, 1], true]);
    expect(await page(`ids[]=${ids[3]}&ids[]=file_none&ids[]=${ids[0]}&ids[]=${ids[3]}`, anthropic)).toEqual([
      [3, 0],
      false,
    ]);
    expect(await page('scope_id=session_1', anthropic)).toEqual([[], false]);
    // a page that was deleted while it was read
    await test.send('DELETE', `/v1/files/${ids[3]}`);
    expect(await page(`limit=2&after=${ids[3]}`)).toEqual([[2, 1], true]);
  });

  it.each([
    ['limit=0', {}],
    ['limit=10001', {}],
    ['limit=x', {}],
    ['order=up', {}],
    ['after=../x', {}],
    ['limit=1001', anthropic],
    ['after_id=1', anthropic],
    ['page=2', anthropic],
    ['ids[]=file_1&limit=3', anthropic],
    [Array.from({ length: 101 }, (_, index) => `ids[]=${index}`).join('&'), anthropic],
    [`after_id=file_${'a'.repeat(24)}&before_id=file_${'a'.repeat(24)}`, anthropic],
  ])('refuses ?%s', async (query, headers) => {
    await start();
    expect((await get(`/v1/files?${query}`, headers)).status).toBe(400);
  });
});

describe('a form that is refused', () => {
  it.each<[string, FormData | string, Record<string, string>, number, string]>([
    ['no file', form(undefined), {}, 400, 'file: Field required'],
    ['a file without a name', form('just text'), {}, 400, 'must be a file'],
    ['no purpose', form(text('x'), {}), {}, 400, 'purpose'],
    ['a bad purpose', form(text('x'), { purpose: 'fun' }), {}, 400, 'purpose'],
    [
      'half an expiry',
      form(text('x'), { purpose: 'batch', 'expires_after[seconds]': '3600' }),
      {},
      400,
      'expires_after',
    ],
    ['a long field', form(text('x'), { purpose: 'a'.repeat(100_000) }), {}, 400, 'too long'],
    ['JSON', '{"file":"x"}', { 'content-type': 'application/json' }, 400, 'multipart/form-data'],
    ['nothing', '', {}, 400, 'multipart/form-data'],
    ['no boundary in it', 'x', { 'content-type': 'multipart/form-data; boundary=b' }, 400, 'boundary'],
    ['compressed', form(text('x')), { 'content-encoding': 'gzip' }, 400, 'content-encoding'],
    ['too large', form(text('x'.repeat(5000))), {}, 413, 'fileLimitBytes'],
  ])('%s', async (_, body, headers, status, words) => {
    await start({ fileLimitBytes: 4096 });
    const response = await post(body, headers);
    expect(response.status).toBe(status);
    expect(await response.text()).toContain(words);
    expect(onDisk()).toEqual([]);
  });

  it('has two files, or too many parts', async () => {
    await start();
    const two = form(text('x'));
    two.append('file', text('y'));
    expect(await (await post(two)).text()).toContain('Only one file');
    const many = form(text('x'));
    for (let index = 0; index < 40; index++) many.append(`field${index}`, 'x');
    expect(await (await post(many)).text()).toContain('at most 32 parts');
    expect(onDisk()).toEqual([]);
  });

  it('is more than its key may keep; another key has its own room', async () => {
    await start({ filesPerKey: 1, fileBytesPerKey: 100 });
    expect((await post(form(text('x'.repeat(101))))).status).toBe(400);
    const id = await upload();
    const full = await post(form(text('x')), anthropic);
    expect([full.status, await full.text()]).toEqual([400, expect.stringContaining('storage_quota_exceeded')]);
    const other = await createKey(test.services.store, { name: 'other', role: 'service' });
    await upload('x', 'a', { 'x-api-key': other.key });
    await test.send('DELETE', `/v1/files/${id}`);
    await upload();
  });

  it('is one of many at once that together are more than a key may keep', async () => {
    await start({ filesPerKey: 3 });
    const statuses = await Promise.all(Array.from({ length: 8 }, async () => (await post(form(text('x')))).status));
    expect(statuses.filter((status) => status === 200)).toHaveLength(3);
    expect(new Set(statuses)).toEqual(new Set([200, 400]));
    expect(onDisk()).toHaveLength(3);
  });
});

/** A request written by hand; resolves with all that came back when the connection ends. */
async function raw(
  port: number,
  parts: (string | Buffer | number)[],
  options: { end?: boolean } = {},
): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  let answer = '';
  const ended = new Promise<void>((resolve) => {
    socket.on('close', () => resolve()).on('error', () => resolve());
  });
  socket.on('data', (chunk) => {
    answer += chunk.toString('latin1');
  });
  for (const part of parts) {
    if (typeof part === 'number') await sleep(part);
    else if (!socket.destroyed) socket.write(part);
  }
  if (options.end) socket.end();
  await Promise.race([ended, sleep(3000)]);
  socket.destroy();
  return answer;
}

describe('over a connection', () => {
  const head = (key: string, length: number) =>
    `POST /v1/files HTTP/1.1\r\nHost: 127.0.0.1\r\nx-api-key: ${key}\r\ncontent-type: multipart/form-data; boundary=b\r\n` +
    `content-length: ${length}\r\nconnection: close\r\n\r\n`;
  const opening =
    '--b\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nuser_data\r\n' +
    '--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n';
  const closing = '\r\n--b--\r\n';

  it('a form may trickle', async () => {
    await start();
    server = await startTestServer();
    const body = `${opening}hello${closing}`;
    const pieces = (body.match(/[\s\S]{1,7}/g) ?? []).flatMap((piece) => [piece, 2]);
    const answer = await raw(server.port, [head(server.key, body.length), ...pieces]);
    expect(answer).toContain('HTTP/1.1 200');
    expect(answer).toContain('"bytes":5');
  });

  it.each([
    ['breaks off', false],
    ['is half closed', true],
  ])('one that %s leaves nothing', async (_, end) => {
    await start();
    server = await startTestServer();
    const { home } = server;
    if (end) await raw(server.port, [head(server.key, 10_000), opening, 'half', 50], { end });
    else {
      const socket = connect(server.port, '127.0.0.1');
      socket.write(head(server.key, 10_000) + opening);
      socket.write('half');
      await vi.waitFor(() => expect(onDisk(home)).toHaveLength(1));
      socket.destroy();
    }
    await vi.waitFor(() => expect(onDisk(home)).toEqual([]));
    expect((await fetch(`${server.url}/health`)).status).toBe(200);
  });

  it('one that is too large is told so before all of it came', async () => {
    await start();
    server = await startTestServer({ fileLimitBytes: 4096 });
    const announced = await raw(server.port, [head(server.key, 1e12)]);
    expect(announced).toContain('HTTP/1.1 413');
    const megabyte = Buffer.alloc(1 << 20, 'x');
    const answer = await raw(server.port, [head(server.key, 2 << 20), opening, megabyte, 50]);
    expect(answer).toContain('HTTP/1.1 413');
    expect(onDisk(server.home)).toEqual([]);
  });

  it('one key’s slow forms leave room for others', async () => {
    await start();
    server = await startTestServer();
    const { home, key, port, url } = server;
    const store = openStore(home);
    const other = await createKey(store, { name: 'other', role: 'service' });
    await store.close();
    const slow = Array.from({ length: 16 }, () => {
      const socket = connect(port, '127.0.0.1');
      socket.write(`${head(key, 10_000)}${opening}half`);
      return socket;
    });
    const ask = async (by: string) =>
      (await fetch(`${url}/v1/files`, { method: 'POST', headers: { 'x-api-key': by }, body: form(text('x')) })).status;
    try {
      await vi.waitFor(() => expect(onDisk(home)).toHaveLength(16));
      expect(await ask(key)).toBe(503);
      expect(await ask(other.key)).toBe(200);
    } finally {
      for (const socket of slow) socket.destroy();
    }
    await vi.waitFor(async () => expect(await ask(key)).toBe(200));
  });

  it('a form may come by HTTP/2, whole, too large, or broken off', async () => {
    await start();
    server = await startTestServer({ fileLimitBytes: 100_000 });
    const { home, key, url } = server;
    const session = connectHttp2(url);
    const send = async (bytes: number, breakOff = false) => {
      const stream = session.request({
        ':method': 'POST',
        ':path': '/v1/files',
        'x-api-key': key,
        'content-type': 'multipart/form-data; boundary=b',
      });
      let status = 0;
      let body = '';
      stream.on('response', (headers) => {
        status = Number(headers[':status']);
      });
      stream.on('data', (chunk) => {
        body += chunk;
      });
      stream.on('error', () => {});
      stream.write(opening);
      stream.write(Buffer.alloc(bytes, 'x'));
      if (breakOff) {
        await vi.waitFor(() => expect(onDisk(home)).toHaveLength(1));
        stream.close(8);
      } else stream.end(closing);
      await new Promise((resolve) => stream.on('close', resolve));
      return [status, body] as const;
    };
    try {
      expect(await send(1000, true)).toEqual([0, '']);
      await vi.waitFor(() => expect(onDisk(home)).toEqual([]));
      const [tooLarge, why] = await send(100_001);
      expect([tooLarge, why]).toEqual([413, expect.stringContaining('fileLimitBytes')]);
      const [status, body] = await send(50_000);
      expect([status, JSON.parse(body)]).toEqual([200, expect.objectContaining({ bytes: 50_000 })]);
      expect(onDisk(home)).toHaveLength(1);
    } finally {
      session.destroy();
    }
  });

  it('a download that is left leaves the file and the server as they were', async () => {
    await start();
    server = await startTestServer();
    const { url, key } = server;
    const headers = { 'x-api-key': key };
    const body = form(new File([new Uint8Array(8 << 20)], 'large'));
    const { id } = (await (await fetch(`${url}/v1/files`, { method: 'POST', headers, body })).json()) as { id: string };
    const abort = new AbortController();
    const left = await fetch(`${url}/v1/files/${id}/content`, { headers, signal: abort.signal });
    await left.body?.getReader().read();
    abort.abort();
    const whole = await (await fetch(`${url}/v1/files/${id}/content`, { headers })).arrayBuffer();
    expect(whole.byteLength).toBe(8 << 20);
  });
});
