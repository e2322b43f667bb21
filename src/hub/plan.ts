// With how much context, and for how many conversations at once, a model is loaded: what was configured, else what
// suits the machine. The answer is checked for fit; whoever loads a model asks here first.
import { trainedContextOf } from '../formats/gguf/purpose.ts';
import type { GgufFile } from '../formats/gguf/types.ts';
import type { Config } from '../lib/config.ts';
import { kindOf, readModelHeader } from './describe.ts';
import { defaultContextTokens, estimateMemory, type LoadShape, requireFit } from './fit.ts';
import { requireKind } from './kinds.ts';
import type { AvailableMemory, LocalModel, ModelKind } from './types.ts';

/** Conversations at once where nobody chose a number, at most. */
const mostSequences = 8;
/** Cache that is taken unasked once several conversations run at the same time. */
const unaskedCacheBytes = 2 ** 30;

/** Context of one conversation: what is configured, else at most 4096, and never more than the model was trained for. */
export function contextFor(config: Pick<Config, 'contextTokens'>, trainedTokens: number | undefined): number {
  const wanted = config.contextTokens || defaultContextTokens;
  return trainedTokens ? Math.min(wanted, trainedTokens) : wanted;
}

export interface PlanOptions {
  /** Conversations at once; default `config.maxSequences`, and where that is 0 as many as 1 GiB of cache holds, 1 to 8. */
  sequences?: number;
  /** Default: the host's. */
  memory?: AvailableMemory;
  /** Refuse a model of another kind. Default: any. */
  kind?: ModelKind;
}

/**
 * How to load a model. One that makes vectors or scores reads inputs one after the other: its sequences are 1.
 * @param model `file` is the first part of a split model; what it is for is read from its header where `kind` is not known
 * @throws FreeholdError does_not_fit unless `config.force`, unsupported (of another kind), gguf_invalid, file_not_found
 */
export async function planLoad(
  model: Pick<LocalModel, 'name' | 'file' | 'kind'>,
  config: Config,
  options: PlanOptions = {},
): Promise<LoadShape> {
  const header = await readModelHeader(model.file);
  const kind = model.kind ?? kindOf(header);
  if (options.kind) requireKind({ name: model.name, kind }, options.kind);
  const contextTokens = contextFor(config, trainedContextOf(header));
  const chats = options.sequences ?? (config.maxSequences || unaskedSequences(header, contextTokens));
  const sequences = kind === 'chat' ? chats : 1;
  const memory = options.memory ? { memory: options.memory } : {};
  // beside several conversations one more prompt is computed in cells of its own
  const withLane = sequences > 1 ? sequences + 1 : 1;
  requireFit(header, { name: model.name, contextTokens, sequences: withLane, force: config.force, ...memory });
  return { contextTokens, sequences };
}

function unaskedSequences(header: GgufFile, contextTokens: number): number {
  const { kvBytes } = estimateMemory(header, { contextTokens, sequences: 1 });
  return Math.min(mostSequences, Math.max(1, Math.floor(unaskedCacheBytes / Math.max(1, kvBytes))));
}
