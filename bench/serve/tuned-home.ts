// Homes for our own contenders, in which the machine has been measured already: a model process measures threads and
// batch sizes while it is idle, and that must happen neither in the middle of another's round nor be missing from ours.
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { openLocalModel } from '../../src/infer/client.ts';

/** Where measurements are kept between runs of the bench. */
export const keptHome = path.join(import.meta.dirname, '../.cache/home');
const longestWaitMs = 60_000;
const lookMs = 8_000;

const homes: string[] = [];
process.once('exit', () => {
  for (const home of homes) rmSync(home, { recursive: true, force: true });
});

/** A new folder with the kept measurements; gone with this process. */
export function homeWithTuning(): string {
  const home = mkdtempSync(path.join(tmpdir(), 'freehold-bench-'));
  const kept = path.join(keptHome, 'tuning');
  if (existsSync(kept)) cpSync(kept, path.join(home, 'tuning'), { recursive: true });
  homes.push(home);
  return home;
}

/**
 * Keeps a model idle until it has been measured.
 * @param isTuned asked again and again
 * @returns false when that did not happen in a minute
 */
export async function tune(file: string, isTuned: () => Promise<boolean>): Promise<boolean> {
  if (await isTuned()) return true;
  mkdirSync(keptHome, { recursive: true });
  const sizes = { contextTokens: 256, maxSequences: 1, queueLimit: 8, threads: 0 };
  const model = await openLocalModel({ name: 'bench', file, device: 'cpu', libDir: '', home: keptHome, ...sizes });
  try {
    for (const until = performance.now() + longestWaitMs; performance.now() < until; ) {
      await new Promise((resolve) => setTimeout(resolve, lookMs));
      if (await isTuned()) return true;
    }
    return false;
  } finally {
    await model.close();
  }
}
