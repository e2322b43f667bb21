// From text to a tokenizer: counts the pieces of the text on several threads, learns merges from the counts, and puts the
// special tokens behind. The same text in any order, on any number of threads, gives the same tokenizer.
import { cancelled, FreeholdError } from '../../lib/errors.ts';
import { partsOf } from '../cut-text.ts';
import type { PreTokenizerName } from '../pre-tokenizers.ts';
import { defaultThreads, startThreads, type ThreadPool } from '../threads/pool.ts';
import { createTokenizer, type Tokenizer } from '../tokenizer.ts';
import { assembleVocabulary, checkSpecials, defaultSpecials, type SpecialRoles } from '../vocabulary.ts';
import { createPieceCounter, type PieceCounts } from './count-pieces.ts';
import { type LearnedMerges, learnMerges } from './learn-merges.ts';

export interface TrainBpeOptions {
  /** Tokens the tokenizer shall have: the 256 bytes, the special tokens, and merges for all others. */
  vocab: number;
  /** How text is cut into pieces. Default `qwen2`: words with one sign before them, each digit alone. */
  preTokenizer?: PreTokenizerName;
  /** Names of special tokens; they get the last ids. Default `<|endoftext|>`. */
  specials?: readonly string[];
  /** Which of them begins and ends a text. Default: the first does all. */
  roles?: SpecialRoles;
  /** A pair that occurs less often never becomes a token. Default 2. */
  minCount?: number;
  /** Threads that count. Default: one a core, at most 16; short texts are counted without. */
  threads?: number;
  onProgress?: (progress: TrainBpeProgress) => void;
  /** Aborting ends the training within a tenth of a second. */
  signal?: AbortSignal;
}

export interface TrainBpeProgress {
  /** `count`: reading the text; `merge`: learning. */
  phase: 'count' | 'merge';
  /** Bytes that were read, or tokens that were learned. */
  done: number;
  /** Tokens to learn; nobody knows how many bytes there are. */
  total: number | undefined;
}

/** Text up to so many bytes is counted on this thread: others would take longer to start. */
const smallText = 2 << 20;
/** Texts go to the threads in batches of about so many bytes. */
const batchBytes = 2 << 20;
/** Learning lets other work in this often. */
const turnMs = 50;

/**
 * @param texts each one is cut into pieces by itself, so a long text may come in parts that end where a piece ends
 *   (`partsOf`); read once
 * @throws FreeholdError invalid_request for options that cannot be; data_invalid when there is no text, or too little for
 *   the vocabulary, with the largest it supports; cancelled
 */
export async function trainBpe(
  texts: Iterable<string | Uint8Array> | AsyncIterable<string | Uint8Array>,
  options: TrainBpeOptions,
): Promise<Tokenizer> {
  const { preTokenizer = 'qwen2', specials = defaultSpecials, roles = {}, minCount = 2, signal } = options;
  checkSpecials(specials, preTokenizer);
  const tokens = options.vocab - 256 - specials.length;
  if (!Number.isInteger(options.vocab) || tokens < 0) {
    const least = 256 + specials.length;
    throw new FreeholdError('invalid_request', `A vocabulary has at least ${least} tokens, not ${options.vocab}.`, {
      field: 'vocab',
      hint: `256 are the bytes, ${specials.length} the special tokens.`,
    });
  }
  const pieces = await countPieces(texts, preTokenizer, options);
  if (pieces.counts.length === 0)
    throw new FreeholdError('data_invalid', 'There is no text to learn a tokenizer from.');
  const learned = await learn(pieces, tokens, minCount, options);
  if (learned.merged.length < tokens) {
    const most = learned.merged.length + 256 + specials.length;
    throw new FreeholdError(
      'data_invalid',
      `The text supports a vocabulary of at most ${most} tokens, not ${options.vocab}: no other pair occurs ${minCount} times.`,
      { field: 'vocab', hint: `Ask for ${most} or fewer, or give more text.` },
    );
  }
  if (signal?.aborted) throw cancelled();
  return createTokenizer(assembleVocabulary({ preTokenizer, ...learned, specials, roles }));
}

async function countPieces(
  texts: Iterable<string | Uint8Array> | AsyncIterable<string | Uint8Array>,
  preTokenizer: PreTokenizerName,
  { threads = defaultThreads(), onProgress, signal }: TrainBpeOptions,
): Promise<PieceCounts> {
  const counter = createPieceCounter(preTokenizer);
  let done = 0;
  let pool: ThreadPool | undefined;
  const asked: Promise<unknown>[] = [];
  const batch = createBatch();
  const send = async () => {
    if (!pool || batch.isEmpty) return;
    await pool.whenReady();
    const answer = pool.ask({ kind: 'count', preTokenizer, ...batch.take() });
    // a failure also comes out of the next call
    answer.catch(() => undefined);
    asked.push(answer);
  };
  try {
    for await (const text of texts) {
      if (signal?.aborted) throw cancelled();
      const bytes = typeof text === 'string' ? Buffer.from(text, 'utf8') : text;
      if (!pool && done + bytes.length <= smallText) counter.add(bytes);
      else if (!pool && threads < 2) {
        for (const part of partsOf(bytes)) {
          counter.add(part);
          // so that whoever gives up is heard
          await new Promise(setImmediate);
          if (signal?.aborted) throw cancelled();
        }
      } else {
        pool ??= startThreads(threads, signal);
        for (const part of partsOf(bytes)) {
          if (!batch.hasRoomFor(part)) await send();
          batch.add(part);
        }
      }
      done += bytes.length;
      onProgress?.({ phase: 'count', done, total: undefined });
    }
    await send();
    await Promise.all(asked);
    for (const answer of (await pool?.askAll({ kind: 'counts' })) ?? []) {
      if (answer.kind === 'counts' && answer.counts) counter.addCounts(answer.counts);
    }
  } finally {
    pool?.close();
  }
  return counter.counts();
}

interface Batch {
  readonly isEmpty: boolean;
  hasRoomFor(part: Uint8Array): boolean;
  /** Copies the part: its memory may be used again meanwhile. */
  add(part: Uint8Array): void;
  /** What was added, good until the next `add`. */
  take(): { bytes: Uint8Array; ends: Int32Array };
}

/** Many short texts go to a thread together. */
function createBatch(): Batch {
  let bytes = new Uint8Array(batchBytes);
  let ends: number[] = [];
  let length = 0;
  return {
    get isEmpty() {
      return ends.length === 0;
    },
    hasRoomFor: (part) => length + part.length <= batchBytes || length === 0,
    add(part) {
      if (length + part.length > bytes.length) bytes = new Uint8Array(part.length);
      bytes.set(part, length);
      length += part.length;
      ends.push(length);
    },
    take() {
      const taken = { bytes: bytes.subarray(0, length), ends: Int32Array.from(ends) };
      length = 0;
      ends = [];
      return taken;
    },
  };
}

/** Learns in turns, so that the thread can do something else in between. */
async function learn(
  pieces: PieceCounts,
  tokens: number,
  minCount: number,
  { onProgress, signal }: TrainBpeOptions,
): Promise<LearnedMerges> {
  const steps = learnMerges(pieces, { tokens, minCount });
  let turnEnds = performance.now() + turnMs;
  for (;;) {
    const step = steps.next();
    if (step.done) {
      onProgress?.({ phase: 'merge', done: step.value.merged.length, total: tokens });
      return step.value;
    }
    if (performance.now() < turnEnds) continue;
    onProgress?.({ phase: 'merge', done: step.value, total: tokens });
    await new Promise(setImmediate);
    if (signal?.aborted) throw cancelled();
    turnEnds = performance.now() + turnMs;
  }
}
