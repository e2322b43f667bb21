import { appendFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { claimJob, createJob, finishJob, heartbeat } from '../../store/jobs.ts';
import { openStore, type Store } from '../../store/open.ts';
import { createStyle, type Output } from '../output.ts';
import { followRun } from './follow.ts';

let home: string;
let store: Store;
beforeEach(() => {
  home = mkdtempSync(path.join(tmpdir(), 'freehold-follow-'));
  mkdirSync(path.join(home, 'runs/first'), { recursive: true });
  store = openStore(home);
});
afterEach(async () => {
  await store.close();
  rmSync(home, { recursive: true, force: true });
});

const plain = createStyle(false);
const output: Output = {
  json: false,
  style: plain,
  errorStyle: plain,
  columns: 80,
  line: () => {},
  prose: () => {},
  note: () => {},
  data: () => {},
};

/** What a terminal shows after it was written to: it knows the few sequences that a view uses. */
function screen(columns: number, rows: number) {
  let lines: string[] = [''];
  let row = 0;
  let cursor = true;
  return {
    isTTY: true,
    columns,
    rows,
    write(text: string) {
      for (const [part] of text.matchAll(/\u001b\[[?\d]*[A-Za-z]|\r|\n|[^\u001b\r\n]+/g)) {
        if (part === '\n') {
          row += 1;
          lines[row] ??= '';
        } else if (part === '\r') continue;
        else if (part === '\u001b[?25l') cursor = false;
        else if (part === '\u001b[?25h') cursor = true;
        else if (part === '\u001b[J') lines = lines.slice(0, row + 1);
        else if (/\u001b\[\d+A/.test(part)) row -= Number(part.slice(2, -1));
        else if (!part.startsWith('\u001b')) lines[row] = part;
      }
      expect(row).toBeGreaterThanOrEqual(0);
      expect(lines.length).toBeLessThanOrEqual(rows + 1);
    },
    shown: () => lines.join('\n'),
    cursor: () => cursor,
  };
}

const measure = (from: number, to: number) => {
  for (let step = from; step <= to; step++) {
    const line = { step, tokens: step, loss: 5 / step, tokensPerSecond: 1000, memoryBytes: 1e6, elapsedSeconds: step };
    appendFileSync(path.join(home, 'runs/first/metrics.jsonl'), `${JSON.stringify(line)}\n`);
  }
};

describe('following a run on a terminal', () => {
  it('draws one view over the other until the run ends, and gives the cursor back', async () => {
    await createJob(store, { kind: 'train', name: 'first', id: 'run_1', folder: 'runs/first' });
    const claim = await claimJob(store, 'run_1');
    const progress = (step: number) => ({ phase: 'training', step, steps: 50, tokens: step });
    measure(1, 20);
    await heartbeat(store, claim, progress(20));
    const terminal = screen(80, 24);
    const following = followRun({ store, home }, 'first', output, { terminal, footer: 'Ctrl-C pauses.', everyMs: 5 });
    await expect.poll(() => terminal.shown()).toContain('step 20 of 50');
    expect(terminal.shown()).toContain('Ctrl-C pauses.');
    expect(terminal.cursor()).toBe(false);
    measure(21, 50);
    await heartbeat(store, claim, progress(50));
    await expect.poll(() => terminal.shown()).toContain('step 50 of 50');
    expect(terminal.shown()).not.toContain('step 20 of 50');
    await finishJob(store, claim, { state: 'succeeded' });
    expect(await following).toMatchObject({ name: 'first', state: 'succeeded' });
    expect(terminal.shown()).not.toContain('Ctrl-C');
    expect(terminal.cursor()).toBe(true);
  });

  it('ends when the one who follows leaves; the run does not notice', async () => {
    await createJob(store, { kind: 'train', name: 'first', id: 'run_1', folder: 'runs/first' });
    await claimJob(store, 'run_1');
    const leaving = new AbortController();
    const terminal = screen(80, 24);
    const following = followRun({ store, home }, 'first', output, {
      terminal,
      signal: leaving.signal,
      everyMs: 60_000,
    });
    await expect.poll(() => terminal.shown()).toContain('first');
    leaving.abort();
    expect(await following).toMatchObject({ state: 'running', requested: undefined });
    expect(terminal.cursor()).toBe(true);
  });
});
