// "Did you mean …?": names a few edits away.

/** Insertions, deletions, substitutions and swaps of neighbours that turn one text into the other. */
export function editDistance(left: string, right: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: right.length + 1 }, (_, column) => column);
  for (let row = 1; row <= left.length; row++) {
    const here = [row];
    for (let column = 1; column <= right.length; column++) {
      const same = left[row - 1] === right[column - 1];
      let least = Math.min(last[column]! + 1, here[column - 1]! + 1, last[column - 1]! + (same ? 0 : 1));
      if (row > 1 && column > 1 && left[row - 1] === right[column - 2] && left[row - 2] === right[column - 1]) {
        least = Math.min(least, beforeLast[column - 2]! + 1);
      }
      here.push(least);
    }
    beforeLast = last;
    last = here;
  }
  return last[right.length]!;
}

/**
 * At most three names that are close to this one (a third of its letters apart) or begin with it, nearest first.
 * @param nameOf what a candidate is offered as: several names of one thing, one of them once. Default: itself
 */
export function nearestNames(
  name: string,
  names: readonly string[],
  nameOf: (candidate: string) => string = (candidate) => candidate,
): string[] {
  const wanted = name.toLowerCase();
  if (wanted.length > 100) return [];
  const near = names
    .map((candidate) => {
      const other = candidate.toLowerCase();
      const begins = wanted.length >= 3 && (other.startsWith(wanted) || wanted.startsWith(other));
      return { candidate, distance: begins ? 0.5 : editDistance(wanted, other) };
    })
    .filter(({ distance }) => distance <= Math.max(1, Math.floor(wanted.length / 3)))
    .sort((a, b) => a.distance - b.distance);
  return [...new Set(near.map(({ candidate }) => nameOf(candidate)))].slice(0, 3);
}
