// tokenizer.json of a run: a vocabulary as one JSON document, versioned, checked when it is read. Ours, not that of the
// Hugging Face library.
import { z } from 'zod';
import { FreeholdError } from '../lib/errors.ts';
import { preTokenizerNames } from './pre-tokenizers.ts';
import { createTokenizer, type Tokenizer } from './tokenizer.ts';
import { type TokenKind, tokenKinds, vocabularyFault } from './vocabulary.ts';

const id = z
  .number()
  .int()
  .min(0)
  .max(2 ** 31 - 1);
const ids = z.array(id);

const fileSchema = z.strictObject({
  format: z.literal('freehold-tokenizer'),
  version: z.literal(1),
  preTokenizer: z.enum(preTokenizerNames),
  bos: id.optional(),
  eos: id,
  endOfTurn: id.optional(),
  padding: id.optional(),
  addBos: z.boolean(),
  /** Ids of all tokens that are not normal, by kind. */
  special: z.strictObject({
    unknown: ids.optional(),
    control: ids.optional(),
    userDefined: ids.optional(),
    unused: ids.optional(),
    byte: ids.optional(),
  }),
  /** Text of each token by id; normal ones in byte letters. */
  tokens: z.array(z.string()),
  /** Ids of left and right of each merge, in order. */
  merges: ids.refine(({ length }) => length % 2 === 0, { error: 'merges are pairs of ids' }),
});

type SpecialKind = Exclude<TokenKind, 'normal'>;

/** The text of tokenizer.json; the same bytes for the same tokenizer. */
export function tokenizerToJson({ vocabulary }: Pick<Tokenizer, 'vocabulary'>): string {
  const special: Partial<Record<SpecialKind, number[]>> = {};
  for (const [name, kind] of Object.entries(tokenKinds) as [TokenKind, number][]) {
    if (name === 'normal') continue;
    const found = vocabulary.tokens.flatMap((_, at) => (vocabulary.kinds[at] === kind ? [at] : []));
    if (found.length > 0) special[name] = found;
  }
  const { preTokenizer, bos, eos, endOfTurn, padding, addBos, tokens } = vocabulary;
  const file: z.input<typeof fileSchema> = {
    ...{ format: 'freehold-tokenizer', version: 1, preTokenizer },
    ...(bos === undefined ? {} : { bos }),
    eos,
    ...(endOfTurn === undefined ? {} : { endOfTurn }),
    ...(padding === undefined ? {} : { padding }),
    ...{ addBos, special, tokens: [...tokens], merges: Array.from(vocabulary.merges) },
  };
  return `${JSON.stringify(file)}\n`;
}

/**
 * @param name how the file is called in messages
 * @throws FreeholdError tokenizer_invalid naming the field at fault
 */
export function tokenizerFromJson(text: string, name = 'tokenizer.json'): Tokenizer {
  const refuse = (what: string): never => {
    throw new FreeholdError('tokenizer_invalid', `${name}: ${what}.`, {
      hint: 'Take the file of another run, or train the tokenizer again.',
    });
  };
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return refuse('it is not JSON');
  }
  const parsed = fileSchema.safeParse(json);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    return refuse(`${issue?.path.join('.') || 'the file'}: ${issue?.message}`);
  }
  const { special, tokens, merges, bos, eos, endOfTurn, padding, addBos, preTokenizer } = parsed.data;
  const kinds = new Uint8Array(tokens.length).fill(tokenKinds.normal);
  for (const [kind, found] of Object.entries(special) as [SpecialKind, number[]][]) {
    for (const at of found) {
      if (at >= tokens.length) refuse(`special.${kind} has the token ${at}, of ${tokens.length}`);
      kinds[at] = tokenKinds[kind];
    }
  }
  const vocabulary = {
    preTokenizer,
    tokens,
    kinds,
    merges: Int32Array.from(merges),
    bos,
    eos,
    endOfTurn,
    padding,
    addBos,
  };
  const fault = vocabularyFault(vocabulary);
  if (fault) refuse(fault);
  return createTokenizer(vocabulary);
}
