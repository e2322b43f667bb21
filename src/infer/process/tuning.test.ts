import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadNative } from '../../native/ffi.ts';
import { Model } from '../../native/llama.ts';
import { chooseTuning, measureTuning, type Stopwatch, threadCandidates } from './tuning.ts';

/** A machine that is only simulated: how long a pass takes, and what others do meanwhile. */
function createStopwatch(
  passMs: (tokens: number, threads: number, index: number) => number,
  others: () => number = () => 0,
): Stopwatch & { passes: string[]; nowMs: number } {
  const stopwatch = {
    passes: [] as string[],
    nowMs: 0,
    now: () => stopwatch.nowMs,
    othersCores: others,
    async pass(tokens: number, threads: number) {
      const ms = passMs(tokens, threads, stopwatch.passes.length);
      stopwatch.passes.push(`${tokens} tokens, ${threads} threads`);
      stopwatch.nowMs += ms;
      return ms;
    },
  };
  return stopwatch;
}

/** Time of a pass: reading the weights takes `weightsMs` on a thread and stops getting quicker at `channels` of them. */
const machine =
  ({ weightsMs = 20, channels = 4, msPerToken = 4, lost = 0 }) =>
  (tokens: number, threads: number) =>
    Math.max(weightsMs / Math.min(threads, channels), (tokens * msPerToken) / threads) + lost * tokens ** 2;

const candidates = {
  threads: [16, 15, 8, 4, 2, 1],
  sizes: [64, 128, 256, 512, 1024],
  signal: new AbortController().signal,
};

describe('chooseTuning', () => {
  it('takes the fewest threads that saturate the memory for tokens, and all cores for prompts', async () => {
    expect(await chooseTuning(createStopwatch(machine({})), candidates)).toMatchObject({
      threads: 4,
      fewThreads: 4,
      batchThreads: 16,
    });
    expect(await chooseTuning(createStopwatch(machine({ channels: 99 })), candidates)).toMatchObject({ threads: 16 });
  });

  it('measures a few tokens apart, where one is all that a thread gains nothing for', async () => {
    const epyc = (tokens: number, threads: number) => (tokens === 1 ? 6.3 : (tokens * 5.3) / threads);
    expect(await chooseTuning(createStopwatch(epyc), { ...candidates, threads: [2, 1] })).toMatchObject({
      threads: 1,
      fewThreads: 2,
      batchThreads: 2,
    });
  });

  it('takes the smallest pass that is about as quick a token as the quickest', async () => {
    /** Milliseconds a token, by the size of the pass. */
    const sizes = (msPerToken: Record<number, number>) =>
      createStopwatch((tokens) => (tokens < 64 ? 2 : tokens * (msPerToken[tokens] as number)));
    const choose = async (msPerToken: Record<number, number>) =>
      (await chooseTuning(sizes(msPerToken), { ...candidates, threads: [2] }))?.ubatchTokens;
    expect(await choose({ 64: 0.1, 128: 0.1 })).toBe(64);
    expect(await choose({ 64: 0.1, 128: 0.08, 256: 0.079 })).toBe(128);
    expect(await choose({ 64: 0.1, 128: 0.08, 256: 0.07, 512: 0.06, 1024: 0.05 })).toBe(1024);
    expect(await choose({ 64: 0.1, 128: 0.08, 256: 0.09 })).toBe(128);
  });

  it('keeps room in a step for many sequences, whatever the size of a pass', async () => {
    const tuning = await chooseTuning(
      createStopwatch((tokens) => tokens),
      { ...candidates, budgetMs: 9_000 },
    );
    expect(tuning).toMatchObject({ ubatchTokens: 64, batchTokens: 512 });
  });

  it('keeps to the usual size where a pass that might be better would take too long', async () => {
    const larger = createStopwatch((tokens) => 20 + tokens * 1.5);
    const tuning = await chooseTuning(larger, { ...candidates, threads: [2], budgetMs: 9_000 });
    expect(tuning).toMatchObject({ ubatchTokens: 512, batchTokens: 512 });
    expect(larger.passes.filter((pass) => /^(512|1024) /.test(pass))).toEqual([]);
  });

  it('measures only threads where a model is so large that every pass takes long', async () => {
    const slow = createStopwatch(machine({ weightsMs: 400, channels: 4, msPerToken: 400 }));
    expect(await chooseTuning(slow, { ...candidates, budgetMs: 20_000 })).toEqual({
      threads: 4,
      fewThreads: 16,
      batchThreads: 16,
      batchTokens: 512,
      ubatchTokens: 512,
    });
    expect(slow.passes.some((pass) => !/^[14] /.test(pass))).toBe(false);
  });

  it('keeps to its budget, and to the longest pass', async () => {
    for (const msPerToken of [0.01, 0.1, 1, 3, 10, 100]) {
      for (const budgetMs of [300, 1_000, 2_000]) {
        let longest = 0;
        const stopwatch = createStopwatch((tokens, threads) => {
          const ms = machine({ weightsMs: msPerToken * 5, msPerToken })(tokens, threads);
          longest = Math.max(longest, ms);
          return ms;
        });
        await chooseTuning(stopwatch, { ...candidates, budgetMs });
        expect(stopwatch.nowMs).toBeLessThan(budgetMs + longest);
        expect(longest).toBeLessThan(Math.max(450, msPerToken * 6));
      }
    }
  });

  it('gives nothing when others were busy meanwhile', async () => {
    const others = [0, 0.6];
    expect(
      await chooseTuning(
        createStopwatch(machine({}), () => others.shift() as number),
        candidates,
      ),
    ).toBe(undefined);
  });

  it('gives nothing when the same pass takes now so long, now so long; one slow one among many is no matter', async () => {
    const noisy = createStopwatch((tokens, threads, index) => machine({})(tokens, threads) * 1.5 ** (index % 7));
    expect(await chooseTuning(noisy, { ...candidates, budgetMs: 9_000 })).toBe(undefined);
    const once = createStopwatch((tokens, threads, index) => machine({})(tokens, threads) * (index % 3 ? 1 : 4));
    expect(await chooseTuning(once, { ...candidates, budgetMs: 9_000 })).toMatchObject({ threads: 4 });
  });

  it('does not give up cores because of what slowed the first passes alone', async () => {
    const slowAtFirst = createStopwatch(
      (tokens, threads, index) => machine({ channels: 99 })(tokens, threads) * (index < 6 && threads === 2 ? 3 : 1),
    );
    const tuning = await chooseTuning(slowAtFirst, { ...candidates, threads: [2, 1], budgetMs: 9_000 });
    expect(tuning?.threads).toBe(2);
  });

  it('ends within a pass when it is aborted', async () => {
    const pass = machine({ msPerToken: 0.2 });
    const whole = createStopwatch(pass);
    expect(await chooseTuning(whole, candidates)).not.toBe(undefined);
    for (let last = 1; last <= whole.passes.length; last++) {
      const abort = new AbortController();
      const stopwatch = createStopwatch((tokens, threads, index) => {
        if (index + 1 === last) abort.abort();
        return pass(tokens, threads);
      });
      expect(await chooseTuning(stopwatch, { ...candidates, signal: abort.signal })).toBe(undefined);
      expect(stopwatch.passes).toHaveLength(last);
    }
  });
});

describe('threadCandidates', () => {
  it('are all, one less, the physical cores and halves of them; few beside a graphics card', () => {
    expect(threadCandidates(2, 2)).toEqual([2, 1]);
    expect(threadCandidates(1, 2)).toEqual([1]);
    expect(threadCandidates(16, 8)).toEqual([16, 15, 8, 4, 2, 1]);
    expect(threadCandidates(64, 64)).toEqual([64, 63, 32, 16, 8]);
    expect(threadCandidates(3, 64)).toEqual([3, 2, 1]);
    expect(threadCandidates(16, 8, true)).toEqual([4]);
    expect(threadCandidates(2, 2, true)).toEqual([2]);
  });
});

describe('measureTuning', () => {
  it('runs a real model, and leaves nothing behind that would keep it', async () => {
    const native = loadNative({ device: 'cpu' });
    const file = path.join(import.meta.dirname, '../../../test/fixtures/tiny.gguf');
    const model = await Model.load(native, { file, gpuLayers: 0 });
    const tuning = await measureTuning(native, model, {
      signal: new AbortController().signal,
      threads: 2,
      budgetMs: 500,
    });
    // a busy machine gives none
    if (tuning) {
      expect(tuning.threads).toBeLessThanOrEqual(2);
      expect([64, 128, 256, 512, 1024]).toContain(tuning.ubatchTokens);
    }
    expect(await measureTuning(native, model, { signal: AbortSignal.abort(), threads: 2 })).toBe(undefined);
    model.dispose();
  });
});
