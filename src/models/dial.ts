// One dial for a whole training run: from `depth` follow the sizes of the model, the batch, the learning rates and how many tokens to
// train on. Whatever follows can be given instead; the outcome is one plain object, which a run keeps and never derives again.
// After nanochat (Karpathy 2025); where its rules were measured and where ours differ: docs/decisions/training-models.md.
import { z } from 'zod';
import { FreeholdError } from '../lib/errors.ts';
import { checkModelConfig, divisorsHint, firstIssue, invalid, type ModelConfig, modelConfigSchema } from './config.ts';
import { multipliedParameters } from './costs.ts';

const positive = z.number().positive();
const count = z.int().min(1);

export const recipeSchema = z.strictObject({
  depth: count,
  model: modelConfigSchema,
  /** What trains the matrices. Embedding, head and norms are trained by AdamW unless it is `sgd`. */
  optimizer: z.enum(['muon', 'adamw', 'sgd']),
  /** Tokens to train on, in all steps together. */
  tokens: count,
  /** Tokens of one step, a multiple of the context. */
  batchTokens: count,
  steps: count,
  /** The highest ones, by `ParameterRole`. */
  learningRates: z.strictObject({ matrix: positive, embedding: positive, head: positive, norm: positive }),
  /** Of matrices. The other parameters are not decayed. */
  weightDecay: z.number().min(0),
  /** Learning rates rise for `warmupSteps`, stay, and fall for `decaySteps` to `finalFactor` of what they were. */
  schedule: z.strictObject({
    kind: z.enum(['constant', 'cosine', 'trapezoid']),
    warmupSteps: z.int().min(0),
    decaySteps: z.int().min(0),
    finalFactor: z.number().min(0).max(1),
  }),
});

/** Everything that follows from the dial. */
export type Recipe = z.infer<typeof recipeSchema>;

/** What can be given in place of what would follow. */
export interface Overrides extends Partial<ModelConfig> {
  optimizer?: Recipe['optimizer'];
  tokens?: number;
  /** Alternative to `tokens`. */
  steps?: number;
  /** Default 12: what nanochat measured, for matrices and head. */
  tokensPerParameter?: number;
  /** Most passes over the text. Default 4: more of them are worth less than new text (Muennighoff et al. 2023). */
  mostEpochs?: number;
  batchTokens?: number;
  matrixLearningRate?: number;
  embeddingLearningRate?: number;
  headLearningRate?: number;
  normLearningRate?: number;
  weightDecay?: number;
  schedule?: Recipe['schedule']['kind'];
  warmupSteps?: number;
  decaySteps?: number;
  finalFactor?: number;
}

/** The text there is, as far as it is known: bytes before there is a tokenizer, tokens after. */
export interface TextSize {
  bytes?: number;
  tokens?: number;
}

const mostDepth = 64;
/** 256 bytes and one token that ends a text. */
const leastVocabulary = 257;
const powerOfTwo = {
  nearest: (x: number) => 2 ** Math.round(Math.log2(x)),
  below: (x: number) => 2 ** Math.floor(Math.log2(x)),
};
const roundUp = (x: number, multiple: number) => Math.ceil(x / multiple) * multiple;

/**
 * @param depth layers, 1 to 64
 * @throws FreeholdError config_invalid naming a value that is not possible
 */
export function derive(depth: number, overrides: Overrides = {}, text: TextSize = {}): Readonly<Recipe> {
  const model = deriveModel(depth, overrides, text);
  const optimizer = overrides.optimizer ?? 'muon';
  const budget = tokenBudget(model, overrides, text);
  const batchTokens = batchOf(model, overrides, budget);
  const steps = overrides.steps ?? Math.max(1, Math.ceil(budget / batchTokens));
  if (overrides.tokens !== undefined && Math.ceil(overrides.tokens / batchTokens) !== steps)
    throw invalid(`${overrides.tokens} tokens are not ${steps} steps of ${batchTokens}`, 'Give tokens or steps.');
  const kind = overrides.schedule ?? 'trapezoid';
  const warmupSteps = overrides.warmupSteps ?? Math.min(40, Math.floor(steps / 20));
  const recipe: Recipe = {
    depth,
    model,
    optimizer,
    tokens: overrides.tokens ?? steps * batchTokens,
    batchTokens,
    steps,
    learningRates: learningRatesOf(model, optimizer, overrides),
    weightDecay: overrides.weightDecay ?? (optimizer === 'muon' ? 0.01 : 0.1),
    schedule: {
      kind,
      warmupSteps,
      decaySteps: overrides.decaySteps ?? decayStepsOf(kind, steps, warmupSteps),
      finalFactor: overrides.finalFactor ?? 0,
    },
  };
  return freeze(checkRecipe(recipe));
}

/**
 * Tokens that a vocabulary learned from so much text should have: the square root of its bytes, so that rare tokens are still seen
 * often enough, and no more than make the head cost what all layers cost. A power of two from 512 to 65,536.
 */
export function vocabularyFor(depth: number, bytes: number, width = widthOf(depth)): number {
  const affordable = powerOfTwo.below(12 * depth * width);
  return Math.min(65_536, Math.max(512, Math.min(powerOfTwo.nearest(Math.sqrt(Math.max(1, bytes))), affordable)));
}

const widthOf = (depth: number) => 64 * depth;

function deriveModel(depth: number, given: Overrides, text: TextSize): ModelConfig {
  if (!Number.isInteger(depth) || depth < 1 || depth > mostDepth)
    throw invalid(`the depth is ${depth}, expected a whole number from 1 to ${mostDepth}`);
  const width = given.width ?? widthOf(depth);
  const vocab = given.vocab ?? vocabularyFor(depth, text.bytes ?? (text.tokens ?? 2 ** 23) * 4, width);
  if (vocab < leastVocabulary)
    throw invalid(`a vocabulary of ${vocab} tokens is too small: 256 bytes and a token that ends a text are the least`);
  const heads = given.heads ?? headsOf(width, given.headSize);
  if (given.headSize === undefined && width % heads !== 0)
    throw invalid(`${heads} heads do not divide a width of ${width}`, divisorsHint(width));
  const kvHeads = given.kvHeads ?? (heads >= 8 && heads % 2 === 0 ? heads / 2 : heads);
  return checkModelConfig({
    architecture: given.architecture ?? 'qwen3',
    vocab,
    context: given.context ?? Math.min(2048, 256 * 2 ** Math.floor(depth / 4)),
    layers: given.layers ?? depth,
    width,
    heads,
    kvHeads,
    headSize: given.headSize ?? width / heads,
    feedForward: given.feedForward ?? roundUp((width * 8) / 3, width < 256 ? 32 : 64),
    ropeBase: given.ropeBase ?? 10_000,
    epsilon: given.epsilon ?? 1e-6,
    tied: given.tied ?? false,
  });
}

/** Heads of 64 numbers, of 32 where that leaves fewer than four; one head where neither divides the width. */
function headsOf(width: number, headSize?: number): number {
  if (headSize !== undefined) return Math.max(1, Math.floor(width / headSize));
  const wanted = width >= 4 * 64 ? 64 : 32;
  return [wanted, 64, 32, 16].map((size) => width / size).find(Number.isInteger) ?? 1;
}

function tokenBudget(model: ModelConfig, given: Overrides, text: TextSize): number {
  if (given.tokens !== undefined) {
    if (!Number.isSafeInteger(given.tokens) || given.tokens < 1)
      throw invalid(`training on ${given.tokens} tokens, expected a whole number from 1 on`);
    return given.tokens;
  }
  const wanted = (given.tokensPerParameter ?? 12) * multipliedParameters(model);
  return Math.max(1, Math.min(wanted, (text.tokens ?? Number.POSITIVE_INFINITY) * (given.mostEpochs ?? 4)));
}

/**
 * The best batch grows with the tokens of a run to the power of 0.383 (Bergsma et al. 2025); for small runs that would be too few
 * steps, so a run has about a thousand of them at least.
 */
function batchOf({ context }: ModelConfig, given: Overrides, budget: number): number {
  const best = Math.min(budget / 1024, 2 ** 16 * (budget / 2 ** 26) ** 0.383);
  const wanted = given.batchTokens ?? powerOfTwo.nearest(Math.max(1, best));
  if (!Number.isSafeInteger(wanted) || wanted < 1)
    throw invalid(`a batch of ${wanted} tokens, expected a whole number from 1 on`);
  if (given.batchTokens !== undefined && wanted % context !== 0)
    throw invalid(
      `a batch of ${wanted} tokens is no whole number of sequences of ${context}`,
      `${roundUp(wanted, context)} would be ${roundUp(wanted, context) / context} of them.`,
    );
  return Math.max(1, Math.round(wanted / context)) * context;
}

/** Rates for wide models are lower. Measured on small ones: docs/decisions/training-models.md. */
function learningRatesOf(
  { width, tied }: ModelConfig,
  optimizer: Recipe['optimizer'],
  given: Overrides,
): Recipe['learningRates'] {
  const forWidth = (width / 768) ** -0.5;
  const adam = 0.001 * forWidth;
  const usual = {
    muon: {
      matrix: 0.02 * forWidth ** 0.5,
      embedding: tied ? 0.05 : 0.1 * forWidth,
      head: 0.008 * forWidth,
      norm: 0.01,
    },
    adamw: { matrix: adam, embedding: adam, head: adam, norm: adam },
    sgd: { matrix: 0.1, embedding: 0.1, head: 0.1, norm: 0.1 },
  }[optimizer];
  return {
    matrix: given.matrixLearningRate ?? usual.matrix,
    embedding: given.embeddingLearningRate ?? usual.embedding,
    head: given.headLearningRate ?? usual.head,
    norm: given.normLearningRate ?? usual.norm,
  };
}

function decayStepsOf(kind: Recipe['schedule']['kind'], steps: number, warmupSteps: number): number {
  const left = Math.max(0, steps - warmupSteps);
  return { constant: 0, cosine: left, trapezoid: Math.min(left, Math.floor(steps / 2)) }[kind];
}

/**
 * A recipe as it came from a file.
 * @throws FreeholdError config_invalid
 */
export function checkRecipe(value: unknown): Recipe {
  const parsed = recipeSchema.safeParse(value);
  if (!parsed.success) {
    throw new FreeholdError('config_invalid', `The recipe of a run is not valid: ${firstIssue(parsed.error)}.`);
  }
  const recipe = parsed.data;
  checkModelConfig(recipe.model);
  const { warmupSteps, decaySteps } = recipe.schedule;
  if (warmupSteps + decaySteps > recipe.steps)
    throw invalid(`${warmupSteps} steps of warm-up and ${decaySteps} of decay are more than the run's ${recipe.steps}`);
  return recipe;
}

function freeze<T extends object>(value: T): Readonly<T> {
  for (const part of Object.values(value)) if (typeof part === 'object' && part !== null) freeze(part);
  return Object.freeze(value);
}
