import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { Tuning } from './tuning.ts';
import { createIdleTuner } from './tuning-idle.ts';

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

const tuning: Tuning = { threads: 1, fewThreads: 2, batchThreads: 2, batchTokens: 512, ubatchTokens: 128 };

/** A tuner whose measurements end when the test says so. */
function createTuner() {
  const measured: { signal: AbortSignal; end: (result: Tuning | undefined) => void; fail: (error: Error) => void }[] =
    [];
  const found: Tuning[] = [];
  const tuner = createIdleTuner({
    measure: (signal) => new Promise((end, fail) => measured.push({ signal, end, fail })),
    onTuned: (result) => found.push(result),
    quietMs: 1_000,
  });
  return { tuner, measured, found, pass: (ms: number) => vi.advanceTimersByTimeAsync(ms) };
}

it('measures once, after the model has been idle for a while', async () => {
  const { tuner, measured, found, pass } = createTuner();
  await pass(5_000);
  expect(measured).toHaveLength(0);
  tuner.idle();
  await pass(900);
  expect(measured).toHaveLength(0);
  await pass(200);
  expect(measured).toHaveLength(1);
  measured[0]?.end(tuning);
  await pass(1_000_000);
  expect(found).toEqual([tuning]);
  expect(tuner.requestCame()).toBe(undefined);
  tuner.idle();
  await pass(1_000_000);
  expect(measured).toHaveLength(1);
});

it('a request puts it off, without a wait', async () => {
  const { tuner, measured, pass } = createTuner();
  tuner.idle();
  await pass(900);
  expect(tuner.requestCame()).toBe(undefined);
  await pass(5_000);
  expect(measured).toHaveLength(0);
  tuner.idle();
  await pass(1_100);
  expect(measured).toHaveLength(1);
});

it('a request ends a measurement, waits for its end and no longer, and has it tried again later', async () => {
  const { tuner, measured, found, pass } = createTuner();
  tuner.idle();
  await pass(1_100);
  let free = false;
  void tuner.requestCame()?.then(() => {
    free = true;
  });
  expect(measured[0]?.signal.aborted).toBe(true);
  await pass(10);
  expect(free).toBe(false);
  measured[0]?.end(tuning);
  await pass(0);
  expect(free).toBe(true);
  expect(found).toEqual([]);
  await pass(60_000);
  expect(measured).toHaveLength(1);
  tuner.idle();
  await pass(1_500);
  expect(measured).toHaveLength(1);
  await pass(1_000);
  measured[1]?.end(tuning);
  await pass(0);
  expect(found).toEqual([tuning]);
});

it('gives up where the machine is never quiet, and then uses nothing more', async () => {
  const { tuner, measured, pass } = createTuner();
  tuner.idle();
  for (let i = 0; i < 20; i++) {
    await pass(100_000);
    measured.at(-1)?.end(undefined);
  }
  expect(measured).toHaveLength(6);
  expect(vi.getTimerCount()).toBe(0);
});

it('a failure is told, ends it, and holds nobody up: of the measurement, and of what its result is given to', async () => {
  const said = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  const broken = createTuner();
  broken.tuner.idle();
  await broken.pass(1_100);
  const free = broken.tuner.requestCame();
  broken.measured[0]?.fail(new Error('no such thing'));
  await free;
  broken.tuner.idle();
  await broken.pass(1_000_000);
  expect(broken.measured).toHaveLength(1);

  const full = createIdleTuner({
    measure: async () => tuning,
    onTuned: () => {
      throw new Error('the disk is full');
    },
  });
  full.idle();
  await vi.advanceTimersByTimeAsync(1_000_000);
  expect(said.mock.calls.map(([line]) => line)).toEqual([
    expect.stringContaining('no such thing'),
    expect.stringContaining('the disk is full'),
  ]);
  said.mockRestore();
});
