// Whether a process still hears: while it owes an answer it is asked now and then, and given up after so many questions
// without a word. Questions are counted, not time, so that a machine that slept or a server that was held up itself
// does not count against it. Nothing ticks while nobody waits. Knows nothing of what the process does.

export interface LivenessOptions {
  /** Milliseconds between two questions. */
  pingMs: number;
  ping: () => void;
  /** Called once, after `limit` questions in a row without a word; the watch then ends. */
  onSilent: () => void;
}

export interface Liveness {
  /** Asks from now on. Calling it again changes the limit; what was not answered yet still counts. */
  watch(limit: number): void;
  /** The process said something. */
  heard(): void;
  /** Nobody waits: asks no more once the process has answered the last question. */
  rest(): void;
  /** The process is gone. */
  stop(): void;
}

export function createLiveness({ pingMs, ping, onSilent }: LivenessOptions): Liveness {
  let timer: NodeJS.Timeout | undefined;
  let limit = 0;
  let wanted = false;
  let unanswered = 0;

  function stop(): void {
    clearInterval(timer);
    timer = undefined;
    unanswered = 0;
  }

  function tick(): void {
    if (!wanted && unanswered === 0) {
      stop();
    } else if (unanswered >= limit) {
      stop();
      onSilent();
    } else {
      unanswered += 1;
      ping();
    }
  }

  return {
    watch(newLimit) {
      limit = newLimit;
      wanted = true;
      timer ??= setInterval(tick, pingMs).unref();
    },
    heard() {
      unanswered = 0;
    },
    rest() {
      wanted = false;
    },
    stop,
  };
}
