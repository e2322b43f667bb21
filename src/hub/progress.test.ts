import { expect, it } from 'vitest';
import { ProgressMeter } from './progress.ts';
import type { PullProgress } from './types.ts';

it('reports the rate of the last seconds and the time left, not of what was here before', () => {
  const reports: PullProgress[] = [];
  let nowMs = 0;
  const meter = new ProgressMeter(
    (report) => reports.push(report),
    () => nowMs,
  );
  meter.source = 'hub';
  meter.start('download', 500_000, 2_000_000);
  expect(reports[0]).toEqual({ phase: 'download', source: 'hub', receivedBytes: 500_000, totalBytes: 2_000_000 });
  for (let step = 1; step <= 10; step += 1) {
    nowMs = step * 100;
    meter.update(500_000 + step * 10_000, 2_000_000);
  }
  expect(reports.at(-1)).toMatchObject({ receivedBytes: 600_000, bytesPerSecond: 100_000, etaSeconds: 14 });
  // ten times as fast from here: the first second is forgotten after five more
  for (let step = 11; step <= 70; step += 1) {
    nowMs = step * 100;
    meter.update(600_000 + (step - 10) * 100_000, 9_000_000);
  }
  expect(reports.at(-1)?.bytesPerSecond).toBeCloseTo(1_000_000, -4);
});

it('reports at most ten times a second however often it is told', () => {
  let nowMs = 0;
  let count = 0;
  const meter = new ProgressMeter(
    () => {
      count += 1;
    },
    () => nowMs,
  );
  meter.start('download', 0, 1000);
  for (; nowMs < 1000; nowMs += 1) meter.update(nowMs, 1000);
  expect(count).toBeLessThanOrEqual(11);
});

it('counts from there when a download begins again', () => {
  const reports: PullProgress[] = [];
  let nowMs = 0;
  const meter = new ProgressMeter(
    (report) => reports.push(report),
    () => nowMs,
  );
  meter.start('download', 0, 1000);
  nowMs = 1000;
  meter.update(900, 1000);
  nowMs = 1200;
  meter.update(0, 1000);
  nowMs = 2200;
  meter.update(100, 1000);
  expect(reports.at(-1)?.bytesPerSecond).toBe(100);
});
