// Decides what one step computes: a token for every sequence that is generating, then pieces of prompts.
// Pure: knows sequences by their counts, not their text.

export interface PlannedSequence {
  /** Prompt tokens not computed yet; 0 once it generates. */
  remainingPrompt: number;
}

/** Most prompt tokens in a step while others are generating: bounds the pause they notice. */
export const promptTokensWhileGenerating = 128;

/**
 * @param sequences the active ones, oldest first
 * @param capacity most tokens of one step
 * @returns tokens of each sequence this step, in the same order: 1 for each generating one, then prompts share what is
 *   left evenly; a prompt that needs less than its share leaves the rest to the others
 */
export function planStep(sequences: readonly PlannedSequence[], capacity: number): number[] {
  const counts: number[] = sequences.map(({ remainingPrompt }) => (remainingPrompt === 0 ? 1 : 0));
  const generating = counts.reduce((sum, count) => sum + count, 0);
  let left = Math.min(capacity - generating, generating > 0 ? promptTokensWhileGenerating : capacity);
  // the shortest first, so that every share left over is passed on
  const prompts = sequences
    .map(({ remainingPrompt }, index) => ({ remainingPrompt, index }))
    .filter(({ remainingPrompt }) => remainingPrompt > 0)
    .sort((a, b) => a.remainingPrompt - b.remainingPrompt || a.index - b.index);
  prompts.forEach(({ remainingPrompt, index }, i) => {
    const share = Math.min(remainingPrompt, Math.max(1, Math.floor(left / (prompts.length - i))), left);
    counts[index] = share;
    left -= share;
  });
  return counts;
}

/**
 * The next request to admit: the oldest of the tenant that has the fewest active sequences.
 * @returns its index in `waiting`, or -1 when none waits
 */
export function nextToAdmit(waiting: readonly { tenant: string }[], active: readonly { tenant: string }[]): number {
  const load = new Map<string, number>();
  for (const { tenant } of active) load.set(tenant, (load.get(tenant) ?? 0) + 1);
  let best = -1;
  let bestLoad = Infinity;
  const seen = new Set<string>();
  for (let i = 0; i < waiting.length; i++) {
    const { tenant } = waiting[i] as { tenant: string };
    if (seen.has(tenant)) continue;
    seen.add(tenant);
    const tenantLoad = load.get(tenant) ?? 0;
    if (tenantLoad < bestLoad) {
      best = i;
      bestLoad = tenantLoad;
    }
  }
  return best;
}
