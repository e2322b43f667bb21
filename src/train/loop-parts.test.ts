// The small parts of a run: when it is lost, what is written down, which token is drawn, what validation measures.
import { appendFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { parametersOf } from '../models/model.ts';
import { judge } from './divergence.ts';
import { createEvaluator } from './evaluator.ts';
import { openLines, readLines } from './metrics.ts';
import { learningRateAt } from './optimizer.ts';
import { packRows } from './packing.ts';
import type { TokenPool } from './pool.ts';
import { createSampler, draw } from './sampler.ts';
import { randomAt, seedOf, shuffled } from './seeds.ts';
import { initialiseParameters } from './step-runner.ts';
import { createF32Device, smallSettings, text } from './testing/small-run.ts';

describe('divergence', () => {
  const follow = (losses: readonly number[], vocab = 300) => {
    let state: { lossMean: number | null; highLosses: number } = { lossMean: null, highLosses: 0 };
    for (const [step, loss] of losses.entries()) {
      const { fault, ...next } = judge(state, { loss, gradientNorm: 1 }, vocab);
      if (fault) return { step, fault };
      state = next;
    }
    return undefined;
  };
  const falling = Array.from({ length: 100 }, (_, step) => 1.5 + 4.2 * Math.exp(-step / 15));

  it('is a loss or gradient that is no number, at once', () => {
    expect(follow([5, 4, Number.NaN])).toMatchObject({ step: 2 });
    expect(follow([5, Number.POSITIVE_INFINITY])).toMatchObject({ step: 1 });
    const state = { lossMean: 3, highLosses: 0 };
    expect(judge(state, { loss: 3, gradientNorm: Number.NaN }, 300).fault).toMatch(/gradient/);
  });

  it('is not a small rise of what is known by heart', () => {
    const known = Array.from({ length: 300 }, (_, step) => 5 * Math.exp(-step / 20) + 0.001);
    expect(follow([...known, ...Array(20).fill(0.05)])).toBeUndefined();
    expect(follow([...known, ...Array(20).fill(1.2)])).toMatchObject({ fault: /1\.20/ });
  });

  it('is a loss that stays far above what it was', () => {
    expect(follow([...falling, ...Array(10).fill(6)])).toMatchObject({ step: 104, fault: /6\.00.*mean of 1\.5/ });
    // back to knowing nothing, which for a large vocabulary is not three times as much
    expect(follow([9.2, ...Array(100).fill(4), ...Array(10).fill(9.7)], 8192)).toMatchObject({ step: 105 });
  });

  it('is not a start, a fall, or a bad batch now and then', () => {
    expect(follow([5.7, 5.9, 6.1, 5.5, ...falling])).toBeUndefined();
    expect(follow(falling.map((loss, step) => (step % 20 > 15 ? 3.2 * loss : loss)))).toBeUndefined();
  });
});

describe('lines', () => {
  const schema = z.object({ step: z.number() });

  it('are cut to the step that a run goes on from, half ones too', async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'freehold-lines-'));
    const file = path.join(folder, 'metrics.jsonl');
    expect(await readLines(file, schema)).toEqual([]);
    const first = await openLines(file, 0);
    for (let step = 1; step <= 5; step++) await first.write({ step, loss: 1 / step });
    await first.close();
    appendFileSync(file, '{"step":6,"lo');
    expect(await readLines(file, schema)).toHaveLength(5);
    const again = await openLines(file, 3);
    await again.write({ step: 4 });
    await again.close();
    expect(readFileSync(file, 'utf8').split('\n')).toEqual([
      '{"step":1,"loss":1}',
      '{"step":2,"loss":0.5}',
      `{"step":3,"loss":${1 / 3}}`,
      '{"step":4}',
      '',
    ]);
    rmSync(folder, { recursive: true });
  });
});

describe('drawing a token', () => {
  it('takes the likeliest at temperature 0, and others as often as they are likely', () => {
    const logits = Float32Array.of(0, Math.log(3), Math.log(6), Number.NEGATIVE_INFINITY);
    const random = randomAt('draw');
    expect(draw(logits, 0, random)).toBe(2);
    const counts = [0, 0, 0, 0];
    for (let time = 0; time < 10_000; time++) counts[draw(logits, 1, random)]! += 1;
    expect(counts.map((count) => Math.round(count / 1000))).toEqual([1, 3, 6, 0]);
    const sharp = [0, 0, 0, 0];
    for (let time = 0; time < 1000; time++) sharp[draw(logits, 0.1, random)]! += 1;
    expect(sharp[2]).toBeGreaterThan(990);
  });
});

describe('seeds', () => {
  it('give the same numbers at the same place and others elsewhere', () => {
    expect(seedOf(1, 'order', 2)).toBe(seedOf(1, 'order', 2));
    expect(new Set([seedOf(1, 23), seedOf(12, 3), seedOf('1', '2', '3'), seedOf(2, 'order')]).size).toBe(4);
    expect([...shuffled(100, randomAt(1))].sort((a, b) => a - b)).toEqual([...Array(100).keys()]);
    expect(shuffled(100, randomAt(1))).not.toEqual(shuffled(100, randomAt(2)));
  });
});

it('learning rates rise, stay and fall as the recipe says', () => {
  const settings = smallSettings({}, { warmupSteps: 2, decaySteps: 4, finalFactor: 0, matrixLearningRate: 1 });
  expect(Array.from({ length: 8 }, (_, step) => learningRateAt(settings, step))).toEqual([
    0.5, 1, 1, 1, 1, 0.75, 0.5, 0.25,
  ]);
});

describe('a model that knows one bigram by heart', () => {
  const ids = [...Buffer.from(text)];
  const pool: TokenPool = {
    manifest: {} as TokenPool['manifest'],
    tokens: ids.length,
    documents: Uint32Array.of(ids.length),
    read(offset, into) {
      into.set(ids.slice(offset, offset + into.length));
    },
    close() {},
  };
  const spans = { starts: Float64Array.of(0, 100), lengths: Uint32Array.of(60, 22) };
  const settings = smallSettings({ memory: { rowsPerPass: 3 } });

  it('is measured by every target once: untrained, a nat of log V each', async () => {
    const device = createF32Device();
    const evaluator = createEvaluator(device, settings, { pool, spans, bytesOfToken: new Uint8Array(257).fill(2) })!;
    const { loss, bitsPerByte, targets } = await evaluator.validate();
    // all parameters are zero, so every token is as likely as any other; two documents share a row
    expect(packRows(spans, { context: 16 }).mixed).toBe(true);
    expect(targets).toBe(59 + 21);
    expect(loss).toBeCloseTo(Math.log(257), 5);
    expect(bitsPerByte).toBeCloseTo(Math.log2(257) / 2, 5);
    expect((await evaluator.validate(32)).targets).toBeLessThan(targets);
    evaluator.dispose();
  });

  it('measures nothing where nothing was held out', () => {
    const none = { starts: new Float64Array(0), lengths: new Uint32Array(0) };
    expect(createEvaluator(createF32Device(), settings, { pool, spans: none, bytesOfToken: [] })).toBeUndefined();
  });

  it('writes what follows, whatever the length of what it reads', async () => {
    const device = createF32Device();
    const sampler = createSampler(device, smallSettings({}, { context: 64, batchTokens: 64, steps: 8 }));
    const random = randomAt('sample');
    const options = { tokens: 3, temperature: 1, random };
    // the program comes to be with the first token, and its states with it
    await sampler.generate([1], options);
    initialiseParameters(device, smallSettings({}, { context: 64, batchTokens: 64, steps: 8 }));
    for (const { name, shape } of parametersOf(smallSettings().recipe.model)) {
      // without layers a token sees itself alone; the head then asks for the next letter
      if (name.endsWith('attn_output.weight') || name.endsWith('ffn_down.weight')) continue;
      if (name !== 'token_embd.weight' && name !== 'output.weight') continue;
      const [rows = 0, width = 0] = shape;
      const values = new Float32Array(rows * width);
      for (let token = 0; token < 8; token++)
        values[(name === 'output.weight' ? (token + 1) % 8 : token) * width + token] = 40;
      device.write(name, values);
    }
    const greedy = { tokens: 5, temperature: 0, random };
    expect(await sampler.generate([3], greedy)).toEqual([4, 5, 6, 7, 0]);
    expect(await sampler.generate([...Array(40).fill(1), 2], greedy)).toEqual([3, 4, 5, 6, 7]);
    expect(await sampler.generate([...Array(200).fill(1), 5], greedy)).toEqual([6, 7, 0, 1, 2]);
    expect(await sampler.generate([3], { ...greedy, ends: 6 })).toEqual([4, 5]);
    sampler.dispose();
  });
});
