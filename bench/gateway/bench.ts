// What the server adds to a request: beside a bare node:http server that says the same bytes, in the same run, taking
// turns. Latencies are counted from when a request was due, not from when it was sent: a server that falls behind shows.
import { parseArgs } from 'node:util';
import type { Figure } from '../main.ts';
import { quantile } from '../serve/summary.ts';
import { type Asked, startChild } from './child.ts';
import { startLitellm } from './litellm.ts';
import type { LoadAnswer, LoadQuestion } from './load-process.ts';
import { cannedAnswers, chatRequest, messagesRequest } from './requests.ts';
import type { ServerAnswer, ServerQuestion } from './serving.ts';

type Server = Asked<ServerQuestion, ServerAnswer>;
type Load = Asked<LoadQuestion, LoadAnswer>;

const perSecond = 500;
const warmUpSeconds = 3;
const idleStreams = 1000;
const readers = 32;
const everyMs = 20;
const leavers = 200;
/** Rates for the peer, until one is more than it can bear. */
const peerRates = [10, 30, 60, 125, 250, 500];
/** Half of its requests taking longer than this, it does not keep up: what it adds would have no end. */
const overwhelmedMs = 250;

const say = (line: string) => process.stderr.write(`${line}\n`);
const atMost = (limit: number): Figure['bar'] => ({ limit, side: 'at most' });

/** @param args --seconds N (of each load and server; default 24)  --only rate,idle,tokens,leave,peer  --no-install */
export async function benchGateway(args: string[]): Promise<Figure[]> {
  const { values } = parseArgs({
    args,
    options: { seconds: { type: 'string' }, only: { type: 'string' }, 'no-install': { type: 'boolean' } },
  });
  const seconds = Number(values.seconds ?? 24);
  const parts = values.only?.split(',') ?? ['rate', 'idle', 'tokens', 'leave', 'peer'];
  const ours: Server = startChild('ours-process.ts', ['--expose-gc']);
  const bare: Server = startChild('bare-process.ts', ['--expose-gc']);
  const load: Load = startChild('load-process.ts');
  try {
    const { port, key } = (await ours.ask({ type: 'start' })) as { port: number; key: string };
    const requests = [messagesRequest(key, 'at once'), chatRequest(key, 'at once')];
    const answers = await cannedAnswers(port, requests);
    const barePort = (await bare.ask({ type: 'start', answers })).port as number;
    const setting: Setting = { ours, bare, load, port, barePort, key, requests, seconds };
    const figures: Figure[] = [];
    if (parts.includes('rate')) figures.push(...(await addedLatency(setting)));
    if (parts.includes('idle')) figures.push(...(await idle(setting)));
    if (parts.includes('tokens')) figures.push(...(await betweenTokens(setting)));
    if (parts.includes('leave')) figures.push(...(await leaving(setting)));
    if (parts.includes('peer')) figures.push(...(await peer(setting, !values['no-install'])));
    return figures;
  } finally {
    await Promise.all([ours.stop(), bare.stop(), load.stop()]);
  }
}

interface Setting {
  ours: Server;
  bare: Server;
  load: Load;
  port: number;
  barePort: number;
  key: string;
  requests: string[];
  /** Of each load. */
  seconds: number;
}

interface Measured {
  latenciesMs: number[];
  lateMs: number[];
  /** Processor time of the server's process. */
  cpuMs: number;
}

/** One stretch of load on one server. */
async function stretch(
  load: Load,
  server: Pick<Server, 'ask'>,
  question: Omit<Extract<LoadQuestion, { type: 'rate' }>, 'type'>,
): Promise<Measured> {
  const before = (await server.ask({ type: 'cpu' })).cpuMs ?? 0;
  const { latenciesMs, lateMs, failures } = await load.ask({ type: 'rate', ...question });
  const after = (await server.ask({ type: 'cpu' })).cpuMs ?? 0;
  if (!latenciesMs || !lateMs || failures) throw new Error(`${failures} requests failed`);
  return { latenciesMs, lateMs, cpuMs: after - before };
}

/** The servers take turns, in alternating order; each meets the same arrivals. */
async function inTurns(setting: Setting, turns: number): Promise<{ ours: Measured; bare: Measured }> {
  const { load, seconds } = setting;
  const empty = (): Measured => ({ latenciesMs: [], lateMs: [], cpuMs: 0 });
  const sums = { ours: empty(), bare: empty() };
  const servers = { ours: setting.port, bare: setting.barePort };
  for (let turn = 0; turn < turns; turn++) {
    const order = turn % 2 === 0 ? (['bare', 'ours'] as const) : (['ours', 'bare'] as const);
    for (const name of order) {
      const question = { port: servers[name], requests: setting.requests, perSecond, seed: turn + 1 };
      const one = await stretch(load, setting[name], { ...question, seconds: seconds / turns });
      sums[name].latenciesMs.push(...one.latenciesMs);
      sums[name].lateMs.push(...one.lateMs);
      sums[name].cpuMs += one.cpuMs;
    }
  }
  return sums;
}

async function addedLatency(setting: Setting): Promise<Figure[]> {
  say(`${perSecond} requests/s, ${setting.seconds} s each`);
  for (const port of [setting.barePort, setting.port]) {
    const question = { port, requests: setting.requests, perSecond, seconds: warmUpSeconds, seed: 99 };
    await setting.load.ask({ type: 'rate', ...question });
  }
  if (process.env.BENCH_PROFILE) await setting.ours.ask({ type: 'profile', on: true });
  const { ours, bare } = await inTurns(setting, 4);
  if (process.env.BENCH_PROFILE) await setting.ours.ask({ type: 'profile', on: false });
  const of = ({ latenciesMs }: Measured, share: number) => quantile(latenciesMs, share);
  const figures: Figure[] = [
    { name: 'added latency p50', value: of(ours, 0.5) - of(bare, 0.5), unit: 'ms', bar: atMost(1) },
    { name: 'added latency p99', value: of(ours, 0.99) - of(bare, 0.99), unit: 'ms', bar: atMost(5) },
  ];
  for (const [name, measured] of Object.entries({ ours, bare })) {
    for (const share of [0.5, 0.99, 0.999]) {
      figures.push({ name: `${name}: latency p${share * 100}`, value: of(measured, share), unit: 'ms' });
    }
    const perRequest = measured.cpuMs / measured.latenciesMs.length;
    figures.push({ name: `${name}: processor time a request`, value: perRequest, unit: 'ms' });
    figures.push({ name: `${name}: sent late p99`, value: quantile(measured.lateMs, 0.99), unit: 'ms' });
  }
  return figures;
}

async function idle(setting: Setting): Promise<Figure[]> {
  const { ours, load, port, key } = setting;
  say(`${idleStreams} idle streams`);
  const request = messagesRequest(key, 'then silent', true);
  const settle = () => new Promise((resolve) => setTimeout(resolve, 500));
  // what the first streams bring about stays, such as compiled code; few, so that the memory of many is not there already
  await load.ask({ type: 'hold', port, request, count: 50 });
  await load.ask({ type: 'leave' });
  await settle();
  await inTurns({ ...setting, seconds: 2 }, 1);
  const alone = await inTurns(setting, 2);
  const before = await ours.ask({ type: 'memory' });
  await load.ask({ type: 'hold', port, request, count: idleStreams });
  const during = await ours.ask({ type: 'memory' });
  const beside = await inTurns(setting, 2);
  await load.ask({ type: 'leave' });
  await ours.ask({ type: 'aborts' });
  const each = (field: 'residentBytes' | 'heapBytes') =>
    ((during[field] as number) - (before[field] as number)) / idleStreams / 1000;
  const added = (share: number) =>
    quantile(beside.ours.latenciesMs, share) -
    quantile(beside.bare.latenciesMs, share) -
    (quantile(alone.ours.latenciesMs, share) - quantile(alone.bare.latenciesMs, share));
  return [
    // memory that the process had before may be what the streams took: then the heap tells more
    {
      name: 'memory of an idle stream: resident or heap, the larger',
      value: Math.max(each('residentBytes'), each('heapBytes')),
      unit: 'KB',
      bar: atMost(60),
    },
    { name: 'memory of an idle stream, heap only', value: each('heapBytes'), unit: 'KB' },
    { name: `${idleStreams} idle streams add to others, p50`, value: added(0.5), unit: 'ms' },
    { name: `${idleStreams} idle streams add to others, p99`, value: added(0.99), unit: 'ms' },
  ];
}

async function betweenTokens({ ours, bare, load, port, barePort, key, seconds }: Setting): Promise<Figure[]> {
  say(`${readers} streams of ${1000 / everyMs} pieces/s`);
  const turns = 2;
  const skipFirst = 10;
  const pieces = Math.ceil(((seconds / turns) * 1000) / everyMs) + skipFirst;
  const request = messagesRequest(key, `every ${everyMs} ms, ${pieces} pieces`, true);
  const latencies = { ours: [] as number[], bare: [] as number[] };
  const cpu = { ours: 0, bare: 0 };
  const servers = { ours: { port, server: ours }, bare: { port: barePort, server: bare } };
  for (let turn = 0; turn < turns; turn++) {
    const order = turn % 2 === 0 ? (['bare', 'ours'] as const) : (['ours', 'bare'] as const);
    for (const name of order) {
      const { server, port: to } = servers[name];
      const before = (await server.ask({ type: 'cpu' })).cpuMs ?? 0;
      const question = { port: to, request, streams: readers, skipFirst };
      latencies[name].push(...((await load.ask({ type: 'read', ...question })).latenciesMs ?? []));
      cpu[name] += ((await server.ask({ type: 'cpu' })).cpuMs ?? 0) - before;
    }
  }
  const added = (share: number) => quantile(latencies.ours, share) - quantile(latencies.bare, share);
  return [
    { name: 'added between tokens p50', value: added(0.5), unit: 'ms', bar: atMost(0.2) },
    { name: 'added between tokens p99', value: added(0.99), unit: 'ms' },
    ...(['ours', 'bare'] as const).map((name) => ({
      name: `${name}: processor time a piece`,
      value: (cpu[name] / latencies[name].length) * 1000,
      unit: 'us',
    })),
  ];
}

async function leaving({ ours, load, port, key }: Setting): Promise<Figure[]> {
  say(`${leavers} callers leave`);
  await ours.ask({ type: 'aborts' });
  await load.ask({ type: 'hold', port, request: messagesRequest(key, 'then silent', true), count: leavers });
  const { leftMs } = await load.ask({ type: 'leave' });
  await new Promise((resolve) => setTimeout(resolve, 300));
  const { abortsMs } = await ours.ask({ type: 'aborts' });
  if (leftMs?.length !== abortsMs?.length)
    throw new Error(`${abortsMs?.length} of ${leftMs?.length} leavers were noticed`);
  const delays = abortsMs?.map((at, index) => at - (leftMs?.[index] as number)) ?? [];
  return [
    { name: 'from a caller leaving to abort, p50', value: quantile(delays, 0.5), unit: 'ms' },
    { name: 'from a caller leaving to abort, p99', value: quantile(delays, 0.99), unit: 'ms' },
  ];
}

/** Chat completions only: what both gateways and the bare server speak. */
async function peer(setting: Setting, install: boolean): Promise<Figure[]> {
  const litellm = await startLitellm(setting.barePort, install);
  if (!litellm) return [];
  try {
    const request = chatRequest(litellm.key, 'at once', 'stub');
    const seconds = Math.min(setting.seconds, 12);
    const at = async (port: number, requests: string[], rate: number, seed: number) =>
      (await setting.load.ask({
        type: 'rate',
        port,
        requests,
        perSecond: rate,
        seconds,
        seed,
      })) as Required<LoadAnswer>;
    await at(litellm.port, [request], 5, 9);
    let borne: { rate: number; theirs: Required<LoadAnswer> } | undefined;
    for (const rate of peerRates) {
      say(`litellm ${litellm.version}: ${rate} requests/s`);
      const theirs = await at(litellm.port, [request], rate, 7);
      if (theirs.failures > 0 || quantile(theirs.latenciesMs, 0.5) > overwhelmedMs) break;
      borne = { rate, theirs };
    }
    if (!borne) {
      say('litellm: bears none of the rates');
      return [];
    }
    const { rate, theirs } = borne;
    const ours = await at(setting.port, [chatRequest(setting.key, 'at once')], rate, 7);
    const bare = await at(setting.barePort, [chatRequest(setting.key, 'at once')], rate, 7);
    const added = (of: Required<LoadAnswer>, share: number) =>
      quantile(of.latenciesMs, share) - quantile(bare.latenciesMs, share);
    return [
      { name: 'litellm: requests/s it bears, of those tried', value: rate, unit: '1/s' },
      ...[0.5, 0.99].flatMap((share) => [
        {
          name: `litellm ${litellm.version}: added p${share * 100} at that rate`,
          value: added(theirs, share),
          unit: 'ms',
        },
        { name: `ours: added p${share * 100} at that rate`, value: added(ours, share), unit: 'ms' },
      ]),
    ];
  } finally {
    await litellm.stop();
  }
}
