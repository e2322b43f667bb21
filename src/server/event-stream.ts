// Text on its way to a reader that may be slow. What the reader has not taken waits here, joined, and never more than
// a limit: a generation is worth ending, the server's memory is not.
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
  write(text: string): void;
  end(): void;
  /** Sends it as the body of a response whose head is written. Costs a fraction of a web stream, and is paid per token. */
  sendTo(outgoing: ServerResponse): void;
  /** The same as a web stream, where there is no socket. */
  readable(): ReadableStream<Uint8Array>;
}

export function createEventStream({ limitBytes, stallMs, onCancel, onStall }: EventStreamOptions): EventStream {
  let waiting = '';
  let waitingBytes = 0;
  let over = false;
  let ended = false;
  let stalled = false;
  /** Set while the reader waits for us: it takes what there is. */
  let wanted: (() => void) | undefined;
  let stallTimer: NodeJS.Timeout | undefined;

  const take = () => {
    const text = waiting;
    waiting = '';
    waitingBytes = 0;
    clearTimeout(stallTimer);
    stallTimer = undefined;
    return text;
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
    write(text) {
      if (over || ended || text === '') return;
      waiting += text;
      if (wanted) {
        wanted();
        return;
      }
      waitingBytes += Buffer.byteLength(text);
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
        if (waiting !== '' && !outgoing.write(take())) {
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
      if (waiting === '') outgoing.flushHeaders();
      flow();
    },
    readable() {
      let controller: ReadableStreamDefaultController<Uint8Array>;
      const deliver = () => {
        if (waiting !== '') controller.enqueue(Buffer.from(take()));
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
            if (waiting !== '' || ended) return deliver();
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
