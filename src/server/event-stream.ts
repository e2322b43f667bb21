// Text on its way to a reader that may be slow. What the reader has not taken waits here, joined, and never more than
// a limit: a generation is worth ending, the server's memory is not.

export interface EventStreamOptions {
  /** Most bytes that may wait. */
  limitBytes: number;
  /** Longest the reader may take nothing while something waits, in milliseconds. */
  stallMs: number;
  /** The reader went away. */
  onCancel(): void;
  /** The reader is too slow: more waits than may, or for too long. The stream is over. */
  onStall(): void;
}

export interface EventStream {
  readonly readable: ReadableStream<Uint8Array>;
  /** Does nothing once the stream is over. */
  write(text: string): void;
  end(): void;
}

export function createEventStream({ limitBytes, stallMs, onCancel, onStall }: EventStreamOptions): EventStream {
  let waiting: Buffer[] = [];
  let waitingBytes = 0;
  let over = false;
  let ended = false;
  let stalled = false;
  let controller: ReadableStreamDefaultController<Uint8Array>;
  /** Set while the reader waits for us. */
  let wanted: (() => void) | undefined;
  let stallTimer: NodeJS.Timeout | undefined;

  const deliver = () => {
    if (waiting.length > 0) {
      controller.enqueue(waiting.length === 1 ? (waiting[0] as Buffer) : Buffer.concat(waiting));
      waiting = [];
      waitingBytes = 0;
      clearTimeout(stallTimer);
      stallTimer = undefined;
    }
    if (ended) {
      over = true;
      controller.close();
    }
  };
  const settle = () => {
    wanted?.();
    wanted = undefined;
  };
  const drop = () => {
    over = true;
    waiting = [];
    waitingBytes = 0;
    clearTimeout(stallTimer);
    settle();
  };
  const stall = () => {
    stalled = true;
    drop();
    onStall();
  };

  const readable = new ReadableStream<Uint8Array>(
    {
      start(given) {
        controller = given;
      },
      pull() {
        if (stalled) throw new Error('The reader is too slow.');
        if (waiting.length > 0 || ended) return deliver();
        return new Promise<void>((resolve) => {
          wanted = resolve;
        });
      },
      cancel() {
        if (over) return;
        drop();
        onCancel();
      },
    },
    { highWaterMark: 0 },
  );

  return {
    readable,
    write(text) {
      if (over || ended || text === '') return;
      const bytes = Buffer.from(text);
      waiting.push(bytes);
      waitingBytes += bytes.byteLength;
      if (wanted) {
        deliver();
        settle();
      } else if (waitingBytes > limitBytes) {
        stall();
      } else {
        stallTimer ??= setTimeout(stall, stallMs).unref();
      }
    },
    end() {
      if (over || ended) return;
      ended = true;
      if (wanted) {
        deliver();
        settle();
      }
    },
  };
}
