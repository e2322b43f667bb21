// Chooses threads and batch sizes for one model on this machine by a short measurement, in a small context of its own.
// What pays differs by an order of magnitude: one token waits for memory, which a few cores saturate; a few tokens wait for it
// hardly at all on some machines (on one, a thread is as quick as two for one token, and half as quick for eight); prompts wait
// for arithmetic, and for how well it is blocked. Knows nothing of when it may run (tuning-idle.ts) or where its result is
// kept (tuning-store.ts). A measurement that something disturbed is worth nothing, and gives none.
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { FreeholdError } from '../../lib/errors.ts';
import type { Native } from '../../native/ffi.ts';
import { Batch, Context, type Model } from '../../native/llama.ts';
import { lookAtCpus } from './thread-governor.ts';

/** How to run a model on this machine. */
export interface Tuning {
  /** Threads for steps of one token. */
  threads: number;
  /** Threads for steps of a few tokens. */
  fewThreads: number;
  /** Threads for steps with pieces of prompts. */
  batchThreads: number;
  /** Most tokens of one step (`n_batch`). */
  batchTokens: number;
  /** Most tokens that go through the layers together (`n_ubatch`): a larger step takes several passes. */
  ubatchTokens: number;
}

export interface TuningOptions {
  /** Aborting ends the measurement after the pass that runs. */
  signal: AbortSignal;
  /** Longest the measurement may take, in milliseconds. Default 2,000. */
  budgetMs?: number;
  /** Longest a pass may take, as far as one can tell beforehand: what a request that comes meanwhile waits. Default 400. */
  passMs?: number;
  /** Most threads; 0: one per core. Default 0. */
  threads?: number;
  /** Whether a graphics card computes: threads then matter little and are not measured. Default false. */
  onGpu?: boolean;
}

/** Times passes through a model. Replaced in tests. */
export interface Stopwatch {
  /** Milliseconds of one pass over so many tokens of an empty sequence. */
  pass(tokens: number, threads: number): Promise<number>;
  /** Cores that other programs kept busy since the last call, e.g. 0.2. */
  othersCores(): number;
  now(): number;
}

/** Most tokens of a step, and of a pass, where nothing was measured. */
export const defaultBatchTokens = 512;
/** Sizes of a pass that are compared. */
const passSizes = [64, 128, 256, 512, 1024] as const;
/** Bytes that the results of a pass may take: the library sets aside a row of logits for each of its tokens. */
const largestResultsBytes = 256 << 20;
/** Free memory below which nothing is measured, in bytes. */
const roomBytes = 1 << 30;
/** Tokens of a step that stands for steps of 2 to 8. */
const fewTokens = 4;
/** Threads beside a graphics card, which feed it and fetch rows of embeddings. */
export const threadsBesideGpu = 4;
/** The two quickest of several passes lie this close together, or something else was going on. */
const agreement = 1.25;
/** As close together as repeating can make them. */
const goodAgreement = 1.05;
/** What takes less of the machine wins where it is at most this much slower. */
const nearlyAsQuick = 1.04;
/** So much slower than the best before, and nothing more is tried in this direction. */
const hopeless = 1.5;
/** Cores that others may keep busy meanwhile. */
const quietCores = 0.25;

/**
 * Measures, in a context of one sequence of at most 1,024 tokens.
 * @returns undefined when it was aborted, when the machine was busy, or when there is too little memory
 */
export async function measureTuning(native: Native, model: Model, options: TuningOptions): Promise<Tuning | undefined> {
  if (options.signal.aborted || process.availableMemory() < roomBytes) return undefined;
  const { size: vocabularySize } = model.vocabulary;
  const sizes = passSizes.filter(
    (size) => size <= defaultBatchTokens || size * vocabularySize * 4 <= largestResultsBytes,
  );
  const threads = options.threads || availableParallelism();
  const tokens = Math.max(...sizes);
  let context: Context;
  try {
    context = await Context.create(native, model, {
      contextTokens: tokens,
      sequences: 1,
      batchTokens: tokens,
      threads,
    });
  } catch (error) {
    if (error instanceof FreeholdError && error.code === 'model_failed') return undefined;
    throw error;
  }
  const batch = new Batch(native, tokens);
  try {
    return await chooseTuning(stopwatchOf(context, batch, vocabularySize), {
      ...options,
      sizes,
      threads: threadCandidates(threads, physicalCores(), options.onGpu),
    });
  } finally {
    batch.dispose();
    context.dispose();
  }
}

/** @param options `threads`: candidates, the most first; `sizes`: of a pass, ascending */
export async function chooseTuning(
  stopwatch: Stopwatch,
  options: Omit<TuningOptions, 'threads' | 'onGpu'> & { threads: readonly number[]; sizes: readonly number[] },
): Promise<Tuning | undefined> {
  const { signal, budgetMs = 2_000, passMs = 400 } = options;
  const [most] = options.threads as [number];
  const [smallest, ...larger] = options.sizes as [number, ...number[]];
  const endsAt = stopwatch.now() + budgetMs;
  let disturbed = false;

  /** The quickest of several passes, as others can only make one slower; undefined where the time does not allow two. */
  const time = async (tokens: number, threads: number, expectedMs: number, hopelessMs = Number.POSITIVE_INFINITY) => {
    const times: number[] = [];
    const [fewest, mostOften] = tokens === 1 ? [4, 8] : [2, 4];
    const agree = (factor: number) => (times[1] as number) <= (times[0] as number) * factor;
    while (times.length < fewest || (times.length < mostOften && !agree(goodAgreement))) {
      const soonest = stopwatch.now() + Math.min(expectedMs, ...times) * Math.max(1, 2 - times.length);
      if (signal.aborted || soonest > endsAt) break;
      times.push(await stopwatch.pass(tokens, threads));
      times.sort((a, b) => a - b);
      if (times.length > 1 && (times[0] as number) > hopelessMs) return times[0];
    }
    if (times.length < 2) return undefined;
    if (!agree(agreement)) disturbed = true;
    return times[0];
  };
  /** The fewest threads that are about as quick as the quickest. */
  const fewestThreads = async (tokens: number, expectedMs: number) => {
    let best: { threads: number; ms: number } | undefined;
    for (const threads of options.threads) {
      // half the threads take up to twice as long, and where they do still fewer are of no use
      if (best && (best.ms * best.threads) / threads > passMs) break;
      const ms = await time(tokens, threads, best?.ms ?? expectedMs, best && best.ms * hopeless);
      if (ms === undefined || (best && ms > best.ms * hopeless)) break;
      if (!best || ms <= best.ms * nearlyAsQuick) best = { threads, ms: Math.min(ms, best?.ms ?? ms) };
    }
    // what slowed only the first candidate must not cost cores for as long as the result is kept
    if (best && best.threads < most) {
      const again = await time(tokens, most, best.ms);
      if (again !== undefined && again * nearlyAsQuick < best.ms) best = { threads: most, ms: again };
    }
    return best;
  };

  stopwatch.othersCores();
  // the first pass fetches weights and wakes threads
  let singleMs = await stopwatch.pass(1, most);
  if (!signal.aborted && stopwatch.now() + singleMs < endsAt) singleMs = await stopwatch.pass(1, most);
  const single = await fewestThreads(1, singleMs);
  if (disturbed) return undefined;
  const fewMs = (single?.ms ?? 0) * fewTokens;
  const few = single && fewMs <= passMs ? await fewestThreads(fewTokens, fewMs) : undefined;
  if (disturbed) return undefined;
  // where a pass over the smallest size may take too long, prompts go as they would have gone
  const expectedMs = (single?.ms ?? 0) * (smallest / 4);
  const prompt = single && expectedMs <= passMs ? await fewestThreads(smallest, expectedMs) : undefined;
  let size = smallest;
  let settled = prompt !== undefined;
  if (prompt) {
    let msPerToken = prompt.ms / smallest;
    for (const candidate of larger) {
      const guessMs = msPerToken * candidate;
      const ms = guessMs > passMs ? undefined : await time(candidate, prompt.threads, guessMs);
      settled = ms !== undefined;
      if (ms === undefined || ms / candidate > msPerToken / nearlyAsQuick) break;
      size = candidate;
      msPerToken = ms / candidate;
    }
  }
  if (signal.aborted || disturbed || !single || stopwatch.othersCores() > quietCores) return undefined;
  const ubatchTokens = settled ? size : Math.max(size, defaultBatchTokens);
  return {
    threads: single.threads,
    fewThreads: few?.threads ?? most,
    batchThreads: prompt?.threads ?? most,
    batchTokens: Math.max(ubatchTokens, defaultBatchTokens),
    ubatchTokens,
  };
}

/** Numbers of threads worth trying, the most first: all, one less, one for each core without its sibling, halves of those. */
export function threadCandidates(most: number, physical: number, onGpu = false): number[] {
  if (onGpu) return [Math.min(most, threadsBesideGpu)];
  const candidates = new Set(most > 2 ? [most, most - 1] : [most]);
  let half = Math.min(most, physical);
  for (let i = 0; i < 4 && half >= 1; i++) {
    candidates.add(half);
    half = Math.floor(half / 2);
  }
  return [...candidates].sort((a, b) => b - a);
}

/** Cores without their hyper-threading siblings, where the system tells (Linux); else all. */
function physicalCores(): number {
  const cores = new Set<string>();
  try {
    for (let cpu = 0; cpu < availableParallelism(); cpu++) {
      cores.add(readFileSync(`/sys/devices/system/cpu/cpu${cpu}/topology/thread_siblings_list`, 'utf8'));
    }
    return cores.size;
  } catch {
    return availableParallelism();
  }
}

function stopwatchOf(context: Context, batch: Batch, vocabularySize: number): Stopwatch {
  let before = lookAtCpus(true);
  return {
    async pass(tokens, threads) {
      context.removeSequence(0);
      batch.clear();
      // any tokens do: no weight is skipped for one
      for (let i = 0; i < tokens; i++) batch.add((i * 7919) % vocabularySize, i, 0, i === tokens - 1);
      const startedAt = performance.now();
      await context.decode(batch, threads);
      // a graphics card has only begun until its results are asked for
      context.logits(0);
      return performance.now() - startedAt;
    },
    othersCores() {
      const now = lookAtCpus(true);
      const others = now.allBusyMs - before.allBusyMs - (now.ownBusyMs - before.ownBusyMs);
      const cores = others / Math.max(1, now.atMs - before.atMs);
      before = now;
      return cores;
    },
    now: () => performance.now(),
  };
}
