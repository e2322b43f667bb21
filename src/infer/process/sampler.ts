// Picks the next token from a row of logits. The chain is llama.cpp's default one (tools/server/README.md, --samplers):
// bias, penalties, DRY, top-n-sigma, top-k, typical, top-p, min-p, temperature; a token is then drawn from what is left,
// which is never nothing. Log probabilities are the model's own, before any of this, as OpenAI reports them.
//
// Rows are views of native memory and are never written: tokens with changed logits travel beside the row. One row is
// sampled at a time, so all samplers share their buffers. Knows nothing of models, text or grammars.
import { FreeholdError, invariant } from '../../lib/errors.ts';
import { createRandom, type Random } from '../../lib/random.ts';
import type { Sampling, TokenLogprob } from '../../lib/text-model.ts';
import { type Candidates, createCandidates, dropImpossible, sortFalling } from './sampling/candidates.ts';
import { drawFrom } from './sampling/chain.ts';
import { type Logprobs, logprobsOf } from './sampling/logprobs.ts';
import { Penalties } from './sampling/penalties.ts';
import { resolveSampling, type SamplingSettings } from './sampling/settings.ts';
import { enterAlso, insertionWindow, roomForTop, selectTop } from './sampling/top-k.ts';
import { deviationOf, drawFromRow } from './sampling/whole-row.ts';

/** What constrains the tokens beyond their probabilities: a grammar. */
export interface TokenFilter {
  /** Whether the token may come next. */
  allows(token: number): boolean;
  /**
   * Sets to -Infinity the logits of tokens that may not come next.
   * @param tokens the first `count` are looked at
   * @param logits of the same tokens
   */
  mask(tokens: Int32Array, logits: Float32Array, count: number): void;
}

export interface SampledToken {
  token: number;
  /** Of the token; with `logprobs`. */
  logprob?: number;
  /** The likeliest tokens, in falling order; with `logprobs`. */
  top?: TokenLogprob[];
}

export interface SamplerOptions {
  vocabularySize: number;
  /** Tokens before the answer, which penalties on repetition look back on. Default: none. */
  prompt?: ArrayLike<number>;
  /** Tokens that hold one of `dry.sequenceBreakers`. Default: none. */
  breakers?: ReadonlySet<number>;
  /** Default: seeded with `seed`. */
  random?: Random;
}

/** How the tokens of one answer are picked. */
export interface Sampler {
  /**
   * Picks a token; whoever takes it says so with `accept`. A token that the filter refuses is drawn anew from those it
   * allows, so that the filter sees one token where the model keeps to the grammar by itself. Where the bans of
   * `logitBias` leave no token, they yield.
   * @param logits (V) f32; read only
   * @throws FreeholdError model_failed when no logit of an allowed token is a number above -Infinity
   */
  sample(logits: Float32Array, filter?: TokenFilter): SampledToken;
  /** The answer goes on with this token. */
  accept(token: number): void;
}

/** @throws FreeholdError invalid_request when a setting is out of range */
export function createSampler(sampling: Sampling, options: SamplerOptions): Sampler {
  const settings = resolveSampling(sampling, options.vocabularySize);
  return new RowSampler(settings, sampling.seed, options);
}

/** Where a filter refuses all of the k likeliest tokens, this many are looked through before all of them. */
const widerSearch = 512;

// used by all samplers, for the time of one call
let window = createCandidates(0);
let others = createCandidates(0);
let changedRow = new Float32Array(0);
let isChanged = new Uint8Array(0);
let everyToken = new Int32Array(0);

class RowSampler implements Sampler {
  readonly #settings: SamplingSettings;
  readonly #vocabularySize: number;
  readonly #random: Random;
  readonly #penalties: Penalties | undefined;
  /** How many of the likeliest tokens are drawn from; 0: of all. */
  readonly #k: number;

  constructor(settings: SamplingSettings, seed: number | undefined, options: SamplerOptions) {
    const { temperature, topK } = settings;
    this.#settings = settings;
    this.#vocabularySize = options.vocabularySize;
    this.#random = options.random ?? createRandom(seed ?? Math.floor(Math.random() * 0x1_0000_0000));
    this.#penalties = Penalties.create(settings, options.prompt ?? [], options.breakers ?? new Set());
    this.#k = temperature === 0 ? 1 : topK < options.vocabularySize ? topK : 0;
  }

  accept(token: number): void {
    this.#penalties?.accept(token);
  }

  sample(logits: Float32Array, filter?: TokenFilter): SampledToken {
    invariant(logits.length === this.#vocabularySize, 'a row holds a logit for each token');
    let changes = this.#penalties?.changes(logits);
    if (changes?.count === 0) changes = undefined;
    let token = this.#draw(logits, changes);
    if (token < 0 && changes) token = this.#draw(logits, undefined);
    if (token < 0) throw noNumber();
    // of the model's own row, with nothing taken away
    let windowIsWhole = this.#k > 0 && !changes;
    if (filter && !filter.allows(token)) {
      token = this.#drawAllowed(logits, changes, filter);
      windowIsWhole = false;
    }
    return this.#settings.logprobs === undefined
      ? { token }
      : { token, ...this.#logprobs(logits, token, this.#settings.logprobs, windowIsWhole) };
  }

  /** @returns -1 when no token is left */
  #draw(logits: Float32Array, changes: Candidates | undefined): number {
    if (this.#k === 0) return drawFromRow(rowWith(logits, changes), this.#settings, this.#random);
    window = withRoom(window, roomForTop(this.#k, logits.length));
    selectTopWith(logits, changes, this.#k, window);
    return this.#drawFrom(window, logits, changes);
  }

  /**
   * Masks the likeliest tokens first, which are soon masked; what is allowed among them is also likelier than whatever
   * else is. Only with top-k off that would leave out tokens that might be drawn.
   */
  #drawAllowed(logits: Float32Array, changes: Candidates | undefined, filter: TokenFilter): number {
    if (this.#k > 0) {
      // the window still holds what was drawn from; alone, it is what was refused
      if (window.count > 1 && keepAllowed(window, filter)) return this.#drawFrom(window, logits, changes);
      const wider = Math.min(Math.max(widerSearch, this.#k), logits.length);
      others = withRoom(others, roomForTop(wider, logits.length));
      selectTopWith(logits, changes, wider, others);
      if (keepAllowed(others, filter)) return this.#drawFrom(others, logits, changes);
    }
    others = withRoom(others, logits.length);
    // what must follow counts for more than a ban
    for (const row of [rowWith(logits, changes), logits]) {
      allOf(row, others);
      if (keepAllowed(others, filter)) {
        sortFalling(others);
        return this.#drawFrom(others, logits, changes);
      }
    }
    throw new FreeholdError(
      'model_failed',
      'The model gives no probability to any text that the required format allows.',
      {
        hint: 'Ask for a simpler format, or use another model.',
      },
    );
  }

  /** @param sorted cut down to k */
  #drawFrom(sorted: Candidates, logits: Float32Array, changes: Candidates | undefined): number {
    if (sorted.count === 0) return -1;
    if (this.#k > 0) sorted.count = Math.min(sorted.count, this.#k);
    if (this.#k === 1) return sorted.tokens[0] as number;
    const deviation = this.#settings.topNSigma > 0 ? deviationOf(rowWith(logits, changes)) : undefined;
    return drawFrom(sorted, this.#settings, this.#random, { deviation });
  }

  #logprobs(logits: Float32Array, token: number, count: number, windowIsWhole: boolean): Logprobs {
    const least = Math.min(Math.max(1, count), logits.length);
    if (windowIsWhole && window.count >= least) return logprobsOf(logits, token, count, window);
    others = withRoom(others, roomForTop(least, logits.length));
    selectTop(logits, least, others);
    return logprobsOf(logits, token, count, others);
  }
}

function withRoom(candidates: Candidates, room: number): Candidates {
  return candidates.tokens.length >= room ? candidates : createCandidates(room);
}

/** The row with the changes in it: a copy, where there are any. */
function rowWith(logits: Float32Array, changes: Candidates | undefined): Float32Array {
  if (!changes) return logits;
  if (changedRow.length !== logits.length) changedRow = new Float32Array(logits.length);
  changedRow.set(logits);
  for (let i = 0; i < changes.count; i++) changedRow[changes.tokens[i] as number] = changes.logits[i] as number;
  return changedRow;
}

/** The k largest logits after the changes; a small k needs no copy of the row. */
function selectTopWith(logits: Float32Array, changes: Candidates | undefined, k: number, into: Candidates): void {
  if (!changes || k > insertionWindow) {
    selectTop(rowWith(logits, changes), k, into);
    return;
  }
  if (isChanged.length !== logits.length) isChanged = new Uint8Array(logits.length);
  for (let i = 0; i < changes.count; i++) isChanged[changes.tokens[i] as number] = 1;
  selectTop(logits, k, into, isChanged);
  for (let i = 0; i < changes.count; i++) isChanged[changes.tokens[i] as number] = 0;
  enterAlso(into, k, changes);
}

function allOf(row: Float32Array, into: Candidates): void {
  if (everyToken.length !== row.length) everyToken = Int32Array.from(row.keys());
  into.tokens.set(everyToken);
  into.logits.set(row);
  into.count = row.length;
  dropImpossible(into);
}

/** @returns whether any candidate is allowed; only those stay */
function keepAllowed(candidates: Candidates, filter: TokenFilter): boolean {
  filter.mask(candidates.tokens, candidates.logits, candidates.count);
  dropImpossible(candidates);
  return candidates.count > 0;
}

function noNumber(): FreeholdError {
  return new FreeholdError('model_failed', 'The model computed no valid probabilities; its weights may be damaged.', {
    hint: 'Remove the model and pull it again.',
  });
}
