import { describe, expect, it } from 'vitest';
import { WarmMemory } from './warm-memory.ts';

const megabyte = 1 << 20;

describe('WarmMemory', () => {
  it('gives what was expected, once', async () => {
    const memory = new WarmMemory();
    await memory.expect(20 * megabyte);
    expect(memory.readyBytes).toBe(20 * megabyte);
    const taken = memory.take(19 * megabyte);
    expect(taken.length).toBe(19 * megabyte);
    expect(taken.buffer.byteLength).toBe(20 * megabyte);
    expect(memory.readyBytes).toBe(0);
    expect(memory.take(19 * megabyte).buffer).not.toBe(taken.buffer);
  });

  it('gives a fresh buffer where none is ready that fits', async () => {
    const memory = new WarmMemory();
    await memory.expect(4 * megabyte);
    expect(memory.take(5 * megabyte).length).toBe(5 * megabyte);
    expect(memory.take(megabyte).buffer.byteLength).toBe(megabyte);
    expect(memory.readyBytes).toBe(4 * megabyte);
  });

  it('gives again what came back, whole; the largest stays', () => {
    const memory = new WarmMemory();
    const large = new Uint8Array(3 * megabyte);
    memory.give(large.subarray(0, 2 * megabyte));
    expect(memory.readyBytes).toBe(3 * megabyte);
    memory.give(new Uint8Array(2 * megabyte));
    expect(memory.take(3 * megabyte).buffer).toBe(large.buffer);
    memory.give(new Uint8Array(10));
    expect(memory.readyBytes).toBe(0);
  });

  it('touches one buffer at a time, and none for little', async () => {
    const memory = new WarmMemory();
    await Promise.all([memory.expect(2 * megabyte), memory.expect(2 * megabyte), memory.expect(100)]);
    expect(memory.readyBytes).toBe(2 * megabyte);
    memory.drop();
    expect(memory.readyBytes).toBe(0);
  });
});
