import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { FreeholdError } from '../lib/errors.ts';
import { parameterCount } from '../models/costs.ts';
import { bytesTokenizer } from '../tokenizer/tokenizer.ts';
import { tokenizerToJson } from '../tokenizer/tokenizer-file.ts';
import { findTextFiles } from './corpus.ts';
import { memoryOf } from './memory-estimate.ts';
import { optimizerOf } from './optimizer.ts';
import { type PlanRequest, planRun } from './plan.ts';
import { checkSettings } from './run-settings.ts';
import { createStepRunner, trainingPrograms } from './step-runner.ts';
import { createF32Device, smallSettings, text } from './testing/small-run.ts';
import { tokeniseCorpus } from './tokenise.ts';

let folder: string;
let source: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'freehold-plan-'));
  source = path.join(folder, 'My Stories.txt');
  writeFileSync(source, text.repeat(20));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const plan = (request: Partial<PlanRequest> = {}, freeBytes = 8e9) =>
  planRun({ sources: [source], depth: 1, ...request }, { home: folder, freeBytes });

describe('a plan', () => {
  it('says what will be trained, on what, and with how much', async () => {
    const { settings, corpus, parameters, memory, flops, tokens, epochs } = await plan({
      tokenizer: { kind: 'bytes' },
    });
    expect(corpus).toMatchObject({ documents: 1, bytes: text.length * 20, tokens: text.length * 20, exact: true });
    expect(settings.name).toBe('my-stories');
    expect(settings.data.sources).toEqual([source]);
    expect(settings.recipe.model.vocab).toBe(257);
    expect(parameters).toEqual(parameterCount(settings.recipe.model));
    expect(memory.parameters).toBe(4 * parameters.total);
    expect(memory.total).toBe(memory.parameters + memory.optimizer + memory.activations + memory.process);
    expect(tokens).toBe(settings.recipe.tokens);
    expect(epochs).toBeCloseTo(tokens / corpus.tokens, 10);
    expect(flops).toBeGreaterThan(6 * parameters.matrix * tokens);
    expect(checkSettings(JSON.parse(JSON.stringify(settings)), 'It')).toEqual(settings);
  });

  it('takes what is given in place of what would follow, down to the setting of nanoGPT', async () => {
    const { settings } = await plan({
      tokenizer: { kind: 'bytes' },
      depth: 4,
      overrides: {
        ...{ architecture: 'llama', width: 128, heads: 4, context: 64, batchTokens: 12 * 64, steps: 2000 },
        ...{ optimizer: 'adamw', schedule: 'cosine', warmupSteps: 100, finalFactor: 0.1, matrixLearningRate: 1e-3 },
      },
      order: 'windows',
      validation: 0.1,
      optimizer: { beta2: 0.99, clip: 1 },
      validate: { everySteps: 250, mostTokens: undefined },
      name: 'nano',
      seed: 1337,
    });
    expect(settings).toMatchObject({
      name: 'nano',
      seed: 1337,
      recipe: {
        ...{ optimizer: 'adamw', steps: 2000, batchTokens: 768 },
        model: { architecture: 'llama', layers: 4, heads: 4, width: 128, context: 64 },
        schedule: { kind: 'cosine', warmupSteps: 100, finalFactor: 0.1 },
      },
      data: { order: 'windows', validation: 0.1 },
      optimizer: { beta1: 0.9, beta2: 0.99, clip: 1 },
      memory: { rowsPerPass: 12 },
      validation: { everySteps: 250, mostTokens: 65_536 },
    });
  });

  it('of a packed pool goes by its own tokenizer and tokens', async () => {
    const tokenizer = bytesTokenizer(['<|endoftext|>', '<|more|>']);
    const pool = path.join(folder, 'pool');
    await tokeniseCorpus(await findTextFiles([source]), tokenizer, pool, { threads: 1 });
    writeFileSync(path.join(pool, 'tokenizer.json'), tokenizerToJson(tokenizer));
    const { settings, corpus } = await plan({ sources: [pool] });
    expect(corpus).toMatchObject({ documents: 1, tokens: text.length * 20 + 1, exact: true });
    expect(settings.data.tokenizer).toEqual({ kind: 'file', file: path.join(pool, 'tokenizer.json') });
    expect(settings.recipe.model.vocab).toBe(258);
  });

  it('measures on a device where one is given, and leaves it closed', async () => {
    let open = 0;
    const openDevice = () => {
      const device = createF32Device();
      open += 1;
      const dispose = () => {
        open -= 1;
      };
      return { ...device, dispose };
    };
    const request = { sources: [source], depth: 1, tokenizer: { kind: 'bytes' } as const };
    const overrides = { width: 16, heads: 2, context: 16, batchTokens: 32, steps: 10 };
    const { measured, tokens } = await planRun({ ...request, overrides }, { home: folder, freeBytes: 8e9, openDevice });
    expect(open).toBe(0);
    expect(measured!.etaSeconds).toBeCloseTo(tokens / measured!.tokensPerSecond, 6);
    expect(measured!.gemmFlopsPerSecond).toBeGreaterThan(0);
  });
});

describe('what cannot be is said before anything begins', () => {
  const refusal = async (request: Partial<PlanRequest>, freeBytes?: number): Promise<FreeholdError> =>
    await plan(request, freeBytes).then(
      () => expect.unreachable(),
      (error: FreeholdError) => error,
    );

  it('too little memory, with the parts of what is needed', async () => {
    const error = await refusal({ depth: 8 }, 300e6);
    expect(error).toMatchObject({
      code: 'does_not_fit',
      message: expect.stringMatching(/needs .* and 300 MB is free/),
    });
    expect(error.message).toMatch(/parameters .* MB, optimizer .* MB, one row .* MB/);
  });

  it('but first rows are taken off a pass, and then layers computed twice', async () => {
    const request = { depth: 2, overrides: { batchTokens: 16 * 256, vocab: 512 } } as const;
    const roomy = await plan(request);
    const { rowsPerPass } = roomy.settings.memory;
    const half = (await plan(request, roomy.memory.total - 1)).settings;
    expect(half.memory.rowsPerPass).toBeLessThan(rowsPerPass);
    const single = await plan({ ...request, memory: { rowsPerPass: 1 } });
    const tight = (await plan(request, single.memory.total - 1)).settings;
    expect(tight.memory).toMatchObject({ rowsPerPass: 1, recompute: true });
    expect(half.recipe).toEqual(roomy.settings.recipe);
  });

  it('too little disk, bad text, sizes that do not go together', async () => {
    expect(
      await refusal({ overrides: { vocab: 600, width: 4096, heads: 64 }, checkpoints: { keepLast: 1e9 } }, 1e15),
    ).toMatchObject({
      code: 'disk_full',
    });
    writeFileSync(source, 'bad\0text');
    expect(await refusal({})).toMatchObject({ code: 'data_invalid' });
    writeFileSync(source, text);
    expect(await refusal({ overrides: { heads: 4, kvHeads: 3 } })).toMatchObject({ code: 'config_invalid' });
    expect(await refusal({ memory: { rowsPerPass: 7 } })).toMatchObject({ code: 'run_invalid' });
  });
});

it('tells the memory of a run as the device then takes it, states to the byte', () => {
  for (const optimizer of ['muon', 'adamw', 'sgd'] as const) {
    const settings = smallSettings({ memory: { rowsPerPass: 2 } }, { optimizer });
    const { stateBytes, workBytes } = memoryOf(
      trainingPrograms(settings, optimizerOf(settings), { rows: 2, mixed: false }),
    );
    const device = createF32Device();
    createStepRunner(device, settings, { mixed: false });
    // the reference device keeps eight bytes a number
    expect(device.stateBytes).toBe(2 * stateBytes);
    expect(workBytes).toBeGreaterThan(0);
  }
});
