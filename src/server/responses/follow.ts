// The events of a response as a stream that ends with them, whoever makes them: a run that others follow, too, or a list.
// Leaving ends nothing but the stream.
import { encodeEvent } from '../../wire/openai/responses/answer.ts';
import type { AppContext, Services } from '../context.ts';
import { createEventStream, type EventStream } from '../event-stream.ts';
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
  const { undeliveredBytes = 4 << 20, stallMs = 120_000, keepAliveMs = 15_000 } = services.streams ?? {};
  const past: string[] = [];
  let out: EventStream | undefined;
  let ended = false;
  let timer: NodeJS.Timeout | undefined;
  const leave = follow((event) => {
    if (event === undefined) {
      ended = true;
      clearInterval(timer);
      out?.end();
    } else if (event.sequence_number > after) {
      const text = encodeEvent(event);
      if (out) out.write(text);
      else past.push(text);
    }
  });
  const end = () => {
    clearInterval(timer);
    leave();
  };
  // what there is already may be more than may wait: that is no sign of a slow reader
  const told = past.join('');
  const stream = createEventStream({
    limitBytes: undeliveredBytes + Buffer.byteLength(told),
    stallMs,
    onCancel: end,
    onStall() {
      end();
      c.env?.outgoing?.destroy();
    },
  });
  out = stream;
  stream.write(told);
  if (ended) stream.end();
  else timer = setInterval(() => stream.write(': keep-alive\n\n'), keepAliveMs).unref();
  return c.body(stream.readable(), 200, {
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-store',
    'x-accel-buffering': 'no',
  });
}
