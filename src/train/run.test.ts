// Whole runs in this process, on the reference device: what a run leaves behind, and that one that was interrupted anywhere is the one
// that never was.
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Overrides } from '../models/dial.ts';
import type { Device } from '../tensor/device.ts';
import { listCheckpoints, readCheckpoint } from './checkpoint.ts';
import { metricsLineSchema, readLines, sampleLineSchema } from './metrics.ts';
import { executeRun, type RunEvent, type RunOptions } from './run.ts';
import { createRunDirectory, lockRun, runFiles } from './run-directory.ts';
import type { RunSettings } from './run-settings.ts';
import { createF32Device, smallSettings, text } from './testing/small-run.ts';

const disk = vi.hoisted(() => ({ fullFor: undefined as RegExp | undefined }));

vi.mock('node:fs/promises', async (original) => {
  const real = await original<typeof import('node:fs/promises')>();
  return {
    ...real,
    open: async (...args: Parameters<typeof real.open>) => {
      const handle = await real.open(...args);
      if (!disk.fullFor?.test(String(args[0]))) return handle;
      handle.writeFile = async () => {
        throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
      };
      return handle;
    },
  };
});

let folder: string;
let source: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'freehold-run-'));
  source = path.join(folder, 'text.txt');
  writeFileSync(source, text);
});
afterEach(() => {
  disk.fullFor = undefined;
  rmSync(folder, { recursive: true, force: true });
});

type Change = Parameters<typeof smallSettings>[0];

async function newRun(name: string, change: Change = {}, overrides: Overrides = {}): Promise<string> {
  const directory = path.join(folder, name);
  const settings = smallSettings({ ...change, data: { ...(change?.data as object), sources: [source] } }, overrides);
  await createRunDirectory(directory, settings);
  return directory;
}

/** What is in the last checkpoint: parameters and all that the optimizer keeps. */
async function statesOf(directory: string): Promise<Record<string, number[]>> {
  const [last] = await listCheckpoints(runFiles(directory).checkpoints);
  const checkpoint = await readCheckpoint(last!.file);
  const states: Record<string, number[]> = {};
  for (const name of checkpoint.tensors.keys()) states[name] = [...(await checkpoint.read(name))];
  return states;
}

const execute = (directory: string, options: Partial<RunOptions> = {}) =>
  executeRun(directory, { openDevice: createF32Device, ...options });

/** Pauses after a step. */
const pauseAt = (step: number): Partial<RunOptions> => {
  let now = 0;
  return {
    onEvent: (event) => {
      if (event.type === 'step') now = event.progress.step;
    },
    requested: () => (now === step ? 'pause' : undefined),
  };
};

describe('a run', () => {
  it('leaves metrics, samples, a tokenizer and its last checkpoints', async () => {
    const directory = await newRun('one', {
      validation: { everySteps: 3, mostTokens: 64 },
      samples: { everySteps: 4 },
      checkpoints: { everySteps: 2, keepLast: 2, keepBest: false },
    });
    const events: RunEvent[] = [];
    const outcome = await execute(directory, { onEvent: (event) => events.push(event) });
    const files = runFiles(directory);
    expect(outcome).toMatchObject({
      reason: 'done',
      step: 8,
      checkpoint: path.join(files.checkpoints, 'step-000008.gguf'),
    });
    expect((await listCheckpoints(files.checkpoints)).map(({ step }) => step)).toEqual([8, 6]);
    const lines = await readLines(files.metrics, metricsLineSchema);
    expect(lines.map(({ step }) => step)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(lines.filter(({ bitsPerByte }) => bitsPerByte !== undefined).map(({ step }) => step)).toEqual([3, 6, 8]);
    const last = lines.at(-1)!;
    // a token is a byte here, but for the one that ends the text: of 98 tokens held out, 97 are targets and 96 of these bytes
    expect(last.bitsPerByte).toBeCloseTo(((last.validationLoss! / Math.LN2) * 97) / 96, 5);
    expect(last.loss).toBeLessThan(lines[0]!.loss);
    expect(lines[0]!.loss).toBeCloseTo(Math.log(257), 1);
    expect((await readLines(files.samples, sampleLineSchema)).map(({ step }) => step)).toEqual([4, 8]);
    expect(events.filter(({ type }) => type === 'saved')).toHaveLength(4);
    expect(JSON.parse(readFileSync(files.tokenizer, 'utf8')).format).toBe('freehold-tokenizer');
  });

  it('keeps the best checkpoint beside the last ones', async () => {
    const directory = await newRun('best', {
      validation: { everySteps: 1, mostTokens: 1000 },
      checkpoints: { everySteps: 0, keepLast: 1, keepBest: true },
    });
    await execute(directory);
    const found = await listCheckpoints(runFiles(directory).checkpoints);
    const { progress } = await readCheckpoint(found[0]!.file);
    expect(found.map(({ step }) => step)).toContain(progress.bestValidation!.step);
    expect(found.length).toBeLessThanOrEqual(2);
  });

  it('is refused where another process works on it', async () => {
    const directory = await newRun('busy');
    const release = await lockRun(directory);
    await expect(execute(directory)).rejects.toMatchObject({ code: 'in_use' });
    await release();
    expect(await execute(directory)).toMatchObject({ reason: 'done' });
  });

  it('learns its vocabulary from its texts, or says how large it can be', async () => {
    const directory = await newRun('bpe', { data: { tokenizer: { kind: 'bpe', vocab: 270 } } }, { vocab: 270 });
    expect(await execute(directory)).toMatchObject({ reason: 'done' });
    const large = await newRun('large', { data: { tokenizer: { kind: 'bpe', vocab: 5000 } } }, { vocab: 5000 });
    await expect(execute(large)).rejects.toMatchObject({
      code: 'data_invalid',
      message: expect.stringMatching(/supports a vocabulary of at most/),
    });
  });
});

describe('a run that was interrupted is the one that never was, to the bit', () => {
  const cases: Record<string, { change?: Change; overrides?: Overrides; at: number }> = {
    'with Muon': { at: 3 },
    'with AdamW and clipping': { at: 5, change: { optimizer: { clip: 0.1 } }, overrides: { optimizer: 'adamw' } },
    'with SGD': { at: 2, overrides: { optimizer: 'sgd' } },
    'with gradients summed over passes': { at: 3, change: { memory: { rowsPerPass: 1 } } },
    'across the end of an epoch, twice': {
      at: 2,
      overrides: { batchTokens: 48 * 16, steps: 4 },
      change: { memory: { rowsPerPass: 12 } },
    },
    'with random windows': { at: 3, change: { data: { order: 'windows' } } },
    'with layers computed twice': { at: 3, change: { memory: { recompute: true } } },
    'with samples and validations on the way': {
      at: 3,
      change: {
        samples: { everySteps: 2 },
        validation: { everySteps: 2, mostTokens: 64 },
        checkpoints: { keepBest: true },
      },
    },
  };
  it.each(Object.entries(cases))('%s', async (_, { change = {}, overrides = {}, at }) => {
    const whole = await newRun('whole', change, overrides);
    const broken = await newRun('broken', change, overrides);
    await execute(whole);
    expect(await execute(broken, pauseAt(at))).toMatchObject({ reason: 'pause', step: at });
    expect(await execute(broken)).toMatchObject({ reason: 'done' });
    expect(await statesOf(broken)).toEqual(await statesOf(whole));
    const losses = async (directory: string) =>
      (await readLines(runFiles(directory).metrics, metricsLineSchema)).map(({ step, loss, bitsPerByte }) => [
        step,
        loss,
        bitsPerByte,
      ]);
    expect(await losses(broken)).toEqual(await losses(whole));
  });

  it('whatever samples and validations were taken', async () => {
    const quiet = await newRun('quiet');
    const busy = await newRun('busy', { samples: { everySteps: 1 }, validation: { everySteps: 1, mostTokens: 64 } });
    await execute(quiet);
    await execute(busy);
    expect(await statesOf(busy)).toEqual(await statesOf(quiet));
  });

  it('where it was killed between two checkpoints, and while it wrote a line', async () => {
    const whole = await newRun('whole');
    const killed = await newRun('killed');
    await execute(whole);
    const stop = new AbortController();
    await expect(
      execute(killed, {
        signal: stop.signal,
        onEvent: (event) => {
          if (event.type === 'step' && event.progress.step === 6) stop.abort();
        },
      }),
    ).rejects.toThrow();
    const files = runFiles(killed);
    appendFileSync(files.metrics, '{"step":7,"tok');
    const events: RunEvent[] = [];
    await execute(killed, { onEvent: (event) => events.push(event) });
    expect(events.find(({ type }) => type === 'resumed')).toMatchObject({ step: 4 });
    expect(await statesOf(killed)).toEqual(await statesOf(whole));
    const lines = await readLines(files.metrics, metricsLineSchema);
    expect(lines.map(({ step }) => step)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  });

  it('where its texts have changed meanwhile: the tokens it has are kept', async () => {
    const whole = await newRun('whole');
    const broken = await newRun('broken');
    await execute(whole);
    await execute(broken, pauseAt(3));
    writeFileSync(source, 'other text');
    await execute(broken);
    expect(await statesOf(broken)).toEqual(await statesOf(whole));
  });

  it('where the last checkpoint was damaged: the one before it is taken, and the run says so', async () => {
    const whole = await newRun('whole', { checkpoints: { everySteps: 2 } });
    const damaged = await newRun('damaged', { checkpoints: { everySteps: 2 } });
    await execute(whole);
    await execute(damaged, pauseAt(6));
    writeFileSync(path.join(runFiles(damaged).checkpoints, 'step-000006.gguf'), 'GGUF');
    const events: RunEvent[] = [];
    await execute(damaged, { onEvent: (event) => events.push(event) });
    expect(events.find(({ type }) => type === 'warning')).toMatchObject({
      message: expect.stringContaining('step-000006'),
    });
    expect(await statesOf(damaged)).toEqual(await statesOf(whole));
  });
});

describe('a run that cannot go on', () => {
  it('refuses settings or tokens that are not those of its checkpoint', async () => {
    const directory = await newRun('changed');
    await execute(directory, pauseAt(2));
    const files = runFiles(directory);
    const settings = JSON.parse(readFileSync(files.settings, 'utf8')) as RunSettings;
    writeFileSync(files.settings, JSON.stringify({ ...settings, seed: 8 }));
    await expect(execute(directory)).rejects.toMatchObject({ code: 'run_invalid', message: /The settings of the run/ });
    writeFileSync(files.settings, JSON.stringify(settings));
    rmSync(files.tokens, { recursive: true });
    writeFileSync(source, text.toUpperCase());
    await expect(execute(directory)).rejects.toMatchObject({ code: 'run_invalid', message: /The tokens of the run/ });
  });

  it('goes on from the last checkpoint that is whole, sets damaged ones aside, and begins nothing anew', async () => {
    const whole = await newRun('whole');
    await execute(whole);
    const directory = await newRun('damaged');
    await execute(directory, pauseAt(9));
    const { checkpoints, metrics } = runFiles(directory);
    const [last, before] = await listCheckpoints(checkpoints);
    if (!last || !before) throw new Error('the run kept two checkpoints');
    const bytes = readFileSync(last.file);
    // a number among the weights, which no length tells of
    bytes[bytes.length - 100] = (bytes[bytes.length - 100] as number) ^ 1;
    writeFileSync(last.file, bytes);
    const warnings: string[] = [];
    const resumed: string[] = [];
    const outcome = await execute(directory, {
      onEvent: (event) => {
        if (event.type === 'warning') warnings.push(event.message);
        if (event.type === 'resumed') resumed.push(event.checkpoint);
      },
    });
    expect(outcome.reason).toBe('done');
    expect(warnings).toEqual([expect.stringMatching(/its numbers are not those written/)]);
    expect(resumed).toEqual([before.file]);
    expect(await readdir(checkpoints)).toContain(`${path.basename(last.file)}.damaged`);
    expect(await statesOf(directory)).toEqual(await statesOf(whole));

    for (const { file } of await listCheckpoints(checkpoints))
      writeFileSync(file, readFileSync(file).subarray(0, 3000));
    const lines = readFileSync(metrics, 'utf8');
    const names = await readdir(checkpoints);
    await expect(execute(directory)).rejects.toMatchObject({ code: 'gguf_invalid', message: /^No checkpoint in/ });
    expect(readFileSync(metrics, 'utf8')).toBe(lines);
    expect(await readdir(checkpoints)).toEqual(names);
  });

  it('pauses when the disk is full at a checkpoint; the one before survives, and it goes on once there is room', async () => {
    const whole = await newRun('whole');
    const full = await newRun('full');
    await execute(whole);
    const outcome = await execute(full, {
      onEvent: (event) => {
        if (event.type === 'saved') disk.fullFor = /step-000008/;
      },
    });
    expect(outcome).toMatchObject({ reason: 'pause', error: { code: 'disk_full' } });
    const { checkpoints } = runFiles(full);
    expect(outcome.checkpoint).toBe(path.join(checkpoints, 'step-000004.gguf'));
    expect(await readdir(checkpoints)).toEqual(['step-000004.gguf']);
    disk.fullFor = undefined;
    expect(await execute(full)).toMatchObject({ reason: 'done' });
    expect(await statesOf(full)).toEqual(await statesOf(whole));
  });

  it('stops when training diverges, and names the last good checkpoint', async () => {
    const directory = await newRun('wild');
    let steps = 0;
    const openDevice = (): Device => {
      const device = createF32Device();
      const compile = device.compile.bind(device);
      device.compile = (program) => {
        const executable = compile(program);
        const get = executable.get.bind(executable);
        executable.get = (name) => (name === 'loss' && ++steps === 6 ? Float32Array.of(Number.NaN) : get(name));
        return executable;
      };
      return device;
    };
    await expect(execute(directory, { openDevice })).rejects.toMatchObject({
      code: 'training_diverged',
      message: expect.stringMatching(
        /^At step 6 the loss is no number any more\. The last good checkpoint is .*step-000004\.gguf/,
      ),
    });
    expect((await listCheckpoints(runFiles(directory).checkpoints)).map(({ step }) => step)).toEqual([4]);
  });

  it('writes no checkpoint of numbers that are not finite', async () => {
    const directory = await newRun('lost');
    const openDevice = (): Device => {
      const device = createF32Device();
      const read = device.read.bind(device);
      device.read = (name) => (name === 'output_norm.weight' ? read(name).fill(Number.NaN) : read(name));
      return device;
    };
    await expect(execute(directory, { openDevice })).rejects.toMatchObject({
      code: 'training_diverged',
      message: expect.stringContaining('There is no checkpoint yet'),
    });
    expect(await readdir(runFiles(directory).checkpoints)).toEqual([]);
  });

  it('says that a folder holds a run already, or none', async () => {
    const directory = await newRun('twice');
    await expect(createRunDirectory(directory, smallSettings())).rejects.toMatchObject({ code: 'name_taken' });
    await expect(execute(path.join(folder, 'nowhere'))).rejects.toMatchObject({ code: 'file_not_found' });
  });
});
