// How fast a device is: its own matrix product, and a run's steps. The share of the one in the other says how much of a step is
// the arithmetic that a model needs.
import { flopsPerToken } from '../models/costs.ts';
import type { Device } from '../tensor/device.ts';
import { input, matmul, sum } from '../tensor/ops.ts';
import { Graph } from '../tensor/tensor.ts';
import type { BatchSource } from './batches.ts';
import { type RunSettings, rowsOfStep } from './run-settings.ts';
import { randomAt } from './seeds.ts';
import type { StepRunner } from './step-runner.ts';

/**
 * Floating-point operations a second of an f32 matrix product, of a size that suits the device; the best of a few.
 */
export async function measureGemm(device: Device): Promise<number> {
  const small = await rateOf(device, 64);
  // a slow device would take minutes for what a fast one needs to show its speed
  return small * mostSeconds > 4 * 1024 ** 3 ? await rateOf(device, 1024) : small;
}

/** For one round of the large product. */
const mostSeconds = 2;
const rounds = 5;

async function rateOf(device: Device, size: number): Promise<number> {
  const graph = new Graph();
  const a = input(graph, 'a', [size, size]);
  const b = input(graph, 'b', [size, size]);
  const executable = device.compile({ graph, outputs: { sum: sum(matmul(matmul(a, b), b)) }, updates: [] });
  try {
    const random = randomAt('gemm');
    const values = () => Float32Array.from({ length: size * size }, () => (random.next() - 0.5) / Math.sqrt(size));
    executable.set('a', values());
    executable.set('b', values());
    let best = Number.POSITIVE_INFINITY;
    for (let round = 0; round <= rounds; round++) {
      const started = performance.now();
      await executable.run();
      // the first one warms caches and threads up
      if (round > 0) best = Math.min(best, performance.now() - started);
    }
    return (2 * 2 * size ** 3) / (best / 1000);
  } finally {
    executable.dispose();
  }
}

export interface MeasuredRate {
  tokensPerSecond: number;
  /** That the model needs, recomputation not counted. */
  flopsPerSecond: number;
}

/**
 * Takes a few steps on tokens drawn at random: it changes parameters, so it is for a device that is thrown away.
 * @param options.steps after one that warms up; default 2
 */
export async function measureSteps(
  runner: StepRunner,
  settings: RunSettings,
  options: { steps?: number; mixed?: boolean } = {},
): Promise<MeasuredRate> {
  const { steps = 2, mixed = false } = options;
  const { model } = settings.recipe;
  const random = randomAt('rate');
  const source: BatchSource = {
    mixed,
    epochTargets: 1,
    utilisation: 1,
    fill(batch, position) {
      const { length } = batch.tokens;
      for (let place = 0; place < length; place++) {
        batch.tokens[place] = Math.floor(random.next() * model.vocab);
        batch.targets[place] = Math.floor(random.next() * model.vocab);
      }
      batch.documents.fill(0);
      batch.count = length;
      return position;
    },
  };
  let best = Number.POSITIVE_INFINITY;
  for (let step = 0; step <= steps; step++) {
    const started = performance.now();
    await runner.step(source, { epoch: 0, row: 0 }, step);
    if (step > 0) best = Math.min(best, performance.now() - started);
  }
  const tokensPerSecond = (rowsOfStep(settings) * model.context) / (best / 1000);
  return { tokensPerSecond, flopsPerSecond: tokensPerSecond * flopsPerToken(model) };
}
