import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestApp, type TestApp } from '../../test/support/app.ts';
import { createKey } from '../store/keys.ts';
import { apiRoutes } from './api-paths.ts';

let test: TestApp;
beforeAll(async () => {
  test = await createTestApp();
});
afterAll(() => test.stop());

const send = async (path: string, body: unknown, headers: Record<string, string> = {}) => {
  const response = await test.send('POST', path, body, headers);
  return {
    status: response.status,
    headers: response.headers,
    body: (await response.json()) as Record<string, unknown>,
  };
};

describe('embeddings', () => {
  it("are made in Titan's shape", async () => {
    const inputText = 'Two words';
    const { status, headers, body } = await send('/model/vectors/invoke', {
      inputText,
      normalize: false,
      dimensions: 3,
    });
    expect(status).toBe(200);
    expect(body).toEqual({ embedding: [9, 2, 1], embeddingsByType: { float: [9, 2, 1] }, inputTextTokenCount: 2 });
    expect(headers.get('x-amzn-bedrock-input-token-count')).toBe('2');
  });

  it("are made in Cohere's shape, by type where types are named", async () => {
    const texts = ['one', 'two three'];
    const { body } = await send('/model/vectors/invoke', { texts, input_type: 'search_document', truncate: 'END' });
    expect(body).toMatchObject({ id: expect.stringMatching(/^emb_/), texts, response_type: 'embeddings_floats' });
    expect(body.embeddings).toHaveLength(2);
    const typed = await send('/model/vectors/invoke', { texts, embedding_types: ['float'] });
    expect(typed.body).toMatchObject({ response_type: 'embeddings_by_type', embeddings: { float: body.embeddings } });
  });

  it.each<[string, object, RegExp]>([
    ['other types', { texts: ['a'], embedding_types: ['int8'] }, /embedding_types\.0: Only 'float'/],
    ['images', { texts: ['a'], images: ['data:'] }, /images/],
    ['images in Titan’s shape', { inputText: 'a', inputImage: 'x' }, /inputImage/],
    ['no text', { inputText: '' }, /inputText: Must not be empty/],
    ['no texts', { texts: [] }, /texts: At least 1/],
  ])('refuse %s', async (_, given, message) => {
    const { status, headers, body } = await send('/model/vectors/invoke', given);
    expect([status, headers.get('x-amzn-errortype')]).toEqual([400, 'ValidationException']);
    expect(body.message).toMatch(message);
  });

  it('need their own scope', async () => {
    const scopes = { routes: ['chat' as const], models: ['*'] };
    const { key } = await createKey(test.services.store, { name: 'chat', role: 'service', scopes });
    const { status, headers } = await send('/model/vectors/invoke', { inputText: 'a' }, { 'x-api-key': key });
    expect([status, headers.get('x-amzn-errortype')]).toEqual([403, 'AccessDeniedException']);
  });
});

describe('errors are in the shape of the vendor', () => {
  const converse = { messages: [{ role: 'user', content: [{ text: 'hi' }] }] };
  it.each<[string, string, unknown, Record<string, string>, number, string]>([
    ['no key', '/model/fake/converse', converse, { 'x-api-key': 'wrong' }, 403, 'UnrecognizedClientException'],
    ['no model', '/model/none/converse', converse, {}, 404, 'ResourceNotFoundException'],
    [
      'a model by a path',
      `/model/${encodeURIComponent('/etc/passwd')}/converse`,
      converse,
      {},
      404,
      'ResourceNotFoundException',
    ],
    ['a model for something else', '/model/vectors/converse', converse, {}, 400, 'ValidationException'],
    ['a long id', `/model/${'a'.repeat(2049)}/converse`, converse, {}, 400, 'ValidationException'],
    ['no operation', '/model/fake/sing', converse, {}, 404, 'ResourceNotFoundException'],
    ['no JSON', '/model/fake/converse', '{', {}, 400, 'ValidationException'],
    ['a wrong field', '/model/fake/converse', { messages: 1 }, {}, 400, 'ValidationException'],
    ['nothing to count', '/model/fake/count-tokens', { input: {} }, {}, 400, 'ValidationException'],
    [
      'no base64 to count',
      '/model/fake/count-tokens',
      { input: { invokeModel: { body: '%' } } },
      {},
      400,
      'ValidationException',
    ],
    [
      'no JSON to count',
      '/model/fake/count-tokens',
      { input: { invokeModel: { body: 'YQ==' } } },
      {},
      400,
      'ValidationException',
    ],
  ])('%s', async (_, path, body, headers, status, type) => {
    const answer = await send(path, body, headers);
    expect([answer.status, answer.headers.get('x-amzn-errortype')]).toEqual([status, type]);
    expect(answer.headers.get('x-amzn-requestid')).toMatch(/^req_/);
    expect(answer.body).toEqual({ message: expect.any(String) });
  });

  it('another method is none', async () => {
    const response = await test.send('GET', '/model/fake/converse');
    expect([response.status, response.headers.get('x-amzn-errortype')]).toEqual([405, 'UnknownOperationException']);
    expect(response.headers.get('allow')).toBe('POST');
  });
});

it.each(['fake', 'arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Ainference-profile%2Ffake', 'a%2Fb%2Ffake'])(
  'a model may be named %s',
  async (id) => {
    const { status, headers } = await send(`/model/${id}/converse`, {
      messages: [{ role: 'user', content: [{ text: 'hi' }] }],
    });
    expect([status, headers.get('freehold-model')]).toEqual([200, 'fake']);
  },
);

it('no path of the API has a pattern in its middle: to match one takes time that grows with the square of its length', () => {
  expect(apiRoutes.filter(({ path }) => /\}./.test(path))).toEqual([]);
});
