import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { createEventStream } from './event-stream.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

function build() {
  const seen: string[] = [];
  const stream = createEventStream({
    limitBytes: 10,
    stallMs: 1000,
    onCancel: () => seen.push('cancel'),
    onStall: () => seen.push('stall'),
  });
  const reader = stream.readable.getReader();
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
