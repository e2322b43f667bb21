import { afterEach, describe, expect, it, vi } from 'vitest';
import { ApiError, errorFromBody, getSession, listModels, readAnswerEvent, streamMessage } from './client.ts';

afterEach(() => vi.unstubAllGlobals());

const answerWith = (body: string, init?: ResponseInit) =>
  vi.stubGlobal(
    'fetch',
    vi.fn(async () => new Response(body, init)),
  );

const sse = (...events: object[]) => events.map((event) => `data: ${JSON.stringify(event)}\n\n`).join('');
const request = { model: 'default', messages: [{ role: 'user' as const, content: 'hi' }], maxTokens: 5 };

async function collect() {
  const events = [];
  for await (const event of streamMessage(request, new AbortController().signal)) events.push(event);
  return events;
}

describe('errors', () => {
  it('carry the message of either protocol', () => {
    expect(errorFromBody(529, '{"type":"error","error":{"type":"overloaded_error","message":"busy"}}')).toMatchObject({
      status: 529,
      type: 'overloaded_error',
      message: 'busy',
    });
    expect(errorFromBody(404, '{"error":{"message":"no such model","code":"x"}}').message).toBe('no such model');
  });

  it('can be retried when the server says so, else when their type does', () => {
    const body = (type: string) => JSON.stringify({ type: 'error', error: { type, message: 'no' } });
    expect(errorFromBody(400, body('invalid_request_error'), 'false').retryable).toBe(false);
    expect(errorFromBody(507, body('api_error'), 'false').retryable).toBe(false);
    expect(errorFromBody(503, body('api_error'), 'true').retryable).toBe(true);
    expect(errorFromBody(500, body('overloaded_error')).retryable).toBe(true);
    expect(errorFromBody(400, body('invalid_request_error')).retryable).toBe(false);
    // after signing in again
    expect(errorFromBody(401, body('authentication_error'), 'false').retryable).toBe(true);
    expect(errorFromBody(502, '<html>').retryable).toBe(true);
    expect(new ApiError(0, 'interrupted', 'broke').retryable).toBe(true);
  });

  it('name the status when the body explains nothing', () => {
    expect(errorFromBody(502, '<html>').message).toContain('502');
  });

  it('say that the server does not answer when it cannot be reached', async () => {
    vi.stubGlobal('fetch', async () => Promise.reject(new TypeError('failed to fetch')));
    await expect(listModels()).rejects.toMatchObject({ status: 0, type: 'unreachable' });
  });
});

describe('getSession', () => {
  it('is undefined when nobody is signed in, and fails on anything else', async () => {
    answerWith('{"error":{"message":"no"}}', { status: 401 });
    expect(await getSession()).toBeUndefined();
    answerWith('{"error":{"message":"bug"}}', { status: 500 });
    await expect(getSession()).rejects.toThrow('bug');
  });
});

describe('listModels', () => {
  it('puts default first and leaves out models that do not chat', async () => {
    answerWith(
      JSON.stringify({
        data: [
          { id: 'b' },
          { id: 'embedder', freehold: { kind: 'embedding' } },
          { id: 'a' },
          { id: 'default', freehold: { model: 'a' } },
        ],
      }),
    );
    expect(await listModels()).toEqual([{ id: 'default', resolvesTo: 'a' }, { id: 'a' }, { id: 'b' }]);
  });
});

describe('streamMessage', () => {
  it('yields start, text and stop with the model that answered', async () => {
    answerWith(
      sse(
        { type: 'message_start', message: { model: 'default', usage: { input_tokens: 3 } } },
        { type: 'ping' },
        { type: 'content_block_start', index: 0 },
        { type: 'content_block_delta', delta: { type: 'text_delta', text: 'Hel' } },
        { type: 'content_block_delta', delta: { type: 'text_delta', text: 'lo' } },
        {
          type: 'message_delta',
          delta: { stop_reason: 'end_turn' },
          usage: { output_tokens: 2 },
          freehold: { model: 'm', tokensPerSecond: 9 },
        },
        { type: 'message_stop' },
      ),
      { headers: { 'freehold-model': 'smollm2-135m' } },
    );
    const events = await collect();
    expect(events[0]).toMatchObject({ type: 'start', model: 'smollm2-135m', inputTokens: 3 });
    expect(events.slice(1, 3)).toEqual([
      { type: 'text-delta', text: 'Hel' },
      { type: 'text-delta', text: 'lo' },
    ]);
    expect(events[3]).toMatchObject({
      type: 'stop',
      reason: 'end_turn',
      outputTokens: 2,
      model: 'm',
      tokensPerSecond: 9,
    });
  });

  it('fails with the message of an error event', async () => {
    answerWith(sse({ type: 'error', error: { type: 'api_error', message: 'the model process died' } }));
    await expect(collect()).rejects.toThrow('the model process died');
  });

  it('fails when the stream ends before the answer does', async () => {
    answerWith(sse({ type: 'content_block_delta', delta: { type: 'text_delta', text: 'Hel' } }));
    await expect(collect()).rejects.toBeInstanceOf(ApiError);
  });

  it('asks in the form of the Messages API', async () => {
    answerWith(sse({ type: 'message_delta', delta: {} }));
    await collect();
    const [path, init] = vi.mocked(fetch).mock.calls[0] as [string, RequestInit];
    expect(path).toBe('/v1/messages');
    expect(JSON.parse(init.body as string)).toEqual({
      model: 'default',
      messages: request.messages,
      max_tokens: 5,
      stream: true,
    });
    expect(init.headers).toMatchObject({ 'anthropic-version': '2023-06-01' });
  });
});

describe('readAnswerEvent', () => {
  it('keeps thinking apart from the answer', () => {
    expect(readAnswerEvent('{"type":"content_block_delta","delta":{"type":"thinking_delta","thinking":"hm"}}')).toEqual(
      [{ type: 'thinking-delta', text: 'hm' }],
    );
  });
});
