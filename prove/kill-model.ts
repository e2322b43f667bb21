// Promise: kill -9 of a model process costs only the requests it held, each of which fails with a retryable error;
// the next request is answered within 5 seconds, and the process leaks nothing over many deaths.
import assert from 'node:assert/strict';
import path from 'node:path';
import { openLocalModel } from '../src/infer/client.ts';
import { FreeholdError } from '../src/lib/errors.ts';
import type { GenerateRequest } from '../src/lib/text-model.ts';

const file = process.env.FREEHOLD_TEST_MODEL ?? path.join(import.meta.dirname, '../test/fixtures/tiny.gguf');
const concurrent = 8;
const recoveryBoundMs = 5000;

export async function proveKillModel(rounds: number): Promise<void> {
  const model = await openLocalModel({
    name: 'proof',
    file,
    contextTokens: 512,
    maxSequences: 4,
    threads: 0,
    device: 'cpu',
    libDir: '',
    home: '',
    queueLimit: 64,
  });
  const request = (text: string): GenerateRequest => ({
    messages: [{ role: 'user', content: [{ type: 'text', text }] }],
    maxTokens: 400,
    sampling: { temperature: 1 },
    tenant: 'proof',
    traceId: 'proof',
  });
  let slowestMs = 0;
  let lost = 0;
  for (let round = 0; round < rounds; round++) {
    const running = Array.from({ length: concurrent }, async (_, i) => {
      for await (const _event of model.generate(request(`${round} ${i}`)));
    });
    const settled = Promise.allSettled(running);
    await new Promise((resolve) => setTimeout(resolve, 20 + Math.random() * 200));
    process.kill(model.pid as number, 'SIGKILL');
    for (const result of await settled) {
      if (result.status === 'fulfilled') continue;
      lost += 1;
      assert(
        result.reason instanceof FreeholdError && result.reason.retryable,
        `a lost request is retryable, got ${result.reason}`,
      );
    }
    const startedAt = performance.now();
    let answered = false;
    for await (const event of model.generate({ ...request('next'), maxTokens: 4 })) answered ||= event.type === 'stop';
    const tookMs = performance.now() - startedAt;
    assert(answered, 'the next request is answered');
    assert(tookMs <= recoveryBoundMs, `the next request took ${tookMs} ms`);
    slowestMs = Math.max(slowestMs, tookMs);
    console.log(`round ${round + 1}/${rounds}: answered again after ${Math.round(tookMs)} ms`);
  }
  await model.close();
  assert(lost > 0, 'the kills hit requests in flight');
  console.log(`${lost} requests lost to kills, all retryable; slowest recovery ${Math.round(slowestMs)} ms`);
}
