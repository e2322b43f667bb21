// What people do to a server: leave all at once, read slowly, ask too much; and what befalls it: its model process is
// killed. After each phase it must answer as before and hold no more than before.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { type ServerProcess, startServerProcess } from '../../bench/server-process.ts';
import { cpuMsOver, handles, pause, residentBytes } from './process-facts.ts';
import { tinyModel } from './soak.ts';

const sequences = 8;
const queueLimit = 16;
const storms = 20;
const callersOfAStorm = 100;
const slowReaders = 4;
const mostFastMs = 5_000;
const mostHeldBytes = 64 * 2 ** 20;
const kills = 5;
const mostRecoveryMs = 5_000;
const idleSpanMs = 5_000;
const mostIdleCpuMs = 50;

export interface HttpFigures {
  stormCallers: number;
  stormRecoveryMs: number;
  fastMsBesideSlowReaders: number;
  serverGrownMbBySlowReaders: number;
  turnedAway: number;
  killedRequests: number;
  slowestRecoveryMs: number;
  handlesGrown: number;
  idleModelCpuMs: number;
  idleServerCpuMs: number;
}

export async function httpPhases(): Promise<HttpFigures> {
  const server = await startServerProcess([
    ...['--model', tinyModel, '--device', 'cpu', '--context-tokens', '2048'],
    ...['--max-sequences', String(sequences), '--queue-limit', String(queueLimit)],
  ]);
  try {
    const expected = await answer(server, 24);
    const asBefore = async (what: string): Promise<number> => {
      const startedAt = performance.now();
      assert.equal(await answer(server, 24), expected, `${what}: the answer is what it was before`);
      return performance.now() - startedAt;
    };
    // the first of everything: larger caches, compiled code
    await storm(server, 200);
    await asBefore('a first storm');
    const handlesBefore = await settledHandles(server);

    for (let i = 0; i < storms; i++) await storm(server, callersOfAStorm);
    const stormRecoveryMs = await asBefore('abort storms');
    assert(stormRecoveryMs < mostRecoveryMs, `after the storms an answer took ${stormRecoveryMs} ms`);
    console.error(
      `abort storms: ${storms * callersOfAStorm} callers left; answered again after ${Math.round(stormRecoveryMs)} ms`,
    );

    const slow = await besideSlowReaders(server);
    await asBefore('slow readers');
    console.error(
      `slow readers: ${Math.round(slow.fastMs)} ms for 40 others; the server grew by ${slow.grownMb.toFixed(1)} MB`,
    );

    const turnedAway = await overflow(server, expected);
    await asBefore('queue overflow');
    console.error(`queue overflow: ${turnedAway} turned away with a wait, all answered in the end`);

    const { lost, slowestMs } = await killUnderLoad(server, asBefore);
    console.error(`kill -9: ${lost} requests failed as retryable; slowest recovery ${Math.round(slowestMs)} ms`);

    const handlesGrown = (await settledHandles(server)) - handlesBefore;
    assert(handlesGrown <= 2, `the server holds ${handlesGrown} more handles than before`);
    const model = modelPid(server);
    // a process that was just started may still be measuring the machine
    await untilQuiet(model);
    const [idleModelCpuMs, idleServerCpuMs] = await Promise.all([
      cpuMsOver(model, idleSpanMs),
      cpuMsOver(server.pid, idleSpanMs),
    ]);
    assert(
      idleModelCpuMs < mostIdleCpuMs,
      `an idle model took ${idleModelCpuMs} ms of processor time in ${idleSpanMs} ms`,
    );
    return {
      stormCallers: storms * callersOfAStorm,
      stormRecoveryMs,
      fastMsBesideSlowReaders: slow.fastMs,
      serverGrownMbBySlowReaders: slow.grownMb,
      turnedAway,
      killedRequests: lost,
      slowestRecoveryMs: slowestMs,
      handlesGrown,
      idleModelCpuMs,
      idleServerCpuMs,
    };
  } finally {
    await server.stop();
  }
}

const chat = (maxTokens: number, more: object = {}) =>
  JSON.stringify({
    model: 'default',
    messages: [{ role: 'user', content: 'Tell me a story about a house on a hill.' }],
    max_tokens: maxTokens,
    temperature: 0,
    ignore_eos: true,
    ...more,
  });

interface HttpAnswer {
  status: number;
  text: string;
  retryAfterSeconds: number;
}

/** Each on a connection of its own, which is closed afterwards: what the server then still holds is its own. */
function post({ port }: ServerProcess, body: string, signal?: AbortSignal): Promise<HttpAnswer> {
  return new Promise((resolve, reject) => {
    const sent = httpRequest({ ...target(port), ...(signal ? { signal } : {}) }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text += chunk;
      });
      response.once('end', () =>
        resolve({ status: response.statusCode ?? 0, text, retryAfterSeconds: Number(response.headers['retry-after']) }),
      );
      response.once('error', reject);
    });
    sent.once('error', reject);
    sent.end(body);
  });
}

const target = (port: number) => ({
  host: '127.0.0.1',
  port,
  path: '/v1/chat/completions',
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  agent: false as const,
});

/** Those who left may still be in the queue for a moment: whoever is turned away asks again, for as long as recovery may take. */
async function answer(server: ServerProcess, maxTokens: number): Promise<string> {
  const startedAt = performance.now();
  let { status, text } = await post(server, chat(maxTokens));
  while (status === 503 && performance.now() - startedAt < mostRecoveryMs) {
    await pause(100);
    ({ status, text } = await post(server, chat(maxTokens)));
  }
  assert.equal(status, 200, text);
  return (JSON.parse(text) as { choices: { message: { content: string } }[] }).choices[0]?.message.content as string;
}

/** All come at once and leave after a moment, some before their answer began, some in the middle of it. */
async function storm(server: ServerProcess, callers: number): Promise<void> {
  const leaving = Array.from({ length: callers }, async () => {
    const signal = AbortSignal.timeout(Math.floor(Math.random() * 60));
    await post(server, chat(1500, { stream: true }), signal);
  });
  await Promise.allSettled(leaving);
}

/** Some read their long answers a little at a time; the others must not notice, nor the server's memory. */
async function besideSlowReaders(server: ServerProcess): Promise<{ fastMs: number; grownMb: number }> {
  const before = residentBytes(server.pid);
  let reading = slowReaders;
  const slow = Array.from({ length: slowReaders }, () =>
    readSlowly(server).finally(() => {
      reading -= 1;
    }),
  );
  await pause(100);
  const startedAt = performance.now();
  await Promise.all(
    Array.from({ length: 4 }, async () => {
      for (let i = 0; i < 10; i++) await answer(server, 16);
    }),
  );
  const fastMs = performance.now() - startedAt;
  assert(reading > 0, 'the slow readers were still reading');
  assert(fastMs < mostFastMs, `beside slow readers 40 short answers took ${fastMs} ms`);
  const grown = residentBytes(server.pid) - before;
  assert(grown < mostHeldBytes, `slow readers made the server grow by ${grown} bytes`);
  for (const text of await Promise.all(slow)) {
    assert(text.trimEnd().endsWith('data: [DONE]'), `a slow reader gets all of its answer, got …${text.slice(-200)}`);
  }
  return { fastMs, grownMb: grown / 1e6 };
}

function readSlowly({ port }: ServerProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    const sent = httpRequest(target(port), (response) => {
      let text = '';
      response.setEncoding('utf8');
      const timer = setInterval(() => {
        text += (response.read(4096) as string | null) ?? (response.read() as string | null) ?? '';
      }, 100);
      response.once('end', () => {
        clearInterval(timer);
        resolve(text);
      });
      response.once('error', reject);
    });
    sent.once('error', reject);
    sent.end(chat(1900, { stream: true }));
  });
}

/** More than may wait: each that is turned away is told when to come again, does so, and is answered in the end. */
async function overflow(server: ServerProcess, expected: string): Promise<number> {
  let turnedAway = 0;
  const insist = async () => {
    for (let attempt = 0; attempt < 100; attempt++) {
      const { status, text, retryAfterSeconds } = await post(server, chat(24));
      if (status === 200) {
        const { choices } = JSON.parse(text) as { choices: { message: { content: string } }[] };
        return choices[0]?.message.content;
      }
      assert.equal(status, 503, text);
      assert.equal((JSON.parse(text) as { error: { code: string } }).error.code, 'overloaded', text);
      assert(retryAfterSeconds > 0, 'an overloaded server says how long to wait');
      turnedAway += 1;
      await pause(retryAfterSeconds * 1000 * (0.5 + Math.random()));
    }
    throw new Error('a request was turned away a hundred times');
  };
  const answers = await Promise.all(Array.from({ length: 200 }, insist));
  assert(turnedAway > 0, 'more requests came than may wait');
  // rounding may choose another way among others: most are as alone
  const same = answers.filter((text) => text === expected).length;
  assert(same > answers.length / 2, `${same} of ${answers.length} answers are as they are alone`);
  return turnedAway;
}

async function killUnderLoad(server: ServerProcess, asBefore: (what: string) => Promise<number>) {
  let lost = 0;
  let slowestMs = 0;
  for (let round = 0; round < kills; round++) {
    // as many as run and wait without one being turned away
    const running = Array.from({ length: sequences + queueLimit / 2 }, () =>
      post(server, chat(1500, { stream: true })),
    );
    await pause(50 + Math.random() * 200);
    process.kill(modelPid(server), 'SIGKILL');
    for (const { status, text } of await Promise.all(running)) {
      if (text.includes('data: [DONE]')) continue;
      lost += 1;
      assert([200, 503].includes(status), `a lost request is answered ${status}: ${text.slice(0, 300)}`);
      assert(text.includes('model_process_lost'), `a lost request says so: …${text.slice(-300)}`);
    }
    const recoveryMs = await asBefore('kill -9');
    assert(recoveryMs < mostRecoveryMs, `after kill -9 the next answer took ${recoveryMs} ms`);
    slowestMs = Math.max(slowestMs, recoveryMs);
  }
  assert(lost > 0, 'the kills hit requests in flight');
  return { lost, slowestMs };
}

function modelPid(server: ServerProcess): number {
  const pid = server
    .children()
    .find((child) => readFileSync(`/proc/${child}/cmdline`, 'utf8').includes('infer/process'));
  assert(pid, 'there is a model process');
  return pid;
}

/** Handles of server and model once connections that were left are closed. */
async function settledHandles(server: ServerProcess): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 12; i++) {
    await pause(1000);
    const count = handles(server.pid) + handles(modelPid(server));
    // connections kept alive close after some seconds without a request
    if (count >= least && i >= 6) break;
    least = Math.min(least, count);
  }
  return least;
}

async function untilQuiet(pid: number): Promise<void> {
  for (let i = 0; i < 60; i++) if ((await cpuMsOver(pid, 2000)) < 20 && i >= 2) return;
}
