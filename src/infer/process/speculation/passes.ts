// How many passes over the weights libllama makes for one batch. With one buffer of KV cells for all sequences it makes
// one. With a buffer for each, a pass takes the same number of tokens of each of its sequences, and their numbers must
// follow one another (`llama_batch_allocr::split_equal`); what is left goes into further passes.

/** Rows of one sequence in a batch. */
export interface SequenceRows {
  /** Its number in the KV cache. */
  sequence: number;
  rows: number;
}

/** @param batch by rising sequence */
export function passesPerSequence(batch: readonly SequenceRows[]): number {
  const left = batch.map(({ rows }) => rows);
  let passes = 0;
  for (let first = 0; first < batch.length; ) {
    if (left[first] === 0) {
      first += 1;
      continue;
    }
    const taken = [first];
    let fewest = left[first] as number;
    for (let i = first + 1; i < batch.length; i++) {
      if (left[i] === 0 || sequenceOf(batch, i) !== sequenceOf(batch, taken.at(-1) as number) + 1) continue;
      taken.push(i);
      fewest = Math.min(fewest, left[i] as number);
    }
    for (const i of taken) left[i] = (left[i] as number) - fewest;
    passes += 1;
  }
  return passes;
}

function sequenceOf(batch: readonly SequenceRows[], index: number): number {
  return (batch[index] as SequenceRows).sequence;
}
