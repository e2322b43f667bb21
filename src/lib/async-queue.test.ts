import { describe, expect, it, vi } from 'vitest';
import { AsyncQueue } from './async-queue.ts';

async function collect<T>(queue: AsyncQueue<T>): Promise<T[]> {
  const values: T[] = [];
  for await (const value of queue) values.push(value);
  return values;
}

describe('AsyncQueue', () => {
  it('yields in order what was pushed before and after the consumer came', async () => {
    const queue = new AsyncQueue<number>();
    queue.push(1);
    queue.push(2);
    expect(queue.size).toBe(2);
    const collected = collect(queue);
    await Promise.resolve();
    queue.push(3);
    queue.end();
    queue.push(4);
    expect(await collected).toEqual([1, 2, 3]);
  });

  it('yields everything before it fails', async () => {
    const queue = new AsyncQueue<number>();
    queue.push(1);
    queue.fail(new Error('broken'));
    queue.end();
    const seen: number[] = [];
    await expect(
      (async () => {
        for await (const value of queue) seen.push(value);
      })(),
    ).rejects.toThrow('broken');
    expect(seen).toEqual([1]);
  });

  it('fails a consumer that waits', async () => {
    const queue = new AsyncQueue<number>();
    const collected = collect(queue);
    await Promise.resolve();
    queue.fail(new Error('broken'));
    await expect(collected).rejects.toThrow('broken');
  });

  it('tells once that the consumer left, and only if it left early', async () => {
    const left = vi.fn();
    const queue = new AsyncQueue<number>(left);
    queue.push(1);
    queue.push(2);
    for await (const value of queue) if (value === 1) break;
    queue.push(3);
    expect(left).toHaveBeenCalledTimes(1);
    const whole = new AsyncQueue<number>(left);
    whole.end();
    await collect(whole);
    expect(left).toHaveBeenCalledTimes(1);
  });
});
