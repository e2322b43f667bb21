// Training, beside the device's own matrix product and PyTorch: the same models, one run, by turns.
import { fork, spawnSync } from 'node:child_process';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { flopsPerToken, parameterCount } from '../../src/models/costs.ts';
import type { Figure } from '../main.ts';
import { median } from '../serve/summary.ts';
import { batchTokens, settingsOf, type TrainModel, trainModels } from './models.ts';
import type { StepAnswer, StepQuestion } from './step-process.ts';

const context = 256;
const longContext = 1024;
const rounds = 3;
const stepsOfRound = 3;
const pythons = ['python3', '/usr/bin/python3'];
const precisions = ['f32', 'bf16'] as const;

const say = (line: string) => process.stderr.write(`${line}\n`);
const giga = (flops: number) => `${(flops / 1e9).toFixed(0)} GFLOPS`;

/** @param args --only MODEL,… */
export async function benchTrain(args: string[]): Promise<Figure[]> {
  const { values } = parseArgs({ args, options: { only: { type: 'string' } } });
  const names = values.only?.split(',');
  const unknown = names?.find((name) => !trainModels.some((model) => model.name === name));
  if (unknown)
    throw new Error(`there is no model ${unknown}; there are: ${trainModels.map(({ name }) => name).join(', ')}`);
  const python = pythons.find((each) => spawnSync(each, ['-c', 'import torch'], { stdio: 'ignore' }).status === 0);
  if (!python) say('PyTorch is not here: apt-get install python3-torch libopenblas0-pthread');
  const figures: Figure[] = [];
  for (const model of trainModels) {
    if (names && !names.includes(model.name)) continue;
    figures.push(...(await measureModel(model, python)));
  }
  return [...figures.filter(({ bar }) => bar), ...figures.filter(({ bar }) => !bar)];
}

async function measureModel(model: TrainModel, python: string | undefined): Promise<Figure[]> {
  const config = settingsOf(model, context).recipe.model;
  say(
    `\n${model.name}: ${(parameterCount(config).total / 1e6).toFixed(2)} M parameters, context ${context}, ${batchTokens} tokens a step`,
  );
  const ours = await openSteps(model, context);
  const gemm: number[] = [];
  const rates: number[] = [];
  const peers: Record<(typeof precisions)[number], number[]> = { f32: [], bf16: [] };
  let peak = 0;
  for (let round = 0; round < rounds; round++) {
    gemm.push((await ours.ask({ type: 'gemm' })).flopsPerSecond as number);
    rates.push((await ours.ask({ type: 'steps', count: stepsOfRound })).tokensPerSecond as number);
    if (!python) continue;
    for (const precision of precisions) peers[precision].push(torchRate(python, model, precision));
  }
  peak = (await ours.ask({ type: 'steps', count: 1 })).peakBytes;
  ours.close();

  const flops = flopsPerToken(config);
  const figures: Figure[] = [];
  const add = (name: string, value: number, unit: string, bar?: Figure['bar']) =>
    figures.push({ name: `${model.name}: ${name}`, value, unit, ...(bar && { bar }) });
  const best = Math.max(...rates);
  const share = (best * flops) / Math.max(...gemm);
  say(
    `  ours           ${best.toFixed(0)} tokens/s (${rates.map((rate) => rate.toFixed(0)).join(' ')}), ${giga(best * flops)} of ${giga(Math.max(...gemm))}: ${(share * 100).toFixed(0)} %; ${(peak / 1e6).toFixed(0)} MB`,
  );
  const isBarred = model.name !== '1M';
  add('model FLOPs / GEMM rate', share * 100, '%', isBarred ? { limit: 60, side: 'at least' } : undefined);
  for (const precision of precisions) {
    const peer = peers[precision];
    if (peer.length === 0) continue;
    const most = Math.max(...peer);
    say(
      `  PyTorch ${precision.padEnd(6)} ${most.toFixed(0)} tokens/s (${peer.map((rate) => rate.toFixed(0)).join(' ')}), ${giga(most * flops)}`,
    );
    const bar = model.name === '7M' && precision === 'f32' ? ({ limit: 1, side: 'at least' } as const) : undefined;
    add(
      `ours f32 / PyTorch ${precision}, tokens/s`,
      median(rates.map((rate, i) => rate / (peer[i] as number))),
      'x',
      bar,
    );
    add(`PyTorch ${precision}`, most, 't/s');
  }
  add('ours f32', best, 't/s');
  add('ours f32, model FLOPs', (best * flops) / 1e9, 'GFLOPS');
  add('GEMM rate of ggml', Math.max(...gemm) / 1e9, 'GFLOPS');
  add('peak memory', peak / 1e6, 'MB');
  if (model.name === '33M') {
    const long = await openSteps(model, longContext);
    const longPeak = (await long.ask({ type: 'steps', count: 1 })).peakBytes;
    long.close();
    const bar = { limit: 1.3, side: 'at most' } as const;
    add(`peak memory, context ${longContext} / ${context}`, longPeak / peak, 'x', bar);
    say(`  context ${longContext}: ${(longPeak / 1e6).toFixed(0)} MB`);
  }
  return figures;
}

async function openSteps(model: TrainModel, ofContext: number) {
  const child = fork(path.join(import.meta.dirname, 'step-process.ts'), [], {
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  });
  const ask = (question: StepQuestion) =>
    new Promise<StepAnswer>((resolve, reject) => {
      const onExit = (code: number | null) => reject(new Error(`the process ended with status ${code}`));
      child.once('exit', onExit);
      child.once('message', (answer: StepAnswer) => {
        child.off('exit', onExit);
        if (answer.failure) reject(new Error(answer.failure));
        else resolve(answer);
      });
      child.send(question);
    });
  await ask({ type: 'open', model, context: ofContext });
  return { ask, close: () => child.kill() };
}

function torchRate(python: string, model: TrainModel, precision: string): number {
  const { layers, heads, width, feedForward, vocab } = model;
  const sizes = [layers, heads, width, feedForward, vocab, context, batchTokens / context];
  const script = path.join(import.meta.dirname, 'peer_torch.py');
  const { stdout, stderr, status } = spawnSync(python, [script, ...sizes.map(String), precision, `${stepsOfRound}`], {
    encoding: 'utf8',
    env: { ...process.env, OMP_NUM_THREADS: `${availableParallelism()}` },
  });
  if (status !== 0) throw new Error(`PyTorch failed: ${stderr.slice(-500)}`);
  return batchTokens / (JSON.parse(stdout) as { seconds: number }).seconds;
}
