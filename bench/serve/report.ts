// The bars of serving, and every figure behind them. Pure: summaries in, figures out.
import type { Figure } from '../main.ts';
import type { Limit } from './limit.ts';
import type { Load } from './loads.ts';
import { median, type Summary } from './summary.ts';

/** By load, then by contender. */
export type Results = ReadonlyMap<Load, ReadonlyMap<string, Summary>>;

const ours = 'ours';
const alone = 'libllama alone';
const http = 'ours, HTTP';
const atLeast = (limit: number) => ({ limit, side: 'at least' as const });
const atMost = (limit: number) => ({ limit, side: 'at most' as const });

/** Tokens/s of ours over the peer's, by requests at once. */
const ratios: { peer: string; least: Record<string, number> }[] = [
  { peer: 'node-llama-cpp', least: { 1: 1.5, 8: 2.4, 32: 2.8 } },
  { peer: 'llama-server', least: { 1: 1.5, 8: 1.3, 32: 1.6 } },
  { peer: 'ollama', least: {} },
];

/** Bars first, as far as their loads were run. */
export function barFigures(results: Results, limit: Limit): Figure[] {
  const of = (load: string, contender: string) => [...results].find(([{ name }]) => name === load)?.[1].get(contender);
  const figures: Figure[] = [];
  const add = (name: string, value: number | undefined, unit: string, bar?: Figure['bar']) => {
    if (value !== undefined) figures.push({ name, value, unit, ...(bar ? { bar } : {}) });
  };
  for (const { peer, least } of ratios) {
    for (const load of ['1', '8', '32', '64', 'shared-16']) {
      const bar = least[load];
      add(`ours / ${peer}: ${load}`, ratio(of(load, ours), of(load, peer)), 'x', bar ? atLeast(bar) : undefined);
    }
  }
  for (const load of ['1', '8', '32', '64']) {
    const share = ratio(of(load, http), of(load, ours));
    add(`ours, HTTP / ours: ${load}`, share && share * 100, '%', load === '64' ? undefined : atLeast(95));
  }
  for (const load of ['1', '8', '32', '64']) {
    const share = ratio(of(load, ours), of(load, alone));
    add(`ours / ${alone}: ${load}`, share && share * 100, '%');
    add(`${alone} / node-llama-cpp: ${load}`, ratio(of(load, alone), of(load, 'node-llama-cpp')), 'x');
  }
  const single = of('1', ours);
  const bound = of('1', alone);
  const limitRate = limit.bytesPerSecond / limit.weightBytes;
  add('share of the limit: 1', single && (single.streamTokensPerSecond / limitRate) * 100, '%', atLeast(35));
  add(`share of the limit, ${alone}: 1`, bound && (bound.streamTokensPerSecond / limitRate) * 100, '%');
  for (const count of ['16', '64']) {
    const shared = of(`shared-${count}`, ours)?.totalMs;
    const cold = of(`cold-${count}`, ours)?.totalMs;
    const bar = count === '16' ? atMost(0.125) : undefined;
    add(`shared / cold, total time: ${count}`, shared && cold ? shared / cold : undefined, 'x', bar);
  }
  for (const contender of [ours, http, 'node-llama-cpp', 'llama-server', 'ollama']) {
    const long = of('long-prompt', contender)?.longPrompt;
    if (!long) continue;
    const bars = contender === ours;
    const name = `long prompt, ${contender}`;
    add(`${name}: p99 gap / median before`, long.gapP99 / long.gapBeforeP50, 'x', bars ? atMost(3) : undefined);
    add(`${name}: first token / idle`, long.firstToken / long.idleFirstToken, 'x', bars ? atMost(2.5) : undefined);
  }
  return figures;
}

/** Rounds alternate between contenders: the median of their ratios, round by round, is what drifts least. */
function ratio(upper: Summary | undefined, lower: Summary | undefined): number | undefined {
  if (!upper || !lower) return undefined;
  return median(upper.ratesByRound.map((rate, round) => rate / (lower.ratesByRound[round] as number)));
}

/** Everything that was measured, by load and contender. */
export function detailFigures(results: Results, limit: Limit): Figure[] {
  const figures: Figure[] = [
    { name: 'weights a token reads', value: limit.weightBytes / 1e6, unit: 'MB' },
    { name: `read bandwidth, ${limit.threads} threads`, value: limit.bytesPerSecond / 1e9, unit: 'GB/s' },
    { name: 'limit of one stream', value: limit.bytesPerSecond / limit.weightBytes, unit: 't/s' },
  ];
  for (const [load, byContender] of results) {
    for (const [contender, summary] of byContender) {
      const add = (name: string, value: number, unit: string) =>
        figures.push({ name: `${load.name}: ${contender}: ${name}`, value, unit });
      if (summary.longPrompt) {
        add('gap before p50', summary.longPrompt.gapBeforeP50, 'ms');
        add('gap p99', summary.longPrompt.gapP99, 'ms');
        add('gap longest', summary.longPrompt.gapLongest, 'ms');
        add('first token, idle', summary.longPrompt.idleFirstToken, 'ms');
        add('first token', summary.longPrompt.firstToken, 'ms');
      } else {
        add('generated', summary.tokensPerSecond, 't/s');
        add('total', summary.totalMs, 'ms');
        add('first token p50', summary.firstTokenP50, 'ms');
        add('first token p95', summary.firstTokenP95, 'ms');
        add('gap p50', summary.gapP50, 'ms');
        add('gap p95', summary.gapP95, 'ms');
        add('gap p99', summary.gapP99, 'ms');
      }
      add('peak memory', summary.peakBytes / 1e6, 'MB');
    }
  }
  return figures;
}
