// What is asked of every contender, and how it is timed. Knows no engine: a contender is a function that generates.

/** A request's prompt in the forms that contenders take. All are the same tokens. */
export interface Prompt {
  /** The user's text; the model's chat template makes `tokens` of it. */
  text: string;
  /** The text with the template around it. */
  rendered: string;
  tokens: number[];
}

/** even: each request its own prompt; shared: one long prefix; long-prompt: one prompt arrives while others stream. */
export type LoadKind = 'even' | 'shared' | 'long-prompt';

export interface Load {
  name: string;
  what: string;
  kind: LoadKind;
  /** Requests at the same time; with long-prompt the streams, without the long one. */
  concurrent: number;
  /** Tokens of each prompt, the shared ones included. */
  promptTokens: number;
  outputTokens: number;
  /** Tokens at the beginning that all prompts of a round have in common. */
  sharedTokens: number;
  /** Tokens of context each conversation needs. */
  contextTokens: number;
  /** Conversations there must be room for. */
  sequences: number;
  rounds: number;
  /** The others can share nothing that they would not compute, and would take minutes. */
  contenders: 'all' | 'ours in process';
}

const longPromptTokens = 4096;
/** Tokens that streams have got before the long prompt comes. */
const tokensBefore = 40;

const even = (concurrent: number, rounds: number): Load => ({
  name: `${concurrent}`,
  what: `${concurrent} at once, 64 + 64 tokens`,
  kind: 'even',
  concurrent,
  promptTokens: 64,
  outputTokens: 64,
  sharedTokens: 0,
  contextTokens: 256,
  sequences: concurrent,
  rounds,
  contenders: 'all',
});

const prefix = (concurrent: number, shared: boolean, rounds: number): Load => ({
  name: `${shared ? 'shared' : 'cold'}-${concurrent}`,
  what: `${concurrent} at once, ${shared ? '1,024 shared' : '1,024 own'} + 16 own + 4 tokens`,
  kind: shared ? 'shared' : 'even',
  concurrent,
  promptTokens: 1040,
  outputTokens: 4,
  sharedTokens: shared ? 1024 : 0,
  contextTokens: 1280,
  sequences: concurrent,
  rounds,
  contenders: shared && concurrent <= 16 ? 'all' : 'ours in process',
});

/** Those with bars first: a run that takes too long leaves out the last. */
export const loads: readonly Load[] = [
  even(1, 7),
  even(8, 5),
  even(32, 3),
  prefix(16, true, 2),
  prefix(16, false, 2),
  {
    name: 'long-prompt',
    what: 'one prompt of 4,096 tokens while 8 stream',
    kind: 'long-prompt',
    concurrent: 8,
    promptTokens: 64,
    outputTokens: longPromptTokens,
    sharedTokens: 0,
    contextTokens: longPromptTokens + 256,
    sequences: 9,
    rounds: 1,
    contenders: 'all',
  },
  even(64, 2),
  prefix(64, true, 1),
  prefix(64, false, 1),
];

/** The prompts of one round of a load: the concurrent ones, then those of the long-prompt load's two long ones. */
export function promptLengths(load: Load): number[] {
  const lengths = Array.from({ length: load.concurrent }, () => load.promptTokens);
  return load.kind === 'long-prompt' ? [...lengths, longPromptTokens, longPromptTokens] : lengths;
}

/**
 * Generates for one prompt.
 * @param onToken called when a token, or several at once, has come
 * @param signal ends it early, without an error
 * @returns how many tokens were generated
 */
export type Generate = (
  prompt: Prompt,
  options: { outputTokens: number; seed: number; onToken: () => void; signal?: AbortSignal },
) => Promise<number>;

/** Times in milliseconds since the round began. */
export interface StreamTimes {
  startMs: number;
  /** One for each arrival; several tokens may arrive at once. */
  arrivalsMs: number[];
  tokens: number;
}

export interface RoundTimes {
  totalMs: number;
  streams: StreamTimes[];
  longPrompt?: { idleFirstTokenMs: number; beforeGapsMs: number[]; duringGapsMs: number[]; firstTokenMs: number };
}

/** Sends one round of a load to a contender. */
export async function runRound(load: Load, prompts: readonly Prompt[], generate: Generate): Promise<RoundTimes> {
  const beganAt = performance.now();
  const now = () => performance.now() - beganAt;
  const stream = async (times: StreamTimes, index: number, outputTokens: number, more?: StreamOptions) => {
    times.startMs = now();
    times.tokens = await generate(prompts[index] as Prompt, {
      outputTokens,
      seed: index + 1,
      onToken: () => {
        times.arrivalsMs.push(now());
        more?.onToken?.(times);
      },
      ...(more?.signal ? { signal: more.signal } : {}),
    });
    return times;
  };
  const streams = Array.from({ length: load.concurrent }, (): StreamTimes => empty());
  if (load.kind !== 'long-prompt') {
    await Promise.all(streams.map((times, index) => stream(times, index, load.outputTokens)));
    return { totalMs: now(), streams };
  }
  const idle = await stream(empty(), load.concurrent, 1);
  const ending = new AbortController();
  let running = load.concurrent;
  const underWay = new Promise<void>((resolve) => {
    const onToken = ({ arrivalsMs }: StreamTimes) => {
      if (arrivalsMs.length === tokensBefore && --running === 0) resolve();
    };
    for (const [index, times] of streams.entries()) {
      stream(times, index, load.outputTokens, { onToken, signal: ending.signal }).catch((error: unknown) => {
        process.stderr.write(`a stream failed: ${error}\n`);
      });
    }
  });
  await underWay;
  const arrivedMs = now();
  const long = await stream(empty(), load.concurrent + 1, 1);
  const firstMs = long.arrivalsMs[0] as number;
  // the gaps that the prompt may have lengthened end with the next token of each stream
  await new Promise((resolve) => setTimeout(resolve, 300));
  ending.abort();
  const gaps = streams.flatMap(({ arrivalsMs }) => gapsOf(arrivalsMs.slice(8)));
  return {
    totalMs: now(),
    streams,
    longPrompt: {
      idleFirstTokenMs: (idle.arrivalsMs[0] as number) - idle.startMs,
      beforeGapsMs: gaps.filter(({ toMs }) => toMs <= arrivedMs).map(({ gapMs }) => gapMs),
      duringGapsMs: gaps.filter(({ fromMs, toMs }) => toMs > arrivedMs && fromMs < firstMs).map(({ gapMs }) => gapMs),
      firstTokenMs: firstMs - arrivedMs,
    },
  };
}

interface StreamOptions {
  onToken?: (times: StreamTimes) => void;
  signal?: AbortSignal;
}

const empty = (): StreamTimes => ({ startMs: 0, arrivalsMs: [], tokens: 0 });

function gapsOf(arrivalsMs: readonly number[]) {
  return arrivalsMs.slice(1).map((toMs, index) => {
    const fromMs = arrivalsMs[index] as number;
    return { fromMs, toMs, gapMs: toMs - fromMs };
  });
}
