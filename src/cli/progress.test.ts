import { describe, expect, it } from 'vitest';
import type { PullProgress } from '../hub/types.ts';
import { createStyle, type Output } from './output.ts';
import { bar, createProgressPrinter, progressFacts, progressLine, progressLogLine } from './progress.ts';
import { displayWidth } from './text.ts';

const plain = createStyle(false);
const halfway: PullProgress = {
  phase: 'download',
  source: 'huggingface.co owner/repo',
  receivedBytes: 41_200_000,
  totalBytes: 92_900_000,
  bytesPerSecond: 8_100_000,
  etaSeconds: 6.4,
};

describe('bar', () => {
  it('is as wide as asked at every share, and full only at the end', () => {
    for (let share = 0; share <= 1; share += 0.01) expect(bar(share, 20, plain)).toHaveLength(20);
    expect(bar(0, 4, plain)).toBe('────');
    expect(bar(0.625, 4, plain)).toBe('━━╸─');
    expect(bar(1, 4, plain)).toBe('━━━━');
    expect(bar(7, 4, plain)).toBe('━━━━');
    expect(bar(-1, 4, plain)).toBe('────');
  });
});

describe('progress', () => {
  it('says size, rate and time left', () => {
    expect(progressFacts(halfway)).toBe('41.2 of 92.9 MB · 8.1 MB/s · 6 s left');
    expect(progressFacts({ ...halfway, receivedBytes: 800_000, totalBytes: 1_400_000_000 })).toContain(
      '800 kB of 1.4 GB',
    );
  });

  it('says what is known while the total is not', () => {
    expect(progressFacts({ phase: 'download', source: 's', receivedBytes: 1000 })).toBe('1.0 kB');
  });

  it('fits one line of any terminal, source included where there is room', () => {
    for (const columns of [20, 40, 60, 80, 120, 200]) {
      for (const phase of ['resolve', 'download', 'verify'] as const) {
        expect(displayWidth(progressLine('smollm2-135m', { ...halfway, phase }, columns, plain))).toBeLessThanOrEqual(
          columns,
        );
      }
    }
    expect(progressLine('smollm2-135m', halfway, 140, plain)).toContain('huggingface.co owner/repo');
    expect(progressLine('smollm2-135m', halfway, 100, plain)).toContain('44 %  41.2 of 92.9 MB');
  });

  it('reads as a sentence in a log', () => {
    expect(progressLogLine('smollm2-135m', halfway)).toBe(
      'smollm2-135m: 44 %, 41.2 of 92.9 MB, 8.1 MB/s, 6 s left, from huggingface.co owner/repo',
    );
  });
});

describe('the printer', () => {
  const printed: unknown[] = [];
  const output = { errorStyle: plain, data: (value: unknown) => printed.push(value) } as unknown as Output;
  const screen = (isTTY: boolean) => {
    const written: string[] = [];
    return { isTTY, columns: 80, written, write: (text: string) => written.push(text) };
  };
  const run = (options: Parameters<typeof createProgressPrinter>[2], everyMs: number, count: number) => {
    let now = 0;
    const printer = createProgressPrinter('m', output, { ...options, nowMs: () => now });
    for (let step = 0; step < count; step += 1) {
      printer.update({ ...halfway, receivedBytes: step * 1000 });
      now += everyMs;
    }
    printer.end();
  };

  it('updates one line on a terminal and clears it at the end', () => {
    const terminal = screen(true);
    run({ screen: terminal }, 10, 100);
    expect(terminal.written.length).toBeLessThanOrEqual(12);
    expect(terminal.written.join('')).not.toContain('\n');
    expect(terminal.written.at(-1)).toBe('\r\u001b[K');
  });

  it('writes a line every few seconds into a log, and no escape sequences', () => {
    const log = screen(false);
    run({ screen: log }, 100, 100);
    expect(log.written).toHaveLength(2);
    expect(log.written.join('')).not.toContain('\u001b');
    expect(log.written[0]?.endsWith('\n')).toBe(true);
  });

  it('says at once when phase or source change', () => {
    const log = screen(false);
    const printer = createProgressPrinter('m', output, { screen: log, nowMs: () => 0 });
    printer.update({ ...halfway, phase: 'resolve' });
    printer.update(halfway);
    printer.update({ ...halfway, source: 'pip x 1' });
    expect(log.written).toHaveLength(3);
  });

  it('tells a log of a source once bytes come from it', () => {
    const log = screen(false);
    const printer = createProgressPrinter('m', output, { screen: log, nowMs: () => 0 });
    printer.update({ phase: 'resolve', source: 'm', receivedBytes: 0 });
    printer.update({ ...halfway, receivedBytes: 0, source: 'pip x 1' });
    expect(log.written).toEqual([]);
    printer.update({ ...halfway, source: 'pip x 1' });
    expect(log.written).toEqual([expect.stringMatching(/^m: 44 %.*from pip x 1\n$/)]);
  });

  it('does not give the name as the place where it looks for it', () => {
    const terminal = screen(true);
    const printer = createProgressPrinter('m', output, { screen: terminal, nowMs: () => 0 });
    printer.update({ phase: 'resolve', source: 'm', receivedBytes: 0 });
    printer.update({ phase: 'download', source: 'pip x 1', receivedBytes: 0, totalBytes: 9 });
    expect(terminal.written.map((text) => text.slice(4))).toEqual([
      'm  looking for it …',
      'm  looking for it at pip x 1 …',
    ]);
  });

  it('prints JSON for programs', () => {
    run({ screen: screen(true), json: true }, 600, 2);
    expect(printed).toEqual([
      { type: 'progress', name: 'm', ...halfway, receivedBytes: 0 },
      { type: 'progress', name: 'm', ...halfway, receivedBytes: 1000 },
    ]);
  });
});
