// The forward pass over a batch as a graph, and its inputs: what a step of training and a validation share.
import { headOf, hiddenStates } from '../models/model.ts';
import { causalMask } from '../tensor/attention.ts';
import { crossEntropy, flatTargets } from '../tensor/cross-entropy.ts';
import type { Executable } from '../tensor/device.ts';
import { input } from '../tensor/ops.ts';
import type { Graph, Tensor } from '../tensor/tensor.ts';
import type { Batch } from './batches.ts';
import type { RunSettings } from './run-settings.ts';

export interface PassShape {
  /** B */
  rows: number;
  /** Whether rows hold several documents: each batch then has a mask of its own, of context numbers for each of its places. */
  mixed: boolean;
}

/** Sum of weight · loss over a batch, as a graph. @returns (1) */
export function writeLoss(
  graph: Graph,
  settings: RunSettings,
  { rows, mixed, recompute = false }: PassShape & { recompute?: boolean },
): Tensor {
  const { recipe, memory } = settings;
  const { model } = recipe;
  const { context } = model;
  const places = rows * context;
  const hidden = hiddenStates(model, graph, {
    tokens: input(graph, 'tokens', [places], 'i32'),
    positions: input(graph, 'positions', [context], 'i32'),
    ...(mixed && { mask: input(graph, 'mask', [rows, 1, context, context]) }),
    batch: rows,
    length: context,
    recompute,
    computeType: memory.computeType,
    keepAttention: memory.keepAttention,
    ...(memory.attentionChunk > 0 && { attentionChunk: memory.attentionChunk }),
  });
  return crossEntropy({
    hidden,
    head: headOf(model, graph),
    targets: input(graph, 'targets', [places], 'i32'),
    weights: input(graph, 'weights', [places]),
    chunk: Math.min(memory.lossChunk, places),
  });
}

/** What is the same for every batch. */
export function setConstants(executable: Executable, settings: RunSettings): void {
  executable.set('positions', positionsOf(settings.recipe.model.context));
}

/** @param weight of every target; places without one weigh nothing */
export function setBatch(
  executable: Executable,
  settings: RunSettings,
  { rows, mixed }: PassShape,
  { batch, weight }: { batch: Batch; weight: number },
): void {
  const { recipe, memory } = settings;
  const { context, vocab } = recipe.model;
  const chunk = Math.min(memory.lossChunk, rows * context);
  executable.set('tokens', batch.tokens);
  executable.set('targets', flatTargets(batch.targets, vocab, chunk));
  executable.set(
    'weights',
    Float32Array.from(batch.documents, (document) => (document < 0 ? 0 : weight)),
  );
  if (mixed) executable.set('mask', causalMask(context, batch.documents));
}

export function positionsOf(length: number): Int32Array {
  return Int32Array.from({ length }, (_, position) => position);
}
