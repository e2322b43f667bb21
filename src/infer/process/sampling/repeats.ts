// How long a repeat each token would carry on, for the DRY penalty ("don't repeat yourself", p-e-w 2024): tokens that
// followed earlier occurrences of what the text ends with now. One pass over the window with the Z algorithm, read from
// its end. Knows nothing of logits.

let buffer = new Int32Array(0);

/**
 * @param history tokens so far
 * @param window how many of the last of them are searched
 * @param shortest repeats below this length are not reported; >= 1
 * @param breakers no repeat reaches across these tokens, and none of them carries one on
 * @returns token to the length of the longest repeat it would carry on, the token itself not counted
 */
export function repeatsCarriedOn(
  history: ArrayLike<number>,
  window: number,
  shortest: number,
  breakers: ReadonlySet<number>,
): Map<number, number> {
  const found = new Map<number, number>();
  const end = history.length - 1;
  const size = Math.min(window, history.length);
  if (buffer.length < size) buffer = new Int32Array(2 * size);
  const lengths = buffer;
  const last = history[end];
  /** How many of the last tokens are known to be no breakers. */
  let unbroken = 0;
  // lengths[k]: how many of the last tokens also stand k tokens earlier; [left, right) is the match that reaches furthest
  let left = 0;
  let right = 0;
  for (let k = 1; k < size; k++) {
    if (history[end - k] !== last) {
      lengths[k] = 0;
      continue;
    }
    let length = k < right ? Math.min(right - k, lengths[k - left] as number) : 1;
    while (k + length < size && history[end - length] === history[end - k - length]) length += 1;
    lengths[k] = length;
    if (k + length > right) {
      left = k;
      right = k + length;
    }
    if (length < shortest) continue;
    while (unbroken < length && !breakers.has(history[end - unbroken] as number)) unbroken += 1;
    length = Math.min(length, unbroken);
    if (length < shortest) continue;
    const next = history[end - k + 1] as number;
    if (!breakers.has(next) && length > (found.get(next) ?? 0)) found.set(next, length);
  }
  return found;
}
