// The models that training is measured with, and how one step of them is taken. Llama-shaped, so that any framework has their parts.
import { derive } from '../../src/models/dial.ts';
import type { RunSettings } from '../../src/train/run-settings.ts';

export interface TrainModel {
  name: string;
  layers: number;
  width: number;
  heads: number;
  feedForward: number;
  vocab: number;
}

/** Named by their parameters. */
export const trainModels: readonly TrainModel[] = [
  { name: '1M', layers: 4, width: 128, heads: 4, feedForward: 352, vocab: 1024 },
  { name: '7M', layers: 6, width: 256, heads: 4, feedForward: 688, vocab: 4096 },
  { name: '33M', layers: 8, width: 512, heads: 8, feedForward: 1344, vocab: 8192 },
];

/** Tokens of a step, however long the context. */
export const batchTokens = 2048;

/** One pass a step over rows of one document each, AdamW for all parameters, f32. */
export function settingsOf(model: TrainModel, context: number): RunSettings {
  const { name, ...sizes } = model;
  const recipe = derive(model.layers, {
    ...sizes,
    kvHeads: sizes.heads,
    headSize: sizes.width / sizes.heads,
    architecture: 'llama',
    context,
    batchTokens,
    steps: 1000,
    optimizer: 'adamw',
    tied: false,
    epsilon: 1e-5,
  });
  return {
    version: 1,
    name,
    createdAt: new Date(0).toISOString(),
    seed: 1,
    recipe,
    data: { sources: ['none'], tokenizer: { kind: 'bytes' }, validation: 0, order: 'packed' },
    optimizer: { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, momentum: 0.95, clip: 0 },
    memory: {
      rowsPerPass: batchTokens / context,
      recompute: false,
      computeType: 'f32',
      lossChunk: batchTokens / 2,
      keepAttention: true,
      attentionChunk: 0,
    },
    validation: { everySteps: 0, mostTokens: 1 },
    samples: { everySteps: 0, prompt: '', tokens: 1, temperature: 0 },
    checkpoints: { everySteps: 0, everyMinutes: 0, keepLast: 1, keepBest: false },
    device: 'cpu',
    threads: 0,
  };
}
