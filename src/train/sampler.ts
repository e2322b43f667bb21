// What a model writes while it is trained, from the weights as they lie on the device. Every token takes a forward pass over
// all before it: a few dozen tokens now and then need no cache. Draws by the run's seed and the step, so that the same
// run shows the same samples and training is not disturbed.

import type { Random } from '../lib/random.ts';
import { headOf, hiddenStates } from '../models/model.ts';
import type { Device, Executable } from '../tensor/device.ts';
import { cast, input, matmul, rows } from '../tensor/ops.ts';
import { Graph } from '../tensor/tensor.ts';
import { positionsOf } from './forward-pass.ts';
import type { RunSettings } from './run-settings.ts';

export interface Sampler {
  /**
   * @param prompt at least one token; the last `context` of them are read
   * @param options.ends stops there
   * @returns the tokens that follow
   */
  generate(
    prompt: readonly number[],
    options: { tokens: number; temperature: number; random: Random; ends?: number | undefined },
  ): Promise<number[]>;
  dispose(): void;
}

const shortest = 32;

export function createSampler(device: Device, settings: RunSettings): Sampler {
  const { model } = settings.recipe;
  const programs = new Map<number, Executable>();

  /** Lengths double, so that there are a few programs and none is much longer than what it reads. */
  const programFor = (count: number): { executable: Executable; length: number } => {
    let length = Math.min(shortest, model.context);
    while (length < count) length = Math.min(2 * length, model.context);
    const known = programs.get(length);
    if (known) return { executable: known, length };
    const graph = new Graph();
    const hidden = hiddenStates(model, graph, {
      tokens: input(graph, 'tokens', [length], 'i32'),
      positions: input(graph, 'positions', [length], 'i32'),
      batch: 1,
      length,
      computeType: settings.memory.computeType,
    });
    const last = rows(hidden, input(graph, 'last', [1], 'i32'));
    const executable = device.compile({
      graph,
      outputs: { logits: matmul(last, cast(headOf(model, graph), 'f32')) },
      updates: [],
    });
    executable.set('positions', positionsOf(length));
    programs.set(length, executable);
    return { executable, length };
  };

  return {
    async generate(prompt, { tokens, temperature, random, ends }) {
      const all = [...prompt];
      while (all.length < prompt.length + tokens) {
        const read = all.slice(-model.context);
        const { executable, length } = programFor(read.length);
        // what stands behind the last token is not seen by it
        const ids = new Int32Array(length);
        ids.set(read);
        executable.set('tokens', ids);
        executable.set('last', Int32Array.of(read.length - 1));
        await executable.run();
        const token = draw(executable.get('logits'), temperature, random);
        if (token === ends) break;
        all.push(token);
      }
      return all.slice(prompt.length);
    },
    dispose() {
      for (const executable of programs.values()) executable.dispose();
      programs.clear();
    },
  };
}

/** @param temperature 0 takes the likeliest */
export function draw(logits: Float32Array, temperature: number, random: Random): number {
  let best = 0;
  for (let token = 1; token < logits.length; token++)
    if ((logits[token] as number) > (logits[best] as number)) best = token;
  if (temperature === 0) return best;
  const weights = Float64Array.from(logits, (logit) => Math.exp((logit - (logits[best] as number)) / temperature));
  let left = random.next() * weights.reduce((sum, weight) => sum + weight, 0);
  for (let token = 0; token < weights.length; token++) {
    left -= weights[token] as number;
    if (left < 0) return token;
  }
  return best;
}
