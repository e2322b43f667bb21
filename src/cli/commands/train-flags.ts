// The flags of `freehold train`, and how they become what train/plan.ts plans. Whatever follows from --depth can be given.
import { type Command, Option } from 'commander';
import type { PlanRequest } from '../../train/plan.ts';
import { type CommonOptions, number } from '../command.ts';
import { usageError } from '../failure.ts';

export interface TrainOptions extends CommonOptions {
  detach?: boolean;
  yes?: boolean;
  plan?: boolean;
  name?: string;
  depth?: number;
  architecture?: 'qwen3' | 'llama';
  layers?: number;
  width?: number;
  heads?: number;
  kvHeads?: number;
  headSize?: number;
  feedForward?: number;
  context?: number;
  tied?: boolean;
  vocab?: number;
  tokenizer?: string;
  steps?: number;
  tokens?: number;
  batch?: number;
  encoding?: string;
  order?: 'packed' | 'windows';
  validation?: number;
  optimizer?: 'muon' | 'adamw' | 'sgd';
  schedule?: 'constant' | 'cosine' | 'trapezoid' | 'wsd';
  warmup?: number;
  decay?: number;
  finalFactor?: number;
  learningRate?: number;
  embeddingLearningRate?: number;
  headLearningRate?: number;
  normLearningRate?: number;
  weightDecay?: number;
  beta1?: number;
  beta2?: number;
  momentum?: number;
  clip?: number;
  seed?: number;
  validateEvery?: number;
  sampleEvery?: number;
  samplePrompt?: string;
  sampleTokens?: number;
  checkpointEvery?: number;
  keepLast?: number;
  compute?: 'f32' | 'f16' | 'bf16';
  recompute?: boolean;
  rowsPerPass?: number;
  threads?: string;
  device?: string;
}

const count = number(1, 1e12, 'whole');
const countOrNone = number(0, 1e9, 'whole');
const above0 = number(1e-9, 1e3);
const share = number(0, 0.999999);

/** Adds every flag but the common ones; those that follow from others say so. */
export function addTrainFlags(command: Command): Command {
  const add = (group: string, flags: string, help: string, parse?: (given: string) => unknown, choices?: string[]) => {
    const option = new Option(flags, help).helpGroup(group);
    if (parse) option.argParser(parse);
    if (choices) option.choices(choices);
    command.addOption(option);
  };
  command
    .option('--name <name>', 'Of the run; default: after the text.')
    .option('--detach', 'Leave it running in the background.')
    .option('--plan', 'Show the plan and stop there.')
    .option('-y, --yes', 'Do not ask, however long it will take.');

  const model = 'Model (follows from --depth):';
  add(
    model,
    '--depth <number>',
    'The one dial: layers, and from them width, batch, learning rates, tokens (default: 4).',
    number(1, 64, 'whole'),
  );
  add(model, '--context <tokens>', 'Tokens the model sees at once.', number(1, 1 << 18, 'whole'));
  add(model, '--vocab <number>', 'Tokens that the tokenizer learns.', number(1, 1 << 20, 'whole'));
  add(
    model,
    '--tokenizer <which>',
    'bpe (learned from the text), bytes, or a .gguf or tokenizer.json to take one from.',
  );
  add(model, '--architecture <name>', 'As GGUF names it (default: qwen3).', undefined, ['qwen3', 'llama']);
  add(model, '--layers <number>', 'Default: the depth.', number(1, 1024, 'whole'));
  add(model, '--width <number>', 'Numbers that stand for a token.', count);
  add(model, '--heads <number>', 'Attention heads; divide the width.', count);
  add(model, '--kv-heads <number>', 'Heads of keys and values; divide the heads.', count);
  add(model, '--head-size <number>', 'Numbers of a head.', count);
  add(model, '--feed-forward <number>', 'Width inside a layer.', count);
  add(model, '--tied', 'One matrix for embedding and head.');

  const budget = 'Text and budget:';
  add(budget, '--steps <number>', 'Steps to train for; in place of --tokens.', count);
  add(budget, '--tokens <number>', 'Tokens to train on: 12 for each parameter, at most 4 times the text.', count);
  add(budget, '--batch <number>', 'Sequences of one step, each as long as the context.', number(1, 1 << 16, 'whole'));
  add(
    budget,
    '--order <how>',
    'packed: whole documents, each token once an epoch; windows: from random places (default: packed).',
    undefined,
    ['packed', 'windows'],
  );
  add(budget, '--encoding <name>', 'Of files that are not UTF-8, such as windows-1252 (default: refused).');
  add(budget, '--validation <share>', 'Of the text, held out (default: 0.05).', number(0, 0.5));
  add(budget, '--seed <number>', 'The same seed gives the same run (default: 1).', number(0, 2 ** 32 - 1, 'whole'));

  const optimizer = 'Optimizer:';
  add(optimizer, '--optimizer <name>', 'Of the matrices; muon leaves the rest to AdamW (default: muon).', undefined, [
    'muon',
    'adamw',
    'sgd',
  ]);
  add(optimizer, '--learning-rate <number>', 'The highest one; with muon that of the matrices alone.', above0);
  add(optimizer, '--embedding-learning-rate <number>', 'Of the embedding.', above0);
  add(optimizer, '--head-learning-rate <number>', 'Of the head.', above0);
  add(optimizer, '--norm-learning-rate <number>', 'Of the norms.', above0);
  add(optimizer, '--schedule <name>', 'trapezoid (wsd), cosine or constant (default: trapezoid).', undefined, [
    'trapezoid',
    'wsd',
    'cosine',
    'constant',
  ]);
  add(optimizer, '--warmup <steps>', 'Steps over which learning rates rise.', countOrNone);
  add(optimizer, '--decay <steps>', 'Steps at the end over which they fall.', countOrNone);
  add(optimizer, '--final-factor <share>', 'What is left of them at the end (default: 0).', number(0, 1));
  add(optimizer, '--weight-decay <number>', 'Of matrices (default: 0.1).', number(0, 100));
  add(optimizer, '--beta1 <number>', 'Of AdamW (default: 0.9).', share);
  add(optimizer, '--beta2 <number>', 'Of AdamW (default: 0.95).', share);
  add(optimizer, '--momentum <number>', 'Of Muon and SGD (default: 0.95).', share);
  add(optimizer, '--clip <norm>', 'Most that all gradients together may be; 0: no limit (default: 0).', number(0, 1e9));

  const along = 'Along the way (0: never):';
  add(along, '--validate-every <steps>', 'Default: 20 times a run.', countOrNone);
  add(along, '--sample-every <steps>', 'Let the model write; default: 20 times a run.', countOrNone);
  add(along, '--sample-prompt <text>', 'What a sample begins with.');
  add(along, '--sample-tokens <number>', 'Length of a sample (default: 64).', number(1, 10_000, 'whole'));
  add(along, '--checkpoint-every <steps>', 'Besides one each 5 minutes and one at each best validation.', countOrNone);
  add(along, '--keep-last <number>', 'Checkpoints kept besides the best (default: 2).', number(1, 1000, 'whole'));

  const machine = 'Machine:';
  add(machine, '--compute <type>', 'Of matrix products (default: f32).', undefined, ['f32', 'f16', 'bf16']);
  add(machine, '--recompute', 'Compute every layer twice, to need less memory.');
  add(machine, '--rows-per-pass <number>', 'Sequences computed at once; the others of a step follow.', count);
  return command;
}

/**
 * @param machine threads (0: one a core) and device, from the settings
 * @throws FreeholdError usage for flags that exclude each other
 */
export async function planRequest(
  sources: readonly string[],
  options: TrainOptions,
  machine: { threads: number; device: string },
): Promise<PlanRequest> {
  const { optimizer = 'muon', learningRate } = options;
  if (options.steps !== undefined && options.tokens !== undefined) {
    throw usageError('--steps and --tokens say the same thing twice.', 'Give one of them.');
  }
  const all = optimizer === 'muon' ? undefined : learningRate;
  const { architecture, layers, width, heads, kvHeads, headSize, feedForward, context, tied, steps, tokens } = options;
  const tokenizer = tokenizerOf(options);
  return defined({
    sources,
    depth: options.depth,
    name: options.name,
    seed: options.seed,
    tokenizer,
    validation: options.validation,
    encoding: options.encoding,
    order: options.order,
    overrides: defined({
      architecture,
      layers,
      width,
      heads,
      kvHeads,
      headSize,
      feedForward,
      context,
      tied,
      steps,
      tokens,
      optimizer: options.optimizer,
      batchTokens: await batchTokens(options),
      schedule: options.schedule === 'wsd' ? 'trapezoid' : options.schedule,
      warmupSteps: options.warmup,
      decaySteps: options.decay,
      finalFactor: options.finalFactor,
      weightDecay: options.weightDecay,
      matrixLearningRate: learningRate,
      embeddingLearningRate: options.embeddingLearningRate ?? all,
      headLearningRate: options.headLearningRate ?? all,
      normLearningRate: options.normLearningRate ?? all,
    }),
    optimizer: { beta1: options.beta1, beta2: options.beta2, momentum: options.momentum, clip: options.clip },
    memory: { computeType: options.compute, recompute: options.recompute, rowsPerPass: options.rowsPerPass },
    validate: { everySteps: options.validateEvery },
    samples: { everySteps: options.sampleEvery, prompt: options.samplePrompt, tokens: options.sampleTokens },
    checkpoints: { everySteps: options.checkpointEvery, keepLast: options.keepLast },
    device: machine.device === 'cpu' ? 'cpu' : 'auto',
    threads: machine.threads,
  } as const);
}

/** People count sequences, the plan counts tokens; how long a sequence is may follow from the depth. */
async function batchTokens({ batch, context, depth }: TrainOptions): Promise<number | undefined> {
  if (batch === undefined) return undefined;
  if (context !== undefined) return batch * context;
  const { derive } = await import('../../models/dial.ts');
  return batch * derive(depth ?? 4, { vocab: 512 }).model.context;
}

function tokenizerOf({ tokenizer, vocab }: TrainOptions): PlanRequest['tokenizer'] {
  if (tokenizer !== undefined && tokenizer !== 'bpe') {
    if (vocab !== undefined) {
      throw usageError(
        `The tokenizer ${tokenizer} has a vocabulary of its own, so --vocab says nothing.`,
        'Leave one out.',
      );
    }
    return tokenizer === 'bytes' ? { kind: 'bytes' } : { kind: 'file', file: tokenizer };
  }
  if (vocab !== undefined) return { kind: 'bpe', vocab };
  return tokenizer === undefined ? undefined : { kind: 'bpe' };
}

type Defined<Value> = { [Key in keyof Value as undefined extends Value[Key] ? never : Key]: Value[Key] } & {
  [Key in keyof Value as undefined extends Value[Key] ? Key : never]?: Exclude<Value[Key], undefined>;
};

/** Without what is undefined. */
function defined<Value extends object>(value: Value): Defined<Value> {
  return Object.fromEntries(Object.entries(value).filter(([, each]) => each !== undefined)) as Defined<Value>;
}
