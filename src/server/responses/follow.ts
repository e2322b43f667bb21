// The events of a response as a stream that ends with them, whoever makes them: a run that others follow, too, or a list.
// Leaving ends nothing but the stream.
import { encodeEvent } from '../../wire/openai/responses/answer.ts';
import type { AppContext, Services } from '../context.ts';
import { createEventStream } from '../event-stream.ts';
import type { Follower } from './background.ts';

/**
 * @param follow as a run has it
 * @param after number of the last event the reader has
 */
export function streamEvents(
  c: AppContext,
  services: Services,
  follow: (follower: Follower) => () => void,
  after = -1,
): Response {
  const { stallMs = 120_000, keepAliveMs = 15_000 } = services.streams ?? {};
  let leave = () => {};
  const end = () => {
    clearInterval(timer);
    leave();
  };
  // all that was told so far comes at once, and is in memory as it is
  const out = createEventStream({ limitBytes: Number.POSITIVE_INFINITY, stallMs, onCancel: end, onStall: end });
  const timer = setInterval(() => out.write(': keep-alive\n\n'), keepAliveMs).unref();
  leave = follow((event) => {
    if (event === undefined) {
      clearInterval(timer);
      out.end();
    } else if (event.sequence_number > after) out.write(encodeEvent(event));
  });
  return c.body(out.readable(), 200, {
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-store',
    'x-accel-buffering': 'no',
  });
}
