import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { client } from '../../test/clients/load.ts';
import { createTestApp, type TestApp } from '../../test/support/app.ts';
import { createAwsCredential, listAwsCredentials, revokeAwsCredential } from '../store/aws-credentials.ts';

interface Signer {
  sign(request: object, options?: object): Promise<{ headers: Record<string, string> }>;
  presign(request: object): Promise<{ query: Record<string, string> }>;
}
let signerOf: (credential: { accessKeyId: string; secretAccessKey: string }) => Signer;
let test: TestApp;
let credential: { id: string; accessKeyId: string; secretAccessKey: string };
beforeAll(async () => {
  const { SignatureV4 } = await client<{ SignatureV4: new (options: object) => Signer }>('@smithy/signature-v4');
  const { Sha256 } = await client<{ Sha256: unknown }>('@aws-crypto/sha256-js');
  signerOf = ({ accessKeyId, secretAccessKey }) =>
    new SignatureV4({
      region: 'us-east-1',
      service: 'bedrock',
      sha256: Sha256,
      credentials: { accessKeyId, secretAccessKey },
    });
  test = await createTestApp({ bodyLimitBytes: 2000 });
});
afterAll(() => test.stop());
beforeEach(async () => {
  credential = await createAwsCredential(test.services.store, { name: 'boto', role: 'service' });
});

const body = JSON.stringify({ model: 'fake', messages: [{ role: 'user', content: 'hi' }] });
const path = '/v1/chat/completions';
const unsigned = (text: string) => ({
  method: 'POST',
  protocol: 'http:',
  hostname: 'localhost',
  path,
  query: {},
  headers: { host: 'localhost' },
  body: text,
});
const send = (headers: Record<string, string>, text = body, target = path) =>
  test.send('POST', target, text, { 'x-api-key': undefined, ...headers });
const sendSigned = async (text = body, by = credential) =>
  send((await signerOf(by).sign(unsigned(text))).headers, text);

describe('a signed request', () => {
  it('is answered on any path, for the tenant of its credential', async () => {
    const response = await sendSigned();
    expect(response.status).toBe(200);
    expect(test.model.requests.at(-1)?.tenant).toBe(credential.id);
    expect(
      (await listAwsCredentials(test.services.store)).find(({ id }) => id === credential.id)?.lastUsedAt,
    ).toBeDefined();
  });

  it('is answered when it was signed in its query', async () => {
    const { query } = await signerOf(credential).presign(unsigned(body));
    const response = await send({ host: 'localhost' }, body, `${path}?${new URLSearchParams(query)}`);
    expect(response.status).toBe(200);
  });

  it('that another body was sent with is refused', async () => {
    const { headers } = await signerOf(credential).sign(unsigned(body));
    const response = await send(headers, body.replace('hi', 'ho'));
    expect(response.status).toBe(403);
    expect(await response.json()).toMatchObject({ error: { code: 'signature_invalid' } });
  });

  it('with the secret of another is refused', async () => {
    const { secretAccessKey } = await createAwsCredential(test.services.store, { name: 'x', role: 'service' });
    expect((await sendSigned(body, { ...credential, secretAccessKey })).status).toBe(403);
  });

  it.each(['revoked', 'unknown'])('of a credential that is %s is refused', async (why) => {
    if (why === 'revoked') await revokeAwsCredential(test.services.store, credential.id);
    else credential.accessKeyId = 'FHIAAAAAAAAAAAAAAAAA';
    const response = await sendSigned();
    expect(response.status).toBe(401);
    expect(await response.text()).toMatch(/security token .* is invalid.* --type aws/);
  });

  it('keeps to the scopes of its credential', async () => {
    const limited = { routes: ['models' as const], models: ['*'] };
    credential = await createAwsCredential(test.services.store, { name: 'x', role: 'service', scopes: limited });
    expect((await sendSigned()).status).toBe(403);
  });

  it('keeps to the limit of bodies', async () => {
    expect((await sendSigned(JSON.stringify('a'.repeat(2000)))).status).toBe(413);
  });

  it('is refused for its JSON after its signature was good', async () => {
    const response = await sendSigned('{"model":');
    expect(response.status).toBe(400);
    expect(await response.text()).toMatch(/not valid JSON at position 9/);
  });
});

it('a key beside a signature is refused: which of the two was meant is not ours to guess', async () => {
  const { headers } = await signerOf(credential).sign(unsigned(body));
  expect((await send({ ...headers, 'x-api-key': test.key })).status).toBe(401);
});
