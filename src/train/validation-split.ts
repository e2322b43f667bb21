// Which tokens are held out to judge a run by. Whole documents where there are many, the end of each document where there are
// few. It depends on the documents alone, not on the run's seed, so that runs on the same texts are judged by the same tokens.
import { FreeholdError } from '../lib/errors.ts';
import { seedOf } from './seeds.ts';

/** Stretches of tokens that belong together: none crosses a document's end. */
export interface Spans {
  /** Offset of each in the pool. */
  starts: Float64Array;
  /** Tokens of each. */
  lengths: Uint32Array;
}

/** From this many documents on, none of which is longer than a tenth of all, whole ones are held out. */
const manyDocuments = 200;

/**
 * @param documents tokens of each
 * @param options.fraction of all tokens to hold out, 0 to 0.5; 0 holds nothing out
 * @param options.context tokens of a row; at least one row is held out, if that is no more than a quarter of all
 * @throws FreeholdError data_invalid where what is left to train on does not fill a row
 */
export function splitValidation(
  documents: Uint32Array,
  options: { fraction: number; context: number },
): { training: Spans; validation: Spans } {
  const { fraction, context } = options;
  const total = documents.reduce((sum, length) => sum + length, 0);
  const wanted = fraction === 0 ? 0 : Math.max(fraction * total, Math.min(context + 1, total / 4));
  const longest = documents.reduce((most, length) => Math.max(most, length), 0);
  const whole = documents.length >= manyDocuments && longest <= total / 10;
  const held = whole ? heldDocuments(documents, wanted) : undefined;
  const share = total === 0 ? 0 : wanted / total;
  const training = spanList();
  const validation = spanList();
  let start = 0;
  for (const [index, length] of documents.entries()) {
    const tail = held ? (held.has(index) ? length : 0) : length - Math.floor(length * (1 - share));
    training.add(start, length - tail);
    validation.add(start + length - tail, tail);
    start += length;
  }
  const result = { training: training.spans(), validation: validation.spans() };
  const left = tokensOf(result.training);
  if (left <= context) {
    throw new FreeholdError(
      'data_invalid',
      `The texts have ${total} tokens, of which ${left} are left to train on; one row takes ${context + 1}.`,
      { hint: 'Give more text, or a shorter context with --context.' },
    );
  }
  return result;
}

export function tokensOf({ lengths }: Spans): number {
  return lengths.reduce((sum, length) => sum + length, 0);
}

/** Documents in the order of a hash, until there are tokens enough. */
function heldDocuments(documents: Uint32Array, wanted: number): Set<number> {
  const order = [...documents.keys()].map((index) => ({ index, key: seedOf('validation', index) }));
  order.sort((a, b) => a.key - b.key || a.index - b.index);
  const held = new Set<number>();
  let tokens = 0;
  for (const { index } of order) {
    if (tokens >= wanted) break;
    held.add(index);
    tokens += documents[index] as number;
  }
  return held;
}

function spanList() {
  const starts: number[] = [];
  const lengths: number[] = [];
  return {
    // one token alone has nothing before it to be told from
    add(start: number, length: number) {
      if (length < 2) return;
      starts.push(start);
      lengths.push(length);
    },
    spans: (): Spans => ({ starts: Float64Array.from(starts), lengths: Uint32Array.from(lengths) }),
  };
}
