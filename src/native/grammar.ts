// A grammar in llama.cpp's notation (GBNF), run by libllama along the tokens of one generation. Knows tokens and their
// bytes; nothing of schemas (infer/grammar writes the texts) or of sampling.
//
// libllama ends the process on a token that the grammar does not take, takes control tokens for the text they are
// written with, and lets some broken UTF-8 through; this file stands between it and all three.
import { setImmediate as nextTurn } from 'node:timers/promises';
import koffi from 'koffi';
import { FreeholdError, invariant } from '../lib/errors.ts';
import type { Native } from './ffi.ts';
import { attachHandle, Handle, handleOf, type Pointer } from './handle.ts';
import type { Model, Vocabulary } from './llama.ts';

/** `llama_token_data`: id, logit, p, four bytes each. */
const candidateBytes = 12;
/** `llama_token_data_array`: data pointer, size, selected (64 bits each), sorted. */
const arrayBytes = 32;

/**
 * To accept a token takes microseconds. Where it takes this long, and again for the next token, the grammar has so many
 * readings of the text so far (thousands, and doubling) that following them would stop everything else.
 */
const slowAcceptMs = 100;

/** What is known of a vocabulary, shared by all grammars over it. */
interface TokenKinds {
  /** 1 for each token that never belongs in constrained text: control tokens that do not end a generation. */
  forbidden: Uint8Array;
  /** One of those that end a generation. */
  endOfGeneration: number | undefined;
}

/** How tokens begin: what the text cannot begin with rules out most of a vocabulary at once. */
interface Beginnings {
  /** First byte of each token; -1 for tokens that stand for no bytes. */
  firstByte: Int16Array;
  /** Tokens of a single byte. */
  single: Int32Array;
}

/** From so many candidates on, it pays to ask for their first bytes first. */
const manyCandidates = 400;

/** Tokens read in one go; then whoever waits gets a turn. */
const readAtOnce = 4096;

const beginnings = new WeakMap<Vocabulary, Beginnings>();
const reading = new WeakMap<Vocabulary, Promise<void>>();
const tokenKinds = new WeakMap<Vocabulary, TokenKinds>();
const candidateLists = new WeakMap<Native, Candidates>();

/** The state of a grammar after the tokens accepted so far. */
export class Grammar {
  readonly #native: Native;
  readonly #model: Model;
  readonly #handle: Handle;
  readonly #kinds: TokenKinds;
  /** Bytes that are missing of the character the text ends in. */
  #missingBytes = 0;
  /** Least value of the next byte, where a smaller one would spell a character with more bytes than it needs. */
  #leastNextByte = 0;
  /** The token found allowed last, with nothing accepted since. */
  #allowed: number | undefined;
  /** In a row, up to now. */
  #slowAccepts = 0;

  private constructor(native: Native, model: Model, pointer: Pointer) {
    this.#native = native;
    this.#model = model;
    this.#kinds = kindsOf(model.vocabulary);
    const release = (sampler: Pointer) => native.llama.llama_sampler_free(sampler);
    this.#handle = attachHandle(this, new Handle('grammar', pointer, release, handleOf(model)));
  }

  /**
   * @param text GBNF
   * @param root name of the rule of the whole text. Default `root`
   * @throws FreeholdError invalid_request when libllama refuses the grammar; its reason goes to stderr
   */
  static create(native: Native, model: Model, text: string, root = 'root'): Grammar {
    const vocabulary = native.llama.llama_model_get_vocab(handleOf(model).pointer);
    // a C string ends at its first zero; without any text libllama makes a sampler that allows everything
    const readable = text.trim() !== '' && !text.includes('\0');
    const pointer = readable ? native.llama.llama_sampler_init_grammar(vocabulary, text, root) : null;
    if (!pointer) {
      throw new FreeholdError('invalid_request', 'The native library cannot read the grammar of the answer.', {
        hint: 'A grammar is GBNF with a rule named root and no left recursion; repetitions go up to 2000.',
      });
    }
    return new Grammar(native, model, pointer);
  }

  /** Reads the vocabulary once, a part at a time, so that grammars rule out most of it quickly; they work without, too. */
  static prepare({ vocabulary }: Model): Promise<void> {
    const promise = reading.get(vocabulary) ?? readBeginnings(vocabulary);
    reading.set(vocabulary, promise);
    return promise;
  }

  /** Whether the text may go on with the token, or end with it. */
  allows(token: number): boolean {
    if (token === this.#allowed && !this.#handle.disposed) return true;
    const candidates = this.#apply([token], 1);
    if (candidates.rejected(0) || !this.#takes(token)) return false;
    this.#allowed = token;
    return true;
  }

  /** Whether the text is complete: the generation may end here. */
  mayEnd(): boolean {
    const { endOfGeneration } = this.#kinds;
    return endOfGeneration !== undefined && this.allows(endOfGeneration);
  }

  /**
   * Sets to -Infinity the logits of candidates that are not allowed, in one native call.
   * @param tokens (n); read only
   * @param logits (n), of the same candidates; changed in place
   * @param count how many of them to look at. Default: all
   * @returns how many are left
   */
  mask(tokens: Int32Array, logits: Float32Array | Float64Array, count = tokens.length): number {
    invariant(count <= tokens.length && count <= logits.length, 'each candidate has a token and a logit');
    const known = beginnings.get(this.#model.vocabulary);
    if (count < manyCandidates || !known) return this.#maskEach(tokens, logits, count);
    const { firstByte } = known;
    const mayBegin = this.#mayBeginWith(known);
    const [places, kept] = [new Int32Array(count), new Int32Array(count)];
    let left = 0;
    for (let i = 0; i < count; i++) {
      const token = tokens[i] as number;
      const byte = firstByte[token] ?? -1;
      if (logits[i] === -Infinity) continue;
      if (byte >= 0 && !mayBegin[byte]) {
        logits[i] = -Infinity;
        continue;
      }
      places[left] = i;
      kept[left++] = token;
    }
    const values = new Float32Array(left);
    const allowed = this.#maskEach(kept, values, left);
    for (let i = 0; i < left; i++) if (values[i] === -Infinity) logits[places[i] as number] = -Infinity;
    return allowed;
  }

  #maskEach(tokens: Int32Array, logits: Float32Array | Float64Array, count: number): number {
    const candidates = this.#apply(tokens, count);
    let left = 0;
    for (let i = 0; i < count; i++) {
      if (candidates.rejected(i) || !this.#takes(tokens[i] as number)) logits[i] = -Infinity;
      else if (logits[i] !== -Infinity) left += 1;
    }
    return left;
  }

  /** 1 for each byte that tokens allowed now may begin with: a token is allowed only if its first byte alone is. */
  #mayBeginWith({ firstByte, single }: Beginnings): Uint8Array {
    const mayBegin = new Uint8Array(256).fill(1);
    for (const token of single) mayBegin[firstByte[token] as number] = 0;
    const candidates = this.#apply(single, single.length);
    single.forEach((token, i) => {
      if (!candidates.rejected(i) && this.#takes(token)) mayBegin[firstByte[token] as number] = 1;
    });
    return mayBegin;
  }

  /** `mask` over a whole row of logits, (V): candidate i is token i. */
  maskRow(logits: Float32Array): number {
    invariant(logits.length === this.#model.vocabulary.size, 'the row has a logit for each token');
    return this.mask(identity(logits.length), logits);
  }

  /**
   * Moves on by a token that `allows` allows. One that ends the generation changes nothing.
   * @throws FreeholdError unsupported, and disposes the grammar, when it has too many readings of the text to follow
   */
  accept(token: number): void {
    invariant(this.allows(token), `the grammar takes the token ${token}`);
    this.#allowed = undefined;
    const startedMs = performance.now();
    this.#native.llama.llama_sampler_accept(this.#handle.pointer, token);
    this.#slowAccepts = performance.now() - startedMs > slowAcceptMs ? this.#slowAccepts + 1 : 0;
    this.#follow(this.#model.vocabulary.bytesOf(token));
    if (this.#slowAccepts < 2) return;
    this.dispose();
    throw new FreeholdError(
      'unsupported',
      'The schema has too many readings of the answer so far to follow them all.',
      {
        hint: 'Make the alternatives of anyOf or oneOf differ in their first property, such as a constant "type".',
      },
    );
  }

  /** An independent grammar in the same state. */
  clone(): Grammar {
    const pointer = this.#native.llama.llama_sampler_clone(this.#handle.pointer);
    const copy = new Grammar(this.#native, this.#model, pointer);
    copy.#missingBytes = this.#missingBytes;
    copy.#leastNextByte = this.#leastNextByte;
    return copy;
  }

  dispose(): void {
    this.#handle.dispose();
  }

  #apply(tokens: ArrayLike<number>, count: number): Candidates {
    const { size } = this.#model.vocabulary;
    const candidates = candidatesOf(this.#native, count);
    for (let i = 0; i < count; i++) {
      const token = tokens[i] as number;
      // any other would end the process inside libllama
      invariant(token >= 0 && token < size, `the vocabulary has a token ${token}`);
      candidates.set(i, token);
    }
    this.#native.llama.llama_sampler_apply(this.#handle.pointer, candidates.array(count));
    return candidates;
  }

  /** What libllama does not look at. */
  #takes(token: number): boolean {
    if (this.#kinds.forbidden[token]) return false;
    if (this.#missingBytes === 0) return true;
    const first = this.#model.vocabulary.bytesOf(token)[0];
    return first !== undefined && first >= this.#leastNextByte;
  }

  #follow(bytes: Uint8Array): void {
    for (const byte of bytes) {
      this.#missingBytes = byte >= 0xf0 ? 3 : byte >= 0xe0 ? 2 : byte >= 0xc0 ? 1 : Math.max(0, this.#missingBytes - 1);
      this.#leastNextByte = byte === 0xe0 ? 0xa0 : byte === 0xf0 ? 0x90 : 0;
    }
  }
}

function kindsOf(vocabulary: Vocabulary): TokenKinds {
  let kinds = tokenKinds.get(vocabulary);
  if (kinds) return kinds;
  const forbidden = new Uint8Array(vocabulary.size);
  for (const token of vocabulary.controlTokens.values()) {
    if (!vocabulary.isEndOfGeneration(token)) forbidden[token] = 1;
  }
  const { eos, size } = vocabulary;
  // eos as a rule; the first of all where a model names none
  let endOfGeneration = eos ?? 0;
  while (endOfGeneration < size && !vocabulary.isEndOfGeneration(endOfGeneration)) endOfGeneration += 1;
  kinds = { forbidden, endOfGeneration: endOfGeneration < size ? endOfGeneration : undefined };
  tokenKinds.set(vocabulary, kinds);
  return kinds;
}

async function readBeginnings(vocabulary: Vocabulary): Promise<void> {
  const firstByte = new Int16Array(vocabulary.size).fill(-1);
  const single: number[] = [];
  for (let token = 0; token < vocabulary.size; token++) {
    const bytes = vocabulary.bytesOf(token);
    firstByte[token] = bytes[0] ?? -1;
    if (bytes.length === 1) single.push(token);
    if (token % readAtOnce === readAtOnce - 1) await nextTurn();
  }
  beginnings.set(vocabulary, { firstByte, single: Int32Array.from(single) });
}

let identityTokens = new Int32Array(0);

function identity(length: number): Int32Array {
  if (identityTokens.length < length) identityTokens = Int32Array.from({ length }, (_, token) => token);
  return identityTokens.subarray(0, length);
}

/** A `llama_token_data_array` in native memory, used by one call at a time and grown as calls need it. */
class Candidates {
  readonly capacity: number;
  readonly #data: Handle;
  readonly #array: Handle;
  readonly #tokens: Int32Array;
  readonly #logits: Float32Array;
  readonly #words: BigInt64Array;

  constructor(capacity: number) {
    this.capacity = capacity;
    this.#data = allocate('candidates', capacity * candidateBytes);
    this.#array = allocate('candidate array', arrayBytes);
    const bytes = koffi.view(this.#data.pointer as any, capacity * candidateBytes);
    this.#tokens = new Int32Array(bytes);
    this.#logits = new Float32Array(bytes);
    this.#words = new BigInt64Array(koffi.view(this.#array.pointer as any, arrayBytes));
  }

  set(i: number, token: number): void {
    this.#tokens[3 * i] = token;
    this.#logits[3 * i + 1] = 0;
    this.#logits[3 * i + 2] = 0;
  }

  rejected(i: number): boolean {
    return this.#logits[3 * i + 1] === -Infinity;
  }

  /** The struct for a native call on the first `count` candidates. */
  array(count: number): Pointer {
    this.#words[0] = koffi.address(this.#data.pointer);
    this.#words[1] = BigInt(count);
    this.#words[2] = -1n;
    this.#words[3] = 0n;
    return this.#array.pointer;
  }

  dispose(): void {
    this.#data.dispose();
    this.#array.dispose();
  }
}

function allocate(kind: string, sizeBytes: number): Handle {
  return new Handle(kind, koffi.alloc('uint8', sizeBytes), (pointer) => koffi.free(pointer));
}

function candidatesOf(native: Native, count: number): Candidates {
  let list = candidateLists.get(native);
  if (list && list.capacity >= count) return list;
  list?.dispose();
  list = new Candidates(Math.max(1024, count));
  candidateLists.set(native, list);
  return list;
}
