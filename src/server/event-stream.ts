// Text, or frames of bytes, on their way to a reader that may be slow. What the reader has not taken waits here, joined,
// and never more than a limit: a generation is worth ending, the server's memory is not.
import type { ServerResponse } from 'node:http';

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

/** Has one reader: a response, or whoever reads the web stream. What is written before it comes waits for it. */
export interface EventStream {
  /** Does nothing once the stream is over. */
  write(piece: string | Uint8Array): void;
  end(): void;
  /** Sends it as the body of a response whose head is written. Costs a fraction of a web stream, and is paid per token. */
  sendTo(outgoing: ServerResponse): void;
  /** The same as a web stream, where there is no socket. */
  readable(): ReadableStream<Uint8Array>;
}

export function createEventStream({ limitBytes, stallMs, onCancel, onStall }: EventStreamOptions): EventStream {
  let waiting = '';
  /** What waits before `waiting`; empty in streams of text, which joins for less. */
  let frames: Uint8Array[] = [];
  let waitingBytes = 0;
  let over = false;
  let ended = false;
  let stalled = false;
  /** Set while the reader waits for us: it takes what there is. */
  let wanted: (() => void) | undefined;
  let stallTimer: NodeJS.Timeout | undefined;

  const isEmpty = () => waiting === '' && frames.length === 0;
  const take = (): string | Uint8Array => {
    const text = waiting;
    waiting = '';
    waitingBytes = 0;
    clearTimeout(stallTimer);
    stallTimer = undefined;
    if (frames.length === 0) return text;
    const bytes =
      frames.length === 1 && text === '' ? (frames[0] as Uint8Array) : Buffer.concat([...frames, Buffer.from(text)]);
    frames = [];
    return bytes;
  };
  const drop = () => {
    over = true;
    take();
    wanted?.();
    wanted = undefined;
  };
  const stall = () => {
    stalled = true;
    drop();
    onStall();
  };
  const cancel = () => {
    if (over) return;
    drop();
    onCancel();
  };

  return {
    write(piece) {
      if (over || ended || piece.length === 0) return;
      if (typeof piece === 'string') waiting += piece;
      else {
        if (waiting !== '') frames.push(Buffer.from(waiting));
        waiting = '';
        frames.push(piece);
      }
      if (wanted) {
        wanted();
        return;
      }
      waitingBytes += typeof piece === 'string' ? Buffer.byteLength(piece) : piece.byteLength;
      if (waitingBytes > limitBytes) stall();
      else stallTimer ??= setTimeout(stall, stallMs).unref();
    },
    end() {
      if (over || ended) return;
      ended = true;
      wanted?.();
    },
    sendTo(outgoing) {
      const flow = () => {
        if (over) return;
        if (!isEmpty() && !outgoing.write(take())) {
          wanted = undefined;
          outgoing.once('drain', flow);
        } else if (ended) {
          over = true;
          outgoing.end();
        } else wanted = flow;
      };
      outgoing.once('close', cancel);
      outgoing.once('error', cancel);
      if (outgoing.destroyed) return cancel();
      if (isEmpty()) outgoing.flushHeaders();
      flow();
    },
    readable() {
      let controller: ReadableStreamDefaultController<Uint8Array>;
      const deliver = () => {
        if (!isEmpty()) controller.enqueue(Buffer.from(take() as Uint8Array));
        if (ended) {
          over = true;
          controller.close();
        }
      };
      return new ReadableStream<Uint8Array>(
        {
          start(given) {
            controller = given;
          },
          pull() {
            if (stalled) throw new Error('The reader is too slow.');
            if (!isEmpty() || ended) return deliver();
            return new Promise<void>((resolve) => {
              wanted = () => {
                wanted = undefined;
                if (!over) deliver();
                resolve();
              };
            });
          },
          cancel,
        },
        { highWaterMark: 0 },
      );
    },
  };
}
