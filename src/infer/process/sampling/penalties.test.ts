import { describe, expect, it } from 'vitest';
import type { Sampling } from '../../../lib/text-model.ts';
import { Penalties } from './penalties.ts';
import { resolveSampling } from './settings.ts';

const logits = Float32Array.of(2, -2, 0, 4, 1, -Infinity, Number.POSITIVE_INFINITY, 3);

interface Given {
  prompt?: number[];
  answer?: number[];
  breakers?: number[];
}

/** The row as penalties leave it, from what they say is changed. */
function penalised(sampling: Sampling, { prompt = [], answer = [], breakers = [] }: Given): number[] {
  const penalties = Penalties.create(resolveSampling(sampling, logits.length), prompt, new Set(breakers));
  for (const token of answer) penalties?.accept(token);
  const row = Array.from(logits);
  const changes = penalties?.changes(logits);
  for (let i = 0; i < (changes?.count ?? 0); i++) row[changes!.tokens[i]!] = changes!.logits[i]!;
  return row;
}

const unchanged = Array.from(logits);
const changed = (values: Record<number, number>) => unchanged.map((logit, token) => values[token] ?? logit);

describe('penalties', () => {
  it('divide positive logits and multiply negative ones of repeated tokens, once however often they came', () => {
    const sampling = { repetitionPenalty: 2 };
    expect(penalised(sampling, { prompt: [0, 0, 1, 2] })).toEqual(changed({ 0: 1, 1: -4 }));
    expect(penalised(sampling, { prompt: [0], answer: [3, 0] })).toEqual(changed({ 0: 1, 3: 2 }));
    expect(penalised({ repetitionPenalty: 0.5 }, { answer: [0, 1] })).toEqual(changed({ 0: 4, 1: -1 }));
  });

  it('look back as far as the window, over prompt and answer', () => {
    const given = { prompt: [0, 1, 3], answer: [4, 7] };
    const of = (penaltyWindow: number) => penalised({ repetitionPenalty: 2, penaltyWindow }, given);
    expect(of(1)).toEqual(changed({ 7: 1.5 }));
    expect(of(3)).toEqual(changed({ 7: 1.5, 4: 0.5, 3: 2 }));
    expect(of(-1)).toEqual(changed({ 7: 1.5, 4: 0.5, 3: 2, 1: -4, 0: 1 }));
    expect(of(0)).toEqual(unchanged);
    const long = { prompt: [0, ...new Array<number>(63).fill(4)] };
    expect(penalised({ repetitionPenalty: 2 }, long)).toEqual(changed({ 0: 1, 4: 0.5 }));
    expect(penalised({ repetitionPenalty: 2 }, { ...long, answer: [4] })).toEqual(changed({ 4: 0.5 }));
    expect(penalised({ repetitionPenalty: 2 }, { ...long, answer: [0] })).toEqual(changed({ 0: 1, 4: 0.5 }));
  });

  it('take presence once and frequency each time, and count the answer only', () => {
    const given = { prompt: [0, 1, 2], answer: [3, 3, 3, 4] };
    expect(penalised({ presencePenalty: 0.5 }, given)).toEqual(changed({ 3: 3.5, 4: 0.5 }));
    expect(penalised({ frequencyPenalty: 0.5 }, given)).toEqual(changed({ 3: 2.5, 4: 0.5 }));
    expect(penalised({ presencePenalty: 1, frequencyPenalty: 0.5 }, given)).toEqual(changed({ 3: 1.5, 4: -0.5 }));
    expect(penalised({ presencePenalty: -1 }, given)).toEqual(changed({ 3: 5, 4: 2 }));
    const long = { answer: [0, ...new Array<number>(200).fill(4)] };
    expect(penalised({ presencePenalty: 1 }, long)).toEqual(changed({ 0: 1, 4: 0 }));
  });

  it('come in the order bias, repetition, presence and frequency, DRY', () => {
    const dry = { multiplier: 0.25, base: 2, allowedLength: 1 };
    const sampling = { logitBias: { 3: 2 }, repetitionPenalty: 2, presencePenalty: 0.5, frequencyPenalty: 0.25, dry };
    // (4 + 2) / 2 - (0.5 + 2 * 0.25) - 0.25 * 2^(1 - 1)
    const given = { answer: [7, 3, 3, 7] };
    expect(penalised(sampling, given)[3]).toBe(1.75);
  });

  it('grow with the length of the repeat that a token would carry on', () => {
    const dry = { multiplier: 0.5, base: 2 };
    // "0 1 2" is followed by 3, and the text ends with it: 3 would carry on a repeat of 3 tokens, one more than allowed
    const given = { prompt: [0, 1, 2, 3, 7, 0, 1], answer: [2] };
    expect(penalised({ dry }, given)).toEqual(changed({ 3: 4 - 0.5 * 2 }));
    expect(penalised({ dry: { ...dry, allowedLength: 1 } }, given)).toEqual(changed({ 3: 4 - 0.5 * 4 }));
    expect(penalised({ dry: { ...dry, allowedLength: 4 } }, given)).toEqual(unchanged);
    expect(penalised({ dry: { ...dry, penaltyWindow: 7 } }, given)).toEqual(changed({ 3: 4 - 0.5 }));
    expect(penalised({ dry: { ...dry, penaltyWindow: 0 } }, given)).toEqual(unchanged);
    expect(penalised({ dry: { ...dry, penaltyWindow: -1 } }, given)).toEqual(changed({ 3: 3 }));
    expect(penalised({ dry: { ...dry, multiplier: 0 } }, given)).toEqual(unchanged);
    expect(penalised({ dry: { multiplier: 0.5 } }, given)[3]).toBeCloseTo(4 - 0.5 * 1.75, 6);
    expect(penalised({ dry }, { ...given, breakers: [1] })).toEqual(unchanged);
    expect(penalised({ dry }, { ...given, breakers: [0] })).toEqual(changed({ 3: 4 - 0.5 }));
  });

  it('forget a repeat that the answer has left', () => {
    const dry = { multiplier: 1 };
    expect(penalised({ dry }, { prompt: [0, 1, 2, 7], answer: [0, 1] })[2]).toBe(-1);
    expect(penalised({ dry }, { prompt: [0, 1, 2, 7], answer: [0, 1, 4] })).toEqual(unchanged);
    const penalties = Penalties.create(resolveSampling({ dry }, 8), [0, 1, 2, 7, 0, 1], new Set())!;
    expect(penalties.changes(logits).count).toBe(1);
    penalties.accept(4);
    expect(penalties.changes(logits).count).toBe(0);
  });

  it('stay finite however long the repeat', () => {
    const dry = { multiplier: 100, base: 100, penaltyWindow: -1 };
    const [, , , penalty] = penalised({ dry }, { answer: new Array<number>(2000).fill(3) });
    expect(penalty).toBeLessThan(-1e5);
    expect(penalty).toBeGreaterThan(-Infinity);
  });

  it('ban with a bias of -100 and add any other', () => {
    const sampling = { logitBias: { 0: -100, 6: -100, 3: -99.5, 4: 100, 5: 50 } };
    expect(penalised(sampling, {})).toEqual(changed({ 0: -Infinity, 6: -Infinity, 3: -95.5, 4: 101 }));
  });

  it('leave impossible and infinite logits as they are', () => {
    const given = { answer: [5, 6] };
    expect(penalised({ repetitionPenalty: 2, presencePenalty: 1 }, given)).toEqual(unchanged);
  });

  it('are nothing when no setting asks for them', () => {
    for (const sampling of [{}, { penaltyWindow: 8 }, { repetitionPenalty: 2, penaltyWindow: 0 }, { logitBias: {} }]) {
      expect(Penalties.create(resolveSampling(sampling, 8), [], new Set())).toBeUndefined();
    }
  });
});
