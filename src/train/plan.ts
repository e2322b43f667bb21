// A run before it begins: what it will train, on what, with how much memory, for how long. Everything that can be known to fail is
// found here, before hours are spent. The outcome is the settings that the run then keeps.
import path from 'node:path';
import { requireDiskSpace } from '../hub/disk.ts';
import { availableMemory } from '../hub/memory.ts';
import { FreeholdError } from '../lib/errors.ts';
import { formatBytes } from '../lib/units.ts';
import { flopsPerToken, parameterCount } from '../models/costs.ts';
import type { Recipe } from '../models/dial.ts';
import { derive, type Overrides, vocabularyFor } from '../models/dial.ts';
import type { Device, Program } from '../tensor/device.ts';
import type { PreTokenizerName } from '../tokenizer/pre-tokenizers.ts';
import { bytesTokenizer } from '../tokenizer/tokenizer.ts';
import { type CorpusReport, checkCorpus, findTextFiles } from './corpus.ts';
import { measureGemm, measureSteps } from './measure.ts';
import { memoryOf } from './memory-estimate.ts';
import { optimizerOf } from './optimizer.ts';
import { isPool, openPool } from './pool.ts';
import { checkSettings, type RunSettings, type TokenizerChoice } from './run-settings.ts';
import { readTokenizerFile } from './run-tokenizer.ts';
import { createStepRunner, initialiseParameters, trainingPrograms } from './step-runner.ts';

/** A part of the settings given in place of what would follow. */
type Given<Part> = { [Key in keyof Part]?: Part[Key] | undefined };

export interface PlanRequest {
  /** Files and folders of text, or the folder of one packed pool. */
  sources: readonly string[];
  /** Default 4 */
  depth?: number;
  /** In place of what follows from the depth. */
  overrides?: Overrides;
  name?: string;
  /** Default 1 */
  seed?: number;
  /** Default: BPE of as many tokens as suit the texts; of a pool, its own. */
  tokenizer?:
    | { kind: 'bytes' }
    | { kind: 'bpe'; vocab?: number; preTokenizer?: PreTokenizerName }
    | { kind: 'file'; file: string };
  /** Share that is held out. Default 0.05 */
  validation?: number;
  /** Of files that are not UTF-8. Default: such files are refused */
  encoding?: string;
  /** Default packed */
  order?: RunSettings['data']['order'];
  optimizer?: Given<RunSettings['optimizer']>;
  memory?: Given<RunSettings['memory']>;
  validate?: Given<RunSettings['validation']>;
  samples?: Given<RunSettings['samples']>;
  checkpoints?: Given<RunSettings['checkpoints']>;
  device?: RunSettings['device'];
  threads?: number;
}

export interface RunPlan {
  settings: RunSettings;
  corpus: CorpusReport & {
    /** Tokens there are; an estimate before there is a tokenizer. */
    tokens: number;
    exact: boolean;
  };
  parameters: ReturnType<typeof parameterCount>;
  memory: PlannedMemory;
  tokens: number;
  /** Passes over the texts. */
  epochs: number;
  flops: number;
  /** Where a device was given. */
  measured?: {
    device: string;
    tokensPerSecond: number;
    flopsPerSecond: number;
    /** Of the device's own matrix product. */
    gemmFlopsPerSecond: number;
    /** Without validation, samples and checkpoints. */
    etaSeconds: number;
  };
}

/** In bytes. */
export interface PlannedMemory {
  parameters: number;
  /** What the optimizer keeps, and sums of gradients. */
  optimizer: number;
  /** Intermediate values of a step. */
  activations: number;
  /** The program itself, and copies at a checkpoint. */
  process: number;
  total: number;
  free: number;
}

export interface PlanOptions {
  /** Where runs will lie: there has to be room on its disk. */
  home: string;
  /** Opens a device to measure on, which the plan then closes. Default: nothing is measured. */
  openDevice?: (settings: RunSettings) => Device;
  /** Free memory in bytes; default what the machine has. */
  freeBytes?: number;
  /** @param share 0 to 1 */
  onProgress?: (phase: 'reading' | 'measuring', share: number) => void;
  signal?: AbortSignal;
}

const processBytes = 250e6;
/** ggml takes 1 to 15 % more than the graph tells (5 M to 28 M parameters), and a validation has its own. */
const slack = 1.2;
const defaultDepth = 4;
/** Places of one pass, which is as much as makes matrix products fast. */
const passPlaces = 4096;
/** Numbers of the logits that exist at a time. */
const chunkNumbers = 1 << 22;
/** Contexts beyond which queries go in larger chunks, so that there are not too many. */
const manyChunks = 8192;
/** Contexts up to which probabilities are kept rather than computed again. */
const keptContext = 256;

/**
 * @throws FreeholdError data_invalid, file_not_found, file_io for the texts; config_invalid for sizes that do not go together;
 * does_not_fit with the numbers; disk_full
 */
export async function planRun(request: PlanRequest, options: PlanOptions): Promise<RunPlan> {
  const corpus = await lookAt(request, options);
  const choice = await chooseTokenizer(request, corpus);
  const text = { bytes: corpus.bytes, tokens: corpus.tokens ?? Math.round(corpus.bytes / bytesPerToken(choice)) };
  const recipe = derive(request.depth ?? defaultDepth, { ...request.overrides, vocab: choice.vocab }, text);
  const free = options.freeBytes ?? availableMemory().freeBytes;
  const { settings, memory } = fitInto(free, settingsOf(request, recipe, choice.tokenizer), corpus.mixed);
  await requireDiskSpace(options.home, diskNeed(settings, memory, text.tokens), 'The run with its checkpoints');
  const flops = flopsPerToken(recipe.model) * recipe.tokens;
  return {
    settings,
    corpus: { ...corpus.report, tokens: text.tokens, exact: corpus.tokens !== undefined || choice.exact },
    parameters: parameterCount(recipe.model),
    memory,
    tokens: recipe.tokens,
    epochs: recipe.tokens / text.tokens,
    flops,
    ...(options.openDevice && { measured: await measure(settings, options, corpus.mixed) }),
  };
}

interface Looked {
  report: CorpusReport;
  bytes: number;
  /** Of a pool, which knows. */
  tokens?: number;
  vocab?: number;
  /** Whether rows will hold several documents, as far as can be told. */
  mixed: boolean;
  pool?: string;
}

async function lookAt(request: PlanRequest, options: PlanOptions): Promise<Looked> {
  const [first] = request.sources;
  if (first !== undefined && request.sources.length === 1 && (await isPool(first))) {
    const pool = await openPool(first);
    const { bytes, vocab } = pool.manifest;
    const documents = pool.documents.length;
    const { tokens } = pool;
    pool.close();
    return {
      report: { files: 1, documents, bytes, emptyFiles: [], convertedFiles: [] },
      bytes,
      tokens,
      vocab,
      mixed: true,
      pool: first,
    };
  }
  const files = await findTextFiles(request.sources, { encoding: request.encoding });
  const size = files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const report = await checkCorpus(files, {
    onProgress: (bytes) => options.onProgress?.('reading', size === 0 ? 1 : bytes / size),
    ...(options.signal && { signal: options.signal }),
  });
  return { report, bytes: report.bytes, mixed: report.documents > 1 };
}

async function chooseTokenizer(
  { tokenizer, overrides, depth = defaultDepth }: PlanRequest,
  corpus: Looked,
): Promise<{ tokenizer: TokenizerChoice; vocab: number; exact: boolean }> {
  if (corpus.pool !== undefined) {
    const file = path.resolve(corpus.pool, 'tokenizer.json');
    return { tokenizer: { kind: 'file', file }, vocab: corpus.vocab as number, exact: true };
  }
  switch (tokenizer?.kind) {
    case 'bytes':
      return { tokenizer, vocab: bytesTokenizer().vocab, exact: true };
    case 'file': {
      const file = path.resolve(tokenizer.file);
      return { tokenizer: { kind: 'file', file }, vocab: (await readTokenizerFile(file)).vocab, exact: false };
    }
    case 'bpe':
    case undefined: {
      if (!tokenizer && overrides?.vocab === undefined && corpus.bytes < leastBytesForBpe)
        return chooseTokenizer({ depth, sources: [], tokenizer: { kind: 'bytes' } }, corpus);
      const vocab = tokenizer?.vocab ?? overrides?.vocab ?? vocabularyFor(depth, corpus.bytes, overrides?.width);
      const { preTokenizer } = tokenizer ?? {};
      return { tokenizer: { kind: 'bpe', vocab, ...(preTokenizer && { preTokenizer }) }, vocab, exact: false };
    }
    default:
      return tokenizer satisfies never;
  }
}

/** Shorter texts teach no tokenizer worth having. */
const leastBytesForBpe = 32_768;

/** Of English text: fitted to BPE vocabularies from 512 to 32,768. */
function bytesPerToken({ tokenizer, vocab }: { tokenizer: TokenizerChoice; vocab: number }): number {
  return tokenizer.kind === 'bytes' ? 1 : Math.max(1, 0.4 * Math.log2(vocab) - 1.5);
}

function settingsOf(request: PlanRequest, recipe: Recipe, tokenizer: TokenizerChoice): RunSettings {
  const { context, vocab } = recipe.model;
  const rows = recipe.batchTokens / context;
  const rowsPerPass =
    request.memory?.rowsPerPass ?? largestDivisor(rows, Math.max(1, Math.floor(passPlaces / context)));
  const every = Math.max(1, Math.ceil(recipe.steps / 20));
  const defined = <Part extends object>(part: Part | undefined) =>
    Object.fromEntries(Object.entries(part ?? {}).filter(([, value]) => value !== undefined)) as Partial<Part>;
  return checkSettings(
    {
      version: 1,
      name: request.name ?? nameFor(request.sources[0] ?? 'run'),
      createdAt: new Date().toISOString(),
      seed: request.seed ?? 1,
      recipe,
      data: {
        sources: request.sources.map((source) => path.resolve(source)),
        ...(request.encoding !== undefined && { encoding: request.encoding }),
        tokenizer,
        validation: request.validation ?? 0.05,
        order: request.order ?? 'packed',
      },
      optimizer: { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, momentum: 0.95, clip: 0, ...defined(request.optimizer) },
      memory: {
        recompute: false,
        computeType: 'f32',
        lossChunk: Math.max(64, Math.floor(chunkNumbers / vocab)),
        keepAttention: context <= keptContext,
        // ggml plans a few hundred intermediate values at a time
        attentionChunk: context > manyChunks ? Math.ceil(context / 64) : 0,
        ...defined(request.memory),
        rowsPerPass,
      },
      validation: { everySteps: every, mostTokens: 1 << 16, ...defined(request.validate) },
      samples: { everySteps: every, prompt: '', tokens: 64, temperature: 0.8, ...defined(request.samples) },
      checkpoints: { everySteps: 0, everyMinutes: 5, keepLast: 2, keepBest: true, ...defined(request.checkpoints) },
      device: request.device ?? 'auto',
      threads: request.threads ?? 0,
    } satisfies RunSettings,
    'The plan',
  );
}

function nameFor(source: string): string {
  const stem = path.basename(path.resolve(source)).replace(/\.[a-z0-9]{1,5}$/i, '');
  const name = stem
    .toLowerCase()
    .replace(/[^a-z0-9._-]+/g, '-')
    .replace(/^[^a-z0-9]+|-+$/g, '');
  return name.slice(0, 40) || 'run';
}

function largestDivisor(number: number, most: number): number {
  for (let divisor = Math.min(most, number); divisor > 1; divisor--) if (number % divisor === 0) return divisor;
  return 1;
}

/** Takes rows off a pass, then recomputes layers, until the run fits. */
function fitInto(free: number, wanted: RunSettings, mixed: boolean): { settings: RunSettings; memory: PlannedMemory } {
  const rows = wanted.recipe.batchTokens / wanted.recipe.model.context;
  let settings = wanted;
  for (;;) {
    const memory = memoryNeed(settings, mixed, free);
    if (memory.total <= free) return { settings, memory };
    const { rowsPerPass, recompute } = settings.memory;
    if (rowsPerPass > 1) {
      const fewer = largestDivisor(rows, Math.ceil(rowsPerPass / 2));
      settings = { ...settings, memory: { ...settings.memory, rowsPerPass: fewer < rowsPerPass ? fewer : 1 } };
    } else if (!recompute) {
      settings = { ...settings, memory: { ...settings.memory, recompute: true, keepAttention: false } };
    } else throw doesNotFit(memory);
  }
}

function memoryNeed(settings: RunSettings, mixed: boolean, free: number): PlannedMemory {
  const shape = { rows: settings.memory.rowsPerPass, mixed };
  const programs: Program[] = trainingPrograms(settings, optimizerOf(settings), shape);
  const { stateBytes, workBytes } = memoryOf(programs);
  const parameters = 4 * parameterCount(settings.recipe.model).total;
  const activations = Math.round(workBytes * slack);
  const parts = { parameters, optimizer: stateBytes - parameters, activations, process: processBytes };
  return { ...parts, total: parts.parameters + parts.optimizer + parts.activations + parts.process, free };
}

function doesNotFit({ total, free, parameters, optimizer, activations }: PlannedMemory): FreeholdError {
  const parts = `parameters ${formatBytes(parameters)}, optimizer ${formatBytes(optimizer)}, one row ${formatBytes(activations)}`;
  return new FreeholdError(
    'does_not_fit',
    `The run needs ${formatBytes(total)} of memory (${parts}), and ${formatBytes(free)} is free.`,
    { hint: 'Take a smaller --depth, a shorter --context or a smaller --vocab.' },
  );
}

/** Checkpoints that are kept and the one being written, and the texts as tokens. */
function diskNeed({ checkpoints, data }: RunSettings, memory: PlannedMemory, tokens: number): number {
  const kept = checkpoints.keepLast + (checkpoints.keepBest ? 1 : 0) + 1;
  return kept * (memory.parameters + memory.optimizer) + (data.tokenizer.kind === 'file' ? 0 : 4 * tokens);
}

async function measure(
  settings: RunSettings,
  { openDevice, onProgress, signal }: PlanOptions,
  mixed: boolean,
): Promise<RunPlan['measured']> {
  if (!openDevice) return undefined;
  const device = openDevice(settings);
  try {
    onProgress?.('measuring', 0);
    const gemmFlopsPerSecond = await measureGemm(device);
    signal?.throwIfAborted();
    const shorter = ofFewPasses(settings);
    const runner = createStepRunner(device, shorter, { mixed });
    try {
      initialiseParameters(device, settings);
      onProgress?.('measuring', 0.3);
      const rate = await measureSteps(runner, shorter, { mixed });
      onProgress?.('measuring', 1);
      return {
        device: device.name,
        ...rate,
        // other programs may have slowed it down when it was measured
        gemmFlopsPerSecond: Math.max(gemmFlopsPerSecond, rate.flopsPerSecond),
        etaSeconds: settings.recipe.tokens / rate.tokensPerSecond,
      };
    } finally {
      runner.dispose();
    }
  } finally {
    device.dispose();
  }
}

/** With two passes a step where there are more: a step of millions of tokens would take minutes to measure. */
function ofFewPasses(settings: RunSettings): RunSettings {
  const { recipe, memory } = settings;
  const batchTokens = Math.min(recipe.batchTokens, 2 * memory.rowsPerPass * recipe.model.context);
  return { ...settings, recipe: { ...recipe, batchTokens } };
}
