// Files through the real SDKs of both vendors, unmodified, against a listening server: only base URL and key are changed.
import Anthropic from '@anthropic-ai/sdk';
import OpenAI, { toFile } from 'openai';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startTestServer, type TestServer } from '../support/server.ts';

let server: TestServer;
let anthropic: Anthropic;
let openai: OpenAI;
beforeEach(async () => {
  server = await startTestServer({ filesPerKey: 20, fileLimitBytes: 3_000_000 });
  anthropic = new Anthropic({ baseURL: server.url, apiKey: server.key, maxRetries: 0 });
  openai = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: server.key, maxRetries: 0 });
});
afterEach(() => server.stop());

describe.each(['files', 'beta.files'] as const)('@anthropic-ai/sdk, %s', (which) => {
  // they differ in types that nothing here looks at
  const files = () => (which === 'files' ? anthropic.files : anthropic.beta.files) as Anthropic['beta']['files'];

  it('uploads, shows, downloads and deletes', async () => {
    const content = new Uint8Array(2_000_000).map((_, index) => index % 251);
    const file = await files().upload({
      file: new File([content], 'Bericht für März.bin', { type: 'application/x-thing' }),
    });
    expect(file).toMatchObject({
      type: 'file',
      filename: 'Bericht für März.bin',
      mime_type: 'application/x-thing',
      size_bytes: content.length,
    });
    expect(Math.abs(Date.parse(file.created_at) - Date.now())).toBeLessThan(3600_000);
    expect(await files().retrieveMetadata(file.id)).toMatchObject({ id: file.id });
    const download = await files().download(file.id);
    expect(Buffer.from(await download.arrayBuffer()).equals(content)).toBe(true);
    expect(await files().delete(file.id)).toMatchObject({ id: file.id, type: 'file_deleted' });
    await expect(files().retrieveMetadata(file.id)).rejects.toBeInstanceOf(Anthropic.NotFoundError);
    await expect(files().download(file.id)).rejects.toBeInstanceOf(Anthropic.NotFoundError);
    await expect(files().delete(file.id)).rejects.toBeInstanceOf(Anthropic.NotFoundError);
  });

  it('goes through all pages, also when each file is deleted on the way', async () => {
    const ids: string[] = [];
    for (let index = 0; index < 5; index++) {
      ids.push((await files().upload({ file: new File(['x'], `${index}.txt`) })).id);
    }
    const seen: string[] = [];
    for await (const file of files().list({ limit: 2 })) seen.push(file.id);
    expect(seen).toEqual(ids.toReversed());
    const [first, , third] = ids as [string, string, string];
    const some = await files().list({ ids: [third, 'file_unknown', first] });
    expect(some.data.map(({ id }) => id)).toEqual([third, first]);
    for await (const file of files().list({ limit: 2 })) await files().delete(file.id);
    expect((await files().list()).data).toEqual([]);
  });

  it('says when a file is to go', async () => {
    const file = await files().upload({ file: new File(['x'], 'x.txt'), expires_in_seconds: 3600 });
    expect(Date.parse(file.expires_at ?? '') - Date.parse(file.created_at)).toBe(3600_000);
    await files().delete(file.id);
  });

  it('names a file in a message, as a document', async () => {
    const file = await files().upload({
      file: new File(['The cat is called Minka.'], 'cat.txt', { type: 'text/plain' }),
    });
    const ask = (id: string) =>
      anthropic.beta.messages.create({
        model: 'default',
        max_tokens: 20,
        messages: [
          {
            role: 'user',
            content: [
              { type: 'document', source: { type: 'file', file_id: id } },
              { type: 'text', text: 'Who?' },
            ],
          },
        ],
      });
    await ask(file.id);
    expect(JSON.stringify(server.model.requests.at(-1)?.messages)).toContain('called Minka');
    await files().delete(file.id);
    await expect(ask(file.id)).rejects.toBeInstanceOf(Anthropic.APIError);
  });

  it('hears what is wrong in the vendor’s words', async () => {
    const large = new File([new Uint8Array(3_000_001)], 'large');
    await expect(files().upload({ file: large })).rejects.toMatchObject({
      status: 413,
      error: { error: { type: 'request_too_large' } },
    });
    await expect(files().list({ limit: 5000 })).rejects.toBeInstanceOf(Anthropic.BadRequestError);
  });
});

describe('openai, files', () => {
  it('uploads, shows, downloads and deletes', async () => {
    const file = await openai.files.create({
      file: await toFile(Buffer.from('{"a":1}\n'), 'batch.jsonl', { type: 'application/jsonl' }),
      purpose: 'batch',
    });
    expect(file).toMatchObject({
      object: 'file',
      bytes: 8,
      filename: 'batch.jsonl',
      purpose: 'batch',
      status: 'processed',
    });
    expect(file.created_at).toBeLessThan(1e11);
    expect(await openai.files.retrieve(file.id)).toEqual(file);
    expect(await (await openai.files.content(file.id)).text()).toBe('{"a":1}\n');
    expect(await openai.files.waitForProcessing(file.id)).toEqual(file);
    expect(await openai.files.delete(file.id)).toEqual({ id: file.id, object: 'file', deleted: true });
    await expect(openai.files.retrieve(file.id)).rejects.toBeInstanceOf(OpenAI.NotFoundError);
    await expect(openai.files.content(file.id)).rejects.toBeInstanceOf(OpenAI.NotFoundError);
    await expect(openai.files.delete(file.id)).rejects.toBeInstanceOf(OpenAI.NotFoundError);
  });

  it('goes through all pages, by purpose and order', async () => {
    const ids: string[] = [];
    for (let index = 0; index < 5; index++) {
      const file = await toFile(Buffer.from('x'), `${index}.txt`);
      ids.push((await openai.files.create({ file, purpose: index < 3 ? 'assistants' : 'user_data' })).id);
    }
    const all = async (query: object) => {
      const seen: string[] = [];
      for await (const file of openai.files.list(query)) seen.push(file.id);
      return seen;
    };
    expect(await all({ limit: 2 })).toEqual(ids.toReversed());
    expect(await all({ limit: 2, order: 'asc' })).toEqual(ids);
    expect(await all({ limit: 2, purpose: 'assistants' })).toEqual(ids.slice(0, 3).toReversed());
    for await (const file of openai.files.list({ limit: 2 })) await openai.files.delete(file.id);
    expect(await all({})).toEqual([]);
  });

  it('says when a file is to go', async () => {
    const file = await openai.files.create({
      file: await toFile(Buffer.from('x'), 'a.txt'),
      purpose: 'user_data',
      expires_after: { anchor: 'created_at', seconds: 3600 },
    });
    expect(file.expires_at).toBe(file.created_at + 3600);
    await openai.files.delete(file.id);
  });

  it('names a file in a chat and in a response', async () => {
    const { id } = await openai.files.create({
      file: await toFile(Buffer.from('The dog is called Rex.'), 'dog.txt'),
      purpose: 'user_data',
    });
    await openai.chat.completions.create({
      model: 'default',
      messages: [
        {
          role: 'user',
          content: [
            { type: 'file', file: { file_id: id } },
            { type: 'text', text: 'Who?' },
          ],
        },
      ],
    });
    expect(JSON.stringify(server.model.requests.at(-1)?.messages)).toContain('called Rex');
    await openai.responses.create({
      model: 'default',
      input: [
        {
          role: 'user',
          content: [
            { type: 'input_file', file_id: id },
            { type: 'input_text', text: 'Who?' },
          ],
        },
      ],
    });
    expect(JSON.stringify(server.model.requests.at(-1)?.messages)).toContain('called Rex');
    await openai.files.delete(id);
  });

  it('hears what is wrong in the vendor’s words', async () => {
    const file = await toFile(Buffer.from('x'), 'a.txt');
    const bad = openai.files.create({ file, purpose: 'fun' as 'batch' });
    await expect(bad).rejects.toMatchObject({ status: 400, param: 'purpose' });
    const stranger = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'fh_wrong', maxRetries: 0 });
    await expect(stranger.files.create({ file, purpose: 'batch' })).rejects.toBeInstanceOf(OpenAI.AuthenticationError);
  });
});

it('both vendors’ SDKs see the same files', async () => {
  const { id } = await anthropic.beta.files.upload({ file: new File(['x'], 'x.txt', { type: 'text/plain' }) });
  expect(await openai.files.retrieve(id)).toMatchObject({ filename: 'x.txt', purpose: 'user_data' });
  await openai.files.delete(id);
  await expect(anthropic.beta.files.retrieveMetadata(id)).rejects.toBeInstanceOf(Anthropic.NotFoundError);
});

it('a key keeps as many files as it may, and is told so', async () => {
  const upload = () => anthropic.beta.files.upload({ file: new File(['x'], 'x.txt') });
  for (let count = 0; count < 20; count++) await upload();
  await expect(upload()).rejects.toBeInstanceOf(Anthropic.StorageQuotaExceededError);
  for await (const { id } of anthropic.beta.files.list()) await anthropic.beta.files.delete(id);
});
