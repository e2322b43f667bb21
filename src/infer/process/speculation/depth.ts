// How many guesses of each sequence to compute in a step: as many as bring the most tokens a second, in what the step is
// expected to cost with them. Pure.

/** Guesses must promise so much more tokens a second than none, or the errors of the estimates decide. */
const margin = 1.03;
/** A step may take so many times what it takes without guesses: sequences whose guesses fail wait for one token as long. */
const slowest = 3;
/** A guess that holds more rarely is not worth looking at. */
const least = 0.02;

/**
 * @param chances for each sequence the chance that its 1st, 2nd, … guess and all before it hold, never rising
 * @param cost milliseconds of the step with so many guesses of each sequence
 * @param room most guesses of all sequences together
 * @returns guesses of each sequence; the step takes at most three times as long with them
 */
export function chooseDepths(
  chances: readonly (readonly number[])[],
  cost: (depths: readonly number[]) => number,
  room = Number.POSITIVE_INFINITY,
): number[] {
  const depths: number[] = chances.map(() => 0);
  const candidates = chances.flatMap((ofOne, index) =>
    ofOne.filter((chance) => chance >= least).map((chance, place) => ({ index, place, chance })),
  );
  // the likeliest first; of equals the earlier, as sequences with equally many rows share a pass
  candidates.sort((a, b) => b.chance - a.chance || a.place - b.place);
  let best: number[] = [...depths];
  let tokens = chances.length;
  const plain = cost(depths);
  let bestSpeed = (margin * tokens) / plain;
  for (const { index, chance } of candidates.slice(0, room)) {
    depths[index] = (depths[index] as number) + 1;
    tokens += chance;
    const ms = cost(depths);
    if (ms > slowest * plain) break;
    if (tokens / ms > bestSpeed) {
      bestSpeed = tokens / ms;
      best = [...depths];
    }
  }
  return best;
}
