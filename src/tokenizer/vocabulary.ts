// What a tokenizer is, as plain data that files and threads carry: the tokens, how pairs of them merge, and which of them
// are special. Made by training, read from our file or from a GGUF; checked here once, whatever it came from.
import { FreeholdError } from '../lib/errors.ts';
import { byteLetters, bytesOfSpelling } from './byte-letters.ts';
import { type PreTokenizerName, preTokenizer } from './pre-tokenizers.ts';

/** What a token is for, with the number GGUF has for it. */
export const tokenKinds = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const;
export type TokenKind = keyof typeof tokenKinds;

export interface Vocabulary {
  preTokenizer: PreTokenizerName;
  /** Text of each token by id: in byte letters (`byte-letters.ts`) for normal ones, as it is for all others. */
  tokens: readonly string[];
  /** `tokenKinds` of each token by id. */
  kinds: Uint8Array;
  /** Ids of left and right of each merge in the order they apply: earlier ones first. */
  merges: Int32Array;
  /** Id of the token that begins a text, if there is one. */
  bos: number | undefined;
  /** Id of the token that ends a text. */
  eos: number;
  /** Id of the token that ends a turn of a chat, where that is another than `eos`. */
  endOfTurn: number | undefined;
  /** Id of the token that fills up. */
  padding: number | undefined;
  /** Whether prompts begin with `bos`. */
  addBos: boolean;
}

/** Which of the special tokens has which part, by name. */
export interface SpecialRoles {
  /** Default: `eos`. */
  bos?: string;
  /** Default: the first special token. */
  eos?: string;
  endOfTurn?: string;
  /** Default: `eos`. */
  padding?: string;
  /** Whether prompts begin with `bos`. Default false. */
  addBos?: boolean;
}

/** The one special token that every vocabulary has where nothing else is said; libllama knows it as an end by its name. */
export const defaultSpecials: readonly string[] = ['<|endoftext|>'];

const mostTokens = 1 << 22;

/**
 * A vocabulary as training makes it: id = byte for the first 256, then one token for each merge that spells a new one,
 * then the special tokens.
 * @param merged spelling of the tokens behind the bytes, in byte letters
 * @param merges ids of left and right, see `Vocabulary.merges`
 * @throws FreeholdError invalid_request for special tokens that cannot be
 */
export function assembleVocabulary(parts: {
  preTokenizer: PreTokenizerName;
  merged: readonly string[];
  merges: Int32Array;
  specials: readonly string[];
  roles: SpecialRoles;
}): Vocabulary {
  const { specials, roles } = parts;
  checkSpecials(specials, parts.preTokenizer);
  const normal = [...byteLetters, ...parts.merged];
  const learned = new Set(parts.merged);
  const taken = specials.find((name) => learned.has(name));
  if (taken !== undefined) {
    throw new FreeholdError(
      'invalid_request',
      `The special token ${JSON.stringify(taken)} is also one of plain text.`,
      {
        field: 'specials',
        hint: 'Name special tokens like <|endoftext|>.',
      },
    );
  }
  const idOf = (field: keyof SpecialRoles, name: string) => {
    const at = specials.indexOf(name);
    if (at >= 0) return normal.length + at;
    throw new FreeholdError('invalid_request', `${field} is ${JSON.stringify(name)}, which is no special token.`, {
      field: `roles.${field}`,
    });
  };
  const eos = idOf('eos', roles.eos ?? (specials[0] as string));
  return {
    preTokenizer: parts.preTokenizer,
    tokens: [...normal, ...specials],
    kinds: Uint8Array.from({ length: normal.length + specials.length }, (_, id) =>
      id < normal.length ? tokenKinds.normal : tokenKinds.control,
    ),
    merges: parts.merges,
    bos: roles.bos === undefined ? eos : idOf('bos', roles.bos),
    eos,
    endOfTurn: roles.endOfTurn === undefined ? undefined : idOf('endOfTurn', roles.endOfTurn),
    padding: roles.padding === undefined ? eos : idOf('padding', roles.padding),
    addBos: roles.addBos ?? false,
  };
}

/**
 * A name is found in text where special tokens are asked for, and never comes out of plain text: libllama would turn
 * plain text into it where one piece of text could be the whole name.
 * @throws FreeholdError invalid_request
 */
export function checkSpecials(specials: readonly string[], preTokenizerName: PreTokenizerName): void {
  const refuse = (message: string) => {
    throw new FreeholdError('invalid_request', message, {
      field: 'specials',
      hint: 'Name special tokens like <|endoftext|>.',
    });
  };
  if (specials.length === 0) refuse('A tokenizer needs at least one special token: the one that ends a text.');
  const { scan } = preTokenizer(preTokenizerName);
  for (const [at, name] of specials.entries()) {
    const bytes = new TextEncoder().encode(name);
    if (specials.indexOf(name) !== at) refuse(`The special token ${JSON.stringify(name)} is named twice.`);
    if (bytes.length === 0 || bytes.length > 64 || /\s|\p{Cc}/u.test(name)) {
      refuse(`The special token ${JSON.stringify(name)} must be 1 to 64 bytes without spaces or control characters.`);
    }
    if (scan(bytes, 0, bytes.length) === bytes.length) {
      refuse(`The special token ${JSON.stringify(name)} could be a word of plain text.`);
    }
  }
}

/**
 * Checks what a file said: a token for every byte that text is made of, merges that lead from tokens to a token, ids within
 * the vocabulary.
 * @returns what is wrong, or undefined
 */
export function vocabularyFault({ tokens, kinds, merges, ...ids }: Vocabulary): string | undefined {
  if (tokens.length > mostTokens) return `there are ${tokens.length} tokens, at most ${mostTokens} are read`;
  if (kinds.length !== tokens.length) return `${kinds.length} kinds for ${tokens.length} tokens`;
  for (const field of ['bos', 'eos', 'endOfTurn', 'padding'] as const) {
    const id = ids[field];
    if (id !== undefined && !(id >= 0 && id < tokens.length)) return `${field} is ${id}, of ${tokens.length} tokens`;
  }
  if (ids.addBos && ids.bos === undefined) return 'prompts begin with a token that is not named';
  const idOf = tokenIds(tokens);
  const missing = byteLetters.findIndex((spelling, byte) => !mayMiss(byte) && !isNormal(kinds, idOf.get(spelling)));
  if (missing >= 0) return `there is no token for the byte ${missing}`;
  for (let at = 0; at < merges.length; at += 2) {
    const left = tokens[merges[at] as number];
    const right = tokens[merges[at + 1] as number];
    const says = `merge ${at / 2}`;
    if (left === undefined || right === undefined) return `${says} is of tokens that are not there`;
    const merged = idOf.get(left + right);
    if (!isNormal(kinds, merged)) return `${says}, ${left} and ${right}, leads to no token`;
    if (bytesOfSpelling(left + right) === undefined) return `${says}, ${left} and ${right}, is not of bytes`;
  }
  return undefined;
}

/**
 * Bytes that published vocabularies lack here and there: control characters, and those that begin no character that is
 * assigned.
 */
function mayMiss(byte: number): boolean {
  const isControl = (byte < 0x20 && byte !== 0x09 && byte !== 0x0a && byte !== 0x0d) || byte === 0x7f;
  return isControl || byte === 0xc0 || byte === 0xc1 || byte >= 0xf1;
}

/** Token of each byte; `noToken` where there is none. */
export function byteIdsOf(idOf: ReadonlyMap<string, number>, kinds: Uint8Array): Int32Array {
  return Int32Array.from(byteLetters, (spelling) => {
    const id = idOf.get(spelling);
    return isNormal(kinds, id) ? id : noToken;
  });
}

/** Stands for a byte without a token while a piece is merged; no id is so large. */
export const noToken = 0x7fff_ffff;

/** Id by text; of tokens with the same text the last, as libllama has it. */
export function tokenIds(tokens: readonly string[]): Map<string, number> {
  return new Map(tokens.map((text, id) => [text, id]));
}

export function isNormal(kinds: Uint8Array, id: number | undefined): id is number {
  return id !== undefined && (kinds[id] === tokenKinds.normal || kinds[id] === tokenKinds.byte);
}
