import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestApp, type TestApp } from '../../test/support/app.ts';
import { createBodyBudget } from './body-budget.ts';

const overloaded = expect.objectContaining({ code: 'overloaded', retryable: true, retryAfterMs: 1000 });

describe('the room for bodies', () => {
  it('is shared by all, refused to whoever comes too late, and given back', () => {
    const budget = createBodyBudget(1e6);
    const [one, two, three] = [budget.begin(), budget.begin(), budget.begin()];
    one.grow(500_000);
    two.grow(500_000);
    expect(() => three.grow(100_000)).toThrow(overloaded);
    one.end();
    one.end();
    three.grow(500_000);
    expect(() => two.grow(500_001)).toThrow(overloaded);
    three.end();
    two.grow(1e6);
  });

  it('is never refused to one alone, nor to small bodies', () => {
    const budget = createBodyBudget(1e6);
    const large = budget.begin();
    large.grow(5e6);
    large.grow(6e6);
    for (let index = 0; index < 1000; index++) budget.begin().grow(60_000);
    expect(() => budget.begin().grow(70_000)).toThrow(overloaded);
  });
});

describe('a server', () => {
  let test: TestApp;
  beforeAll(async () => {
    test = await createTestApp({ bodyLimitBytes: 1_000_000 });
  });
  afterAll(() => test.stop());

  const question = { model: 'default', max_tokens: 5, messages: [{ role: 'user', content: 'hi' }] };
  const large = JSON.stringify({ ...question, padding: 'x'.repeat(900_000) });
  const send = (body: string | ReadableStream<Uint8Array>, headers: Record<string, string> = {}) =>
    test.app.request('/v1/messages', {
      method: 'POST',
      headers: { 'x-api-key': test.key, 'content-type': 'application/json', ...headers },
      body,
      duplex: 'half',
    } as RequestInit);

  /** A body whose end is held back; `begun` once all before it was read. */
  function slow(end: string, before = large.slice(0, -1)) {
    let begin = () => {};
    let finish = () => {};
    const begun = new Promise<void>((resolve) => {
      begin = resolve;
    });
    const finished = new Promise<void>((resolve) => {
      finish = resolve;
    });
    let pulls = 0;
    const body = new ReadableStream<Uint8Array>(
      {
        async pull(controller) {
          pulls += 1;
          if (pulls === 1) return controller.enqueue(Buffer.from(before));
          begin();
          await finished;
          controller.enqueue(Buffer.from(end));
          controller.close();
        },
      },
      { highWaterMark: 0 },
    );
    return { body, begun, finish };
  }

  it('reads some large bodies at once, tells later ones to wait, and answers small ones all the while', async () => {
    const held = ['}', '}', '}', 'not JSON'].map((end) => slow(end));
    const answers = held.map(({ body }) => send(body));
    await Promise.all(held.map(({ begun }) => begun));
    const refused = await send(large);
    expect(refused.status).toBe(529);
    expect(refused.headers.get('retry-after')).toBe('1');
    expect(await refused.json()).toMatchObject({ error: { type: 'overloaded_error' } });
    expect((await send(JSON.stringify(question))).status).toBe(200);
    for (const { finish } of held) finish();
    expect((await Promise.all(answers)).map(({ status }) => status)).toEqual([200, 200, 200, 400]);
    expect((await send(large)).status).toBe(200);
  });

  it('keeps no room for bytes that were announced and did not come', async () => {
    const held = Array.from({ length: 5 }, () => slow('not JSON', '{'));
    const answers = held.map(({ body }) => send(body, { 'content-length': '900000' }));
    await Promise.all(held.map(({ begun }) => begun));
    const beside = await send(large);
    for (const { finish } of held) finish();
    expect(beside.status).toBe(200);
    expect((await Promise.all(answers)).map(({ status }) => status)).toEqual([400, 400, 400, 400, 400]);
  });
});
