// Prompts that were computed once and are no longer in the KV cache: a radix tree over token ids for each scope, whose
// nodes hold the keys and values of their tokens in host memory. Bounded; what was not used for longest goes first.
// Knows nothing of slots or native code.
import type { KvRows } from '../../native/kv-state.ts';

interface Node {
  parent: Node | undefined;
  /** Tokens from the parent's last to this node's last; empty at a root. */
  tokens: Int32Array;
  rows: KvRows | undefined;
  children: Map<number, Node>;
  usedAt: number;
}

/** Takes the tokens [from, to) out of some rows. */
export type SliceRows = (rows: KvRows, from: number, to: number) => KvRows;

export class PrefixTree {
  readonly #limitBytes: number;
  readonly #slice: SliceRows;
  readonly #onDrop: (rows: KvRows) => void;
  /** Who may share with whom (a tenant, with an adapter) to what they computed. */
  readonly #roots = new Map<string, Node>();
  #bytes = 0;
  #clock = 0;

  /**
   * @param limitBytes most memory of all rows together
   * @param onDrop is given rows that are not held any more, whose memory may be used again
   */
  constructor(limitBytes: number, slice: SliceRows, onDrop: (rows: KvRows) => void = () => {}) {
    this.#onDrop = onDrop;
    this.#limitBytes = limitBytes;
    this.#slice = slice;
  }

  /** Memory of all rows, in bytes. */
  get bytes(): number {
    return this.#bytes;
  }

  /** How many of the first tokens are held. */
  matchLength(scope: string, tokens: ArrayLike<number>): number {
    return this.#walk(scope, tokens).length;
  }

  /**
   * The longest held prefix, which counts as a use of it.
   * @returns rows from position 0 on; the last of `pieces` may hold more than is left of `length`
   */
  match(scope: string, tokens: ArrayLike<number>): { length: number; pieces: KvRows[] } {
    const { length, path } = this.#walk(scope, tokens);
    for (const node of path) node.usedAt = ++this.#clock;
    return { length, pieces: path.map(({ rows }) => rows as KvRows) };
  }

  /**
   * Holds the tokens from now on, if there is room for them at all.
   * @param rowsOf asked once, for the tokens [from, all) that are not held yet
   */
  insert(scope: string, tokens: ArrayLike<number>, rowsOf: (from: number) => KvRows): void {
    const { length, path, inLast } = this.#walk(scope, tokens);
    for (const node of path) node.usedAt = ++this.#clock;
    if (length === tokens.length) return;
    const rows = rowsOf(length);
    // it would push everything else out before it went itself
    if ((rows.bytes.length / rows.count) * tokens.length > this.#limitBytes) return;
    let parent = path.at(-1) ?? this.#rootOf(scope);
    if (path.length > 0 && inLast < parent.tokens.length) parent = this.#split(parent, inLast);
    const rest = Int32Array.from({ length: tokens.length - length }, (_, i) => tokens[length + i] as number);
    const node: Node = { parent, tokens: rest, rows, children: new Map(), usedAt: ++this.#clock };
    parent.children.set(rest[0] as number, node);
    this.#bytes += rows.bytes.length;
    this.#evict();
  }

  #rootOf(scope: string): Node {
    let root = this.#roots.get(scope);
    if (!root) {
      root = { parent: undefined, tokens: new Int32Array(0), rows: undefined, children: new Map(), usedAt: 0 };
      this.#roots.set(scope, root);
    }
    return root;
  }

  #walk(scope: string, tokens: ArrayLike<number>): { length: number; path: Node[]; inLast: number } {
    const path: Node[] = [];
    let node = this.#roots.get(scope);
    let length = 0;
    let inLast = 0;
    while (node && length < tokens.length) {
      const next: Node | undefined = node.children.get(tokens[length] as number);
      if (!next) break;
      const most = Math.min(next.tokens.length, tokens.length - length);
      inLast = 1;
      while (inLast < most && next.tokens[inLast] === tokens[length + inLast]) inLast += 1;
      path.push(next);
      length += inLast;
      if (inLast < next.tokens.length) break;
      node = next;
    }
    return { length, path, inLast };
  }

  /** Makes the first `at` tokens of a node a node of their own, the parent of the rest. */
  #split(node: Node, at: number): Node {
    const { parent, tokens, rows } = node;
    if (!parent || !rows) return node;
    const upper: Node = {
      parent,
      tokens: tokens.slice(0, at),
      rows: this.#slice(rows, 0, at),
      children: new Map([[tokens[at] as number, node]]),
      usedAt: node.usedAt,
    };
    parent.children.set(tokens[0] as number, upper);
    node.parent = upper;
    node.rows = this.#slice(rows, at, tokens.length);
    node.tokens = tokens.slice(at);
    return upper;
  }

  /** Only leaves go: what stands behind a node is of no use without it. */
  #evict(): void {
    while (this.#bytes > this.#limitBytes) {
      let oldest: Node | undefined;
      const visit = (node: Node) => {
        if (node.rows && node.children.size === 0 && (!oldest || node.usedAt < oldest.usedAt)) oldest = node;
        for (const child of node.children.values()) visit(child);
      };
      for (const root of this.#roots.values()) visit(root);
      if (!oldest) return;
      this.#bytes -= oldest.rows?.bytes.length ?? 0;
      if (oldest.rows) this.#onDrop(oldest.rows);
      oldest.parent?.children.delete(oldest.tokens[0] as number);
      for (const [scope, root] of this.#roots) if (root.children.size === 0) this.#roots.delete(scope);
    }
  }
}
