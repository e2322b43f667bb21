// Whose input is computed next, where many requests hold many inputs each: tenants take turns, and within a tenant its
// requests, one input at a time. Pure bookkeeping; knows neither tokens' meaning nor native code.

/** A request's inputs that wait, in order. */
export interface InputSource {
  tenant: string;
  /** Tokens of each input not yet taken. */
  lengths: readonly number[];
}

export interface EmbedQueue<Source extends InputSource> {
  readonly sources: readonly Source[];
  add(source: Source): void;
  remove(source: Source): void;
  /** The request whose first input is next; it goes to the end of the line. Undefined where nothing waits. */
  peek(): Source | undefined;
  /** Says that this request's first input was taken. */
  took(source: Source): void;
}

export function createEmbedQueue<Source extends InputSource>(): EmbedQueue<Source> {
  let sources: Source[] = [];
  let turn = 0;
  /** Turn in which a tenant, and a request, was last served; absent: never. */
  const tenants = new Map<string, number>();
  const served = new Map<Source, number>();
  const before = (a: Source, b: Source) =>
    (tenants.get(a.tenant) ?? -1) - (tenants.get(b.tenant) ?? -1) || (served.get(a) ?? -1) - (served.get(b) ?? -1);
  return {
    get sources() {
      return sources;
    },
    add(source) {
      sources.push(source);
    },
    remove(source) {
      sources = sources.filter((other) => other !== source);
      served.delete(source);
      if (!sources.some(({ tenant }) => tenant === source.tenant)) tenants.delete(source.tenant);
    },
    peek() {
      const waiting = sources.filter(({ lengths }) => lengths.length > 0);
      return waiting.reduce<Source | undefined>(
        (best, source) => (best === undefined || before(source, best) < 0 ? source : best),
        undefined,
      );
    },
    took(source) {
      turn += 1;
      tenants.set(source.tenant, turn);
      served.set(source, turn);
    },
  };
}

/**
 * Tokens that each running input gets of a batch's room: as much for each as there is, what short ones leave goes to
 * the others. All are whole where all fit.
 * @param remaining tokens left of each input
 */
export function shareRoom(remaining: readonly number[], room: number): number[] {
  const counts = remaining.map(() => 0);
  const shortestFirst = remaining
    .map((_, index) => index)
    .sort((a, b) => (remaining[a] as number) - (remaining[b] as number));
  let left = room;
  shortestFirst.forEach((index, rank) => {
    const count = Math.min(remaining[index] as number, Math.floor(left / (remaining.length - rank)));
    counts[index] = count;
    left -= count;
  });
  return counts;
}
