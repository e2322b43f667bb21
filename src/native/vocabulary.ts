// The vocabulary of a model that libllama loaded: text to tokens and back. Knows no prompts; those are cut and put together in
// infer/process/prompt.ts.
import { FreeholdError, invariant } from '../lib/errors.ts';
import type { Native } from './ffi.ts';
import type { Handle } from './handle.ts';

/** Attributes of a token, as bits of `llama_token_attr`. */
const attributes = { control: 1 << 3, userDefined: 1 << 4 } as const;
/** `llama_vocab_type` of SentencePiece, which like byte-level BPE keeps every character of a text. */
const sentencePieceVocabulary = 1;
/** `llama_vocab_type` of byte-level BPE, whose text is first cut by a regular expression. */
const bytePairVocabulary = 2;

export interface Vocabulary {
  size: number;
  /** Whether text is cut by a regular expression before it is tokenized (byte-level BPE). */
  cutsByRegex: boolean;
  bos: number | undefined;
  eos: number | undefined;
  /** Whether prompts begin with `bos`. */
  addBos: boolean;
  /** Whether the token ends a generation. */
  isEndOfGeneration(token: number): boolean;
  /** Text of every control token (`<|im_end|>`, …) by id; what user text must never turn into. */
  controlTokens: ReadonlyMap<string, number>;
  /** Text of every token that libllama matches in any text, by id. */
  userDefinedTokens: ReadonlyMap<string, number>;
  /**
   * Bytes of text that one token stands for at most; reads the whole vocabulary the first time it is asked. Undefined
   * where a tokenizer may drop text.
   */
  longestTokenBytes: (() => number) | undefined;
  /** Text of a token as the file has it. */
  textOf(token: number): string;
  /**
   * Tokens of plain text: control tokens in it are treated as the characters they are written with.
   * @param text some pre-tokenizers end the process on thousands of letters in a row: `process/prompt.ts` cuts them
   * @throws FreeholdError invalid_request when the text holds over 2^31 bytes
   */
  tokenize(text: string): Int32Array;
  /** The bytes a token stands for; control tokens stand for none. */
  bytesOf(token: number): Uint8Array;
}

/** @param model checked at every use: the vocabulary lives inside it */
export function readVocabulary({ llama }: Native, model: Handle): Vocabulary {
  const pointer = llama.llama_model_get_vocab(model.pointer);
  // the vocabulary lives inside the model: every use checks that the model is still there
  const vocab = () => (model.disposed ? model.pointer : pointer);
  const size = llama.llama_vocab_n_tokens(pointer);
  const controlTokens = new Map<string, number>();
  const userDefinedTokens = new Map<string, number>();
  const control = new Set<number>();
  for (let token = 0; token < size; token++) {
    const attribute = llama.llama_vocab_get_attr(pointer, token);
    if (attribute & attributes.control) {
      control.add(token);
      controlTokens.set(llama.llama_vocab_get_text(pointer, token), token);
    } else if (attribute & attributes.userDefined) {
      userDefinedTokens.set(llama.llama_vocab_get_text(pointer, token), token);
    }
  }
  const type = llama.llama_vocab_type(pointer);
  const keepsText = type === bytePairVocabulary || type === sentencePieceVocabulary;
  let longest = 1;
  let longestIsKnown = false;
  const some = (token: number) => (token >= 0 ? token : undefined);
  let scratch = Buffer.alloc(256);
  return {
    size,
    cutsByRegex: type === bytePairVocabulary,
    bos: some(llama.llama_vocab_bos(pointer)),
    eos: some(llama.llama_vocab_eos(pointer)),
    addBos: llama.llama_vocab_get_add_bos(pointer),
    isEndOfGeneration: (token) => llama.llama_vocab_is_eog(vocab(), token),
    controlTokens,
    userDefinedTokens,
    longestTokenBytes: keepsText
      ? () => {
          // a file may write a byte with more than one, never with fewer
          for (let token = 0; !longestIsKnown && token < size; token++) {
            longest = Math.max(longest, Buffer.byteLength(llama.llama_vocab_get_text(vocab(), token)));
          }
          longestIsKnown = true;
          return longest;
        }
      : undefined,
    textOf: (token) => llama.llama_vocab_get_text(vocab(), token),
    tokenize(text) {
      if (text === '') return new Int32Array(0);
      const bytes = Buffer.from(text, 'utf8');
      if (bytes.length > 0x7fff_ffff) throw new FreeholdError('invalid_request', 'The text is longer than 2 GB.');
      let tokens = new Int32Array(bytes.length + 8);
      let count = llama.llama_tokenize(vocab(), bytes, bytes.length, tokens, tokens.length, false, false);
      if (count < 0) {
        tokens = new Int32Array(-count);
        count = llama.llama_tokenize(vocab(), bytes, bytes.length, tokens, tokens.length, false, false);
      }
      invariant(count >= 0, 'the tokenizer fills a buffer of the size it asked for');
      return tokens.slice(0, count);
    },
    bytesOf(token) {
      if (control.has(token)) return new Uint8Array(0);
      let length = llama.llama_token_to_piece(vocab(), token, scratch, scratch.length, 0, true);
      if (length < 0) {
        scratch = Buffer.alloc(-length);
        length = llama.llama_token_to_piece(vocab(), token, scratch, scratch.length, 0, true);
      }
      return Uint8Array.from(scratch.subarray(0, length));
    },
  };
}
