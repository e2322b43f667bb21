// The commands about runs, on runs that were written down here: no process trains. The last test trains a tiny model for real.
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { derive } from '../../models/dial.ts';
import { claimJob, createJob, finishJob, heartbeat, type JobEnd, listJobs } from '../../store/jobs.ts';
import { openStore } from '../../store/open.ts';
import { exportTypes } from '../../train/export.ts';
import type { MetricsLine } from '../../train/metrics.ts';
import type { RunSettings } from '../../train/run-settings.ts';
import { run } from '../program.ts';
import { differences } from '../runs/report.ts';
import { typeNames } from './export.ts';
import { planRequest, type TrainOptions } from './train-flags.ts';

const root = mkdtempSync(path.join(tmpdir(), 'freehold-runs-cli-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

let home: string;
let homes = 0;
beforeEach(() => {
  home = path.join(root, `home-${++homes}`);
  vi.stubEnv('FREEHOLD_HOME', home);
  return async () => {
    vi.unstubAllEnvs();
    if (!existsSync(home)) return;
    // a test that failed may leave a process at work
    const store = openStore(home);
    for (const { pid, state } of await listJobs(store, 'train'))
      if (pid && state === 'running') process.kill(pid, 'SIGKILL');
    await store.close();
  };
});

/** Runs a command line in this process. */
async function freehold(...argv: string[]): Promise<{ status: number; stdout: string; stderr: string }> {
  const said = { stdout: '', stderr: '' };
  const spies = (['stdout', 'stderr'] as const).map((stream) =>
    vi.spyOn(process[stream], 'write').mockImplementation((text) => {
      said[stream] += String(text);
      return true;
    }),
  );
  try {
    return { status: await run(argv), ...said };
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
}

const settingsOf = (name: string, width: number): RunSettings => ({
  version: 1,
  name,
  createdAt: '2026-01-01T00:00:00.000Z',
  seed: 1,
  recipe: derive(2, { vocab: 300, context: 64, batchTokens: 128, steps: 500, width }),
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

/** A run with 100 measured steps. @param end `died`: its process was killed */
async function written(name: string, end: JobEnd | 'died', width = 64, steps = 100): Promise<string> {
  const store = openStore(home);
  const folder = `runs/${name}-folder`;
  const { id } = await createJob(store, { kind: 'train', name, folder });
  const claim = await claimJob(store, id);
  await heartbeat(store, claim, {
    phase: 'training',
    step: steps,
    steps: 500,
    tokens: steps * 128,
    loss: 1.234,
    bitsPerByte: 2.345,
  });
  if (end === 'died')
    await store.db
      .updateTable('jobs')
      .set({ pid: 2 ** 30 })
      .where('id', '=', id)
      .execute();
  else {
    const error =
      end === 'failed' ? ({ code: 'training_diverged', message: 'It burst.', hint: 'Mind it.' } as const) : undefined;
    await finishJob(store, claim, { state: end, ...(error && { error }) });
  }
  await store.close();
  const directory = path.join(home, folder);
  mkdirSync(path.join(directory, 'checkpoints'), { recursive: true });
  writeFileSync(path.join(directory, 'run.json'), JSON.stringify(settingsOf(name, width)));
  const lines = Array.from({ length: steps }, (_, index): MetricsLine => {
    const loss = 1.5 + (width / 64) * Math.exp(-index / 30);
    const validation = index % 20 === 19 ? { validationLoss: loss + 0.1, bitsPerByte: loss + 1 } : {};
    return {
      step: index + 1,
      tokens: (index + 1) * 128,
      loss,
      learningRate: 0.1,
      gradientNorm: 1,
      tokensPerSecond: 5000,
      flopsPerSecond: 1e9,
      gemmShare: 0.66,
      memoryBytes: 2e8,
      elapsedSeconds: index,
      at: '',
      ...validation,
    };
  });
  writeFileSync(path.join(directory, 'metrics.jsonl'), lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
  writeFileSync(
    path.join(directory, 'samples.jsonl'),
    '{"step":100,"prompt":"Once","text":" upon\\u001b[2J a time","at":""}\n',
  );
  writeFileSync(path.join(directory, 'checkpoints', 'step-000100.gguf'), 'x'.repeat(5000));
  return directory;
}

describe('runs list', () => {
  it('says how to begin where there is none', async () => {
    expect((await freehold('runs', 'list')).stdout).toContain('freehold train FILE');
    expect(JSON.parse((await freehold('runs', 'list', '--json')).stdout)).toEqual({ runs: [] });
  });

  it('has a line for each, with its state and its figures', async () => {
    await written('first', 'succeeded');
    await written('second', 'died');
    const { stdout, status } = await freehold('runs', 'list');
    expect(status).toBe(0);
    expect(stdout).toMatch(/^NAME +STATE +STEP +LOSS +BITS\/BYTE/);
    expect(stdout).toMatch(/^second +interrupted +100\/500 +1\.234 +2\.345 +just now$/m);
    expect(stdout).toMatch(/^first +succeeded /m);
    const { runs } = JSON.parse((await freehold('runs', 'list', '--json')).stdout);
    expect(runs).toMatchObject([
      { name: 'second', state: 'interrupted' },
      { name: 'first', progress: { step: 100 } },
    ]);
  });
});

describe('runs show', () => {
  it('shows the newest one in full, and lets no sample drive the terminal', async () => {
    await written('first', 'succeeded');
    const directory = await written('second', 'failed');
    const { stdout } = await freehold('runs', 'show');
    expect(stdout).toMatch(/^second {2}failed at step 100 of 500\n {2}It burst\. Mind it\./);
    expect(stdout).toMatch(/Model +qwen3, .* parameters: 2 layers, width 64/);
    expect(stdout).toMatch(/[\u2801-\u28ff]{10}/);
    expect(stdout).toContain('step 100, 5.0 kB · the best');
    expect(stdout).toMatch(/Sample at step 100\n {2}Once upon\[2J a time/);
    expect(stdout).toContain(directory);
    expect(stdout).not.toContain('\u001b');
    const shown = JSON.parse((await freehold('runs', 'show', 'first', '--json')).stdout);
    expect(shown).toMatchObject({ run: { name: 'first' }, settings: { name: 'first' }, checkpoints: [{ step: 100 }] });
    expect(shown.metrics).toHaveLength(100);
  });

  it('goes without settings that are damaged', async () => {
    writeFileSync(path.join(await written('first', 'paused'), 'run.json'), '{');
    expect(await freehold('runs', 'show')).toMatchObject({
      status: 0,
      stdout: expect.stringContaining('first  paused'),
    });
  });
});

describe('runs compare', () => {
  it('tells what differs, and how far each came', async () => {
    await written('narrow', 'succeeded', 64);
    await written('wide', 'succeeded', 128);
    const { stdout } = await freehold('runs', 'compare', 'narrow', 'wide');
    expect(stdout).toMatch(/recipe\.model\.width +64 +128/);
    expect(stdout).not.toContain('seed');
    expect(stdout).toMatch(/best bits\/byte +2\.5\d+ +2\.5\d+/);
    const told = JSON.parse((await freehold('runs', 'compare', 'narrow', 'wide', '--json')).stdout);
    expect(told.differences['recipe.model.width']).toEqual(['64', '128']);
    expect(told.runs).toMatchObject([{ name: 'narrow', last: { step: 100 }, best: { step: 100 } }, { name: 'wide' }]);
  });

  it('needs two of them, each once', async () => {
    await written('first', 'succeeded');
    expect(await freehold('runs', 'compare', 'first')).toMatchObject({ status: 2, stdout: '' });
    expect(await freehold('runs', 'compare', 'first', 'first')).toMatchObject({ status: 2 });
  });

  it('finds nothing between equals', () => {
    expect(differences([settingsOf('a', 64), settingsOf('b', 64)])).toEqual([]);
    expect(differences([settingsOf('a', 64), undefined]).length).toBeGreaterThan(20);
  });
});

describe('runs plot', () => {
  it.each(['svg', 'png'])('draws into a file: %s', async (kind) => {
    await written('first', 'succeeded');
    await written('second', 'paused', 128);
    const file = path.join(home, `curve.${kind}`);
    expect(await freehold('runs', 'plot', 'first', 'second', '--out', file, '--x', 'tokens')).toMatchObject({
      status: 0,
      stdout: `Wrote ${file}.\n`,
    });
    expect(readFileSync(file).length).toBeGreaterThan(3000);
  });

  it('refuses what it cannot draw', async () => {
    await written('first', 'succeeded');
    await written('empty', 'paused', 64, 0);
    expect(await freehold('runs', 'plot', 'first', '--out', 'a.jpg')).toMatchObject({ status: 2 });
    expect(await freehold('runs', 'plot', 'first')).toMatchObject({ status: 2 });
    const nothing = await freehold('runs', 'plot', 'empty', '--out', path.join(home, 'a.svg'));
    expect(nothing.stderr).toContain('nothing to draw');
    expect(existsSync(path.join(home, 'a.svg'))).toBe(false);
  });
});

describe('runs pause, stop, rm', () => {
  it('name the nearest run where there is none of that name', async () => {
    await written('shakespeare', 'paused');
    for (const command of [
      ['pause'],
      ['stop'],
      ['resume'],
      ['rm', '--yes'],
      ['show'],
      ['watch'],
      ['plot', '--out', 'a.svg'],
    ]) {
      const { status, stderr } = await freehold('runs', ...command, 'shakespere');
      expect([status, stderr]).toEqual([1, expect.stringContaining('Did you mean shakespeare?')]);
    }
  });

  it('of a run that nobody works on', async () => {
    await written('first', 'died');
    expect(await freehold('runs', 'pause', 'first')).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('nothing to pause'),
    });
    const stopped = await freehold('runs', 'stop', 'first');
    expect(stopped).toMatchObject({ status: 0, stdout: expect.stringContaining('Stopped at step 100 of 500') });
    expect(stopped.stdout).toContain('freehold runs resume first');
    await written('second', 'succeeded');
    expect(await freehold('runs', 'stop', 'second')).toMatchObject({ status: 1 });
  });

  it('ask before they delete', async () => {
    const directory = await written('first', 'succeeded');
    expect(await freehold('runs', 'rm', 'first')).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('--yes'),
    });
    expect(existsSync(directory)).toBe(true);
    expect(await freehold('runs', 'rm', 'first', '--yes')).toMatchObject({ status: 0, stdout: 'Deleted first.\n' });
    expect(existsSync(directory)).toBe(false);
  });
});

describe('runs watch', () => {
  it('of one that ended shows it and how it ended', async () => {
    await written('first', 'succeeded');
    const { stdout } = await freehold('runs', 'watch');
    expect(stdout).toContain('first: step 100 of 500, loss 1.');
    expect(stdout).toContain('freehold export first');
    const lines = (await freehold('runs', 'watch', '--json')).stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines.filter(({ type }) => type === 'step')).toHaveLength(100);
    expect(lines.at(-1)).toMatchObject({ type: 'run', run: { state: 'succeeded' } });
  });

  it('of one that failed or died fails', async () => {
    await written('first', 'failed');
    expect(await freehold('runs', 'watch')).toMatchObject({ status: 1, stderr: expect.stringContaining('It burst.') });
    await written('second', 'died');
    expect(await freehold('runs', 'watch')).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('freehold runs resume second'),
    });
  });
});

describe('the flags of train', () => {
  const request = (options: TrainOptions) => planRequest(['a.txt'], options, { threads: 0, device: 'auto' });

  it('are what the plan is asked for, and nothing that was not given', async () => {
    expect(await request({})).toMatchObject({ sources: ['a.txt'], overrides: {}, device: 'auto', threads: 0 });
    expect(Object.keys((await request({})).overrides ?? {})).toEqual([]);
    expect(
      await request({ depth: 6, schedule: 'wsd', warmup: 3, validation: 0.2, sampleEvery: 7, keepLast: 5 }),
    ).toMatchObject({
      depth: 6,
      overrides: { schedule: 'trapezoid', warmupSteps: 3 },
      validation: 0.2,
      samples: { everySteps: 7 },
      checkpoints: { keepLast: 5 },
    });
  });

  it('count a batch in sequences', async () => {
    expect((await request({ batch: 12, context: 64 })).overrides?.batchTokens).toBe(768);
    expect((await request({ batch: 2 })).overrides?.batchTokens).toBe(2 * derive(4).model.context);
    expect((await request({ batch: 2, depth: 8 })).overrides?.batchTokens).toBe(2 * derive(8).model.context);
  });

  it('give one learning rate to all but under muon', async () => {
    const rates = async (options: TrainOptions) => {
      const { matrixLearningRate, headLearningRate } = (await request(options)).overrides ?? {};
      return [matrixLearningRate, headLearningRate];
    };
    expect(await rates({ learningRate: 0.01, optimizer: 'adamw' })).toEqual([0.01, 0.01]);
    expect(await rates({ learningRate: 0.01, optimizer: 'adamw', headLearningRate: 0.02 })).toEqual([0.01, 0.02]);
    expect(await rates({ learningRate: 0.01 })).toEqual([0.01, undefined]);
  });

  it('choose the tokenizer', async () => {
    const tokenizer = async (options: TrainOptions) => (await request(options)).tokenizer;
    expect(await tokenizer({})).toBeUndefined();
    expect(await tokenizer({ vocab: 1000 })).toEqual({ kind: 'bpe', vocab: 1000 });
    expect(await tokenizer({ tokenizer: 'bytes' })).toEqual({ kind: 'bytes' });
    expect(await tokenizer({ tokenizer: 'm.gguf' })).toEqual({ kind: 'file', file: 'm.gguf' });
    await expect(tokenizer({ tokenizer: 'bytes', vocab: 1000 })).rejects.toMatchObject({ code: 'usage' });
    await expect(request({ steps: 1, tokens: 1 })).rejects.toMatchObject({ code: 'usage' });
  });
});

describe('train', () => {
  it.each([
    [['--depth', '0'], 'from 1 to 64'],
    [['--depth', 'deep'], 'whole number'],
    [['--steps', '1.5'], 'whole number'],
    [['--batch', '0'], 'from 1'],
    [['--validation', '0.9'], 'from 0 to 0.5'],
    [['--learning-rate', '-1'], 'number from'],
    [['--optimizer', 'adam'], 'muon, adamw, sgd'],
    [['--steps', '5', '--tokens', '5'], 'one of them'],
    [['--name', 'A run'], 'small letters'],
    [['--width', '10', '--heads', '3'], '10'],
  ])('refuses %j with status 2', async (flags, message) => {
    const text = path.join(root, 'some.txt');
    writeFileSync(text, 'All work and no play makes Jack a dull boy.\n'.repeat(2000));
    const { status, stderr } = await freehold('train', text, '--plan', ...flags);
    expect([status, stderr]).toEqual([2, expect.stringContaining(message)]);
  });

  it('refuses texts that are none, and names that are taken, before it takes time', async () => {
    const file = (name: string, content: string | Uint8Array) => {
      writeFileSync(path.join(root, name), content);
      return path.join(root, name);
    };
    const sources = [
      [path.join(root, 'nowhere.txt'), 'nowhere.txt'],
      [file('empty.txt', ''), 'empty.txt'],
      [
        file(
          'binary.txt',
          Uint8Array.from({ length: 5000 }, (_, index) => index % 256),
        ),
        'binary.txt',
      ],
    ];
    for (const [source = '', name] of sources) {
      const { status, stderr } = await freehold('train', source, '--plan');
      expect([status, stderr]).toEqual([1, expect.stringContaining(name as string)]);
    }
    expect(await freehold('train')).toMatchObject({ status: 2 });
    await written('taken', 'paused');
    const taken = await freehold('train', path.join(root, 'nowhere.txt'), '--name', 'taken');
    expect(taken).toMatchObject({ status: 1, stderr: expect.stringContaining('freehold runs rm taken') });
  });
});

describe('export', () => {
  it('knows the types that there are', () => {
    expect(typeNames).toEqual(exportTypes);
  });

  it('refuses what it cannot write', async () => {
    await written('first', 'paused');
    expect(await freehold('export', 'first', '--type', 'q1')).toMatchObject({ status: 2 });
    expect(await freehold('export', 'first', '--checkpoint', 'worst')).toMatchObject({ status: 2 });
    expect(await freehold('export', 'first', '--out', 'model.bin')).toMatchObject({ status: 2 });
    const missing = await freehold('export', 'first', '--checkpoint', '7');
    expect(missing).toMatchObject({ status: 1, stderr: expect.stringContaining('It has: 100.') });
    const other = await freehold('export', 'frist');
    expect(other.stderr).toContain('Did you mean first?');
  });
});

it('a model is trained, exported and listed', async () => {
  const text = path.join(root, 'jack.txt');
  writeFileSync(text, 'All work and no play makes Jack a dull boy.\n'.repeat(500));
  const flags = [
    '--depth',
    '1',
    '--width',
    '32',
    '--context',
    '32',
    '--batch',
    '2',
    '--tokenizer',
    'bytes',
    '--steps',
    '4',
  ];
  const trained = await freehold(
    'train',
    text,
    '--name',
    'jack',
    '--json',
    '--device',
    'cpu',
    '--threads',
    '1',
    ...flags,
  );
  const lines = trained.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect([trained.status, lines.at(-1)]).toMatchObject([0, { type: 'run', run: { name: 'jack', state: 'succeeded' } }]);
  expect(lines[0]).toMatchObject({ type: 'plan', plan: { settings: { name: 'jack' }, corpus: { exact: true } } });
  expect(lines.filter(({ type }) => type === 'step').map(({ step }) => step)).toEqual([1, 2, 3, 4]);
  const exported = await freehold('export', 'jack', '--json');
  expect(JSON.parse(exported.stdout)).toMatchObject({ model: { name: 'jack', origin: 'freehold' }, step: 4 });
  const again = await freehold('export', 'jack', '--checkpoint', 'last', '--json');
  expect(again.status).toBe(0);
  const { models } = JSON.parse((await freehold('models', '--json')).stdout);
  expect(models.map(({ name }: { name: string }) => name)).toContain('jack');
});

it('Ctrl-C pauses a run with a checkpoint; it goes on in the background and stops there', async () => {
  const text = path.join(root, 'jack.txt');
  writeFileSync(text, 'All work and no play makes Jack a dull boy.\n'.repeat(500));
  const flags = [
    '--depth',
    '1',
    '--width',
    '32',
    '--context',
    '32',
    '--batch',
    '2',
    '--tokenizer',
    'bytes',
    '--steps',
    '100000',
  ];
  const none = ['--validate-every', '0', '--sample-every', '0', '--device', 'cpu', '--threads', '1'];
  const main = path.resolve(import.meta.dirname, '../../../dist/cli/main.js');
  const child = spawn(process.execPath, [main, 'train', text, '--name', 'jack', '--json', ...flags, ...none], {
    env: { PATH: process.env.PATH, HOME: home, FREEHOLD_HOME: home },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  let said = '';
  child.stdout.on('data', (chunk: Buffer) => {
    if (!said.includes('"step"') && chunk.includes('"type":"step"')) child.kill('SIGINT');
    said += chunk.toString();
  });
  expect(await new Promise((resolve) => child.once('close', resolve))).toBe(130);
  const last = JSON.parse(said.trim().split('\n').at(-1) ?? '');
  expect(last).toMatchObject({ type: 'run', run: { state: 'paused', progress: { checkpoint: expect.any(Number) } } });
  const resumed = await freehold('runs', 'resume', 'jack', '--detach');
  expect(resumed).toMatchObject({ status: 0, stdout: expect.stringContaining('freehold runs watch jack') });
  expect(await freehold('runs', 'rm', 'jack', '--yes')).toMatchObject({
    status: 1,
    stderr: expect.stringContaining('worked on'),
  });
  const stopped = await freehold('runs', 'stop', 'jack', '--json');
  const { run: end } = JSON.parse(stopped.stdout);
  expect([stopped.status, end.state]).toEqual([0, 'cancelled']);
  expect(end.progress.checkpoint).toBeGreaterThanOrEqual(last.run.progress.checkpoint);
});
