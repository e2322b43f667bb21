import { describe, expect, it } from 'vitest';
import { multipliedParameters, parameterCount } from './costs.ts';
import { checkRecipe, derive, vocabularyFor } from './dial.ts';

const faultOf = (make: () => unknown): string => {
  try {
    make();
  } catch (error) {
    return `${(error as { code: string }).code}: ${(error as Error).message} ${(error as { hint?: string }).hint ?? ''}`;
  }
  return 'none';
};

describe('the dial', () => {
  it('makes models that can be built, each larger than the one before', () => {
    let before = 0;
    for (let depth = 1; depth <= 32; depth += 1) {
      const { model, steps, tokens, batchTokens } = derive(depth, {}, { bytes: 1e9 });
      expect(model.layers).toBe(depth);
      expect(model.width).toBe(64 * depth);
      expect(model.heads * model.headSize).toBe(model.width);
      expect(model.feedForward % 32).toBe(0);
      expect(model.feedForward).toBeGreaterThanOrEqual((model.width * 8) / 3);
      expect(batchTokens % model.context).toBe(0);
      expect(tokens).toBe(steps * batchTokens);
      const { total } = parameterCount(model);
      expect(total).toBeGreaterThan(before);
      before = total;
    }
  });

  it('trains on about 12 tokens a parameter, and on no more than the text gives in four passes', () => {
    const endless = derive(4, { vocab: 4096 });
    expect(endless.tokens / multipliedParameters(endless.model)).toBeCloseTo(12, 0);
    const short = derive(4, { vocab: 4096 }, { tokens: 300_000 });
    expect(short.tokens).toBeGreaterThanOrEqual(1_200_000);
    expect(short.tokens).toBeLessThan(1_200_000 + short.batchTokens);
  });

  it('makes at least about a thousand steps, with larger batches for longer runs', () => {
    const runs = [2e6, 2e7, 2e8, 2e9].map((tokens) => derive(6, { tokens }));
    const batches = runs.map(({ batchTokens }) => batchTokens);
    expect(batches).toEqual([...batches].sort((a, b) => a - b));
    expect(new Set(batches).size).toBe(4);
    for (const { steps } of runs) expect(steps).toBeGreaterThan(700);
  });

  it('gives wide models lower rates', () => {
    const [narrow, wide] = [4, 16].map((depth) => derive(depth, { batchTokens: 32_768 }).learningRates);
    expect(wide?.matrix).toBeLessThan(narrow?.matrix as number);
    expect(wide?.embedding).toBeLessThan(narrow?.embedding as number);
    expect(wide?.head).toBeLessThan(narrow?.head as number);
  });

  it('takes any value that is given, and derives the rest from it', () => {
    const { model, ...recipe } = derive(4, {
      architecture: 'llama',
      width: 128,
      heads: 4,
      kvHeads: 2,
      vocab: 300,
      context: 64,
      tied: true,
      optimizer: 'adamw',
      steps: 2000,
      batchTokens: 768,
      matrixLearningRate: 1e-3,
      weightDecay: 0,
      schedule: 'cosine',
      warmupSteps: 100,
    });
    expect(model).toMatchObject({
      architecture: 'llama',
      layers: 4,
      headSize: 32,
      kvHeads: 2,
      feedForward: 352,
      tied: true,
    });
    expect(recipe).toMatchObject({ steps: 2000, tokens: 1_536_000, batchTokens: 768, weightDecay: 0 });
    expect(recipe.learningRates.matrix).toBe(1e-3);
    expect(recipe.schedule).toEqual({ kind: 'cosine', warmupSteps: 100, decaySteps: 1900, finalFactor: 0 });
  });

  it('gives a plain object that does not change and survives a file', () => {
    const recipe = derive(3, {}, { tokens: 1e6 });
    expect(checkRecipe(JSON.parse(JSON.stringify(recipe)))).toEqual(recipe);
    expect(() => Object.assign(recipe.model, { width: 1 })).toThrow();
  });

  it.each([
    [() => derive(0), 'the depth is 0, expected a whole number from 1 to 64'],
    [() => derive(2.5), 'the depth is 2.5'],
    [
      () => derive(4, { heads: 5 }),
      '5 heads do not divide a width of 256. One of 1, 2, 4, 8, 16, 32, 64, 128, 256 would do',
    ],
    [() => derive(4, { heads: 6, headSize: 32, kvHeads: 4 }), '4 heads of keys and values do not divide 6 heads'],
    [() => derive(4, { headSize: 33 }), 'the head size is 33, expected an even number'],
    [() => derive(4, { vocab: 100 }), 'a vocabulary of 100 tokens is too small'],
    [
      () => derive(4, { batchTokens: 1000, context: 256 }),
      'no whole number of sequences of 256. 1024 would be 4 of them',
    ],
    [() => derive(4, { context: 0 }), 'context'],
    [() => derive(4, { steps: 10, warmupSteps: 11 }), '11 steps of warm-up'],
    [() => derive(4, { matrixLearningRate: -1 }), 'learningRates.matrix'],
    [() => derive(4, { tokens: Number.NaN }), 'NaN tokens'],
    [() => derive(4, { steps: 0.5 }), 'steps'],
    [() => checkRecipe({ ...derive(2), surprise: 1 }), 'surprise'],
  ])('says which value is not possible, and which would be (%#)', (make, expected) => {
    const fault = faultOf(make);
    expect(fault).toMatch(/^config_invalid: /);
    expect(fault).toContain(expected);
  });
});

describe('the vocabulary', () => {
  it('grows with the text, within what the model can afford', () => {
    expect([1e5, 1e6, 25e6, 1e9].map((bytes) => vocabularyFor(8, bytes))).toEqual([512, 1024, 4096, 32_768]);
    expect(vocabularyFor(2, 1e9)).toBe(2048);
    expect(vocabularyFor(32, 1e13)).toBe(65_536);
    expect(vocabularyFor(4, 0)).toBe(512);
  });
});
