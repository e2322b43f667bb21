import { afterEach, describe, expect, it, vi } from 'vitest';
import { defaultPatience, get, headersFor } from './http.ts';
import { isInnerAddress, redirectTarget } from './redirects.ts';

const names: Record<string, string[]> = {
  'hub.example': ['203.0.113.5'],
  'store.example': ['203.0.113.6', '2001:db8::6'],
  'inside.example': ['203.0.113.7', '10.0.0.7'],
  'mirror.lan': ['192.168.1.4'],
};
const resolve = async (host: string) => names[host] ?? [];
const target = (first: string, from: string, location: string) =>
  redirectTarget(new URL(first), new URL(from), location, resolve).then(
    ({ href }) => href,
    (error: Error) => error.message,
  );

describe('a redirect', () => {
  it.each([
    ['https://hub.example/a', '/b', 'https://hub.example/b'],
    ['https://hub.example/a', 'https://store.example/b?signature=1', 'https://store.example/b?signature=1'],
    ['http://127.0.0.1:80/a', 'http://127.0.0.1:99/b', 'http://127.0.0.1:99/b'],
    ['http://mirror.lan/a', 'http://10.1.1.1/b', 'http://10.1.1.1/b'],
    ['http://mirror.lan/a', 'http://store.example/b', 'http://store.example/b'],
  ])('from %s to %s is followed', async (from, location, expected) => {
    expect(await target(from, from, location)).toBe(expected);
  });

  it.each([
    ['https://hub.example/a', 'http://store.example/b', /plain http on store\.example/],
    ['https://hub.example/a', 'file:///etc/passwd', /a file: address/],
    ['https://hub.example/a', 'data:text/plain,x', /a data: address/],
    ['https://hub.example/a', 'https://me:secret@store.example/b', /with a password/],
    ['https://hub.example/a', 'https://', /not valid/],
    ['https://hub.example/a', 'https://localhost/b', /this machine/],
    ['https://hub.example/a', 'https://127.0.0.1/b', /this machine/],
    ['https://hub.example/a', 'https://[::1]/b', /this machine/],
    ['https://hub.example/a', 'https://[::ffff:10.0.0.1]/b', /one of its own network/],
    ['https://hub.example/a', 'https://2130706433/b', /this machine/],
    ['https://hub.example/a', 'https://169.254.169.254/latest/meta-data', /one of its own network/],
    ['https://hub.example/a', 'https://inside.example/b', /one of its own network/],
    ['http://203.0.113.9/a', 'http://mirror.lan/b', /one of its own network/],
  ])('from %s to %s is refused', async (from, location, reason) => {
    expect(await target(from, from, location)).toMatch(reason);
  });

  it('is judged by the address asked for to begin with, not by a stop on the way', async () => {
    expect(await target('https://hub.example/a', 'https://store.example/b', 'https://10.0.0.1/c')).toMatch(
      /not followed/,
    );
    expect(await target('https://mirror.lan/a', 'https://store.example/b', 'https://10.0.0.1/c')).toBe(
      'https://10.0.0.1/c',
    );
  });
});

describe('addresses', () => {
  it.each([
    '127.8.8.8',
    '0.0.0.0',
    '172.31.0.1',
    '100.64.0.1',
    '::',
    '::1',
    'fe80::1',
    'fd00::1',
    '::ffff:192.168.0.1',
  ])('%s cannot be reached from outside', (address) => expect(isInnerAddress(address)).toBe(true));
  it.each(['1.1.1.1', '172.32.0.1', '100.128.0.1', '2606:4700::1111', '::ffff:1.1.1.1'])('%s can', (address) =>
    expect(isInnerAddress(address)).toBe(false),
  );
});

describe('one GET', () => {
  const asked: { url: string; authorization: string | null }[] = [];
  /** Answers with these redirects, one after another, then with 200. */
  const redirecting = (...locations: string[]) => {
    asked.length = 0;
    const left = [...locations];
    vi.stubGlobal('fetch', async (url: URL, init: RequestInit) => {
      asked.push({ url: url.href, authorization: new Headers(init.headers).get('authorization') });
      expect(init.redirect).toBe('manual');
      const location = left.shift();
      return location === undefined ? new Response('here') : new Response(null, { status: 302, headers: { location } });
    });
  };
  afterEach(() => {
    vi.unstubAllGlobals();
  });
  const fetched = (address: string, hubEndpoint = 'https://203.0.113.5') => {
    const url = new URL(address);
    const headers = headersFor(url, { hubEndpoint, hubToken: 'hf_secret' });
    return get(url, headers, 'it', defaultPatience, new AbortController().signal);
  };

  it('does not fetch from this machine because a public host says so', async () => {
    redirecting('http://127.0.0.1:9/secret');
    await expect(fetched('http://203.0.113.5/m.gguf')).rejects.toMatchObject({ code: 'download_failed' });
    expect(asked).toHaveLength(1);
  });

  it('takes the token along within the hub, drops it where another host comes, and does not bring it back', async () => {
    redirecting('/b', 'https://203.0.113.6/c', 'https://203.0.113.5/d');
    expect(await (await fetched('https://203.0.113.5/a')).text()).toBe('here');
    expect(asked).toEqual([
      { url: 'https://203.0.113.5/a', authorization: 'Bearer hf_secret' },
      { url: 'https://203.0.113.5/b', authorization: 'Bearer hf_secret' },
      { url: 'https://203.0.113.6/c', authorization: null },
      { url: 'https://203.0.113.5/d', authorization: null },
    ]);
  });

  it('sends no token over plain http to another machine', async () => {
    redirecting();
    await fetched('http://203.0.113.5/a', 'http://203.0.113.5');
    await fetched('http://127.0.0.1:9/a', 'http://127.0.0.1:9');
    expect(asked.map(({ authorization }) => authorization)).toEqual([null, 'Bearer hf_secret']);
  });

  it('does not go round in circles', async () => {
    redirecting(...Array.from({ length: 20 }, (_, index) => `/${index}`));
    await expect(fetched('https://203.0.113.5/a')).rejects.toMatchObject({
      code: 'download_failed',
      message: expect.stringContaining('redirects more than'),
    });
  });
});
