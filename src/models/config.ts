// What a language model is, as numbers: enough to write its graph down, to list its parameters and to describe it in a GGUF.
// Knows no weights and no training. The terms are those of GGUF.
import { z } from 'zod';
import { FreeholdError } from '../lib/errors.ts';
import type { RopePairing, Shape } from '../tensor/tensor.ts';

/** Architectures as `general.architecture` of GGUF names them. */
export const architectureNames = ['qwen3', 'llama'] as const;
export type ArchitectureName = (typeof architectureNames)[number];

/** Where one decoder differs from another; `decoder.ts` holds what they share. */
export interface Architecture {
  name: ArchitectureName;
  /** How RoPE pairs the numbers of a head. libllama knows it by the name of the architecture. */
  pairing: RopePairing;
  /** Whether the queries and keys of every head pass an RMSNorm before RoPE (Henry et al. 2020). */
  queryKeyNorm: boolean;
}

const size = z.int().min(1);

export const modelConfigSchema = z.strictObject({
  architecture: z.enum(architectureNames),
  /** Tokens there are, special ones included. */
  vocab: size,
  /** Tokens of a sequence in training, and most that the model is said to take. */
  context: size,
  layers: size,
  /** Numbers a token has between layers. */
  width: size,
  /** Heads of queries. */
  heads: size,
  /** Heads of keys and values; divides `heads`. */
  kvHeads: size,
  /** Numbers of one head; even, because RoPE turns pairs. */
  headSize: size,
  feedForward: size,
  ropeBase: z.number().positive(),
  /** What RMSNorm adds to the mean of squares. */
  epsilon: z.number().positive(),
  /** Whether the embedding is also the head. */
  tied: z.boolean(),
});

export type ModelConfig = z.infer<typeof modelConfigSchema>;

/** How values are drawn before training. A normal distribution has mean 0. */
export type Initialisation = { kind: 'normal'; deviation: number } | { kind: 'ones' } | { kind: 'zeros' };

/**
 * What a parameter is for, which decides what trains it: `matrix` is a linear map between activations, `embedding` a table of
 * tokens (the head too, where they are tied), `head` the map to the vocabulary, `norm` a vector of factors.
 */
export type ParameterRole = 'matrix' | 'embedding' | 'head' | 'norm';

export interface ParameterSpec {
  /** As in GGUF, e.g. `blk.0.attn_q.weight`. */
  name: string;
  /** Row-major: a matrix is (out, in). */
  shape: Shape;
  init: Initialisation;
  role: ParameterRole;
}

/**
 * Sizes that go together.
 * @throws FreeholdError config_invalid naming the first that does not
 */
export function checkModelConfig(config: ModelConfig): ModelConfig {
  const parsed = modelConfigSchema.safeParse(config);
  if (!parsed.success) throw invalid(firstIssue(parsed.error));
  const { heads, kvHeads, headSize } = config;
  if (headSize % 2 !== 0) throw invalid(`the head size is ${headSize}, expected an even number: RoPE turns pairs`);
  if (heads % kvHeads !== 0) {
    throw invalid(`${kvHeads} heads of keys and values do not divide ${heads} heads of queries`, divisorsHint(heads));
  }
  return config;
}

/** e.g. `learningRates.matrix: Too small: expected number to be >0` */
export function firstIssue({ issues: [issue] }: z.ZodError): string {
  return [...(issue?.path.length ? [issue.path.join('.')] : []), issue?.message].join(': ');
}

/** Says which numbers would have divided, the small ones. */
export function divisorsHint(number: number): string {
  const divisors = Array.from({ length: Math.min(number, mostDivisor) }, (_, i) => i + 1).filter(
    (divisor) => number % divisor === 0,
  );
  return `One of ${divisors.join(', ')} would do.`;
}

/** Largest that is worth naming. */
const mostDivisor = 256;

export function invalid(fault: string, hint?: string): FreeholdError {
  return new FreeholdError('config_invalid', `This model cannot be built: ${fault}.`, hint ? { hint } : {});
}
