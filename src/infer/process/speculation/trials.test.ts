import { describe, expect, it } from 'vitest';
import { Trials } from './trials.ts';

/** Tokens that pass, one a step, until the next trial. */
function waitOf(trials: Trials): number {
  let tokens = 0;
  for (; trials.isWaiting && tokens < 1000; tokens++) trials.pass(1);
  return tokens;
}

describe('Trials', () => {
  it('are ever rarer while they come to nothing, and then end', () => {
    const trials = new Trials();
    const waits: number[] = [];
    while (!trials.givenUp) {
      expect(trials.step(false)).toBe(false);
      waits.push(waitOf(trials));
      for (let i = 0; !trials.givenUp && i < 4; i++) expect(trials.step(false)).toBe(true);
    }
    expect(waits).toEqual([16, 32, 64, 128, 1000]);
  });

  it('start from the beginning once guesses have paid', () => {
    const trials = new Trials();
    expect(trials.begun).toBe(false);
    trials.step(false);
    waitOf(trials);
    for (let i = 0; i < 6; i++) expect(trials.step(true)).toBe(true);
    expect(trials.step(false)).toBe(false);
    expect(waitOf(trials)).toBe(16);
  });
});
