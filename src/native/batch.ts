// What one decode call computes.
import koffi from 'koffi';
import { invariant } from '../lib/errors.ts';
import type { Native } from './ffi.ts';
import { attachHandle, Handle } from './handle.ts';

/** Tokens for one decode call, each with its position, sequence and whether its logits are wanted. */
export class Batch {
  readonly capacity: number;
  readonly #handle: Handle;
  readonly #struct: { n_tokens: number; [field: string]: unknown };
  readonly #token: Int32Array;
  readonly #position: Int32Array;
  readonly #sequence: Int32Array[];
  readonly #wantsLogits: Int8Array;
  #size = 0;
  #outputs = 0;

  constructor(native: Native, capacity: number) {
    this.capacity = capacity;
    this.#struct = native.llama.llama_batch_init(capacity, 0, 1);
    this.#handle = attachHandle(
      this,
      new Handle('batch', this.#struct, (struct) => native.llama.llama_batch_free(struct)),
    );
    const view = (pointer: unknown, length: number) => koffi.view(pointer as any, length * 4);
    this.#token = new Int32Array(view(this.#struct.token, capacity));
    this.#position = new Int32Array(view(this.#struct.pos, capacity));
    this.#wantsLogits = new Int8Array(koffi.view(this.#struct.logits as any, capacity));
    new Int32Array(view(this.#struct.n_seq_id, capacity)).fill(1);
    this.#sequence = Array.from(
      { length: capacity },
      (_, i) => new Int32Array(view(koffi.decode(this.#struct.seq_id, i * 8, 'void*'), 1)),
    );
  }

  get size(): number {
    return this.#size;
  }

  /** Rows that want logits. */
  get outputs(): number {
    return this.#outputs;
  }

  clear(): void {
    this.#size = 0;
    this.#outputs = 0;
  }

  /** @returns where its logits will be, to ask `Context.logits` for them; -1 where it wants none */
  add(token: number, position: number, sequence: number, wantsLogits: boolean): number {
    invariant(!this.#handle.disposed && this.#size < this.capacity, 'the batch has room');
    const row = this.#size++;
    this.#token[row] = token;
    this.#position[row] = position;
    (this.#sequence[row] as Int32Array)[0] = sequence;
    this.#wantsLogits[row] = wantsLogits ? 1 : 0;
    return wantsLogits ? this.#outputs++ : -1;
  }

  /** For Context.decode only. */
  native(): unknown {
    void this.#handle.pointer;
    this.#struct.n_tokens = this.#size;
    return this.#struct;
  }

  dispose(): void {
    this.#handle.dispose();
  }
}
