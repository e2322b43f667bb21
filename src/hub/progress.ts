// Turns byte counts into progress reports: rate over the last seconds, time left, at most ten reports a second.
import type { PullProgress } from './types.ts';

const windowMs = 5000;
const reportEveryMs = 100;

/** Counts for one pull. Bytes that were here before it began take no part in the rate. */
export class ProgressMeter {
  readonly #report: ((progress: PullProgress) => void) | undefined;
  readonly #now: () => number;
  #samples: { atMs: number; bytes: number }[] = [];
  #lastReportMs = Number.NEGATIVE_INFINITY;
  #phase: PullProgress['phase'] = 'resolve';
  source = '';

  constructor(report: ((progress: PullProgress) => void) | undefined, now: () => number = Date.now) {
    this.#report = report;
    this.#now = now;
  }

  /** Begins a phase; it is reported at once. */
  start(phase: PullProgress['phase'], receivedBytes: number, totalBytes?: number): void {
    this.#phase = phase;
    this.#samples = [{ atMs: this.#now(), bytes: receivedBytes }];
    this.#send(receivedBytes, totalBytes);
  }

  /** Bytes so far in this phase. */
  update(receivedBytes: number, totalBytes?: number): void {
    const atMs = this.#now();
    const last = this.#samples.at(-1);
    // a download that had to begin again counts from there
    if (last && receivedBytes < last.bytes) this.#samples = [];
    this.#samples.push({ atMs, bytes: receivedBytes });
    while (this.#samples.length > 2 && atMs - (this.#samples[1]?.atMs ?? atMs) >= windowMs) this.#samples.shift();
    // reports come many a second: samples closer together than the reports would only fill memory
    const before = this.#samples.at(-2);
    if (this.#samples.length > 2 && before && atMs - (this.#samples.at(-3)?.atMs ?? 0) < reportEveryMs) {
      this.#samples.splice(-2, 1);
    }
    if (atMs - this.#lastReportMs >= reportEveryMs) this.#send(receivedBytes, totalBytes);
  }

  #send(receivedBytes: number, totalBytes?: number): void {
    if (!this.#report) return;
    this.#lastReportMs = this.#now();
    const progress: PullProgress = { phase: this.#phase, source: this.source, receivedBytes };
    if (totalBytes !== undefined) progress.totalBytes = totalBytes;
    const first = this.#samples[0];
    const elapsedMs = first ? this.#lastReportMs - first.atMs : 0;
    if (first && elapsedMs >= 200 && (this.#phase === 'download' || this.#phase === 'verify')) {
      const bytesPerSecond = ((receivedBytes - first.bytes) / elapsedMs) * 1000;
      progress.bytesPerSecond = bytesPerSecond;
      if (totalBytes !== undefined && bytesPerSecond > 0) {
        progress.etaSeconds = Math.max(0, (totalBytes - receivedBytes) / bytesPerSecond);
      }
    }
    this.#report(progress);
  }
}
