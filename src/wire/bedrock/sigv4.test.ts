import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { client } from '../../../test/clients/load.ts';
import { isSigned, readSignature, requireCurrent, type SignedRequest, verifySignature } from './sigv4.ts';

interface VendorRequest {
  method: string;
  protocol: string;
  hostname: string;
  path: string;
  query: Record<string, string | string[]>;
  headers: Record<string, string>;
  body: Uint8Array | string;
}
interface Signer {
  sign(request: VendorRequest, options: { signingDate: Date }): Promise<VendorRequest>;
  presign(request: VendorRequest, options: { signingDate: Date; expiresIn?: number }): Promise<VendorRequest>;
}
const secret = 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY';
const keyId = 'FHIA0123456789ABCDEF';
let signerFor: (options?: { region?: string; service?: string; sessionToken?: string }) => Signer;
beforeAll(async () => {
  const { SignatureV4 } = await client<{ SignatureV4: new (options: object) => Signer }>('@smithy/signature-v4');
  const { Sha256 } = await client<{ Sha256: unknown }>('@aws-crypto/sha256-js');
  signerFor = ({ region = 'us-east-1', service = 'bedrock', sessionToken } = {}) =>
    new SignatureV4({
      region,
      service,
      sha256: Sha256,
      credentials: { accessKeyId: keyId, secretAccessKey: secret, ...(sessionToken && { sessionToken }) },
    });
});

const encoded = (text: string) =>
  encodeURIComponent(text).replace(/[!'()*]/g, (letter) => `%${letter.charCodeAt(0).toString(16).toUpperCase()}`);
/** What the vendor's request looks like when it arrives. */
function arrived({ method, path, query, headers }: VendorRequest): SignedRequest {
  const pairs = Object.entries(query).flatMap(([name, value]) =>
    [value].flat().map((each) => `${encoded(name)}=${encoded(each)}`),
  );
  return {
    method,
    target: pairs.length === 0 ? path : `${path}?${pairs.join('&')}`,
    headers: new Map(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value])),
  };
}
const bytesOf = (body: Uint8Array | string) => (typeof body === 'string' ? Buffer.from(body) : body);
/** @throws FreeholdError as a server would */
function check(request: SignedRequest, body: Uint8Array, nowMs: number, key = secret): void {
  const signature = readSignature(request);
  requireCurrent(signature, nowMs);
  verifySignature(request, signature, key, body);
}
const refused = (message?: RegExp) =>
  expect.objectContaining({ code: 'signature_invalid', ...(message && { message: expect.stringMatching(message) }) });

const visible = fc.string({
  minLength: 1,
  maxLength: 20,
  unit: fc.constantFrom(..."abcXYZ019-._~ !*'();:@&=+$,%é漢😀"),
});
const segment = fc.oneof(
  visible.map(encoded),
  fc.constantFrom(
    'arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Ainference-profile%2Fus.anthropic.claude-v1%3A0',
    'anthropic.claude-3-haiku-20240307-v1:0',
    'a%20b',
    '%E6%BC%A2',
  ),
);
const headerName = fc
  .string({ minLength: 1, maxLength: 12, unit: fc.constantFrom(...'abcdefgh-') })
  .map((name) => `x-${name}`);
const headerValue = fc.string({ maxLength: 20, unit: fc.constantFrom(...'abc 0  ,;="é/') });
const request: fc.Arbitrary<VendorRequest> = fc.record({
  method: fc.constantFrom('GET', 'POST', 'DELETE', 'PUT'),
  protocol: fc.constant('http:'),
  hostname: fc.constant('127.0.0.1'),
  path: fc.array(segment, { maxLength: 4 }).map((parts) => `/${parts.join('/')}`),
  query: fc
    .dictionary(visible, fc.oneof(fc.string(), fc.array(visible, { minLength: 1, maxLength: 3 })), {
      maxKeys: 4,
      noNullPrototype: true,
    })
    .map((query) => ({ ...query })),
  headers: fc
    .dictionary(headerName, headerValue, { maxKeys: 4, noNullPrototype: true })
    .map((headers) => ({ ...headers, host: '127.0.0.1:8080', 'content-type': 'application/json' })),
  body: fc.oneof(fc.string({ unit: 'grapheme' }), fc.uint8Array({ maxLength: 100 })),
});
const date = fc.date({ min: new Date('2001-01-01'), max: new Date('2099-01-01'), noInvalidDate: true });

describe('a request that the vendor signed', () => {
  it('is known by its signature, whatever it holds', async () => {
    await fc.assert(
      fc.asyncProperty(request, date, fc.boolean(), async (given, signingDate, token) => {
        const signed = await signerFor(token ? { sessionToken: 'a/token+==' } : {}).sign(given, { signingDate });
        expect(isSigned(arrived(signed))).toBe(true);
        expect(readSignature(arrived(signed)).accessKeyId).toBe(keyId);
        check(arrived(signed), bytesOf(given.body), signingDate.getTime());
      }),
      { numRuns: 300 },
    );
  });

  it('is known by its query when it was signed beforehand', async () => {
    await fc.assert(
      fc.asyncProperty(request, date, fc.integer({ min: 1, max: 604_799 }), async (given, signingDate, expiresIn) => {
        const signed = await signerFor({ sessionToken: 't' }).presign(given, { signingDate, expiresIn });
        expect(isSigned(arrived(signed))).toBe(true);
        const endMs = Math.floor(signingDate.getTime() / 1000) * 1000 + expiresIn * 1000;
        check(arrived(signed), bytesOf(given.body), endMs);
        expect(() => check(arrived(signed), bytesOf(given.body), endMs + 1)).toThrow(refused(/^Signature expired/));
      }),
      { numRuns: 200 },
    );
  });

  it.each(['us-east-1', 'eu-central-2', 'anywhere'])('is of any region: %s', async (region) => {
    const given = {
      method: 'POST',
      protocol: 'http:',
      hostname: 'h',
      path: '/',
      query: {},
      headers: { host: 'h' },
      body: '',
    };
    const signingDate = new Date('2026-01-02T03:04:05Z');
    check(arrived(await signerFor({ region }).sign(given, { signingDate })), Buffer.alloc(0), signingDate.getTime());
  });
});

describe('a request that changed since it was signed is refused', () => {
  const change = fc.constantFrom(
    'method',
    'path',
    'query',
    'header',
    'body',
    'date',
    'scope',
    'region',
    'signature',
    'secret',
    'unsigned',
  );
  it('whatever changed', async () => {
    await fc.assert(
      fc.asyncProperty(request, date, change, fc.boolean(), async (given, signingDate, what, presigned) => {
        const now = signingDate.getTime();
        const signer = signerFor();
        const signed = presigned
          ? await signer.presign(given, { signingDate })
          : await signer.sign(given, { signingDate });
        const good = arrived(signed);
        const bytes = Buffer.from(bytesOf(given.body));
        check(good, bytes, now);
        const headers = new Map(good.headers);
        let { method, target } = good;
        let [body, key] = [bytes, secret];
        /** Changes what the signature says of itself, where it says it. */
        const alter = (from: RegExp, to: (found: string) => string) => {
          if (presigned) target = target.replace(from, to);
          else headers.set('authorization', (headers.get('authorization') ?? '').replace(from, to));
        };
        const digit = (found: string) => found.replace(/[0-9a-f](?=[^0-9a-f]*$)/, (last) => (last === '1' ? '2' : '1'));
        if (what === 'method') method = method === 'PATCH' ? 'POST' : 'PATCH';
        if (what === 'path') target = `/x${target}`;
        if (what === 'query') target += `${target.includes('?') ? '&' : '?'}more=1`;
        if (what === 'header') headers.set('host', 'elsewhere');
        if (what === 'body') body = Buffer.concat([bytes, Buffer.from(' ')]);
        if (what === 'date') {
          const next = (found: string) => found.replace(/\d(?=Z)/, (last) => String((Number(last) + 1) % 10));
          if (presigned) alter(/X-Amz-Date=\w+/, next);
          else headers.set('x-amz-date', next(headers.get('x-amz-date') ?? ''));
        }
        if (what === 'scope') alter(/(?<=(%2F|\/))us-east-1/, () => 'us-east-2');
        if (what === 'region') alter(/us-east-1/, () => 'us-east');
        if (what === 'signature') alter(/Signature=[0-9a-f]{64}/, digit);
        if (what === 'secret') key = `${secret}x`;
        if (what === 'unsigned') headers.set('x-amz-target', 'Other');
        expect(() => check({ method, target, headers }, body, now, key)).toThrow(refused());
      }),
      { numRuns: 500 },
    );
  });
});

describe('with one plain request', () => {
  const signingDate = new Date('2026-01-02T03:04:05Z');
  const now = signingDate.getTime();
  const plain = (): VendorRequest => ({
    method: 'POST',
    protocol: 'http:',
    hostname: 'h',
    path: '/model/m/converse',
    query: {},
    headers: { host: 'h' },
    body: '{}',
  });
  const body = Buffer.from('{}');
  const signed = async () => arrived(await signerFor().sign(plain(), { signingDate }));
  const withHeader = (request: SignedRequest, name: string, value: string | undefined): SignedRequest => {
    const headers = new Map(request.headers);
    if (value === undefined) headers.delete(name);
    else headers.set(name, value);
    return { ...request, headers };
  };

  it('clocks may differ by five minutes, and no more', async () => {
    const request = await signed();
    for (const offMs of [-300_000, 0, 300_000]) check(request, body, now + offMs);
    expect(() => check(request, body, now + 300_001)).toThrow(
      refused(
        /^Signature expired: 20260102T030405Z is now earlier than 20260102T030405Z \(20260102T030905Z - 5 min\.\)$/,
      ),
    );
    expect(() => check(request, body, now - 300_001)).toThrow(
      refused(
        /^Signature not yet current: 20260102T030405Z is still later than 20260102T030404Z \(20260102T025904Z \+ 5 min\.\)$/,
      ),
    );
  });

  it('one signed beforehand for the future is not taken yet', async () => {
    const request = arrived(await signerFor().presign(plain(), { signingDate }));
    check(request, body, now - 300_000);
    expect(() => check(request, body, now - 300_001)).toThrow(refused(/^Signature not yet current/));
  });

  it.each(['0', '604801', '-1', '1e3', '', 'NaN'])('X-Amz-Expires of "%s" is refused', async (expires) => {
    const { target, ...rest } = arrived(await signerFor().presign(plain(), { signingDate }));
    const changed = target.replace(/X-Amz-Expires=\d+/, `X-Amz-Expires=${expires}`);
    expect(changed).not.toBe(target);
    expect(() => check({ ...rest, target: changed }, body, now)).toThrow(refused(/X-Amz-Expires/));
  });

  it('a signature for another service is refused', async () => {
    const request = arrived(await signerFor({ service: 's3' }).sign(plain(), { signingDate }));
    expect(() => check(request, body, now)).toThrow(refused(/correct service: 'bedrock'/));
  });

  it.each<[string, RegExp, string, RegExp]>([
    ['no credential', /Credential=[^,]+, /, '', /'Credential' is missing/],
    ['no list of headers', /SignedHeaders=[^,]+, /, '', /'SignedHeaders' is missing/],
    ['no signature', /, Signature=.*/, '', /'Signature' is missing/],
    ['a credential of two parts', /\/20260102/, '', /exactly 5/],
    ['a credential of six parts', /aws4_request/, 'aws4_request/x', /exactly 5/],
    ['another day', /20260102/, '20260103', /Date in Credential scope/],
    ['an unsigned host', /host;/, '', /'Host'/],
    ['an unsigned date', /;x-amz-date/, '', /'X-Amz-Date'/],
    ['a signed header that is not there', /host;/, 'absent;host;', /does not match/],
    ['a short signature', /Signature=../, 'Signature=', /does not match/],
    ['no hexadecimal digits', /Signature=../, 'Signature=zz', /does not match/],
    ['nothing but the name', / .*/, '', /is missing/],
  ])('an Authorization header with %s is refused', async (_, from, to, message) => {
    const request = await signed();
    const header = request.headers.get('authorization') ?? '';
    const changed = header.replace(from, to);
    expect(changed).not.toBe(header);
    expect(() => check(withHeader(request, 'authorization', changed), body, now)).toThrow(refused(message));
  });

  it.each([undefined, '', 'yesterday', '20261302T030405Z', '2026-01-02T03:04:05Z'])(
    'the date "%s" is refused',
    async (given) => {
      const request = withHeader(await signed(), 'x-amz-date', given);
      expect(() => check(request, body, now)).toThrow(refused());
    },
  );

  it.each(['UNSIGNED-PAYLOAD', 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD'])(
    'a body outside the signature is refused: %s',
    async (hash) => {
      const given = { ...plain(), headers: { host: 'h', 'x-amz-content-sha256': hash } };
      const request = arrived(await signerFor().sign(given, { signingDate }));
      expect(() => check(request, body, now)).toThrow(refused(/body must be signed/));
      const beforehand = arrived(await signerFor().presign(given, { signingDate }));
      expect(() => check(beforehand, body, now)).toThrow(refused(/body must be signed/));
    },
  );

  it('a hash that is not of the body is refused', async () => {
    const given = { ...plain(), headers: { host: 'h', 'x-amz-content-sha256': '0'.repeat(64) } };
    const request = arrived(await signerFor().sign(given, { signingDate }));
    expect(() => check(request, body, now)).toThrow(refused(/x-amz-content-sha256/));
  });

  it('the authority stands for the host, as over HTTP/2', async () => {
    const given = { ...plain(), headers: { ':authority': 'h:80' } };
    const request = withHeader(arrived(await signerFor().sign(given, { signingDate })), ':authority', undefined);
    check(withHeader(request, 'host', 'h:80'), body, now);
    expect(() => check(withHeader(request, 'host', 'h:81'), body, now)).toThrow(refused());
  });

  it('a query that is not properly encoded is refused', async () => {
    const request = await signed();
    expect(() => check({ ...request, target: `${request.target}?a=%zz` }, body, now)).toThrow(refused(/encoded/));
  });
});

it('what is not signed wants no signature', () => {
  const plain = (headers: [string, string][], target = '/model/m/converse') => ({
    method: 'POST',
    target,
    headers: new Map(headers),
  });
  expect(isSigned(plain([]))).toBe(false);
  expect(isSigned(plain([['authorization', 'Bearer AWS4-HMAC-SHA256']]))).toBe(false);
  expect(isSigned(plain([], '/?x=X-Amz-Algorithm'))).toBe(false);
});
