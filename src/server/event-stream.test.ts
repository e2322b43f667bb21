import { EventEmitter } from 'node:events';
import type { ServerResponse } from 'node:http';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createEventStream } from './event-stream.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

function build() {
  const seen: unknown[] = [];
  const stream = createEventStream({
    limitBytes: 10,
    stallMs: 1000,
    onCancel: () => seen.push('cancel'),
    onStall: () => seen.push('stall'),
  });
  const reader = stream.readable().getReader();
  const read = async () => {
    const { done, value } = await reader.read();
    return done ? undefined : Buffer.from(value).toString();
  };
  return { stream, reader, read, seen };
}

it('delivers at once to a reader that waits, and joined to one that comes later', async () => {
  const { stream, read, seen } = build();
  const first = read();
  stream.write('one');
  expect(await first).toBe('one');
  stream.write('two');
  stream.write('');
  stream.write('é');
  expect(await read()).toBe('twoé');
  const last = read();
  stream.end();
  expect(await last).toBeUndefined();
  expect(seen).toEqual([]);
});

it('delivers what waits before it ends', async () => {
  const { stream, read } = build();
  stream.write('last');
  stream.end();
  stream.write('late');
  expect(await read()).toBe('last');
  expect(await read()).toBeUndefined();
});

it('carries bytes as they are, joined with text in the order of writing', async () => {
  const { stream, reader } = build();
  stream.write('a');
  stream.write(Uint8Array.of(0xff, 0));
  stream.write(new Uint8Array());
  stream.write('é');
  stream.write(Uint8Array.of(0x80));
  expect([...((await reader.read()).value ?? [])]).toEqual([0x61, 0xff, 0, 0xc3, 0xa9, 0x80]);
  stream.write(Uint8Array.of(7));
  stream.end();
  expect([...((await reader.read()).value ?? [])]).toEqual([7]);
  expect((await reader.read()).done).toBe(true);
});

it('is over when more bytes wait than may', () => {
  const { stream, seen } = build();
  stream.write(new Uint8Array(10));
  expect(seen).toEqual([]);
  stream.write(new Uint8Array(1));
  expect(seen).toEqual(['stall']);
});

it('is over when more waits than may, counted in bytes', async () => {
  const { stream, read, seen } = build();
  stream.write('ééééé');
  expect(seen).toEqual([]);
  stream.write('x');
  expect(seen).toEqual(['stall']);
  stream.write('x');
  stream.end();
  await expect(read()).rejects.toThrow('too slow');
  expect(seen).toEqual(['stall']);
});

it('is over when something waits too long; a read starts the time anew', async () => {
  const { stream, read, seen } = build();
  vi.advanceTimersByTime(5000);
  stream.write('a');
  vi.advanceTimersByTime(999);
  expect(await read()).toBe('a');
  vi.advanceTimersByTime(5000);
  stream.write('b');
  vi.advanceTimersByTime(999);
  expect(seen).toEqual([]);
  vi.advanceTimersByTime(1);
  expect(seen).toEqual(['stall']);
});

it('tells once when the reader leaves', async () => {
  const { stream, reader, seen } = build();
  stream.write('a');
  await reader.cancel();
  stream.write('b');
  stream.end();
  expect(seen).toEqual(['cancel']);
});

describe('to a response', () => {
  /** A response whose reader takes as much as `room` allows, and tells what it was given. */
  function respond() {
    const { stream, seen } = build();
    const outgoing = Object.assign(new EventEmitter(), {
      destroyed: false,
      room: true,
      flushHeaders: () => seen.push('headers'),
      write: (piece: string | Uint8Array) => {
        seen.push(piece);
        return outgoing.room;
      },
      end: () => seen.push('end'),
    });
    return { stream, seen, outgoing, send: () => stream.sendTo(outgoing as unknown as ServerResponse) };
  }

  it('goes what was written before it came, then each piece at once, then the end', () => {
    const { stream, seen, send } = respond();
    stream.write('one');
    stream.write('two');
    send();
    stream.write('three');
    stream.end();
    stream.write('late');
    expect(seen).toEqual(['onetwo', 'three', 'end']);
  });

  it('go bytes at once, and joined where they waited', () => {
    const { stream, seen, send } = respond();
    stream.write(Uint8Array.of(1));
    stream.write(Uint8Array.of(2));
    send();
    stream.write(Uint8Array.of(3));
    expect(seen).toEqual([Buffer.of(1, 2), Uint8Array.of(3)]);
  });

  it('goes its head where there is nothing to say yet', () => {
    const { seen, send } = respond();
    send();
    expect(seen).toEqual(['headers']);
  });

  it('goes nothing while it is full; what waits is joined, and ends before the end', () => {
    const { stream, seen, outgoing, send } = respond();
    stream.write('a');
    outgoing.room = false;
    send();
    stream.write('b');
    stream.write('c');
    stream.end();
    expect(seen).toEqual(['a']);
    outgoing.room = true;
    outgoing.emit('drain');
    expect(seen).toEqual(['a', 'bc', 'end']);
  });

  it.each(['more than may', 'for too long'])('is over when it is full and too much waits: %s', (why) => {
    const { stream, seen, outgoing, send } = respond();
    stream.write('a');
    outgoing.room = false;
    send();
    stream.write(why === 'for too long' ? 'b' : 'eleven bytes');
    vi.advanceTimersByTime(1000);
    stream.write('more');
    outgoing.emit('drain');
    expect(seen).toEqual(['a', 'stall']);
  });

  it.each(['close', 'error'])('tells once that it is gone: %s', (how) => {
    const { stream, seen, outgoing, send } = respond();
    stream.write('a');
    send();
    outgoing.emit(how);
    outgoing.emit('close');
    stream.write('b');
    stream.end();
    expect(seen).toEqual(['a', 'cancel']);
  });

  it('tells that it was gone before', () => {
    const { stream, seen, outgoing, send } = respond();
    stream.write('a');
    outgoing.destroyed = true;
    send();
    expect(seen).toEqual(['cancel']);
  });
});
