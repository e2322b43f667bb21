// "Will it fit?": the memory a model needs, from its GGUF header or its catalogue entry, against what is free.
//
//   total   = weights + key-value cache + compute buffers
//   weights = the sizes of all tensors (mapped files count in full: a model that is paged in and out is unusable)
//   cache   = sum over layers of kv heads x (key + value size) x 2 bytes (f16) x context x sequences; sliding windows
//             are ignored, so it is an upper bound; encoders keep none; recurrent layers add their state per sequence
//   compute = 512 tokens (one micro-batch) x 4 bytes x the larger of (vocabulary + 2 x width), where logits are made,
//             and (context / 2 + 4 x width + 3 x feed-forward), inside a layer: the attention mask is f16; plus
//             one row of logits per sequence, plus 80 MB for the process itself
//   vectors and scores: encoders take a whole input in one pass and make no logits; decoders make a row for each token
//
// The compute term was fitted to libllama with flash attention: SmolLM2 135M, 2048 to 8192 tokens x 1 to 8 sequences,
// reserves 103 MB where this says 103 MB, and the process then holds 1.76 GB where this says 1.79 GB (8 x 8192).
// Pure functions; availableMemory() is the one look at the machine.
import { metadataBoolean, metadataNumber, metadataNumbers, metadataString } from '../formats/gguf/metadata.ts';
import type { GgufFile } from '../formats/gguf/types.ts';
import { FreeholdError } from '../lib/errors.ts';
import { formatBytes } from '../lib/units.ts';
import { catalogue } from './catalogue.ts';
import { kindOf } from './describe.ts';
import { availableMemory } from './memory.ts';
import type {
  AvailableMemory,
  CatalogueEntry,
  FitReport,
  FitSuggestion,
  MemoryEstimate,
  ModelKind,
  ModelVariant,
} from './types.ts';

export { availableMemory };

/** Tokens of one micro-batch, as the engine is set up. */
const microBatchTokens = 512;
const processBytes = 80e6;
/** Context a conversation gets where nobody chose one, at most. */
export const defaultContextTokens = 4096;

export interface LoadShape {
  /** Tokens of each sequence. */
  contextTokens: number;
  /** Sequences kept at the same time. */
  sequences: number;
}

export interface FitOptions extends LoadShape {
  /** Default: the host's. Give the device's own when the model goes to a graphics card. */
  memory?: AvailableMemory;
  /** Weights of all parts, where `gguf` is only the first part of a split model. Default: from the tensors. */
  weightsBytes?: number;
}

/** Memory to load and run a model, in bytes; see the formula at the top of this file. */
export function estimateMemory(gguf: GgufFile, shape: LoadShape & { weightsBytes?: number }): MemoryEstimate {
  const architecture = metadataString(gguf, 'general.architecture') ?? '';
  const value = (key: string) => metadataNumber(gguf, `${architecture}.${key}`);
  const most = (key: string) => value(key) ?? Math.max(0, ...(metadataNumbers(gguf, `${architecture}.${key}`) ?? []));
  const width = value('embedding_length') ?? 0;
  const feedForward = Math.max(
    most('feed_forward_length'),
    (value('expert_feed_forward_length') ?? 0) * (value('expert_used_count') ?? 0),
  );
  const bytes: Needs = {
    kind: kindOf(gguf),
    weightsBytes: shape.weightsBytes ?? gguf.tensors.reduce((sum, tensor) => sum + tensor.sizeBytes, 0),
    kvBytesPerToken: cacheBytesPerToken(gguf, architecture),
    stateBytes: recurrentStateBytes(gguf, architecture),
    width,
    activations: 4 * width + 3 * feedForward,
    vocabularySize: vocabularyOf(gguf, architecture),
  };
  return sum(bytes, shape);
}

/** Memory a catalogue model needs; weights are its file size. For `{contextTokens: 0}` at its default context. */
export function estimateCatalogueMemory(
  entry: CatalogueEntry,
  variant: ModelVariant,
  shape: LoadShape,
): MemoryEstimate {
  return sum(
    {
      kind: entry.kind,
      weightsBytes: variant.sizeBytes,
      kvBytesPerToken: entry.kvBytesPerToken,
      stateBytes: 0,
      // about 1000 for 0.3 B parameters and 8000 for 70 B; small beside the vocabulary
      width: 1.6 * Math.cbrt(entry.parameters),
      activations: 0,
      vocabularySize: entry.vocabularySize,
    },
    { ...shape, contextTokens: shape.contextTokens || Math.min(entry.contextTokens, defaultContextTokens) },
  );
}

interface Needs {
  kind: ModelKind;
  weightsBytes: number;
  kvBytesPerToken: number;
  stateBytes: number;
  width: number;
  /** Numbers per token that live at the same time inside a layer. */
  activations: number;
  vocabularySize: number;
}

function sum(needs: Needs, shape: LoadShape): MemoryEstimate {
  const kvBytes = needs.kvBytesPerToken * shape.contextTokens * shape.sequences + needs.stateBytes * shape.sequences;
  const encodes = needs.kind !== 'chat' && needs.kvBytesPerToken === 0 && needs.stateBytes === 0;
  const passTokens = encodes ? Math.max(microBatchTokens, shape.contextTokens) : microBatchTokens;
  const logits = encodes ? 0 : needs.vocabularySize;
  const perToken = Math.max(logits + 2 * needs.width, shape.contextTokens / 2 + needs.activations);
  const logitBytes = 4 * logits * (needs.kind === 'chat' ? shape.sequences : microBatchTokens);
  const computeBytes = Math.round(passTokens * 4 * perToken + logitBytes + processBytes);
  return {
    weightsBytes: needs.weightsBytes,
    kvBytes,
    computeBytes,
    totalBytes: needs.weightsBytes + kvBytes + computeBytes,
  };
}

/** f16 keys and values of one token over all layers. */
function cacheBytesPerToken(gguf: GgufFile, architecture: string): number {
  const value = (key: string) => metadataNumber(gguf, `${architecture}.${key}`);
  if (metadataBoolean(gguf, `${architecture}.attention.causal`) === false || architecture.includes('bert')) return 0;
  const layers = value('block_count') ?? 0;
  const heads =
    value('attention.head_count') ?? Math.max(0, ...(numbers(gguf, architecture, 'attention.head_count') ?? []));
  const headSize = heads > 0 ? (value('embedding_length') ?? 0) / heads : 0;
  const keySize = value('attention.key_length') ?? headSize;
  const valueSize = value('attention.value_length') ?? headSize;
  const perLayer = numbers(gguf, architecture, 'attention.head_count_kv');
  // Every n-th layer attends in hybrids that say so; the others keep recurrent state.
  const interval = value('full_attention_interval') ?? 1;
  const keyValueHeads = perLayer
    ? perLayer.slice(0, layers).reduce((total, count) => total + count, 0)
    : Math.ceil(layers / interval) * (value('attention.head_count_kv') ?? heads);
  return keyValueHeads * (keySize + valueSize) * 2;
}

/** f32 state of the recurrent layers of one sequence. */
function recurrentStateBytes(gguf: GgufFile, architecture: string): number {
  const value = (key: string) => metadataNumber(gguf, `${architecture}.${key}`) ?? 0;
  const inner = value('ssm.inner_size');
  if (inner === 0) return 0;
  const perLayer =
    inner * value('ssm.state_size') +
    (inner + 2 * value('ssm.group_count') * value('ssm.state_size')) * value('ssm.conv_kernel');
  return perLayer * 4 * value('block_count');
}

function vocabularyOf(gguf: GgufFile, architecture: string): number {
  const tokens = gguf.metadata.get('tokenizer.ggml.tokens');
  return metadataNumber(gguf, `${architecture}.vocab_size`) ?? (tokens?.type === 'array' ? tokens.length : 0);
}

function numbers(gguf: GgufFile, architecture: string, key: string): number[] | undefined {
  return metadataNumbers(gguf, `${architecture}.${key}`);
}

/** What of the free memory a model may take: a twentieth of all, at most 512 MB, stays for everything else. */
function usable(memory: AvailableMemory): number {
  return Math.max(0, memory.freeBytes - Math.min(512e6, memory.totalBytes / 20));
}

/**
 * Whether a model fits into what is free, and what would if it does not: first fewer sequences, then a smaller
 * context (halved down to 2048 tokens), then the largest catalogue model of the same kind.
 */
export function checkFit(gguf: GgufFile, options: FitOptions): FitReport {
  const memory = options.memory ?? availableMemory();
  const needs = (shape: LoadShape) =>
    estimateMemory(gguf, options.weightsBytes === undefined ? shape : { ...shape, weightsBytes: options.weightsBytes });
  return report(needs, options, memory, kindOf(gguf));
}

/** The same for a catalogue model that is not here yet. */
export function checkCatalogueFit(entry: CatalogueEntry, variant: ModelVariant, options: FitOptions): FitReport {
  const memory = options.memory ?? availableMemory();
  return report((shape) => estimateCatalogueMemory(entry, variant, shape), options, memory, entry.kind);
}

/** The same for a file of which only the size is known: the least it can need, its weights and the process. */
export function checkFileFit(sizeBytes: number, memory: AvailableMemory = availableMemory()): FitReport {
  const needs = (shape: LoadShape) =>
    sum(
      {
        kind: 'chat',
        weightsBytes: sizeBytes,
        kvBytesPerToken: 0,
        stateBytes: 0,
        width: 0,
        activations: 0,
        vocabularySize: 0,
      },
      shape,
    );
  return report(needs, { contextTokens: 0, sequences: 1 }, memory, 'chat');
}

function report(
  needs: (shape: LoadShape) => MemoryEstimate,
  shape: LoadShape,
  memory: AvailableMemory,
  kind: ModelKind,
): FitReport {
  const room = usable(memory);
  const estimate = needs(shape);
  const result: FitReport = { fits: estimate.totalBytes <= room, estimate, freeBytes: memory.freeBytes };
  if (memory.device) result.device = memory.device;
  if (result.fits) return result;
  const suggestion = smallerLoad(needs, shape, room) ?? largestThatFits(kind, room);
  if (suggestion) result.suggestion = suggestion;
  return result;
}

function smallerLoad(
  needs: (shape: LoadShape) => MemoryEstimate,
  shape: LoadShape,
  room: number,
): FitSuggestion | undefined {
  const fits = (contextTokens: number, sequences: number) => needs({ contextTokens, sequences }).totalBytes <= room;
  for (let sequences = shape.sequences - 1; sequences >= 1; sequences -= 1) {
    if (fits(shape.contextTokens, sequences)) {
      return {
        sequences,
        text: `It fits with ${sequences} of ${shape.sequences} conversations at a time (FREEHOLD_MAX_SEQUENCES=${sequences}).`,
      };
    }
  }
  for (let contextTokens = shape.contextTokens / 2; contextTokens >= 2048; contextTokens /= 2) {
    const tokens = Math.floor(contextTokens);
    if (fits(tokens, 1)) {
      const settings = `FREEHOLD_CONTEXT_TOKENS=${tokens}${shape.sequences > 1 ? ' FREEHOLD_MAX_SEQUENCES=1' : ''}`;
      return { contextTokens: tokens, sequences: 1, text: `It fits with a context of ${tokens} tokens (${settings}).` };
    }
  }
  return undefined;
}

function largestThatFits(kind: ModelKind, room: number): FitSuggestion | undefined {
  const fitting = catalogue.filter((entry) => {
    const variant = entry.variants[0];
    if (entry.kind !== kind || !variant) return false;
    return estimateCatalogueMemory(entry, variant, { contextTokens: 0, sequences: 1 }).totalBytes <= room;
  });
  const largest = fitting.toSorted((a, b) => b.parameters - a.parameters)[0];
  if (!largest) return undefined;
  return {
    model: largest.name,
    text: `The largest ${kind} model that fits is ${largest.name}: freehold pull ${largest.name}`,
  };
}

/** Passes where the model fits or `force` is set. @throws FreeholdError does_not_fit with the reason and the nearest that fits */
export function requireFit(gguf: GgufFile, options: FitOptions & { name: string; force?: boolean }): FitReport {
  const found = checkFit(gguf, options);
  if (!found.fits && !options.force) throw doesNotFit(options.name, found, options);
  return found;
}

/** The error for a report that says no. */
export function doesNotFit(name: string, found: FitReport, shape: LoadShape): FreeholdError {
  const { weightsBytes, kvBytes, computeBytes, totalBytes } = found.estimate;
  const where = found.device ? ` on ${found.device}` : '';
  const context = shape.contextTokens ? ` with ${shape.sequences} x ${shape.contextTokens} tokens of context` : '';
  return new FreeholdError(
    'does_not_fit',
    `${name} needs about ${formatBytes(totalBytes)}${context} (weights ${formatBytes(weightsBytes)}, cache ` +
      `${formatBytes(kvBytes)}, buffers ${formatBytes(computeBytes)}), and ${formatBytes(found.freeBytes)} is free${where}.`,
    { hint: `${found.suggestion?.text ?? 'Free some memory.'} To try all the same, pass --force (FREEHOLD_FORCE=1).` },
  );
}
