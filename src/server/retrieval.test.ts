// `POST /v1/embeddings` and `POST /v1/rerank` with fake models: what they answer, and what they refuse.
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { createTestApp, type TestApp } from '../../test/support/app.ts';
import { FreeholdError } from '../lib/errors.ts';

let test: TestApp;
beforeAll(async () => {
  test = await createTestApp();
});
afterAll(() => test.stop());
afterEach(() => {
  vi.restoreAllMocks();
});

/** What the answers may hold. */
interface Body {
  data: { index: number; embedding: number[] }[];
  usage: { total_tokens: number };
  results: { index: number; relevance_score: number }[];
  error: { message: string };
}
const bodyOf = async (answer: Response | Promise<Response>) => (await (await answer).json()) as Body;

const embed = (body: object) => test.send('POST', '/v1/embeddings', { model: 'vectors', ...body });
const rerank = (body: object) => test.send('POST', '/v1/rerank', { model: 'scores', ...body });

describe('POST /v1/embeddings', () => {
  it('answers a text, and several, each with its vector', async () => {
    const one = await embed({ input: 'One Two' });
    expect(one.status).toBe(200);
    expect(one.headers.get('freehold-model')).toBe('vectors');
    const length = Math.hypot(7, 2, 2, 1);
    expect(await one.json()).toEqual({
      object: 'list',
      data: [{ object: 'embedding', index: 0, embedding: [7, 2, 2, 1].map((value) => Math.fround(value / length)) }],
      model: 'vectors',
      usage: { prompt_tokens: 2, total_tokens: 2 },
    });
    const { data, usage } = await bodyOf(embed({ input: ['a', 'b c', 'a'] }));
    expect(data.map(({ index }) => index)).toEqual([0, 1, 2]);
    expect(data[2]?.embedding).toEqual(data[0]?.embedding);
    expect(usage.total_tokens).toBe(4);
  });

  it('writes vectors as base64 of little-endian floats where asked, and as short as asked', async () => {
    const floats = await bodyOf(embed({ input: 'One Two', dimensions: 2 }));
    const packed = await bodyOf(embed({ input: 'One Two', dimensions: 2, encoding_format: 'base64' }));
    const bytes = Buffer.from(String(packed.data[0]?.embedding), 'base64');
    expect([bytes.readFloatLE(0), bytes.readFloatLE(4)]).toEqual(floats.data[0]?.embedding);
    expect(bytes).toHaveLength(8);
    expect(test.vectors.retrievals.at(-1)).toMatchObject({ dimensions: 2, tenant: expect.stringMatching(/./) });
  });
});

describe('POST /v1/rerank', () => {
  const query = 'red house';
  const documents = ['a blue boat', 'a red house', { text: 'the red boat' }, 'a red dog'];

  it('answers with the most relevant first, equal ones in their order', async () => {
    const answer = await rerank({ query, documents });
    expect(answer.status).toBe(200);
    expect(await answer.json()).toEqual({
      object: 'list',
      model: 'scores',
      results: [
        { index: 1, relevance_score: 1 },
        { index: 2, relevance_score: 0.5 },
        { index: 3, relevance_score: 0.5 },
        { index: 0, relevance_score: 0 },
      ],
      usage: { prompt_tokens: 20, total_tokens: 20 },
    });
  });

  it('answers with as many as asked, and with the documents where asked', async () => {
    const { results } = await bodyOf(rerank({ query, documents, top_n: 2, return_documents: true }));
    expect(results).toEqual([
      { index: 1, relevance_score: 1, document: { text: 'a red house' } },
      { index: 2, relevance_score: 0.5, document: { text: 'the red boat' } },
    ]);
    const all = await bodyOf(rerank({ query, documents, top_n: 99 }));
    expect(all.results).toHaveLength(4);
  });
});

describe('what is refused', () => {
  const cases: [string, string, object, number, string, RegExp][] = [
    ['no input', '/v1/embeddings', {}, 400, 'input', /Field required/],
    ['an empty text', '/v1/embeddings', { input: '' }, 400, 'input', /Must not be empty/],
    ['an empty text among others', '/v1/embeddings', { input: ['a', ''] }, 400, 'input[1]', /Must not be empty/],
    ['no texts', '/v1/embeddings', { input: [] }, 400, 'input', /At least 1/],
    ['too many texts', '/v1/embeddings', { input: Array(2049).fill('a') }, 400, 'input', /At most 2048/],
    ['tokens', '/v1/embeddings', { input: [1, 2, 3] }, 400, 'input[0]', /Tokens are not read.*text itself/],
    ['lists of tokens', '/v1/embeddings', { input: [[1, 2], [3]] }, 400, 'input[0]', /Tokens are not read/],
    ['an object', '/v1/embeddings', { input: { text: 'a' } }, 400, 'input', /string or/],
    ['an unknown encoding', '/v1/embeddings', { input: 'a', encoding_format: 'int8' }, 400, 'encoding_format', /float/],
    ['no dimensions', '/v1/embeddings', { input: 'a', dimensions: 0 }, 400, 'dimensions', /greater/],
    ['a chat model', '/v1/embeddings', { input: 'a', model: 'fake' }, 400, 'model', /cannot turn text into vectors/],
    ['a model of scores', '/v1/embeddings', { input: 'a', model: 'scores' }, 400, 'model', /rerank model/],
    ['an unknown model', '/v1/embeddings', { input: 'a', model: 'vektors' }, 404, 'model', /no model/],
    ['no query', '/v1/rerank', { documents: ['a'] }, 400, 'query', /Field required/],
    ['an empty query', '/v1/rerank', { query: '', documents: ['a'] }, 400, 'query', /Must not be empty/],
    ['no documents', '/v1/rerank', { query: 'a', documents: [] }, 400, 'documents', /At least 1/],
    ['a document of another kind', '/v1/rerank', { query: 'a', documents: ['a', 7] }, 400, 'documents[1]', /string or/],
    ['a document without text', '/v1/rerank', { query: 'a', documents: [{}] }, 400, 'documents[0].text', /required/],
    ['no results', '/v1/rerank', { query: 'a', documents: ['a'], top_n: 0 }, 400, 'top_n', /greater/],
    ['a model of vectors', '/v1/rerank', { query: 'a', documents: ['a'], model: 'vectors' }, 400, 'model', /embedding/],
  ];

  it.each(cases)('%s (%s)', async (_, path, body, status, field, message) => {
    const model = path === '/v1/rerank' ? 'scores' : 'vectors';
    const answer = await test.send('POST', path, { model, ...body });
    expect(answer.status).toBe(status);
    const { error } = await bodyOf(answer);
    expect(error).toMatchObject({ param: field, message: expect.stringMatching(message) });
  });

  it.each([['GET'], ['PUT']])('another method: %s', async (method) => {
    for (const path of ['/v1/embeddings', '/v1/rerank']) {
      const answer = await test.send(method, path);
      expect(answer.status).toBe(405);
      expect(answer.headers.get('allow')).toBe('POST');
    }
  });

  it('whoever has no key', async () => {
    for (const path of ['/v1/embeddings', '/v1/rerank']) {
      expect((await test.send('POST', path, {}, { 'x-api-key': undefined })).status).toBe(401);
    }
  });

  it('a chat with a model that makes vectors', async () => {
    const messages = [{ role: 'user', content: 'hi' }];
    const answer = await test.send('POST', '/v1/chat/completions', { model: 'vectors', messages });
    expect(answer.status).toBe(400);
    expect((await bodyOf(answer)).error.message).toMatch(/cannot chat; it is an embedding model/);
  });
});

describe('a failure of the model', () => {
  it('has its own status, and the next request is none the worse', async () => {
    const full = new FreeholdError('overloaded', 'Full.', { retryAfterMs: 2000 });
    vi.spyOn(test.vectors, 'embed').mockRejectedValueOnce(full);
    const answer = await embed({ input: 'a' });
    expect(answer.status).toBe(503);
    expect(answer.headers.get('retry-after')).toBe('2');
    expect((await embed({ input: 'a' })).status).toBe(200);
  });

  it('and every answer are counted', async () => {
    vi.spyOn(test.scores, 'rerank').mockRejectedValueOnce(new FreeholdError('context_exceeded', 'Too long.'));
    await rerank({ query: 'a', documents: ['b'] });
    const { text } = await test.services.metrics.render([]);
    expect(text).toMatch(
      /gen_ai_operation_name="rerank".*error_type="context_exceeded"|error_type="context_exceeded".*"rerank"/,
    );
    expect(text).toMatch(/gen_ai_request_model="vectors".*gen_ai_operation_name="embeddings"/);
  });
});
