// Who waits, who begins and whose prompt is computed next. Pure: knows requests by their counts and tenants.

/**
 * Tokens of a prompt that are computed together, counted from its beginning; what is left over is computed apart. ggml
 * computes the attention of 64 rows and more in another way than that of fewer, which changes the last digits: so a
 * prompt is computed alike whatever else is under way.
 */
export const promptBlock = 64;

/**
 * The next request to admit: the oldest of the tenant that has the fewest active sequences.
 * @param mayBegin whether a waiting request may begin now. Default: each
 * @returns its index in `waiting`, or -1 when none may
 */
export function nextToAdmit<W extends { tenant: string }>(
  waiting: readonly W[],
  active: readonly { tenant: string }[],
  mayBegin: (candidate: W) => boolean = () => true,
): number {
  const load = countByTenant(active);
  let best = -1;
  let bestLoad = Infinity;
  const seen = new Set<string>();
  waiting.forEach((candidate, i) => {
    const { tenant } = candidate;
    if (seen.has(tenant) || !mayBegin(candidate)) return;
    seen.add(tenant);
    const tenantLoad = load.get(tenant) ?? 0;
    if (tenantLoad < bestLoad) {
      best = i;
      bestLoad = tenantLoad;
    }
  });
  return best;
}

/** Of a shorter queue nothing is kept back. */
const shortQueue = 16;

/**
 * Whether one more request of a tenant may wait. The last eighth of the queue is kept for tenants of whom next to none
 * waits, so that no tenant can shut the others out.
 */
export function hasRoom(waiting: number, ofTenant: number, limit: number): boolean {
  const kept = limit < shortQueue ? 0 : Math.floor(limit / 8);
  return waiting < limit - kept || (waiting < limit && ofTenant < Math.max(1, kept / 8));
}

export interface PromptLeft {
  tenant: string;
  /** Tokens of the prompt not computed yet, >= 1. */
  left: number;
  /** Prompts with different ones are not computed in one pass. */
  adapter?: object | undefined;
}

/**
 * Shares a pass between prompts. Tenants take turns by what was computed for them; of one tenant's prompts the oldest
 * and the shortest take turns, so that a short one need not wait for a long one, nor the long one for many short ones.
 * A prompt is finished before the next is begun: a pass over one sequence is the fastest.
 */
export class PromptPlanner {
  /** Prompt tokens computed for each tenant that has prompts waiting. */
  readonly #served = new Map<string, number>();
  #shortestNext = false;

  /**
   * @param prompts oldest first
   * @param capacity most tokens of the pass
   * @returns tokens of each prompt, in the same order
   */
  plan(prompts: readonly PromptLeft[], capacity: number): number[] {
    const counts = prompts.map(() => 0);
    let room = capacity;
    let first: PromptLeft | undefined;
    while (room > 0) {
      const next = this.#next(prompts, counts, first);
      if (next < 0) break;
      first ??= prompts[next] as PromptLeft;
      const { tenant, left } = prompts[next] as PromptLeft;
      const count = Math.min(left, room);
      counts[next] = count;
      room -= count;
      this.count(tenant, count);
      this.#shortestNext = !this.#shortestNext;
    }
    return counts;
  }

  /** @returns the prompt whose turn it is, by its index; -1 where there is none */
  choose(prompts: readonly PromptLeft[]): number {
    const next = this.#next(
      prompts,
      prompts.map(() => 0),
      undefined,
    );
    if (next >= 0) this.#shortestNext = !this.#shortestNext;
    return next;
  }

  /** Prompt tokens were computed for a tenant. */
  count(tenant: string, tokens: number): void {
    this.#served.set(tenant, (this.#served.get(tenant) ?? 0) + tokens);
  }

  /** Whose prompts there are now. Whoever is not among them is forgotten; whoever comes new begins where the least served stands. */
  meet(prompts: readonly { tenant: string }[]): void {
    const present = new Set(prompts.map(({ tenant }) => tenant));
    for (const tenant of this.#served.keys()) if (!present.has(tenant)) this.#served.delete(tenant);
    const least = Math.min(...this.#served.values());
    for (const tenant of present)
      if (!this.#served.has(tenant)) this.#served.set(tenant, Number.isFinite(least) ? least : 0);
  }

  #next(prompts: readonly PromptLeft[], counts: readonly number[], first: PromptLeft | undefined): number {
    let best = -1;
    for (let i = 0; i < prompts.length; i++) {
      const candidate = prompts[i] as PromptLeft;
      if (counts[i] !== 0 || candidate.left === 0) continue;
      if (first && candidate.adapter !== first.adapter) continue;
      const chosen = prompts[best];
      if (!chosen) best = i;
      else if (candidate.tenant === chosen.tenant) {
        if (this.#shortestNext && candidate.left < chosen.left) best = i;
      } else if ((this.#served.get(candidate.tenant) ?? 0) < (this.#served.get(chosen.tenant) ?? 0)) best = i;
    }
    return best;
  }
}

function countByTenant(requests: Iterable<{ tenant: string }>): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { tenant } of requests) counts.set(tenant, (counts.get(tenant) ?? 0) + 1);
  return counts;
}
