// The answers to one request: one generation, or several of the same prompt side by side. Knows no protocol and no
// socket.
import { setMaxListeners } from 'node:events';
import { throwIfAborted } from '../lib/deferred.ts';
import type { GenerateEvent, GenerateRequest, TextModel } from '../lib/text-model.ts';

/** @param answer which of the answers the event is of, counted from 0 */
export type OnAnswerEvent = (event: GenerateEvent, answer: number) => void;

/**
 * Generates `count` answers. Each has its own seed: the request's, and those that follow it. The others begin once the
 * first is under way, so that a request that cannot be answered is refused once, and its prompt is already known.
 * @param asked what they all answer; or, where that is not the same for all, what each of them does, seeds included
 * @param signal aborting ends all of them, as does the failure of one
 * @param onEvent called for each event, at once; no more after a failure
 * @returns when all have ended
 * @throws whatever the first generation to fail throws
 */
export async function generateAnswers(
  model: TextModel,
  asked: GenerateRequest | readonly GenerateRequest[],
  count: number,
  signal: AbortSignal,
  onEvent: OnAnswerEvent,
): Promise<void> {
  const requestOf = (answer: number) => (isList(asked) ? (asked[answer] as GenerateRequest) : withSeed(asked, answer));
  if (count === 1) {
    for await (const event of model.generate(requestOf(0), signal)) {
      // leaving the loop ends the generation, of a model too that does not heed the signal
      throwIfAborted(signal);
      onEvent(event, 0);
    }
    return;
  }
  const abort = new AbortController();
  // every answer listens to it
  setMaxListeners(count + 1, abort.signal);
  const stop = () => abort.abort();
  signal.addEventListener('abort', stop, { once: true });
  const failures: unknown[] = [];
  const run = async (answer: number): Promise<void> => {
    let others: Promise<void>[] = [];
    try {
      for await (const event of model.generate(requestOf(answer), abort.signal)) {
        throwIfAborted(abort.signal);
        onEvent(event, answer);
        if (answer === 0 && event.type === 'start') {
          others = Array.from({ length: count - 1 }, (_, index) => run(index + 1));
        }
      }
    } catch (error) {
      failures.push(error);
      stop();
    }
    await Promise.all(others);
  };
  try {
    await run(0);
  } finally {
    signal.removeEventListener('abort', stop);
    stop();
  }
  if (failures.length > 0) throw failures[0];
}

const isList = (asked: GenerateRequest | readonly GenerateRequest[]): asked is readonly GenerateRequest[] =>
  Array.isArray(asked);

function withSeed(request: GenerateRequest, answer: number): GenerateRequest {
  const seed = request.sampling?.seed;
  if (seed === undefined || answer === 0) return request;
  return { ...request, sampling: { ...request.sampling, seed: (seed + answer) >>> 0 } };
}
