// A tokenizer as the `tokenizer.ggml.*` metadata of a GGUF, and back. What is written makes libllama give the same ids;
// what is read is checked, and refused where it is of another kind than byte-level BPE.
import {
  arrayEntry,
  metadataBoolean,
  metadataNumber,
  metadataNumbers,
  metadataString,
  metadataStrings,
} from '../formats/gguf/metadata.ts';
import type { GgufEntry, GgufMetadata } from '../formats/gguf/types.ts';
import { FreeholdError } from '../lib/errors.ts';
import { preTokenizerOfGguf } from './pre-tokenizers.ts';
import { createTokenizer, type Tokenizer } from './tokenizer.ts';
import { tokenIds, tokenKinds, type Vocabulary, vocabularyFault } from './vocabulary.ts';

const prefix = 'tokenizer.ggml.';
const keys = {
  model: `${prefix}model`,
  pre: `${prefix}pre`,
  tokens: `${prefix}tokens`,
  kinds: `${prefix}token_type`,
  merges: `${prefix}merges`,
  bos: `${prefix}bos_token_id`,
  eos: `${prefix}eos_token_id`,
  endOfTurn: `${prefix}eot_token_id`,
  padding: `${prefix}padding_token_id`,
  addBos: `${prefix}add_bos_token`,
  addEos: `${prefix}add_eos_token`,
  addSpace: `${prefix}add_space_prefix`,
} as const;

/** Metadata for `writeGguf`, in the order it is written. */
export function tokenizerToGguf({ vocabulary }: Pick<Tokenizer, 'vocabulary'>): GgufMetadata {
  const { tokens, kinds, merges } = vocabulary;
  const spellings = Array.from(
    { length: merges.length / 2 },
    (_, rank) => `${tokens[merges[2 * rank] as number]} ${tokens[merges[2 * rank + 1] as number]}`,
  );
  const metadata = new Map<string, GgufEntry>([
    [keys.model, { type: 'string', value: 'gpt2' }],
    [keys.pre, { type: 'string', value: vocabulary.preTokenizer }],
    [keys.tokens, arrayEntry('string', [...tokens])],
    [keys.kinds, arrayEntry('i32', Int32Array.from(kinds))],
    [keys.merges, arrayEntry('string', spellings)],
  ]);
  // libllama takes token 11 for the begin and the end of a text where a file names none
  const ids = { bos: vocabulary.bos ?? vocabulary.eos, eos: vocabulary.eos };
  const more = { endOfTurn: vocabulary.endOfTurn, padding: vocabulary.padding };
  for (const [key, id] of Object.entries({ ...ids, ...more })) {
    if (id !== undefined)
      metadata.set(keys[key as 'bos' | 'eos' | 'endOfTurn' | 'padding'], { type: 'u32', value: id });
  }
  metadata.set(keys.addBos, { type: 'bool', value: vocabulary.addBos });
  metadata.set(keys.addEos, { type: 'bool', value: false });
  metadata.set(keys.addSpace, { type: 'bool', value: false });
  return metadata;
}

/**
 * The tokenizer of a GGUF. `encode` gives the ids that libllama gives for plain text, with one exception: user-defined
 * tokens, which libllama finds in any text, are special here.
 * @param file with its arrays read whole
 * @throws FreeholdError unsupported for SentencePiece, WordPiece and pre-tokenizers that are not known;
 *   gguf_invalid where something is missing or does not fit together
 */
export function tokenizerFromGguf(file: { metadata: GgufMetadata }): Tokenizer {
  const model = metadataString(file, keys.model);
  if (model === undefined) throw invalid('names no kind of tokenizer (tokenizer.ggml.model)');
  if (model !== 'gpt2') {
    const kind = { llama: 'SentencePiece', bert: 'WordPiece', t5: 'Unigram' }[model] ?? JSON.stringify(model);
    throw new FreeholdError(
      'unsupported',
      `The tokenizer of the file is ${kind}; only byte-level BPE can be imported.`,
      {
        hint: 'Take the tokenizer of a model of the Qwen, Llama 3 or SmolLM families, or train one.',
      },
    );
  }
  const tokens = metadataStrings(file, keys.tokens);
  const merges = metadataStrings(file, keys.merges);
  if (!tokens) throw invalid('lists no tokens');
  if (!merges) throw invalid('lists no merges');
  const eos = metadataNumber(file, keys.eos);
  if (eos === undefined) throw invalid('does not say which token ends a text');
  const bos = metadataNumber(file, keys.bos);
  const kinds = metadataNumbers(file, keys.kinds);
  const preTokenizer = preTokenizerOfGguf(metadataString(file, keys.pre) ?? 'default');
  const vocabulary: Vocabulary = {
    preTokenizer,
    tokens,
    kinds: kinds ? Uint8Array.from(kinds) : new Uint8Array(tokens.length).fill(tokenKinds.normal),
    merges: mergeIds(merges, tokenIds(tokens)),
    bos,
    eos,
    endOfTurn: metadataNumber(file, keys.endOfTurn),
    padding: metadataNumber(file, keys.padding),
    addBos: metadataBoolean(file, keys.addBos) ?? (preTokenizer === 'llama-bpe' && bos !== undefined),
  };
  const fault = vocabularyFault(vocabulary);
  if (fault) throw invalid(`has a vocabulary that does not fit together: ${fault}`);
  return createTokenizer(vocabulary);
}

function mergeIds(merges: readonly string[], idOf: ReadonlyMap<string, number>): Int32Array {
  const ids = new Int32Array(merges.length * 2);
  for (const [rank, merge] of merges.entries()) {
    const cut = merge.indexOf(' ', 1);
    const left = idOf.get(merge.slice(0, cut));
    const right = idOf.get(merge.slice(cut + 1));
    if (cut < 0 || left === undefined || right === undefined) {
      throw invalid(`has the merge ${JSON.stringify(merge)}, which is not of two of its tokens`);
    }
    ids[2 * rank] = left;
    ids[2 * rank + 1] = right;
  }
  return ids;
}

function invalid(what: string): FreeholdError {
  return new FreeholdError('gguf_invalid', `The file ${what}.`, {
    hint: 'Take the tokenizer of another file, or train one.',
  });
}
