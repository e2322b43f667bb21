// Everything that decides what a run does, frozen when it begins: run.json holds it, and every checkpoint. Nothing is derived again
// later, so a run that resumes under a newer release goes on as it began.
import { z } from 'zod';
import { FreeholdError } from '../lib/errors.ts';
import { recipeSchema } from '../models/dial.ts';
import { preTokenizerNames } from '../tokenizer/pre-tokenizers.ts';

const count = z.int().min(1);

export const tokenizerChoiceSchema = z.discriminatedUnion('kind', [
  /** A token for each byte: a vocabulary that knows nothing, for small models. */
  z.strictObject({ kind: z.literal('bytes') }),
  /** Byte-level BPE, learned from the texts of the run. */
  z.strictObject({ kind: z.literal('bpe'), vocab: count, preTokenizer: z.enum(preTokenizerNames).optional() }),
  /** That of a GGUF, or a tokenizer.json of ours. */
  z.strictObject({ kind: z.literal('file'), file: z.string() }),
]);

export type TokenizerChoice = z.infer<typeof tokenizerChoiceSchema>;

export const runSettingsSchema = z.strictObject({
  version: z.literal(1),
  name: z.string().min(1),
  /** ISO 8601. */
  createdAt: z.string(),
  /** Unsigned 32-bit: first values, order of the rows and samples follow from it. */
  seed: z.int().min(0).max(0xffffffff),
  recipe: recipeSchema,
  data: z.strictObject({
    /** Absolute paths: texts, or one packed pool. */
    sources: z.array(z.string()).min(1),
    /** Of files that are not UTF-8. */
    encoding: z.string().optional(),
    tokenizer: tokenizerChoiceSchema,
    /** Share of the tokens that is held out. */
    validation: z.number().min(0).max(0.5),
    /** Packed rows, every token once an epoch; or windows from random places, as nanoGPT trains. */
    order: z.enum(['packed', 'windows']),
  }),
  optimizer: z.strictObject({
    beta1: z.number().min(0).lt(1),
    beta2: z.number().min(0).lt(1),
    epsilon: z.number().positive(),
    /** Of Muon, and of SGD. */
    momentum: z.number().min(0).lt(1),
    /** Most that the norm of all gradients together may be; 0 does not clip. */
    clip: z.number().min(0),
  }),
  memory: z.strictObject({
    /** Rows of one forward and backward pass; divides the rows of a step. */
    rowsPerPass: count,
    /** Computes every layer twice to keep less of it. */
    recompute: z.boolean(),
    computeType: z.enum(['f32', 'f16', 'bf16']),
    /** Places whose logits exist at the same time. */
    lossChunk: count,
    /** Keeps attention's probabilities for the gradient in place of computing them again. */
    keepAttention: z.boolean(),
    /** Queries whose scores exist at the same time; 0 takes what attention takes. */
    attentionChunk: z.int().min(0),
  }),
  validation: z.strictObject({
    /** 0 validates at the end only. */
    everySteps: z.int().min(0),
    /** Most tokens of a validation on the way; the last one takes all, a million at most. */
    mostTokens: count,
  }),
  samples: z.strictObject({
    /** 0 takes none. */
    everySteps: z.int().min(0),
    prompt: z.string(),
    tokens: count,
    /** 0 takes the likeliest token each time. */
    temperature: z.number().min(0),
  }),
  checkpoints: z.strictObject({
    /** 0 goes by minutes alone. */
    everySteps: z.int().min(0),
    everyMinutes: z.number().min(0),
    keepLast: count,
    keepBest: z.boolean(),
  }),
  device: z.enum(['auto', 'cpu']),
  /** 0 takes one a core. */
  threads: z.int().min(0),
});

export type RunSettings = z.infer<typeof runSettingsSchema>;

/**
 * Settings as they came from a file.
 * @param where named in the message
 * @throws FreeholdError run_invalid
 */
export function checkSettings(value: unknown, where: string): RunSettings {
  const parsed = runSettingsSchema.safeParse(value);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new FreeholdError('run_invalid', `${where} is not valid: ${issue?.path.join('.')}: ${issue?.message}.`, {
      hint: 'It was changed by hand, or belongs to another release of Freehold.',
    });
  }
  const { recipe, memory } = parsed.data;
  const rows = rowsOfStep(parsed.data);
  if (!Number.isInteger(rows) || rows % memory.rowsPerPass !== 0) {
    throw new FreeholdError(
      'run_invalid',
      `${where} is not valid: ${memory.rowsPerPass} rows of a pass do not divide the ${recipe.batchTokens} tokens of a step in rows of ${recipe.model.context}.`,
    );
  }
  return parsed.data;
}

/** Rows of one step. */
export function rowsOfStep({ recipe }: Pick<RunSettings, 'recipe'>): number {
  return recipe.batchTokens / recipe.model.context;
}
