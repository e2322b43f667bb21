import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createSseParser, readSse } from './sse.ts';

const all = (...chunks: string[]) => {
  const parse = createSseParser();
  return chunks.flatMap(parse);
};

describe('createSseParser', () => {
  it('reads named events and their data', () => {
    expect(all('event: ping\ndata: {"a":1}\n\n')).toEqual([{ event: 'ping', data: '{"a":1}' }]);
  });

  it('calls an event without a name `message` and joins its data lines', () => {
    expect(all('data: one\ndata: two\n\n')).toEqual([{ event: 'message', data: 'one\ntwo' }]);
  });

  it('skips comments, unknown fields and events without data', () => {
    expect(all(': keep-alive\n\nid: 7\nretry: 3\n\nevent: lonely\n\ndata\n\n')).toEqual([
      { event: 'message', data: '' },
    ]);
  });

  it('takes off one space after the colon, not more', () => {
    expect(all('data:  x\n\ndata:y\n\n').map((event) => event.data)).toEqual([' x', 'y']);
  });

  it('drops a byte-order mark and an event that never ended', () => {
    expect(all('\uFEFFdata: a\n\ndata: b\n')).toEqual([{ event: 'message', data: 'a' }]);
  });

  it('gives the same events wherever the stream is cut and however lines end', () => {
    const text = 'event: a\ndata: 1\n\n: note\ndata: x\ndata: y\n\nevent: b\ndata: {"t":"é🙂"}\n\n';
    const expected = all(text);
    const cuts = fc.array(fc.nat({ max: text.length * 2 }), { maxLength: 12 });
    fc.assert(
      fc.property(cuts, fc.constantFrom('\n', '\r\n', '\r'), (positions, ending) => {
        const stream = text.replaceAll('\n', ending);
        const edges = [0, ...positions.map((p) => Math.min(p, stream.length)).sort((a, b) => a - b), stream.length];
        const chunks = edges.slice(1).map((end, index) => stream.slice(edges[index], end));
        // a lone \r at the very end stays undecided until more arrives
        expect(all(...chunks, ':\n')).toEqual(expected);
      }),
    );
  });
});

describe('readSse', () => {
  it('decodes characters that are split between chunks', async () => {
    const bytes = new TextEncoder().encode('data: é🙂\n\n');
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        for (const byte of bytes) controller.enqueue(Uint8Array.of(byte));
        controller.close();
      },
    });
    const events = [];
    for await (const event of readSse(body)) events.push(event);
    expect(events).toEqual([{ event: 'message', data: 'é🙂' }]);
  });

  it('cancels the body when the reader leaves early', async () => {
    let cancelled = false;
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        controller.enqueue(new TextEncoder().encode('data: more\n\n'));
      },
      cancel() {
        cancelled = true;
      },
    });
    for await (const _ of readSse(body)) break;
    expect(cancelled).toBe(true);
  });
});
