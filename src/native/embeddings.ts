// What libllama tells of a model that turns text into vectors or scores: how its inputs are framed by special tokens,
// how many scores it gives, and the pooled result of a sequence. Knows nothing of requests or batches.
import koffi from 'koffi';
import { invariant } from '../lib/errors.ts';
import type { Native } from './ffi.ts';
import { handleOf } from './handle.ts';
import type { Context, Model } from './llama.ts';
import type { Pooling } from './pooling.ts';

/** `llama_vocab_type` of WordPiece and of Unigram. */
const wordPiece = 3;
const unigram = 4;

/** Special tokens around the text of an input. */
export interface TextFrame {
  before: number[];
  /** Between the two texts of a pair. */
  between: number[];
  after: number[];
}

/** The frame that the model's tokenizer puts around a text, found by letting it frame one. */
export function textFrame({ llama }: Native, model: Model): TextFrame {
  const vocab = llama.llama_model_get_vocab(handleOf(model).pointer);
  const tokenize = (addSpecial: boolean): number[] => {
    const text = Buffer.from('a');
    const tokens = new Int32Array(16);
    const count = llama.llama_tokenize(vocab, text, text.length, tokens, tokens.length, addSpecial, false);
    invariant(count >= 0, 'a letter takes few tokens');
    return [...tokens.subarray(0, count)];
  };
  const plain = tokenize(false);
  const framed = tokenize(true);
  const start = framed.findIndex((_, at) => plain.every((token, i) => framed[at + i] === token));
  invariant(start >= 0, 'a frame leaves the text as it is');
  const before = framed.slice(0, start);
  const after = framed.slice(start + plain.length);
  const kind = llama.llama_vocab_type(vocab);
  const separator = [llama.llama_vocab_sep(vocab), llama.llama_vocab_eos(vocab)].find((token) => token >= 0);
  // BERT: [CLS] a [SEP] b [SEP]; RoBERTa and its heirs: <s> a </s></s> b </s>
  const separates = kind !== wordPiece && (kind === unigram || llama.llama_vocab_get_add_sep(vocab));
  return { before, between: separates && separator !== undefined ? [...after, separator] : after, after };
}

/** The template of a model that scores pairs, with `{query}` and `{document}` in it; undefined where it has none. */
export function rerankTemplate({ llama }: Native, model: Model): string | undefined {
  return llama.llama_model_chat_template(handleOf(model).pointer, 'rerank') ?? undefined;
}

/** Numbers that the pooled result of a sequence has: the width of its vector, or the outputs of its classifier. */
export function pooledSize({ llama }: Native, model: Model, pooling: Pooling): number {
  const pointer = handleOf(model).pointer;
  return pooling === 'rank' ? llama.llama_model_n_cls_out(pointer) : llama.llama_model_n_embd_out(pointer);
}

/**
 * The pooled result of a sequence in the last decode.
 * @param size as `pooledSize` says
 * @returns (size), a copy
 */
export function pooledResult({ llama }: Native, context: Context, sequence: number, size: number): Float32Array {
  const pointer = llama.llama_get_embeddings_seq(handleOf(context).pointer, sequence);
  invariant(pointer, 'the sequence was in the last decode');
  return new Float32Array(koffi.view(pointer, size * 4)).slice();
}
