// The answers to one request: one generation, or several of the same prompt side by side. Knows no protocol and no
// socket.
import { AsyncQueue } from '../lib/async-queue.ts';
import type { GenerateEvent, GenerateRequest, TextModel } from '../lib/text-model.ts';

/** An event of one of the answers. */
export interface AnswerEvent {
  /** Counts from 0. */
  answer: number;
  event: GenerateEvent;
}

/**
 * Generates `count` answers. Each has its own seed: the request's, and those that follow it. The others begin once the
 * first is under way, so that a request that cannot be answered is refused once, and its prompt is already known.
 * @param signal aborting ends all of them, as does the failure of one
 * @throws whatever the first generation to fail throws
 */
export async function* generateAnswers(
  model: TextModel,
  request: GenerateRequest,
  count: number,
  signal: AbortSignal,
): AsyncGenerator<AnswerEvent> {
  if (count === 1) {
    for await (const event of model.generate(request, signal)) yield { answer: 0, event };
    return;
  }
  const abort = new AbortController();
  const stop = () => abort.abort();
  signal.addEventListener('abort', stop, { once: true });
  const queue = new AsyncQueue<AnswerEvent>();
  let running = count;
  const run = async (answer: number) => {
    try {
      for await (const event of model.generate(withSeed(request, answer), abort.signal)) {
        queue.push({ answer, event });
        if (answer === 0 && event.type === 'start') for (let other = 1; other < count; other++) void run(other);
      }
      running -= 1;
      if (running === 0) queue.end();
    } catch (error) {
      queue.fail(error);
      stop();
    }
  };
  void run(0);
  try {
    yield* queue;
  } finally {
    signal.removeEventListener('abort', stop);
    stop();
  }
}

function withSeed(request: GenerateRequest, answer: number): GenerateRequest {
  const seed = request.sampling?.seed;
  if (seed === undefined || answer === 0) return request;
  return { ...request, sampling: { ...request.sampling, seed: (seed + answer) >>> 0 } };
}
