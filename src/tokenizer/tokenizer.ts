// Text to token ids and back: byte-level BPE (Sennrich et al., 2016, on bytes as GPT-2 has it), the same ids as libllama
// for any text that is valid UTF-8. Everything is made from one plain `Vocabulary`; files, GGUF and training are elsewhere.
//
// Bytes that are not UTF-8 are kept: each counts as a sign when text is cut and comes back from `decode` as it was. (libllama
// puts U+FFFD in its place.) A string with a lone surrogate has U+FFFD there, as everywhere that JavaScript writes UTF-8.
import { FreeholdError } from '../lib/errors.ts';
import { bytesOfSpelling } from './byte-letters.ts';
import { createEncoder, type Encoder } from './encoder.ts';
import { findSpecials } from './find-specials.ts';
import { createPieceMerger } from './merge-piece.ts';
import { createMergeRanks } from './merge-ranks.ts';
import { PieceTable } from './piece-table.ts';
import { type PreTokenizerName, preTokenizer } from './pre-tokenizers.ts';
import {
  assembleVocabulary,
  byteIdsOf,
  defaultSpecials,
  isNormal,
  noToken,
  type SpecialRoles,
  tokenIds,
  tokenKinds,
  type Vocabulary,
} from './vocabulary.ts';

export interface Tokenizer {
  /** Tokens there are, special ones included. */
  readonly vocab: number;
  readonly preTokenizer: PreTokenizerName;
  /** Id of every control and user-defined token by name. */
  readonly specials: ReadonlyMap<string, number>;
  /** Token that begins a text, if there is one. */
  readonly bos: number | undefined;
  /** Token that ends a text. */
  readonly eos: number;
  /** Token that ends a turn of a chat, where that is not `eos`. */
  readonly endOfTurn: number | undefined;
  readonly padding: number | undefined;
  /** Whether prompts begin with `bos`. `encode` does not add it. */
  readonly addBos: boolean;
  /**
   * Whether every byte has a token, as in all that are trained here. Some published vocabularies lack control characters;
   * `encode` leaves these out, as libllama does.
   */
  readonly lossless: boolean;
  /** What it is made of; goes into files and to threads. */
  readonly vocabulary: Vocabulary;
  /** Ids of plain text. The name of a special token in it is text like any other. */
  encode(text: string | Uint8Array): Int32Array;
  /** The same where names of special tokens become these tokens. */
  encodeWithSpecials(text: string | Uint8Array): Int32Array;
  /**
   * Bytes that ids stand for. Special tokens stand for nothing.
   * @param options.specials spells them by name. Default false
   * @throws FreeholdError invalid_request for an id that is not in the vocabulary
   */
  decode(ids: ArrayLike<number>, options?: DecodeOptions): Uint8Array;
  /** The same as text; bytes that are not UTF-8 become U+FFFD. */
  decodeText(ids: ArrayLike<number>, options?: DecodeOptions): string;
}

export interface DecodeOptions {
  specials?: boolean;
}

/**
 * @param vocabulary valid (`vocabularyFault`); what comes from outside is checked where it is read
 */
export function createTokenizer(vocabulary: Vocabulary): Tokenizer {
  const { tokens, kinds } = vocabulary;
  const specials = specialsOf(vocabulary);
  const table = createByteTable(vocabulary);
  const utf8 = new TextDecoder('utf-8', { ignoreBOM: true });
  // a text is encoded in one go, so all can share it
  let encoder: Encoder | undefined;
  const begin = () => {
    encoder ??= encoderOf(vocabulary);
    return encoder;
  };
  const asBytes = (text: string | Uint8Array) => (typeof text === 'string' ? Buffer.from(text, 'utf8') : text);

  const decode = (ids: ArrayLike<number>, options: DecodeOptions = {}): Uint8Array => {
    const isLeftOut = (id: number) =>
      !options.specials && (kinds[id] === tokenKinds.control || kinds[id] === tokenKinds.userDefined);
    let length = 0;
    for (let at = 0; at < ids.length; at++) {
      const id = ids[at] as number;
      if (!(id >= 0 && id < tokens.length && Number.isInteger(id))) {
        const message = `There is no token ${id}; the vocabulary has ${tokens.length}.`;
        throw new FreeholdError('invalid_request', message, { field: `ids.${at}` });
      }
      if (!isLeftOut(id)) length += (table.starts[id + 1] as number) - (table.starts[id] as number);
    }
    const bytes = new Uint8Array(length);
    let put = 0;
    for (let at = 0; at < ids.length; at++) {
      const id = ids[at] as number;
      if (isLeftOut(id)) continue;
      const end = table.starts[id + 1] as number;
      for (let from = table.starts[id] as number; from < end; from++) bytes[put++] = table.bytes[from] as number;
    }
    return bytes;
  };

  return {
    vocab: tokens.length,
    preTokenizer: vocabulary.preTokenizer,
    specials,
    bos: vocabulary.bos,
    eos: vocabulary.eos,
    endOfTurn: vocabulary.endOfTurn,
    padding: vocabulary.padding,
    addBos: vocabulary.addBos,
    lossless: !byteIdsOf(tokenIds(tokens), kinds).includes(noToken),
    vocabulary,
    encode(text) {
      const bytes = asBytes(text);
      const encoding = begin();
      encoding.encode(bytes, 0, bytes.length);
      return encoding.take();
    },
    encodeWithSpecials(text) {
      const bytes = asBytes(text);
      const encoding = begin();
      for (const { from, to, id } of findSpecials(bytes, specials)) {
        if (id === undefined) encoding.encode(bytes, from, to);
        else encoding.push(id);
      }
      return encoding.take();
    },
    decode,
    decodeText: (ids, options) => utf8.decode(decode(ids, options)),
  };
}

/**
 * A token for each byte and the special ones: a vocabulary that knows nothing, for small models. Ids are the bytes; special
 * tokens follow from 256 on.
 * @param specials default: one that ends a text
 * @throws FreeholdError invalid_request for special tokens that cannot be
 */
export function bytesTokenizer(specials: readonly string[] = defaultSpecials, roles: SpecialRoles = {}): Tokenizer {
  return createTokenizer(
    assembleVocabulary({ preTokenizer: 'gpt-2', merged: [], merges: new Int32Array(0), specials, roles }),
  );
}

function specialsOf({ tokens, kinds }: Vocabulary): Map<string, number> {
  const special = new Map<string, number>();
  for (const [id, name] of tokens.entries()) {
    if (kinds[id] === tokenKinds.control || kinds[id] === tokenKinds.userDefined) special.set(name, id);
  }
  return special;
}

/** The bytes of every token, by id. */
function createByteTable({ tokens, kinds }: Vocabulary): { bytes: Uint8Array; starts: Int32Array } {
  const pieces = tokens.map((text, id) =>
    isNormal(kinds, id) || kinds[id] === tokenKinds.unused
      ? (bytesOfSpelling(text) ?? Buffer.from(text, 'utf8'))
      : Buffer.from(text, 'utf8'),
  );
  const starts = new Int32Array(tokens.length + 1);
  for (const [id, piece] of pieces.entries()) starts[id + 1] = (starts[id] as number) + piece.length;
  return { bytes: Buffer.concat(pieces), starts };
}

function encoderOf({ tokens, kinds, merges, preTokenizer: name }: Vocabulary): Encoder {
  const idOf = tokenIds(tokens);
  const byteIds = byteIdsOf(idOf, kinds);
  const results = Int32Array.from(
    { length: merges.length / 2 },
    (_, rank) =>
      idOf.get(
        (tokens[merges[2 * rank] as number] as string) + (tokens[merges[2 * rank + 1] as number] as string),
      ) as number,
  );
  const { scan, wholePieces } = preTokenizer(name);
  return createEncoder({
    scan,
    merger: createPieceMerger(byteIds, createMergeRanks(merges, results)),
    wholePieces: wholePieces ? normalTokens(idOf, kinds) : undefined,
  });
}

function normalTokens(idOf: ReadonlyMap<string, number>, kinds: Uint8Array): { table: PieceTable; ids: Int32Array } {
  const table = new PieceTable(idOf.size);
  const ids: number[] = [];
  for (const [text, id] of idOf) {
    const bytes = isNormal(kinds, id) ? bytesOfSpelling(text) : undefined;
    if (bytes === undefined || bytes.length === 0) continue;
    const entry = table.intern(bytes, 0, bytes.length);
    ids[entry] = id;
  }
  return { table, ids: Int32Array.from(ids) };
}
