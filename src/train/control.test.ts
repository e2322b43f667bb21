// Runs whose trainer is made up: it counts steps, writes what a trainer writes, and obeys. The processes are real.
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { derive } from '../models/dial.ts';
import { openStore, type Store } from '../store/open.ts';
import {
  deleteRun,
  findRun,
  freeName,
  isGoingOn,
  listRuns,
  type Run,
  type Runs,
  requestRun,
  resumeRun,
  startRun,
  waitForEnd,
  watchRun,
} from './control.ts';
import { readHistory } from './history.ts';
import { readRunSettings } from './run-directory.ts';
import type { RunSettings } from './run-settings.ts';

/** What a child process runs, as everywhere: the built program. */
const built = path.resolve(import.meta.dirname, '../../dist');

let root: string;
let program: string[];
let store: Store;
let runs: Runs;
beforeAll(() => {
  root = mkdtempSync(path.join(tmpdir(), 'freehold-runs-'));
  // counts to 1000, a step each 5 ms; a checkpoint is the number in a file. `fail` and `full` in its folder are obeyed
  const source = `
    import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
    import path from 'node:path';
    import { runJob } from ${JSON.stringify(path.join(built, 'train/run-job.js'))};
    import { FreeholdError } from ${JSON.stringify(path.join(built, 'lib/errors.js'))};
    const [home, id] = process.argv.slice(2);
    if (existsSync(path.join(home, 'stillborn'))) process.exit(3);
    await runJob(home, id, async (directory, { requested, report, signal }) => {
      writeFileSync(path.join(directory, 'environment.json'), JSON.stringify(process.env));
      const checkpoint = path.join(directory, 'step');
      const steps = existsSync(path.join(home, 'short')) ? 20 : 1000;
      let step = existsSync(checkpoint) ? Number(readFileSync(checkpoint, 'utf8')) : 0;
      while (step < steps) {
        if (signal.aborted) return { reason: 'stop' };
        const wish = requested();
        if (wish) { writeFileSync(checkpoint, String(step)); return { reason: wish }; }
        step += 1;
        appendFileSync(path.join(directory, 'metrics.jsonl'), JSON.stringify({ step, loss: 1 / step }) + '\\n');
        if (step % 10 === 0) writeFileSync(checkpoint, String(step));
        report({ phase: 'training', step, steps, loss: 1 / step });
        if (existsSync(path.join(directory, 'full'))) return { reason: 'pause', error: new FreeholdError('disk_full', 'No room.') };
        if (existsSync(path.join(directory, 'fail'))) throw new FreeholdError('training_diverged', 'It burst.', { hint: 'Mind it.' });
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      return { reason: 'done' };
    }, (error) => process.stderr.write(error.stack + '\\n'));
  `;
  const file = path.join(root, 'trainer.mjs');
  writeFileSync(file, source);
  program = [file];
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

let homes = 0;
beforeEach(() => {
  const home = path.join(root, `home-${++homes}`);
  mkdirSync(home);
  store = openStore(home);
  runs = { store, home, program };
  return async () => {
    for (const run of await listRuns(runs)) if (run.pid && isGoingOn(run)) process.kill(run.pid, 'SIGKILL');
    await store.close();
  };
});

const settings = (name: string): RunSettings => ({
  version: 1,
  name,
  createdAt: '2026-01-01T00:00:00.000Z',
  seed: 1,
  recipe: derive(1, { vocab: 300, context: 64, batchTokens: 128, steps: 10 }),
  data: { sources: ['/text.txt'], tokenizer: { kind: 'bytes' }, validation: 0.1, order: 'packed' },
  optimizer: { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, momentum: 0.95, clip: 0 },
  memory: {
    rowsPerPass: 2,
    recompute: false,
    computeType: 'f32',
    lossChunk: 128,
    keepAttention: false,
    attentionChunk: 0,
  },
  validation: { everySteps: 5, mostTokens: 1000 },
  samples: { everySteps: 0, prompt: '', tokens: 20, temperature: 1 },
  checkpoints: { everySteps: 10, everyMinutes: 0, keepLast: 2, keepBest: true },
  device: 'cpu',
  threads: 1,
});

const stepsOf = async (run: Run) => (await readHistory(run.directory)).metrics.map(({ step }) => step);
/** Until the run has done so many steps. */
async function untilStep(run: Run, step: number): Promise<void> {
  for await (const { history } of watchRun(runs, run.id, { everyMs: 20 })) {
    if ((history.metrics.at(-1)?.step ?? 0) >= step) return;
  }
}
const counted = (to: number) => Array.from({ length: to }, (_, index) => index + 1);

describe('a run', () => {
  it('goes on in a process of its own until its end, and is watched meanwhile', async () => {
    writeFileSync(path.join(runs.home, 'short'), '');
    const run = await startRun(runs, settings('first'));
    expect(run).toMatchObject({ name: 'first', state: 'running', directory: path.join(runs.home, 'runs', run.id) });
    expect(await readRunSettings(run.directory)).toEqual(settings('first'));
    const seen = [];
    for await (const news of watchRun(runs, 'first', { everyMs: 10 })) {
      seen.push({ state: news.run.state, steps: news.history.metrics.length });
    }
    expect(seen[0]?.state).toBe('running');
    expect(seen.at(-1)).toEqual({ state: 'succeeded', steps: 20 });
    expect(await findRun(runs, 'first')).toMatchObject({ progress: { phase: 'training', step: 20, steps: 20 } });
    await expect(resumeRun(runs, 'first')).rejects.toMatchObject({ code: 'unsupported' });
  });

  it('pauses, resumes where it was, and stops', async () => {
    const run = await startRun(runs, settings('first'));
    await untilStep(run, 5);
    await requestRun(runs, 'first', 'pause');
    expect(await waitForEnd(runs, run.id)).toMatchObject({ state: 'paused', requested: undefined });
    const paused = await stepsOf(run);
    const again = await resumeRun(runs, 'first');
    expect(again).toMatchObject({ id: run.id, state: 'running' });
    expect(again.pid).not.toBe(run.pid);
    await expect(resumeRun(runs, 'first')).rejects.toMatchObject({ code: 'in_use' });
    await untilStep(run, paused.length + 3);
    await requestRun(runs, 'first', 'stop');
    expect(await waitForEnd(runs, run.id)).toMatchObject({ state: 'cancelled' });
    const steps = await stepsOf(run);
    expect(steps).toEqual(counted(steps.length));
    expect(steps.length).toBeGreaterThan(paused.length);
  });

  it('that is killed is interrupted, and resumes from its last checkpoint', async () => {
    const run = await startRun(runs, settings('first'));
    await untilStep(run, 25);
    process.kill(run.pid ?? 0, 'SIGKILL');
    expect(await waitForEnd(runs, run.id)).toMatchObject({ state: 'interrupted' });
    await resumeRun(runs, 'first');
    await untilStep(run, 60);
    await requestRun(runs, 'first', 'stop');
    await waitForEnd(runs, run.id);
    // steps done twice are told once
    const steps = await stepsOf(run);
    expect(steps).toEqual(counted(steps.length));
  });

  it('takes a checkpoint when its machine shuts down', async () => {
    const run = await startRun(runs, settings('first'));
    await untilStep(run, 3);
    process.kill(run.pid ?? 0, 'SIGTERM');
    expect(await waitForEnd(runs, run.id)).toMatchObject({ state: 'paused' });
    expect(existsSync(path.join(run.directory, 'step'))).toBe(true);
  });

  it('that fails says why', async () => {
    const run = await startRun(runs, settings('first'));
    writeFileSync(path.join(run.directory, 'fail'), '');
    expect(await waitForEnd(runs, run.id)).toMatchObject({
      state: 'failed',
      error: { code: 'training_diverged', message: 'It burst.', hint: 'Mind it.' },
    });
    expect(readFileSync(path.join(run.directory, 'log.txt'), 'utf8')).toContain('It burst.');
  });

  it('that cannot go on for now is paused, says why, and can be resumed', async () => {
    const run = await startRun(runs, settings('first'));
    writeFileSync(path.join(run.directory, 'full'), '');
    expect(await waitForEnd(runs, run.id)).toMatchObject({ state: 'paused', error: { code: 'disk_full' } });
    rmSync(path.join(run.directory, 'full'));
    expect(await resumeRun(runs, 'first')).toMatchObject({ state: 'running', error: undefined });
  });

  it('whose process ends before it begins says so and where to look', async () => {
    writeFileSync(path.join(runs.home, 'stillborn'), '');
    await expect(startRun(runs, settings('first'))).rejects.toMatchObject({
      code: 'run_failed',
      message: expect.stringContaining('status 3'),
      hint: expect.stringContaining('log.txt'),
    });
    expect(await findRun(runs, 'first')).toMatchObject({ state: 'failed', error: { code: 'run_failed' } });
    rmSync(path.join(runs.home, 'stillborn'));
    expect(await resumeRun(runs, 'first')).toMatchObject({ state: 'running', error: undefined });
  });

  it('is given no secret of whoever starts it', async () => {
    process.env.FREEHOLD_HUB_TOKEN = 'hf_secret';
    try {
      const run = await startRun(runs, settings('first'));
      await untilStep(run, 1);
      const environment = readFileSync(path.join(run.directory, 'environment.json'), 'utf8');
      expect(environment).toContain('PATH');
      expect(environment).not.toContain('hf_secret');
    } finally {
      delete process.env.FREEHOLD_HUB_TOKEN;
    }
  });

  it('outlives the process that started it', async () => {
    const control = JSON.stringify(path.join(import.meta.dirname, 'control.ts'));
    const open = JSON.stringify(path.join(import.meta.dirname, '../store/open.ts'));
    const code = `
      import { startRun } from ${control};
      import { openStore } from ${open};
      const store = openStore(${JSON.stringify(runs.home)});
      await startRun({ store, home: ${JSON.stringify(runs.home)}, program: ${JSON.stringify(program)} }, ${JSON.stringify(settings('first'))});
      process.kill(process.pid, 'SIGKILL');`;
    const starter = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', code], {
      stdio: 'inherit',
    });
    await new Promise((resolve) => starter.once('exit', resolve));
    const run = await findRun(runs, 'first');
    expect(run.state).toBe('running');
    await untilStep(run, (await stepsOf(run)).length + 5);
  });
});

describe('runs', () => {
  it('have names of their own, and folders of their own', async () => {
    const first = await startRun(runs, settings('first'));
    await expect(startRun(runs, settings('first'))).rejects.toMatchObject({
      code: 'name_taken',
      hint: expect.stringContaining('freehold runs rm first'),
    });
    const second = await startRun(runs, settings('second'));
    expect(second.directory).not.toBe(first.directory);
    expect((await listRuns(runs)).map(({ name }) => name).toSorted()).toEqual(['first', 'second']);
    expect(await freeName(runs, 'first')).toBe('first-2');
    expect(await freeName(runs, 'third')).toBe('third');
  });

  it.each(['', '../x', 'A run', 'x'.repeat(61), '-x', 'a/b'])('are not called "%s"', async (name) => {
    await expect(startRun(runs, settings(name))).rejects.toMatchObject({ field: 'name' });
    expect(await listRuns(runs)).toEqual([]);
  });

  it('that nobody has are told with the nearest', async () => {
    await startRun(runs, settings('shakespeare'));
    await expect(findRun(runs, 'shakespaere')).rejects.toMatchObject({
      code: 'not_found',
      hint: 'Did you mean shakespeare?',
    });
    await expect(resumeRun(runs, 'nothing-like-it')).rejects.toMatchObject({
      hint: expect.stringContaining('runs list'),
    });
    expect(await findRun(runs, 'Shakespeare')).toMatchObject({ name: 'shakespeare' });
  });

  it('are removed with their files, but not while they go on', async () => {
    const run = await startRun(runs, settings('first'));
    await expect(deleteRun(runs, 'first')).rejects.toMatchObject({ code: 'in_use' });
    await requestRun(runs, 'first', 'stop');
    await waitForEnd(runs, run.id);
    await deleteRun(runs, 'first');
    expect(existsSync(run.directory)).toBe(false);
    expect(await listRuns(runs)).toEqual([]);
    await startRun(runs, settings('first'));
  });
});
