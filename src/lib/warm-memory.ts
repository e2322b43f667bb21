// Large buffers whose memory the system has handed out already. The first touch of fresh memory costs 1 to 3 ms for each
// megabyte on a virtual machine: a hundred of them hold up whoever waits for this thread. Here another thread touches it
// before it is needed. Knows nothing of what is kept in it.
import { open } from 'node:fs/promises';

/** Smaller buffers are not worth it. */
const leastBytes = 1 << 20;
const pieceBytes = 16 << 20;
/** A buffer may be so much larger than what is taken of it. */
const mostWaste = 1.25;

export class WarmMemory {
  #ready: Uint8Array | undefined;
  #coming: Promise<void> | undefined;

  /** Bytes that are ready, and used by nobody. */
  get readyBytes(): number {
    return this.#ready?.length ?? 0;
  }

  /**
   * So much will be taken soon. One buffer is kept ready; the largest that was asked for.
   * @returns when there is one, as far as it can be had
   */
  async expect(bytes: number): Promise<void> {
    if (bytes < leastBytes || this.readyBytes >= bytes) return;
    // one at a time; whoever expects more asks again
    this.#coming ??= touchedMemory(bytes)
      .then((memory) => this.give(memory))
      .finally(() => {
        this.#coming = undefined;
      });
    await this.#coming;
  }

  /** A buffer of so many bytes, whatever they are; fresh where none is ready. */
  take(bytes: number): Uint8Array {
    const ready = this.#ready;
    // a small piece must not hold on to a large one
    if (!ready || ready.length < bytes || ready.length > bytes * mostWaste) return new Uint8Array(bytes);
    this.#ready = undefined;
    return ready.subarray(0, bytes);
  }

  /** A buffer that is no longer used, of `take` or not, may be taken again. */
  give(memory: Uint8Array): void {
    if (memory.length < leastBytes || memory.length <= this.readyBytes) return;
    this.#ready = new Uint8Array(memory.buffer);
  }

  /** Gives back to the system what nobody uses. */
  drop(): void {
    this.#ready = undefined;
  }
}

/** A new buffer, all of it touched on another thread: a read writes to it, and has one of its own. */
export async function touchedMemory(bytes: number): Promise<Uint8Array> {
  const memory = new Uint8Array(bytes);
  // a system without this device: the first use touches
  const zeros = await open('/dev/zero').catch(() => undefined);
  try {
    for (let at = 0; zeros && at < bytes; ) {
      const { bytesRead } = await zeros.read(memory, at, Math.min(pieceBytes, bytes - at));
      if (bytesRead === 0) break;
      at += bytesRead;
    }
  } finally {
    await zeros?.close();
  }
  return memory;
}
