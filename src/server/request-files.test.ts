import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestApp, type TestApp } from '../../test/support/app.ts';
import { beginUpload, keepFile } from '../store/files.ts';
import type { AppContext } from './context.ts';
import { filesOf, fileText } from './request-files.ts';

let test: TestApp;
beforeAll(async () => {
  test = await createTestApp({ bodyLimitBytes: 1024 });
});
afterAll(() => test.stop());

async function keep(bytes: string | Uint8Array, mediaType = 'text/plain', owner = 'me'): Promise<string> {
  const { store } = test.services;
  const upload = await beginUpload(store);
  await upload.write(Buffer.from(bytes as string));
  const facts = { owner, name: 'a.txt', mediaType, purpose: 'user_data', expiresAt: undefined };
  return (await keepFile(store, upload, facts, { files: 1000, bytes: 1e9 })).id;
}
const of = (body: unknown, tenant = 'me') =>
  filesOf({ var: { principal: { tenant } } } as AppContext, test.services, body);
const naming = (...ids: string[]) => ({ messages: ids.map((file_id) => ({ source: { file_id } })) });

describe('the files of a request', () => {
  it('are the caller’s own, with their text', async () => {
    const id = await keep('\ufeffgrüße');
    const theirs = await keep('secret', 'text/plain', 'you');
    const files = await of(naming(id, theirs, 'file_none'));
    expect([...files]).toEqual([[id, { name: 'a.txt', mediaType: 'text/plain', text: 'grüße' }]]);
    expect(await of({ messages: [] })).toEqual(new Map());
  });

  it.each([
    ['a picture', 'x', 'image/png'],
    ['a PDF', 'x', 'application/pdf'],
    ['a PDF by another name', '%PDF-1.7', 'text/plain'],
    ['bytes', Uint8Array.from([1, 0, 2]), 'text/plain'],
    ['what is no UTF-8', Uint8Array.from([0xff, 0xfe]), 'text/plain'],
  ])('that are %s have no text', async (_, bytes, mediaType) => {
    const id = await keep(bytes, mediaType);
    expect((await of(naming(id))).get(id)).toEqual({ name: 'a.txt', mediaType });
    await expect(fileText(test.services, 'me', id)).rejects.toMatchObject({ code: 'unsupported' });
  });

  it('are read where their type says nothing', async () => {
    const id = await keep('x = 1', 'application/octet-stream');
    expect((await of(naming(id))).get(id)?.text).toBe('x = 1');
    expect(await fileText(test.services, 'me', id)).toEqual({ title: 'a.txt', text: 'x = 1' });
  });

  it('are together no longer than a body may be, each place counted', async () => {
    const id = await keep('x'.repeat(600));
    expect((await of(naming(id))).size).toBe(1);
    await expect(of(naming(id, id))).rejects.toMatchObject({ code: 'invalid_request' });
    const many = Array.from({ length: 101 }, (_, index) => `file_${index}`);
    await expect(of(naming(...many))).rejects.toMatchObject({ code: 'invalid_request' });
    await expect(fileText(test.services, 'me', await keep('x'.repeat(2000)))).rejects.toMatchObject({
      code: 'unsupported',
    });
  });

  it('of another are not found', async () => {
    const id = await keep('secret', 'text/plain', 'you');
    await expect(fileText(test.services, 'me', id)).rejects.toMatchObject({ code: 'not_found' });
  });
});
