// Requests that wait for a slot: how many may, who is next, and who had better wait a little longer because a running
// request is about to compute what it needs too. Knows tenants and prompts; nothing of the cache.
import { FreeholdError } from '../../lib/errors.ts';
import type { Waiting } from './intake.ts';
import { hasRoom, nextToAdmit } from './planner.ts';
import type { Running } from './running.ts';
import { commonPrefix } from './slots.ts';

/** A prompt that shares at least so many more tokens with one being computed waits for it. */
const worthWaitingFor = 64;
/** Bounds of the wait named to whoever is turned away. */
const leastRetryMs = 1000;
const mostRetryMs = 60_000;
/** Share of the newest time in an average. */
const weight = 0.1;

export class Queue {
  readonly #limit: number;
  #waiting: Waiting[] = [];
  /** What a waiting request was found to wait for: so many tokens that both prompts begin with. */
  readonly #leaders = new WeakMap<Waiting, { running: Running; shared: number }>();
  /** Average time between two requests that end, and when the last one did. */
  #endIntervalMs = leastRetryMs;
  #endedAt: number | undefined;

  /** @param limit most requests that wait */
  constructor(limit: number) {
    this.#limit = limit;
  }

  get length(): number {
    return this.#waiting.length;
  }

  /**
   * @param preparing requests that will wait, too
   * @param free slots that are free
   * @throws FreeholdError overloaded, with the time after which to come again
   */
  requireRoom(tenant: string, preparing: readonly { tenant: string }[], free: number): void {
    this.#requireRoom(tenant, [...this.#waiting, ...preparing], free);
  }

  /** The same for requests that only count tokens, which are bounded apart. */
  requireRoomToCount(tenant: string, counting: readonly { tenant: string }[]): void {
    this.#requireRoom(tenant, counting, 0);
  }

  push(request: Waiting): void {
    this.#waiting.push(request);
  }

  /** Takes a request out that is no longer wanted. */
  remove(id: number): Waiting | undefined {
    const index = this.#waiting.findIndex((waiting) => waiting.id === id);
    return index < 0 ? undefined : this.#waiting.splice(index, 1)[0];
  }

  /** Takes the request out that begins next, if one may. */
  next(running: readonly Running[]): Waiting | undefined {
    const index = nextToAdmit(this.#waiting, running, (waiting) => !this.#hasLeader(waiting, running));
    return index < 0 ? undefined : this.#waiting.splice(index, 1)[0];
  }

  /** Whether some request waits for what is computed already of this one. */
  waitsFor(running: Running): boolean {
    return this.#waiting.some((waiting) => {
      const leader = this.#leaders.get(waiting);
      return leader?.running === running && leader.shared <= running.fed;
    });
  }

  /** A request ended: by how often that happens, whoever is turned away is told when to come again. */
  noteEnd(): void {
    const now = performance.now();
    const interval = Math.min(mostRetryMs, now - (this.#endedAt ?? now));
    this.#endIntervalMs += weight * (interval - this.#endIntervalMs);
    this.#endedAt = now;
  }

  #requireRoom(tenant: string, queue: readonly { tenant: string }[], free: number): void {
    const waiting = queue.length - free;
    const ofTenant = queue.filter((other) => other.tenant === tenant).length;
    if (waiting < 0 || hasRoom(waiting, ofTenant, this.#limit)) return;
    const waitMs = Math.round(waiting * this.#endIntervalMs);
    throw new FreeholdError('overloaded', `${waiting} requests already wait for this model.`, {
      retryAfterMs: Math.min(mostRetryMs, Math.max(leastRetryMs, waitMs)),
      hint: 'Try again in a moment, or raise --queue-limit.',
    });
  }

  #hasLeader(waiting: Waiting, running: readonly Running[]): boolean {
    const { scope, prompt } = waiting;
    const known = this.#leaders.get(waiting);
    if (known && running.includes(known.running) && isAhead(known.running, known.shared)) return true;
    for (const candidate of running) {
      if (candidate.generating || candidate.of.scope !== scope) continue;
      const shared = Math.min(commonPrefix(candidate.of.prompt, prompt), prompt.length - 1);
      if (!isAhead(candidate, shared)) continue;
      this.#leaders.set(waiting, { running: candidate, shared });
      return true;
    }
    return false;
  }
}

/** Whether a prompt has yet to compute so much of what it shares with another that waiting for it pays. */
function isAhead({ generating, slot }: Running, shared: number): boolean {
  return !generating && shared - slot.tokens.length >= worthWaitingFor;
}
