// Server-sent events: text chunks in, events out. Knows the framing of the HTML standard ("Server-sent events",
// section "Interpreting an event stream"), not what the events mean. `retry` and `id` are ignored: a chat answer is never resumed here.

export interface SseEvent {
  /** The `event:` field, `message` when absent. */
  event: string;
  /** The `data:` lines joined by newlines. */
  data: string;
}

/**
 * A parser with memory: give it chunks cut anywhere, get back the events they complete.
 * An event that is never ended by an empty line is dropped, as the standard asks.
 */
export function createSseParser(): (chunk: string) => SseEvent[] {
  let rest = '';
  let event = '';
  let data: string[] = [];
  let atStart = true;

  return (chunk) => {
    if (atStart && chunk.length > 0) {
      atStart = false;
      if (chunk.startsWith('\uFEFF')) chunk = chunk.slice(1);
    }
    const lines = (rest + chunk).split(/\r\n|\n|\r(?!$)/);
    // a trailing \r may be the first half of \r\n: it stays in `rest` until the next chunk tells
    rest = lines.pop() ?? '';
    const events: SseEvent[] = [];
    for (const line of lines) {
      if (line === '') {
        if (data.length > 0) events.push({ event: event || 'message', data: data.join('\n') });
        event = '';
        data = [];
        continue;
      }
      const colon = line.indexOf(':');
      if (colon === 0) continue;
      const field = colon < 0 ? line : line.slice(0, colon);
      const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
      if (field === 'event') event = value;
      else if (field === 'data') data.push(value);
    }
    return events;
  };
}

/** The events of a response body, as they arrive. Leaving the loop cancels the body. */
export async function* readSse(body: ReadableStream<Uint8Array>): AsyncGenerator<SseEvent> {
  const parse = createSseParser();
  const decoder = new TextDecoder();
  const reader = body.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield* parse(decoder.decode(value, { stream: true }));
    }
  } finally {
    // after an abort the body has already failed, and cancel repeats that failure
    await reader.cancel().catch(() => undefined);
  }
}
