// Bad input in both protocols: each with its own status, a message that says what to do, nothing leaked, and the next
// request none the worse.
import { rmSync } from 'node:fs';
import { homedir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createTestApp, type TestApp } from '../../test/support/app.ts';
import { failing } from '../../test/support/fake-model.ts';
import { FreeholdError } from '../lib/errors.ts';

let test: TestApp;
beforeAll(async () => {
  test = await createTestApp();
});
afterAll(() => test.stop());
afterEach(() => {
  test.model.behaviour = undefined;
});

const message = { model: 'default', max_tokens: 50, messages: [{ role: 'user', content: 'hi' }] };
const chat = { model: 'default', messages: [{ role: 'user', content: 'hi' }] };

/** Both protocols with a good request, and where their errors keep type and message. */
const protocols = [
  {
    name: 'Anthropic',
    path: '/v1/messages',
    good: message as Record<string, unknown>,
    describe: (body: { error: { type: string } }) => body.error.type,
  },
  {
    name: 'OpenAI',
    path: '/v1/chat/completions',
    good: chat as Record<string, unknown>,
    describe: (body: { error: { code: string } }) => body.error.code,
  },
] as const;

/** What no answer may hold: stack traces, folders of this machine, keys. */
function expectNoLeak(text: string) {
  expect(text).not.toMatch(/\n\s+at |node_modules|\.ts:\d|node:internal/);
  for (const secret of [test.home, homedir(), process.cwd(), test.key]) {
    if (secret.length > 1) expect(text).not.toContain(secret);
  }
}

describe.each(protocols)('bad input, $name', ({ path, good, describe: kind }) => {
  const long = Array.from({ length: 2000 }, () => 'word').join(' ');
  it.each<[string, unknown, number, string, string]>([
    ['an unknown model', { ...good, model: 'fakee' }, 404, 'not_found_error|model_not_found', 'Did you mean fake?'],
    [
      'a model that can be pulled',
      { ...good, model: 'qwen3-4b' },
      404,
      'not_found_error|model_not_found',
      'freehold pull qwen3-4b',
    ],
    ['a model named by a path', { ...good, model: '/etc/passwd' }, 404, 'not_found_error|model_not_found', 'no model'],
    [
      'a model outside the folder',
      { ...good, model: '../../secret' },
      404,
      'not_found_error|model_not_found',
      'no model',
    ],
    ['empty messages', { ...good, messages: [] }, 400, 'invalid_request', 'messages'],
    ['a wrong role', { ...good, messages: [{ role: 'robot', content: 'x' }] }, 400, 'invalid_request', "'user'"],
    ['a negative temperature', { ...good, temperature: -1 }, 400, 'invalid_request', 'temperature'],
    ['a huge temperature', { ...good, temperature: 1e6 }, 400, 'invalid_request', 'temperature'],
    ['a negative top_p', { ...good, top_p: -0.5 }, 400, 'invalid_request', 'top_p'],
    [
      'a million biases',
      { ...good, logit_bias: Object.fromEntries(Array.from({ length: 1_000_000 }, (_, token) => [token, 1])) },
      413,
      'request_too_large|payload_too_large',
      'larger than',
    ],
    [
      'thousands of biases',
      { ...good, logit_bias: Object.fromEntries(Array.from({ length: 100_000 }, (_, token) => [token, 1])) },
      400,
      'invalid_request',
      'logit_bias: At most 1024',
    ],
    ['a bias of a word', { ...good, logit_bias: { the: 1 } }, 400, 'invalid_request', 'logit_bias'],
    ['a repetition penalty of 0', { ...good, repetition_penalty: 0 }, 400, 'invalid_request', 'repetition_penalty'],
    ['a negative max_tokens', { ...good, max_tokens: -5 }, 400, 'invalid_request', 'max_tokens'],
    [
      'a prompt over context',
      { ...good, messages: [{ role: 'user', content: long }] },
      400,
      'invalid_request_error|context_length_exceeded',
      '2000 tokens',
    ],
    [
      'invalid JSON',
      '{"model": "default", oops}',
      400,
      'invalid_request_error|invalid_json',
      'position 21 (line 1, column 22)',
    ],
    [
      'JSON that breaks off',
      '{"model": "default",\n"messages": [',
      400,
      'invalid_request_error|invalid_json',
      'line 2',
    ],
    ['an empty body', '', 400, 'invalid_request_error|invalid_json', 'empty'],
    ['no object', '[1, 2]', 400, 'invalid_request', 'an object'],
    ['deep nesting', `${'['.repeat(5000)}${']'.repeat(5000)}`, 400, 'invalid_request', 'nested deeper'],
    [
      'millions of values',
      `{"messages":[${'0,'.repeat(300_000)}0]}`,
      400,
      'invalid_request',
      'more than 250000 values',
    ],
    [
      'a body beyond the limit',
      { ...good, messages: [{ role: 'user', content: 'x'.repeat(10_000_000) }] },
      413,
      'request_too_large|payload_too_large',
      'larger than 8.4 MB',
    ],
  ])('%s', async (_, body, status, expected, text) => {
    const response = await test.send('POST', path, body);
    const answer = await response.text();
    expect([response.status, answer]).toEqual([status, expect.stringContaining(text)]);
    expect(kind(JSON.parse(answer))).toMatch(new RegExp(expected));
    expect(response.headers.get('request-id')).toMatch(/^req_/);
    expect(response.headers.get('x-should-retry')).toBe('false');
    expectNoLeak(answer);
    // and the next one is none the worse
    expect((await test.send('POST', path, good)).status).toBe(200);
  });

  it.each<[string, Record<string, string | undefined>]>([
    ['no key', { 'x-api-key': undefined }],
    ['an empty key', { 'x-api-key': '' }],
    ['a wrong key', { 'x-api-key': `fh_${'A'.repeat(40)}` }],
    ['a wrong bearer', { 'x-api-key': undefined, authorization: 'Bearer nonsense' }],
    ['another scheme', { 'x-api-key': undefined, authorization: 'Basic YTpi' }],
    ['a made-up session', { 'x-api-key': undefined, cookie: `freehold_session=${'A'.repeat(43)}` }],
  ])('%s', async (_, headers) => {
    const response = await test.send('POST', path, good, headers);
    expect(response.status).toBe(401);
    const answer = await response.text();
    expect(kind(JSON.parse(answer))).toMatch(/authentication_error|invalid_api_key/);
    expectNoLeak(answer);
  });

  it.each<[string, unknown, number, boolean]>([
    ['a bug', new TypeError(`cannot read ${homedir()}/.secret`), 500, false],
    [
      'a broken file',
      new FreeholdError('gguf_invalid', `${process.cwd()}/models/x.gguf: bad magic at byte 0.`),
      422,
      false,
    ],
    [
      'a dead process',
      new FreeholdError('model_process_lost', 'The process that ran the model died.', { retryAfterMs: 1500 }),
      503,
      true,
    ],
  ])('%s in the model leaks nothing', async (_, error, status, retryable) => {
    test.model.behaviour = failing(error);
    for (const stream of [false, true]) {
      const response = await test.send('POST', path, { ...good, stream });
      expect(response.status).toBe(status);
      expect(response.headers.get('x-should-retry')).toBe(String(retryable));
      expect(response.headers.get('retry-after')).toBe(retryable ? '2' : null);
      expectNoLeak(await response.text());
    }
  });

  it('a failure in mid-stream leaks nothing either', async () => {
    test.model.behaviour = failing(new TypeError(`cannot read ${homedir()}/.secret`), 1);
    const response = await test.send('POST', path, { ...good, stream: true });
    expect(response.status).toBe(200);
    const text = await response.text();
    expect(text).toContain('piece 0');
    expect(text).toContain('"error"');
    expectNoLeak(text);
  });
});

describe('bad input, OpenAI’s own fields', () => {
  it.each<[string, object, string]>([
    ['no answers', { n: 0 }, 'n'],
    ['too many answers', { n: 1000 }, 'n'],
    ['log probabilities not asked for', { top_logprobs: 5 }, 'top_logprobs'],
    ['a format without a schema', { response_format: { type: 'json_schema', json_schema: {} } }, 'response_format'],
    ['a format of another type', { response_format: { type: 'yaml' } }, 'response_format'],
    ['JSON without an end', { response_format: { type: 'json_object' }, ignore_eos: true }, 'ignore_eos'],
  ])('%s', async (_, changes, field) => {
    const response = await test.send('POST', '/v1/chat/completions', { ...chat, ...changes });
    expect([response.status, await response.text()]).toEqual([400, expect.stringContaining(field)]);
  });
});

describe('a file deleted under its model', () => {
  it('leaves a loaded model working, and is named without its folder at the next load', async () => {
    const other = await createTestApp();
    try {
      expect((await other.send('POST', '/v1/messages', message)).status).toBe(200);
      rmSync(path.join(other.home, 'fake.gguf'));
      expect((await other.send('POST', '/v1/messages', message)).status).toBe(200);
      other.model.state = 'closed';
      const response = await other.send('POST', '/v1/messages', message);
      const text = await response.text();
      expect([response.status, text]).toEqual([
        404,
        expect.stringMatching(/"fake\\" is gone.*fake\.gguf was moved or deleted.*freehold pull fake/),
      ]);
      expect(text).not.toContain(other.home);
    } finally {
      await other.stop();
    }
  });
});
