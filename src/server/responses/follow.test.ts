import { Hono } from 'hono';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createTestApp, type TestApp } from '../../../test/support/app.ts';
import type { ResponseEvent } from '../../wire/openai/responses/answer.ts';
import type { AppEnv } from '../context.ts';
import type { Follower } from './background.ts';
import { streamEvents } from './follow.ts';

let test: TestApp;
beforeEach(async () => {
  test = await createTestApp({}, { streams: { undeliveredBytes: 500, stallMs: 60_000, keepAliveMs: 60_000 } });
});
afterEach(() => test.stop());

const event = (number: number): ResponseEvent => ({ type: 'delta', sequence_number: number, delta: 'x'.repeat(50) });

/** What a reader gets of a run. */
async function read(follow: (follower: Follower) => () => void, after?: number): Promise<Response> {
  const app = new Hono<AppEnv>().get('/', (c) => streamEvents(c, test.services, follow, after));
  return app.request('/');
}
const numbers = (text: string) => [...text.matchAll(/"sequence_number":(\d+)/g)].map((found) => Number(found[1]));
const all = Array.from({ length: 100 }, (_, number) => number);

it('tells what is over already, however much it is', async () => {
  const response = await read((follower) => {
    for (const number of all) follower(event(number));
    follower(undefined);
    return () => {};
  });
  expect(numbers(await response.text())).toEqual(all);
});

it('tells what there is, then what comes, from where the reader has it', async () => {
  let follower: Follower = () => {};
  const response = await read((given) => {
    follower = given;
    for (const number of all) follower(event(number));
    return () => {};
  }, 89);
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  const first = Buffer.from((await reader.read()).value as Uint8Array).toString();
  expect(numbers(first)).toEqual(all.slice(90));
  follower(event(100));
  expect(numbers(Buffer.from((await reader.read()).value as Uint8Array).toString())).toEqual([100]);
  follower(undefined);
  expect((await reader.read()).done).toBe(true);
});

it('leaves a run that says more than its reader takes', async () => {
  let follower: Follower = () => {};
  let left = 0;
  await read((given) => {
    follower = given;
    return () => {
      left += 1;
    };
  });
  for (const number of all) follower(event(number));
  expect(left).toBe(1);
});
