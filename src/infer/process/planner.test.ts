import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { nextToAdmit, planStep, promptTokensWhileGenerating } from './planner.ts';

const sequences = fc.array(fc.record({ remainingPrompt: fc.oneof(fc.constant(0), fc.nat(5000)) }), {
  minLength: 1,
  maxLength: 64,
});

describe('planStep', () => {
  it('gives every generating sequence its token, stays within the capacity and always makes progress', () => {
    fc.assert(
      fc.property(sequences, fc.integer({ min: 64, max: 2048 }), (list, capacity) => {
        const counts = planStep(list, capacity);
        const total = counts.reduce((sum, count) => sum + count, 0);
        expect(counts).toHaveLength(list.length);
        expect(total).toBeLessThanOrEqual(capacity);
        expect(total).toBeGreaterThan(0);
        list.forEach(({ remainingPrompt }, i) => {
          if (remainingPrompt === 0) expect(counts[i]).toBe(1);
          else expect(counts[i]).toBeLessThanOrEqual(remainingPrompt);
        });
      }),
    );
  });

  it('fills the step with a lone prompt', () => {
    expect(planStep([{ remainingPrompt: 5000 }], 512)).toEqual([512]);
  });

  it('keeps prompts short while others generate', () => {
    expect(planStep([{ remainingPrompt: 0 }, { remainingPrompt: 5000 }], 512)).toEqual([
      1,
      promptTokensWhileGenerating,
    ]);
  });

  it('shares between prompts, and passes on what a short one leaves', () => {
    expect(planStep([{ remainingPrompt: 5000 }, { remainingPrompt: 12 }, { remainingPrompt: 5000 }], 512)).toEqual([
      250, 12, 250,
    ]);
  });
});

describe('nextToAdmit', () => {
  const of = (...tenants: string[]) => tenants.map((tenant) => ({ tenant }));

  it('is the oldest where all are of one tenant', () => {
    expect(nextToAdmit(of('a', 'a'), of('a'))).toBe(0);
    expect(nextToAdmit([], of('a'))).toBe(-1);
  });

  it('prefers the tenant with the fewest running', () => {
    expect(nextToAdmit(of('a', 'a', 'b'), of('a'))).toBe(2);
    expect(nextToAdmit(of('a', 'b'), of('a', 'b'))).toBe(0);
  });
});
