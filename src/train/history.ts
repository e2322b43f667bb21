// What a run has written down so far, as it grows: its measurements and its samples. Reads the run's folder only, so it
// works while the run goes on, after it, and from any process.
import path from 'node:path';
import { tailJsonl } from './jsonl-tail.ts';
import type { MetricsLine, SampleLine } from './metrics.ts';

export interface RunHistory {
  /** Steps ascend. */
  metrics: MetricsLine[];
  samples: SampleLine[];
}

export interface HistoryFollower {
  readonly history: RunHistory;
  /** Reads what is new. @returns whether anything is */
  update(): Promise<boolean>;
}

/** @param directory of the run */
export function followHistory(directory: string): HistoryFollower {
  const metrics = tailJsonl(path.join(directory, 'metrics.jsonl'));
  const samples = tailJsonl(path.join(directory, 'samples.jsonl'));
  const history: RunHistory = { metrics: [], samples: [] };
  const take = async <Line extends { step: number }>(tail: typeof metrics, into: Line[]): Promise<boolean> => {
    const { lines, again } = await tail.read();
    if (again) into.length = 0;
    for (const line of lines) if (hasStep(line)) append(into, line as Line);
    return again || lines.length > 0;
  };
  return {
    history,
    async update() {
      const news = [await take(metrics, history.metrics), await take(samples, history.samples)];
      return news.includes(true);
    },
  };
}

/** @param directory of the run */
export async function readHistory(directory: string): Promise<RunHistory> {
  const follower = followHistory(directory);
  await follower.update();
  return follower.history;
}

/** A run that was resumed repeats the steps after its checkpoint: what it says of them now counts. */
function append<Line extends { step: number }>(lines: Line[], line: Line): void {
  while ((lines.at(-1)?.step ?? Number.NEGATIVE_INFINITY) >= line.step) lines.pop();
  lines.push(line);
}

const hasStep = (line: unknown): line is { step: number } =>
  typeof (line as { step?: unknown } | null)?.step === 'number';
