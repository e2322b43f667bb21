import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createEmbedQueue, shareRoom } from './embed-queue.ts';

interface Source {
  name: string;
  tenant: string;
  lengths: number[];
}
const source = (name: string, tenant: string, count: number): Source => ({
  name,
  tenant,
  lengths: Array(count).fill(1),
});

/** Names in the order their inputs are taken, until nothing waits. */
function drain(sources: Source[]): string {
  const queue = createEmbedQueue<Source>();
  for (const each of sources) queue.add(each);
  let order = '';
  for (let next = queue.peek(); next; next = queue.peek()) {
    order += next.name;
    next.lengths.shift();
    queue.took(next);
    if (next.lengths.length === 0) queue.remove(next);
  }
  return order;
}

describe('the queue of inputs', () => {
  it('takes one input of each request of a tenant in turn', () => {
    expect(drain([source('a', 't', 4), source('b', 't', 2), source('c', 't', 1)])).toBe('abcabaa');
  });

  it('takes one input of each tenant in turn, however many requests it has', () => {
    expect(drain([source('a', 't', 3), source('b', 't', 3), source('x', 'u', 3)])).toBe('axbxaxbab');
  });

  it('puts one that comes late in front of those that were served', () => {
    const queue = createEmbedQueue<Source>();
    const [first, late] = [source('a', 't', 3), source('b', 't', 1)];
    queue.add(first);
    queue.took(queue.peek() as Source);
    queue.add(late);
    expect(queue.peek()).toBe(late);
    queue.remove(late);
    expect(queue.peek()).toBe(first);
    queue.remove(first);
    expect(queue.peek()).toBeUndefined();
    expect(queue.sources).toEqual([]);
  });
});

describe('the room of a batch', () => {
  it('is given whole where all fit, and evenly where they do not', () => {
    expect(shareRoom([5, 3, 9], 17)).toEqual([5, 3, 9]);
    expect(shareRoom([100, 3, 100], 43)).toEqual([20, 3, 20]);
    expect(shareRoom([], 10)).toEqual([]);
  });

  it('is used up as far as there is use for it, and never more', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 5000 }), { minLength: 1, maxLength: 64 }),
        fc.integer({ min: 64, max: 4096 }),
        (remaining, room) => {
          const counts = shareRoom(remaining, room);
          const total = (values: number[]) => values.reduce((sum, value) => sum + value, 0);
          expect(total(counts)).toBe(Math.min(total(remaining), room));
          counts.forEach((count, i) => {
            expect(count).toBeLessThanOrEqual(remaining[i] as number);
            expect(count).toBeGreaterThan(0);
          });
        },
      ),
    );
  });
});
