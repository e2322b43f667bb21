// The KV cache as places for sequences, and what is shared between them. A request begins where most of its prompt is
// computed already: in a free place of its own tenant, as a copy of a running one, or from host memory, where a place
// leaves what it held before it is used anew. Knows tokens and scopes, not requests.
//
// libllama computes sequences together only where their numbers follow each other (a gap costs another pass over the
// weights; docs/decisions/kv-cache.md), so busy places are kept side by side.
import { invariant } from '../../lib/errors.ts';
import { touchedMemory, WarmMemory } from '../../lib/warm-memory.ts';
import { type KvLayout, moveKvState, readKvState, rowsOfState, sliceRows, stateOfRows } from '../../native/kv-state.ts';
import type { Context } from '../../native/llama.ts';
import { PrefixTree } from './prefix-tree.ts';

/** A place in the KV cache. What it held last stays there until another request needs the place. */
export interface Slot {
  /** Number of its sequence in the context. */
  sequence: number;
  /** Who may go on from what it holds; undefined: nobody. */
  scope: string | undefined;
  /** Tokens whose keys and values are in the cache, in order. */
  tokens: number[];
  busy: boolean;
  /** When it was last freed. */
  freedAt: number;
}

/** Fewer shared tokens are not worth a copy. */
const leastCopied = 32;
/** A sequence that holds more than so many times what is shared is not worth copying for it. */
const mostCopiedForShared = 32;
/** Most bytes of a sequence that is copied to share a part of it. */
const mostCopiedBytes = 2 * 2 ** 30;
/** Fewer tokens are not worth keeping when their place is needed. */
const leastKept = 64;
/** Free memory, to a buffer that is only made ready, from which on one is. */
const freeForReady = 8;
/** A larger buffer is given back when nothing is left to compute. */
const mostBufferAtRest = 256 << 20;
/** Most bytes moved between two steps to bring busy places together: some 30 ms. */
const mostMovedBytes = 64 << 20;

export class Slots {
  #context: Context;
  #slots: Slot[] = [];
  #clock = 0;
  readonly #tree: PrefixTree | undefined;
  #layout: KvLayout | undefined;
  /** For states on their way; grows to the largest one. */
  #buffer: Uint8Array = new Uint8Array(0);
  /** For what is kept: copying into fresh memory would hold all answers up. */
  readonly #rows = new WarmMemory();

  /** @param prefixCacheBytes most host memory for what places held before; 0: none */
  constructor(context: Context, prefixCacheBytes: number) {
    this.#context = context;
    this.#tree =
      prefixCacheBytes > 0
        ? new PrefixTree(
            prefixCacheBytes,
            (rows, from, to) => sliceRows(this.#knownLayout(), rows, from, to),
            ({ bytes }) => this.#rows.give(bytes),
          )
        : undefined;
    this.#addMissing();
  }

  get count(): number {
    return this.#slots.length;
  }

  get free(): number {
    return this.#slots.reduce((sum, { busy }) => sum + (busy ? 0 : 1), 0);
  }

  /** Tokens in the KV cache, those of free places included. */
  get heldTokens(): number {
    return this.#slots.reduce((sum, { tokens }) => sum + tokens.length, 0);
  }

  /** Host memory of kept prompts, in bytes. */
  get prefixCacheBytes(): number {
    return this.#tree?.bytes ?? 0;
  }

  /**
   * Takes a free place for a prompt, and fills it with as much of the prompt as can be had without computing. At least
   * the last token is left to compute: its logits are needed.
   * @returns the place; `tokens.length` of the prompt are in it
   */
  acquire(scope: string, prompt: Int32Array): Slot {
    const most = prompt.length - 1;
    let source: Slot | undefined;
    let shared = 0;
    for (const slot of this.#slots) {
      if (slot.scope !== scope) continue;
      const length = Math.min(most, commonPrefix(slot.tokens, prompt));
      // where two hold as much, the free one, which needs no copy
      if (length > shared || (length === shared && source?.busy && !slot.busy)) {
        source = slot;
        shared = length;
      }
    }
    const kept = Math.min(most, this.#tree?.matchLength(scope, prompt) ?? 0);
    const fromTree = kept >= leastCopied && kept > shared + (source?.busy === false ? leastCopied : 0);
    // a place that holds much else is better copied from
    const inPlace = source && !source.busy && !fromTree && 2 * shared >= source.tokens.length;
    const slot = inPlace && source ? source : this.#placeForNew();
    slot.busy = true;
    if (slot === source && !fromTree) {
      if (shared < slot.tokens.length) this.#keep(slot);
      this.#cut(slot, shared);
    } else {
      this.#keep(slot);
      // what was kept just now may have pushed out what was found: it is looked up anew
      if (fromTree) this.#load(slot, scope, prompt);
      else if (source && this.#isWorthCopying(source, shared)) this.#copy(source, slot, shared);
      else this.#cut(slot, 0);
    }
    slot.scope = scope;
    return slot;
  }

  /** The place is free; what it holds stays for whoever goes on from it. */
  release(slot: Slot): void {
    slot.busy = false;
    slot.freedAt = ++this.#clock;
    if (this.#tree && slot.tokens.length >= leastKept) this.#makeReady(slot);
  }

  /** Has memory ready for when what the place holds must make room. */
  #makeReady(slot: Slot): void {
    const bytes = this.#context.sequenceBytes(slot.sequence);
    if (bytes * freeForReady > process.availableMemory()) return;
    void this.#rows.expect(bytes);
    if (this.#buffer.length >= bytes) return;
    void touchedMemory(bytes).then((buffer) => {
      if (buffer.length > this.#buffer.length) this.#buffer = buffer;
    });
  }

  /**
   * Forgets the tokens of a busy place from `length` on.
   * @returns false where the memory cannot forget a part (recurrent models): the place is empty then
   */
  truncate(slot: Slot, length: number): boolean {
    return length === slot.tokens.length || this.#cut(slot, length);
  }

  /**
   * Copies what a place holds into the one sequence of another context.
   * @returns false where that cannot be done
   */
  copyTo(context: Context, slot: Slot): boolean {
    context.removeSequence(0);
    if (slot.tokens.length === 0) return true;
    const state = moveKvState(this.#read(this.#context, slot.sequence), context.sequences);
    return state !== undefined && context.writeSequence(0, state);
  }

  /**
   * Gives a busy place what was computed in the one sequence of another context.
   * @returns false where that cannot be done: the place is empty then
   */
  copyFrom(context: Context, slot: Slot, tokens: number[]): boolean {
    const state = moveKvState(this.#read(context, 0), this.#context.sequences);
    const could = state !== undefined && this.#context.writeSequence(slot.sequence, state);
    if (!could) this.#context.removeSequence(slot.sequence);
    slot.tokens = could ? tokens : [];
    return could;
  }

  /** Gives memory back that is used only while states move. */
  rest(): void {
    if (this.#buffer.length > mostBufferAtRest) this.#buffer = new Uint8Array(0);
    if (this.#rows.readyBytes > mostBufferAtRest) this.#rows.drop();
  }

  /** Brings busy places side by side. */
  compact(): void {
    let movedBytes = 0;
    while (movedBytes < mostMovedBytes) {
      const busy = this.#slots.filter(({ busy }) => busy);
      const [first, last] = [busy[0], busy.at(-1)];
      if (!first || !last || last.sequence - first.sequence === busy.length - 1) return;
      const gap = this.#slots.find(({ busy, sequence }) => !busy && sequence > first.sequence) as Slot;
      const moved = first.tokens.length < last.tokens.length ? first : last;
      movedBytes += moved.tokens.length * (this.#layout?.tokenBytes ?? 0);
      this.#keep(gap);
      if (!this.#move(moved, gap)) return;
    }
  }

  /**
   * Goes on in another context with more sequences.
   * @returns busy places whose tokens could not be taken along: they are empty now
   */
  moveTo(context: Context): Slot[] {
    const lost: Slot[] = [];
    const before = this.#context;
    for (const slot of this.#slots) {
      const { tokens, sequence } = slot;
      if (tokens.length === 0) continue;
      const state = moveKvState(this.#read(before, sequence), context.sequences);
      const taken = state && context.writeSequence(sequence, state);
      if (taken) continue;
      slot.tokens = [];
      if (slot.busy) lost.push(slot);
    }
    this.#context = context;
    this.#addMissing();
    return lost;
  }

  /** After a failure that leaves the cache unknown: all places are empty. */
  clear(): void {
    for (const slot of this.#slots) this.#cut(slot, 0);
  }

  #addMissing(): void {
    for (let sequence = this.#slots.length; sequence < this.#context.sequences; sequence++) {
      this.#slots.push({ sequence, scope: undefined, tokens: [], busy: false, freedAt: 0 });
    }
  }

  #isWorthCopying({ tokens }: Slot, shared: number): boolean {
    const bytes = tokens.length * (this.#layout?.tokenBytes ?? 0);
    return shared >= leastCopied && shared * mostCopiedForShared >= tokens.length && bytes <= mostCopiedBytes;
  }

  /** A free place between or beside the busy ones; of these an empty one, else the one that was free longest. */
  #placeForNew(): Slot {
    let first = this.#slots.length;
    let last = -1;
    for (const { busy, sequence } of this.#slots) {
      if (!busy) continue;
      first = Math.min(first, sequence);
      last = sequence;
    }
    let best: Slot | undefined;
    for (const slot of this.#slots) {
      const near = last < 0 || (slot.sequence >= first - 1 && slot.sequence <= last + 1);
      if (slot.busy || !near) continue;
      const better = !best || rank(slot) < rank(best);
      if (better) best = slot;
    }
    invariant(best, 'a place is free when a request is admitted');
    return best;
  }

  /** @returns false where a part could not be forgotten: all of it was */
  #cut(slot: Slot, length: number): boolean {
    const could = this.#context.removeSequence(slot.sequence, length);
    if (!could) this.#context.removeSequence(slot.sequence);
    slot.tokens.length = could ? length : 0;
    return could;
  }

  /** Keeps what a place holds in host memory, where that is worth it. */
  #keep(slot: Slot): void {
    const { tokens, scope } = slot;
    if (!this.#tree || scope === undefined || tokens.length < leastKept) return;
    if (tokens.length - this.#tree.matchLength(scope, tokens) < leastCopied) return;
    const state = this.#read(this.#context, slot.sequence);
    const read = readKvState(state);
    if (!read || read.count !== tokens.length) return;
    this.#layout = read.layout;
    const allocate = (bytes: number) => this.#rows.take(bytes);
    this.#tree.insert(scope, tokens, (from) => rowsOfState(read.layout, read.count, state, from, read.count, allocate));
  }

  #load(slot: Slot, scope: string, prompt: Int32Array): void {
    const { length, pieces } = this.#tree?.match(scope, prompt) ?? { length: 0, pieces: [] };
    const count = Math.min(length, prompt.length - 1);
    if (count < leastCopied) {
      this.#cut(slot, 0);
      return;
    }
    const state = stateOfRows(this.#knownLayout(), pieces, count, this.#context.sequences, this.#buffer);
    const could = this.#context.writeSequence(slot.sequence, state);
    slot.tokens = could ? Array.from(prompt.subarray(0, count)) : [];
  }

  #copy(from: Slot, to: Slot, length: number): void {
    const state = this.#read(this.#context, from.sequence);
    const could = this.#context.writeSequence(to.sequence, state);
    to.tokens = could ? from.tokens.slice() : [];
    if (to.tokens.length > length) this.#cut(to, length);
  }

  /** A busy place and a free one change numbers; what the free one held is gone. */
  #move(busy: Slot, free: Slot): boolean {
    const state = this.#read(this.#context, busy.sequence);
    if (busy.tokens.length > 0 && !this.#context.writeSequence(free.sequence, state)) {
      free.tokens = [];
      return false;
    }
    if (busy.tokens.length === 0) this.#context.removeSequence(free.sequence);
    this.#context.removeSequence(busy.sequence);
    const { sequence } = busy;
    busy.sequence = free.sequence;
    Object.assign(free, { sequence, tokens: [], scope: undefined });
    this.#slots.sort((a, b) => a.sequence - b.sequence);
    return true;
  }

  #read(context: Context, sequence: number): Uint8Array {
    const state = context.readSequence(sequence, this.#buffer);
    if (state.buffer !== this.#buffer.buffer) this.#buffer = new Uint8Array(state.buffer);
    this.#layout ??= readKvState(state)?.layout;
    return state;
  }

  #knownLayout(): KvLayout {
    invariant(this.#layout, 'rows are kept only of states that could be read');
    return this.#layout;
  }
}

/** Empty places first, then those that were free longest. */
function rank({ tokens, freedAt }: Slot): number {
  return tokens.length === 0 ? -1 : freedAt;
}

export function commonPrefix(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const length = Math.min(a.length, b.length);
  let i = 0;
  while (i < length && a[i] === b[i]) i += 1;
  return i;
}
