import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Pace } from './pace.ts';

/** A pace that has seen steps of so many milliseconds, and prompts at so many a token, long enough to believe them. */
function paceAfter(answerMs: number, promptMsPerToken: number): Pace {
  const pace = new Pace();
  for (let i = 0; i < 50; i++) {
    pace.observeAnswers(answerMs, true);
    pace.observePrompt(10, 10 * promptMsPerToken);
  }
  return pace;
}

const count = fc.integer({ min: 1, max: 256 });
const milliseconds = fc.double({ min: 0.01, max: 5000, noNaN: true });

describe('Pace', () => {
  it('lets a prompt begin before anything was measured', () => {
    const pace = new Pace();
    expect(pace.pauseMs(1, 1)).toBeUndefined();
    expect(pace.promptTokens(1, 1, 512)).toBeGreaterThan(0);
    expect(pace.promptTokens(1, 1, 3)).toBe(3);
    pace.observeAnswers(10, true);
    expect(pace.promptTokens(1, 1, 512)).toBe(new Pace().promptTokens(1, 1, 512));
  });

  it('always lets some of a prompt be computed, never more than there is room for', () => {
    fc.assert(
      fc.property(milliseconds, milliseconds, count, count, count, (answerMs, promptMs, answers, prompts, capacity) => {
        const tokens = paceAfter(answerMs, promptMs).promptTokens(answers, prompts, capacity);
        expect(Number.isInteger(tokens)).toBe(true);
        expect(tokens).toBeGreaterThanOrEqual(Math.min(8, capacity));
        expect(tokens).toBeLessThanOrEqual(capacity);
      }),
    );
  });

  it('lets a burst of prompts go first, for half a second at most', () => {
    expect(paceAfter(25, 1).promptTokens(8, 4, 1024)).toBeLessThan(200);
    expect(paceAfter(25, 1).promptTokens(8, 4, 1024, true)).toBe(500);
    expect(paceAfter(25, 1).promptTokens(8, 4, 256, true)).toBe(256);
  });

  it('holds answers up for no longer than half a second, or little more than a step of theirs takes', () => {
    fc.assert(
      fc.property(milliseconds, count, count, (answerMs, answers, prompts) => {
        const pauseMs = paceAfter(answerMs, 1).pauseMs(answers, prompts) as number;
        expect(pauseMs).toBeGreaterThan(0);
        expect(pauseMs).toBeLessThanOrEqual(Math.max(500, 1.2 * answerMs + 0.001));
      }),
    );
  });

  it('holds a step up by about what the step takes where answers are the more', () => {
    const pace = paceAfter(200, 1);
    const pauseMs = pace.pauseMs(8, 1) as number;
    expect(pauseMs).toBeLessThanOrEqual(1.2 * 200 + 0.001);
    const tokens = pace.promptTokens(8, 1, 512);
    expect(tokens).toBeLessThanOrEqual(pauseMs);
    expect(tokens + 4).toBeGreaterThan(pauseMs);
    expect(tokens % 4).toBe(0);
  });

  it('takes more of a prompt at once where steps are so quick that nobody minds', () => {
    const tokens = paceAfter(20, 0.5).promptTokens(8, 1, 512);
    expect(20 + tokens * 0.5).toBeLessThanOrEqual(100);
    expect(20 + (tokens + 4) * 0.5).toBeGreaterThan(100);
  });

  it('gives up more of its time as steps become slower while a prompt is computed, to a quarter of them', () => {
    const pace = paceAfter(30, 0.5);
    const calm = pace.pauseMs(8, 1) as number;
    const observe = (ms: number) => {
      for (let i = 0; i < 50; i++) pace.observeAnswers(ms, false);
      return pace.pauseMs(8, 1) as number;
    };
    expect(observe(45) + 45).toBeCloseTo(calm + 30);
    expect(observe(300)).toBeCloseTo(75);
  });

  it('makes up for pauses that come late', () => {
    const pace = paceAfter(30, 0.5);
    const calm = pace.pauseMs(8, 1) as number;
    for (let i = 0; i < 50; i++) pace.observePause(12);
    expect(pace.pauseMs(8, 1)).toBeCloseTo(calm - 12, 3);
  });

  it('gives prompts more, the more of them wait for each answer', () => {
    const pace = paceAfter(60, 0.5);
    const tokens = [1, 4, 16, 64].map((prompts) => pace.promptTokens(4, prompts, 4096));
    expect(tokens).toEqual([...tokens].sort((a, b) => a - b));
    expect(new Set(tokens).size).toBeGreaterThan(2);
    expect(pace.promptTokens(16, 16, 4096)).toBe(pace.promptTokens(4, 4, 4096));
  });

  it('gives prompts more tokens where they are computed faster, and follows a change', () => {
    const pace = paceAfter(40, 1);
    const before = pace.promptTokens(1, 1, 512);
    expect(paceAfter(40, 0.25).promptTokens(1, 1, 512)).toBeGreaterThan(before);
    // one slow step is not believed at once
    pace.observePrompt(16, 160);
    const once = pace.promptTokens(1, 1, 512);
    for (let i = 0; i < 30; i++) pace.observePrompt(16, 160);
    expect(pace.promptTokens(1, 1, 512)).toBeLessThan(once);
    for (let i = 0; i < 30; i++) pace.observePrompt(16, 16);
    expect(Math.abs(pace.promptTokens(1, 1, 512) - before)).toBeLessThanOrEqual(4);
  });
});
