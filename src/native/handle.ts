// A native object with a lifetime. Every pointer in the program sits in a Handle; use after disposal is an error,
// never a crash. `pointerOf` is for this room only (test/boundaries.test.ts keeps it so).
import { FreeholdError, invariant } from '../lib/errors.ts';

/** What koffi gives for a C pointer. */
export type Pointer = unknown;

const handles = new WeakMap<object, Handle>();

/** Owns one pointer. Children are disposed before their parent. */
export class Handle {
  #pointer: Pointer;
  readonly #kind: string;
  readonly #release: (pointer: Pointer) => void;
  readonly #children = new Set<Handle>();
  #parent: Handle | undefined;
  #busy = 0;

  /**
   * @param kind name for messages, e.g. `model`
   * @param pointer not null
   * @param release frees the pointer; called once
   */
  constructor(kind: string, pointer: Pointer, release: (pointer: Pointer) => void, parent?: Handle) {
    invariant(pointer !== null && pointer !== undefined, `${kind} handle holds a pointer`);
    this.#kind = kind;
    this.#pointer = pointer;
    this.#release = release;
    this.#parent = parent;
    if (parent) parent.#children.add(this);
  }

  get disposed(): boolean {
    return this.#pointer === undefined;
  }

  /** @throws FreeholdError native_disposed */
  get pointer(): Pointer {
    if (this.#pointer === undefined)
      throw new FreeholdError('native_disposed', `The ${this.#kind} was used after it was disposed.`);
    return this.#pointer;
  }

  /** Runs `work` on another thread's behalf: until it settles the handle cannot be disposed. */
  async whileBusy<T>(work: (pointer: Pointer) => Promise<T>): Promise<T> {
    const pointer = this.pointer;
    this.#busy += 1;
    try {
      return await work(pointer);
    } finally {
      this.#busy -= 1;
    }
  }

  /** Frees children, then this. Does nothing the second time. */
  dispose(): void {
    if (this.#pointer === undefined) return;
    invariant(!this.#anyBusy(), `${this.#kind} is not disposed while a native call runs on it`);
    for (const child of [...this.#children]) child.dispose();
    const pointer = this.#pointer;
    this.#pointer = undefined;
    if (this.#parent) this.#parent.#children.delete(this);
    this.#parent = undefined;
    this.#release(pointer);
  }

  #anyBusy(): boolean {
    return this.#busy > 0 || [...this.#children].some((child) => child.#anyBusy());
  }
}

/** Ties a public object to its handle, so that other files of this room can reach the pointer. */
export function attachHandle(owner: object, handle: Handle): Handle {
  handles.set(owner, handle);
  return handle;
}

export function handleOf(owner: object): Handle {
  const handle = handles.get(owner);
  invariant(handle, 'the object owns a native handle');
  return handle;
}

/** @throws FreeholdError native_disposed */
export function pointerOf(owner: object): Pointer {
  return handleOf(owner).pointer;
}
