// The whole way on one machine: both SDKs, a listening server, a real model process with the fixture's weights.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { resolveConfig } from '../../src/lib/config.ts';
import { silentLogger } from '../../src/lib/log.ts';
import { type RunningServer, startServer } from '../../src/server/start.ts';

const fixture = path.join(import.meta.dirname, '../fixtures/tiny.gguf');
/** How long to wait for what must come; a busy machine may need it. */
const soon = { timeout: 30_000 };

let home: string;
let server: RunningServer;
let key: string;
let anthropic: Anthropic;
let openai: OpenAI;
beforeAll(async () => {
  home = mkdtempSync(path.join(tmpdir(), 'freehold-e2e-'));
  const { values } = resolveConfig(
    { home, port: 0, defaultModel: fixture, device: 'cpu', threads: 1, maxSequences: 4 },
    {},
  );
  server = await startServer(values, silentLogger);
  key = server.firstAdminKey as string;
  anthropic = new Anthropic({ baseURL: server.url, apiKey: key, maxRetries: 0 });
  openai = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: key, maxRetries: 0 });
});
afterAll(async () => {
  await server?.close();
  rmSync(home, { recursive: true, force: true });
});

const messages = [{ role: 'user' as const, content: 'hello there' }];
const ask = { model: 'default', max_tokens: 16, temperature: 0, messages };
const statsOf = () => server.models.running()[0]!.stats();

/** Reads a stream until its first text, then hands it over. */
async function begun(maxTokens = 100_000) {
  const stream = anthropic.messages.stream({ ...ask, max_tokens: maxTokens });
  const ended = stream.finalMessage();
  ended.catch(() => {});
  await new Promise<void>((resolve, reject) => {
    stream.once('text', () => resolve());
    ended.catch(reject);
  });
  return { stream, ended };
}

describe('a model process behind both APIs', () => {
  it('answers the same whole and streamed, through either SDK', async () => {
    const whole = await anthropic.messages.create(ask);
    expect(whole).toMatchObject({ role: 'assistant', model: 'tiny', usage: { output_tokens: expect.any(Number) } });
    expect(whole.usage.output_tokens).toBeGreaterThan(0);
    const text = whole.content.map((block) => (block.type === 'text' ? block.text : '')).join('');
    const streamed = await anthropic.messages.stream(ask).finalText();
    expect(streamed).toBe(text);
    const chat = { model: 'default', max_tokens: 16, temperature: 0, messages };
    expect((await openai.chat.completions.create(chat)).choices[0]?.message.content).toBe(text);
    let chunks = '';
    for await (const chunk of await openai.chat.completions.create({ ...chat, stream: true })) {
      chunks += chunk.choices[0]?.delta.content ?? '';
    }
    expect(chunks).toBe(text);
  });

  it('counts the tokens of a prompt as it reports them', async () => {
    const { input_tokens: counted } = await anthropic.messages.countTokens({ model: 'default', messages });
    const { usage } = await anthropic.messages.create(ask);
    expect(usage.input_tokens + (usage.cache_read_input_tokens ?? 0)).toBe(counted);
  });

  it('is listed as `default` and by its own name', async () => {
    expect((await openai.models.list()).data.map(({ id }) => id)).toEqual(['default', 'tiny']);
  });
});

describe('bad input', () => {
  it('unknown model, prompt over context, 10 MB of prompt: refused, and the next request answered', async () => {
    await expect(anthropic.messages.create({ ...ask, model: 'gpt-17' })).rejects.toMatchObject({ status: 404 });
    const long = [{ role: 'user' as const, content: 'many words '.repeat(100_000) }];
    await expect(anthropic.messages.create({ ...ask, messages: long })).rejects.toMatchObject({
      status: 400,
      message: expect.stringContaining('prompt is too long'),
    });
    await expect(openai.chat.completions.create({ model: 'default', messages: long })).rejects.toMatchObject({
      status: 400,
      code: 'context_length_exceeded',
    });
    const huge = [{ role: 'user' as const, content: 'x'.repeat(10_000_000) }];
    await expect(anthropic.messages.create({ ...ask, messages: huge })).rejects.toMatchObject({ status: 413 });
    expect((await anthropic.messages.create(ask)).content).toHaveLength(1);
  });
});

it('stops computing when its caller leaves', async () => {
  const { stream } = await begun();
  stream.abort();
  await expect.poll(() => statsOf().active, soon).toBe(0);
  expect((await anthropic.messages.create(ask)).content).toHaveLength(1);
});

it('killed in mid-stream fails that request as retryable, and the next one is answered by a new process', async () => {
  const before = server.models.status()[0]!.pid!;
  const { ended } = await begun();
  process.kill(before, 'SIGKILL');
  await expect(ended).rejects.toMatchObject({
    error: { error: { type: 'api_error', message: expect.stringMatching(/SIGKILL.*started again/) } },
  });
  expect((await anthropic.messages.create(ask)).content).toHaveLength(1);
  expect(server.models.status()[0]).toMatchObject({ state: 'ready', pid: expect.not.toBeOneOf([before, undefined]) });
});

it('killed before it answers gives a status that SDKs retry by themselves', async () => {
  const patient = new Anthropic({ baseURL: server.url, apiKey: key, maxRetries: 2 });
  const pid = server.models.status()[0]!.pid!;
  const answers = Array.from({ length: 4 }, () => patient.messages.create({ ...ask, max_tokens: 64 }));
  process.kill(pid, 'SIGKILL');
  for (const answer of await Promise.all(answers)) expect(answer.role).toBe('assistant');
});
