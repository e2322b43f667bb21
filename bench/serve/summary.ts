// From the times of all rounds to the figures people compare. Pure.
import type { RoundTimes } from './loads.ts';

/** One contender under one load, over all rounds. Times in milliseconds. */
export interface Summary {
  /** Generated tokens a second, the time for prompts included; of the median round. */
  tokensPerSecond: number;
  /** The same of each round, in order. */
  ratesByRound: number[];
  /** From the first request to the last token; of the median round. */
  totalMs: number;
  /** Tokens a second of one stream once it streams. */
  streamTokensPerSecond: number;
  firstTokenP50: number;
  firstTokenP95: number;
  /** Between two tokens of a stream. */
  gapP50: number;
  gapP95: number;
  gapP99: number;
  peakBytes: number;
  longPrompt?: { idleFirstToken: number; firstToken: number; gapBeforeP50: number; gapP99: number; gapLongest: number };
}

/** The value below which a share of all lies. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
}

export const median = (values: readonly number[]) => quantile(values, 0.5);

export function summarise(rounds: readonly RoundTimes[], peakBytes: number): Summary {
  const ratesByRound = rounds.map(
    ({ streams, totalMs }) => streams.reduce((sum, { tokens }) => sum + tokens, 0) / (totalMs / 1000),
  );
  const streams = rounds.flatMap((round) => round.streams);
  const firstTokens = streams.map(({ startMs, arrivalsMs }) => (arrivalsMs[0] ?? Number.NaN) - startMs);
  const gaps = streams.flatMap(({ arrivalsMs }) => arrivalsMs.slice(1).map((at, i) => at - (arrivalsMs[i] as number)));
  const rates = streams.map(({ tokens, arrivalsMs }) => {
    const spanMs = (arrivalsMs.at(-1) ?? 0) - (arrivalsMs[0] ?? 0);
    return ((tokens - 1) * 1000) / spanMs;
  });
  const long = rounds.flatMap(({ longPrompt }) => longPrompt ?? []);
  const during = long.flatMap(({ duringGapsMs }) => duringGapsMs);
  return {
    tokensPerSecond: median(ratesByRound),
    ratesByRound,
    totalMs: median(rounds.map(({ totalMs }) => totalMs)),
    streamTokensPerSecond: median(rates),
    firstTokenP50: quantile(firstTokens, 0.5),
    firstTokenP95: quantile(firstTokens, 0.95),
    gapP50: quantile(gaps, 0.5),
    gapP95: quantile(gaps, 0.95),
    gapP99: quantile(gaps, 0.99),
    peakBytes,
    ...(long.length === 0
      ? {}
      : {
          longPrompt: {
            idleFirstToken: median(long.map(({ idleFirstTokenMs }) => idleFirstTokenMs)),
            firstToken: median(long.map(({ firstTokenMs }) => firstTokenMs)),
            gapBeforeP50: median(long.flatMap(({ beforeGapsMs }) => beforeGapsMs)),
            gapP99: quantile(during, 0.99),
            gapLongest: Math.max(...during),
          },
        }),
  };
}
