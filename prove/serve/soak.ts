// Many short requests at once against one local model: greedy ones that must answer as they do alone, sampled ones,
// and ones that are given up. Nothing may leak from one into another, and the process may not grow.
import assert from 'node:assert/strict';
import path from 'node:path';
import { type LocalTextModel, openLocalModel } from '../../src/infer/client.ts';
import { FreeholdError } from '../../src/lib/errors.ts';
import { createRandom, type Random } from '../../src/lib/random.ts';
import type { Sampling } from '../../src/lib/text-model.ts';
import { cpuMsOver, handles, median, pause, residentBytes } from './process-facts.ts';
import { type Answer, answerOf, compare, loneAnswers, markedRequest, type Reference } from './references.ts';

export const tinyModel = path.join(import.meta.dirname, '../../test/fixtures/tiny.gguf');

const concurrent = 32;
const markers = 2000;
/** After so many requests the process has what it needs. */
const warmUpRequests = 2000;
const mostGrowthBytes = 16 * 2 ** 20;
const idleSpanMs = 5000;
const mostIdleCpuMs = 50;

export interface SoakFigures {
  requests: number;
  same: number;
  undecided: number;
  sampled: number;
  givenUp: number;
  requestsPerSecond: number;
  residentMbAfterWarmUp: number;
  grownMb: number;
  handlesGrown: number;
  idleCpuMs: number;
}

export function openModel(file: string, sizes: { contextTokens: number; maxSequences: number; queueLimit: number }) {
  return openLocalModel({
    name: 'proof',
    file,
    threads: 0,
    device: 'cpu',
    libDir: '',
    home: '',
    // small, so that prompts are forgotten and found again all the time
    prefixCacheBytes: 4 << 20,
    ...sizes,
  });
}

export async function soak(requests: number): Promise<SoakFigures> {
  const model = await openModel(tinyModel, { contextTokens: 512, maxSequences: concurrent, queueLimit: 64 });
  try {
    const random = createRandom(20_000);
    const few = Math.min(markers, Math.max(64, requests / 4));
    const asked = Array.from({ length: few }, (_, index) => markedRequest(index, random, 40, 24));
    const references = await loneAnswers(model, asked);
    const different = new Set(references.map(({ answer }) => answer.text)).size;
    assert(different > few * 0.8, `markers are told apart by their answers: ${different} of ${few} differ`);
    console.error(`${few} markers, ${different} different answers; now ${requests} requests, ${concurrent} at once`);
    const figures = await manyAtOnce(model, references, requests, random);
    await tenantsShareNothing(model);
    await pause(1000);
    const idleCpuMs = await cpuMsOver(model.pid as number, idleSpanMs);
    assert(idleCpuMs < mostIdleCpuMs, `an idle model took ${idleCpuMs} ms of processor time in ${idleSpanMs} ms`);
    return { ...figures, idleCpuMs };
  } finally {
    await model.close();
  }
}

async function manyAtOnce(
  model: LocalTextModel,
  references: readonly Reference[],
  requests: number,
  random: Random,
): Promise<Omit<SoakFigures, 'idleCpuMs'>> {
  const pid = model.pid as number;
  const counts = { same: 0, undecided: 0, sampled: 0, givenUp: 0 };
  const memory: { done: number; bytes: number }[] = [];
  const warmUp = Math.min(warmUpRequests, requests / 5);
  let handlesAfterWarmUp = 0;
  let begun = 0;
  let done = 0;
  const startedAt = performance.now();

  const one = async (): Promise<keyof typeof counts> => {
    const reference = references[Math.floor(random.next() * references.length)] as Reference;
    const { request } = reference;
    const kind = random.next();
    if (kind < 0.6) {
      const sampling: Sampling = random.next() < 0.5 ? { temperature: 0, logprobs: 0 } : { temperature: 0 };
      return compare(model, reference, await answerOf(model.generate({ ...request, sampling })), references);
    }
    if (kind < 0.85) {
      const answer = await answerOf(
        model.generate({ ...request, sampling: mixedSampling(random), ignoreEnd: random.next() < 0.5 }),
      );
      checkSampled(reference, answer);
      return 'sampled';
    }
    const signal = AbortSignal.timeout(Math.floor(random.next() * 40));
    const answered = answerOf(model.generate({ ...request, maxTokens: 200 }, signal));
    await answered.catch((error: unknown) => {
      assert(error instanceof FreeholdError && error.code === 'cancelled', `given up, not failed: ${error}`);
    });
    return 'givenUp';
  };

  const worker = async () => {
    while (begun < requests) {
      begun += 1;
      counts[await one()] += 1;
      done += 1;
      if (done % 100 === 0) memory.push({ done, bytes: residentBytes(pid) });
      if (done === Math.ceil(warmUp)) handlesAfterWarmUp = handles(pid);
      if (done % Math.max(1000, requests / 10) === 0) {
        console.error(`${done}/${requests}: ${Math.round(residentBytes(pid) / 1e6)} MB, ${handles(pid)} handles`);
      }
    }
  };
  await Promise.all(Array.from({ length: concurrent }, worker));
  assert.equal(model.pid, pid, 'the model process is the one that began');
  const after = memory.filter((sample) => sample.done > warmUp).map(({ bytes }) => bytes);
  const tenth = Math.max(1, Math.floor(after.length / 10));
  const first = median(after.slice(0, tenth));
  const grown = median(after.slice(-tenth)) - first;
  const handlesGrown = handles(pid) - handlesAfterWarmUp;
  assert(grown <= mostGrowthBytes, `the process grew by ${Math.round(grown / 1e6)} MB after ${warmUp} requests`);
  assert(handlesGrown <= 0, `the process holds ${handlesGrown} more handles than after ${warmUp} requests`);
  return {
    requests: done,
    ...counts,
    requestsPerSecond: (done * 1000) / (performance.now() - startedAt),
    residentMbAfterWarmUp: first / 1e6,
    grownMb: grown / 1e6,
    handlesGrown,
  };
}

function mixedSampling(random: Random): Sampling {
  const maybe = (sampling: Sampling) => (random.next() < 0.3 ? sampling : {});
  return {
    temperature: random.next() * 1.5,
    seed: Math.floor(random.next() * 2 ** 32),
    ...maybe({ topK: Math.floor(random.next() * 100) }),
    ...maybe({ topP: random.next() }),
    ...maybe({ minP: random.next() / 2 }),
    ...maybe({ typicalP: 0.5 + random.next() / 2 }),
    ...maybe({ repetitionPenalty: 1 + random.next(), frequencyPenalty: 0.5 }),
    ...maybe({ dry: { multiplier: 0.8 } }),
    ...maybe({ logprobs: 2 }),
    ...maybe({ logitBias: { 100: -100 } }),
  };
}

function checkSampled({ request, answer: lone }: Reference, answer: Answer): void {
  const name = request.traceId;
  assert.equal(answer.inputTokens, lone.inputTokens, `${name}: the prompt has as many tokens as alone`);
  assert(answer.outputTokens <= (request.maxTokens as number), `${name}: no more tokens than were asked for`);
  if (answer.reason === 'max-tokens') assert.equal(answer.outputTokens, request.maxTokens, `${name}: as many as asked`);
  else assert.equal(answer.reason, 'end-turn', `${name}: ends for a reason that was given`);
}

/** What one tenant's prompts left in the cache is of no use to another, who could tell by the time it takes. */
async function tenantsShareNothing(model: LocalTextModel): Promise<void> {
  const request = markedRequest(-1, createRandom(7), 200, 8);
  const ask = (tenant: string) => answerOf(model.generate({ ...request, tenant }));
  await ask('first');
  const again = await ask('first');
  const stranger = await ask('second');
  assert.equal(stranger.cachedTokens, 0, `a tenant finds nothing of another's (${stranger.cachedTokens} tokens)`);
  console.error(
    `the same prompt again: ${again.cachedTokens} of ${again.inputTokens} tokens cached; for another tenant 0`,
  );
}
