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
  /** While someone has the object and its children to himself: settles when he is done. */
  #alone: Promise<unknown> | undefined;
  #whenIdle: (() => void) | undefined;

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
    for (let gate = this.#gate(); gate; gate = this.#gate()) await gate;
    const pointer = this.pointer;
    this.#busy += 1;
    try {
      return await work(pointer);
    } finally {
      this.#busy -= 1;
      this.#tellIfIdle();
      if (this.#parent) this.#parent.#tellIfIdle();
    }
  }

  /**
   * The same for what other threads must not see half done: begins when nothing runs on this or a child, and lets
   * nothing begin there until it settles.
   */
  async whileAlone<T>(work: (pointer: Pointer) => Promise<T>): Promise<T> {
    while (this.#alone) await this.#alone;
    let done = () => {};
    this.#alone = new Promise<void>((resolve) => {
      done = resolve;
    });
    try {
      if (this.#anyBusy()) {
        await new Promise<void>((resolve) => {
          this.#whenIdle = resolve;
        });
      }
      const pointer = this.pointer;
      this.#busy += 1;
      try {
        return await work(pointer);
      } finally {
        this.#busy -= 1;
      }
    } finally {
      this.#alone = undefined;
      done();
    }
  }

  #gate(): Promise<unknown> | undefined {
    return this.#alone ?? (this.#parent ? this.#parent.#alone : undefined);
  }

  #tellIfIdle(): void {
    if (!this.#whenIdle || this.#anyBusy()) return;
    this.#whenIdle();
    this.#whenIdle = undefined;
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
