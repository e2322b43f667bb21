import { describe, expect, it } from 'vitest';
import { createLoadProgress } from './load-progress.ts';

describe('a load', () => {
  it('gets on while it computes, and does not while it waits', () => {
    const gotOn = createLoadProgress();
    const untilMicroseconds = process.cpuUsage().user + 50_000;
    while (process.cpuUsage().user < untilMicroseconds);
    expect(gotOn()).toBe(true);
    // other threads of the test's own process may be at work for a moment
    while (gotOn()) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 50);
  });
});
