// The real OpenAI SDK asks for embeddings, unmodified: it wants base64 and unpacks it itself.
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createFakeModel, fakePieces } from '../support/fake-model.ts';
import { startTestServer, type TestServer } from '../support/server.ts';

const vectors = createFakeModel('vectors', fakePieces, 'embedding');
let server: TestServer;
let client: OpenAI;
beforeAll(async () => {
  server = await startTestServer(
    {},
    { open: async () => vectors, find: async (name) => ({ name, file: import.meta.filename, kind: 'embedding' }) },
  );
  client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: server.key, maxRetries: 0 });
});
afterAll(() => server.stop());

const unit = (...values: number[]) => values.map((value) => Math.fround(value / Math.hypot(...values)));

describe('embeddings', () => {
  it('come as numbers, whether packed or not', async () => {
    for (const more of [{}, { encoding_format: 'float' as const }]) {
      const { data, usage, model } = await client.embeddings.create({
        model: 'vectors',
        input: ['One Two', 'a'],
        ...more,
      });
      expect(data.map(({ index, embedding }) => [index, Array.from(embedding)])).toEqual([
        [0, unit(7, 2, 2, 1)],
        [1, unit(1, 1, 0, 1)],
      ]);
      expect(usage).toEqual({ prompt_tokens: 3, total_tokens: 3 });
      expect(model).toBe('vectors');
    }
  });

  it('come as short as asked', async () => {
    const { data } = await client.embeddings.create({ model: 'vectors', input: 'One Two', dimensions: 2 });
    expect(Array.from(data[0]?.embedding ?? [])).toEqual(unit(7, 2));
  });

  it('of tokens are refused by name: they are another model’s', async () => {
    for (const input of [
      [1, 2],
      [[1, 2], [3]],
    ]) {
      await expect(client.embeddings.create({ model: 'vectors', input })).rejects.toMatchObject({
        status: 400,
        code: 'unsupported_parameter',
        param: 'input[0]',
      });
    }
  });

  it('are refused with the class and the field of the error', async () => {
    const empty = client.embeddings.create({ model: 'vectors', input: [] });
    await expect(empty).rejects.toBeInstanceOf(OpenAI.BadRequestError);
    await expect(empty).rejects.toMatchObject({ status: 400, param: 'input' });
  });
});
