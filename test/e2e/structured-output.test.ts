// Structured output, log probabilities and several answers the whole way: both SDKs, a listening server, a model process.
// With the fixture's weights; with a real model's, too, where there is one.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { resolveConfig } from '../../src/lib/config.ts';
import { silentLogger } from '../../src/lib/log.ts';
import { type RunningServer, startServer } from '../../src/server/start.ts';
import { realModelFile } from '../support/real-model.ts';
import { schemaValidator } from '../support/schema-validator.ts';

const fixture = path.join(import.meta.dirname, '../fixtures/tiny.gguf');
const real = await realModelFile();

/** Schemas whose answers are short, so that also a model of noise comes to their end. */
const schemas: Record<string, Record<string, unknown>> = {
  'a verdict': {
    type: 'object',
    properties: { label: { enum: ['good', 'bad', 'unsure'] }, score: { type: 'integer', minimum: 0, maximum: 100 } },
    required: ['label', 'score'],
    additionalProperties: false,
  },
  'a date': { type: 'object', properties: { on: { type: 'string', format: 'date' } }, required: ['on'] },
  'a short list': { type: 'array', items: { type: 'string', maxLength: 8 }, minItems: 1, maxItems: 3 },
  'a choice': {
    anyOf: [
      { type: 'object', properties: { kind: { const: 'none' } }, required: ['kind'] },
      {
        type: 'object',
        properties: { kind: { const: 'some' }, count: { type: 'integer', minimum: 1, maximum: 9 } },
        required: ['kind', 'count'],
      },
    ],
  },
  'a pattern': { type: 'string', pattern: '^[A-Z]{2}-[0-9]{4}$' },
};
const format = (schema: Record<string, unknown>) =>
  ({ type: 'json_schema', json_schema: { name: 'answer', schema } }) as const;

describe.each([
  ['the fixture', fixture],
  ['a real model', real],
])('%s', (_, file) => {
  if (file === undefined) {
    it.skip('needs a real model: FREEHOLD_TEST_MODEL=FILE, or freehold pull');
    return;
  }
  let home: string;
  let server: RunningServer;
  let openai: OpenAI;
  let anthropic: Anthropic;
  beforeAll(async () => {
    home = mkdtempSync(path.join(tmpdir(), 'freehold-e2e-'));
    const { values } = resolveConfig(
      { home, port: 0, defaultModel: file, device: 'cpu', threads: 1, maxSequences: 4 },
      {},
    );
    server = await startServer(values, silentLogger);
    const key = server.firstAdminKey as string;
    openai = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: key, maxRetries: 0 });
    anthropic = new Anthropic({ baseURL: server.url, apiKey: key, maxRetries: 0 });
  });
  afterAll(async () => {
    await server?.close();
    rmSync(home, { recursive: true, force: true });
  });

  const messages = [{ role: 'user' as const, content: 'Is honey good for bees? Answer in JSON.' }];
  const ask = { model: 'default', max_tokens: 200, temperature: 1, messages };

  it.each(Object.entries(schemas))('answers with %s, through both protocols', async (_, schema) => {
    const validate = schemaValidator(schema);
    const texts = await Promise.all(
      [1, 2].flatMap((seed) => [
        openai.chat.completions
          .create({ ...ask, seed, response_format: format(schema) })
          .then(({ choices }) => [choices[0]?.finish_reason, choices[0]?.message.content ?? '']),
        anthropic.messages
          .create({ ...ask, ...{ seed }, output_config: { format: { type: 'json_schema', schema } } })
          .then(({ stop_reason, content }) => [stop_reason, content[0]?.type === 'text' ? content[0].text : '']),
      ]),
    );
    for (const [reason, text] of texts) {
      expect([text, reason]).toEqual([text, expect.stringMatching(/^(stop|end_turn)$/)]);
      const value: unknown = JSON.parse(text as string);
      expect([text, validate(value), validate.errors]).toEqual([text, true, null]);
    }
  });

  it('refuses a schema it cannot enforce, naming the place, and goes on', async () => {
    const schema = { type: 'object', properties: { a: { type: 'integer', not: { const: 1 } } } };
    await expect(openai.chat.completions.create({ ...ask, response_format: format(schema) })).rejects.toMatchObject({
      status: 400,
      code: 'unsupported_parameter',
      param: 'response_format.json_schema.schema#/properties/a/not',
    });
    await expect(
      anthropic.messages.create({
        ...ask,
        output_config: { format: { type: 'json_schema', schema: { type: 'odd' } } },
      }),
    ).rejects.toMatchObject({ status: 400, message: expect.stringContaining('output_config.format.schema') });
    const long = { enum: Array.from({ length: 400 }, (_, i) => `${i}-`.repeat(1000)) };
    await expect(openai.chat.completions.create({ ...ask, response_format: format(long) })).rejects.toMatchObject({
      status: 400,
    });
    expect((await openai.chat.completions.create({ ...ask, max_tokens: 4 })).choices).toHaveLength(1);
  });

  it('gives the log probability of each token, whole and streamed', async () => {
    const asked = { ...ask, max_tokens: 12, temperature: 0, logprobs: true, top_logprobs: 3 };
    const { choices, usage } = await openai.chat.completions.create(asked);
    const content = choices[0]?.logprobs?.content ?? [];
    const ended = choices[0]?.finish_reason === 'stop' ? 1 : 0;
    expect(content).toHaveLength((usage?.completion_tokens ?? 0) - ended);
    for (const { logprob, bytes, top_logprobs } of content) {
      // greedy: what was picked is the likeliest
      expect(top_logprobs).toHaveLength(3);
      expect([logprob, bytes]).toEqual([top_logprobs[0]?.logprob, top_logprobs[0]?.bytes]);
      expect(top_logprobs.reduce((sum, entry) => sum + Math.exp(entry.logprob), 0)).toBeLessThanOrEqual(1.0001);
    }
    const bytes = Buffer.from(content.flatMap((entry) => entry.bytes ?? []));
    expect(bytes.toString('utf8')).toContain(choices[0]?.message.content ?? '-');
    const streamed = await openai.chat.completions.stream(asked).finalChatCompletion();
    expect(streamed.choices[0]?.logprobs?.content?.map(({ token }) => token)).toEqual(
      content.map(({ token }) => token),
    );
  });

  it('gives several answers to one prompt, which counts once', async () => {
    const asked = { ...ask, max_tokens: 8, seed: 11 };
    const { choices, usage } = await openai.chat.completions.create({ ...asked, n: 3, logprobs: true });
    expect(choices.map(({ index }) => index)).toEqual([0, 1, 2]);
    const alone = await openai.chat.completions.create({ ...asked, max_tokens: 1 });
    expect(usage?.prompt_tokens).toBe(alone.usage?.prompt_tokens);
    expect(usage?.completion_tokens).toBeGreaterThan(3);
    const tokens = choices.map((choice) => choice.logprobs?.content?.map(({ token }) => token).join(''));
    expect(new Set(tokens).size).toBeGreaterThan(1);
  });

  it('reports what the prefix cache saved, in both protocols', async () => {
    const again = { ...ask, max_tokens: 4 };
    await openai.chat.completions.create(again);
    const chat = await openai.chat.completions.create(again);
    const message = await anthropic.messages.create(again);
    const prompt = chat.usage?.prompt_tokens ?? 0;
    expect(chat.usage?.prompt_tokens_details?.cached_tokens).toBeGreaterThan(0);
    expect(message.usage.cache_read_input_tokens).toBeGreaterThan(0);
    expect(message.usage.input_tokens + (message.usage.cache_read_input_tokens ?? 0)).toBe(prompt);
  });

  it('bans a token, and goes on past the end where asked', async () => {
    const first = await openai.chat.completions.create({ ...ask, max_tokens: 20, ...{ ignore_eos: true } });
    expect([first.choices[0]?.finish_reason, first.usage?.completion_tokens]).toEqual(['length', 20]);
    await expect(openai.chat.completions.create({ ...ask, logit_bias: { '2000000000': 1 } })).rejects.toMatchObject({
      status: 400,
      param: 'logit_bias',
    });
  });
});
