import { describe, expect, it } from 'vitest';
import { createRandom } from '../../../lib/random.ts';
import { StepCost } from './step-cost.ts';

describe('StepCost', () => {
  it('finds what passes and rows cost from noisy steps', () => {
    const random = createRandom(1);
    const cost = new StepCost();
    for (let i = 0; i < 200; i++) {
      const rows = 1 + Math.floor(random.next() * 12);
      const passes = 1 + Math.floor(random.next() * 2);
      cost.observe(rows, (9 * passes + 2.4 * rows) * (0.9 + 0.2 * random.next()), passes);
    }
    expect(cost.ms(1)).toBeGreaterThan(10);
    expect(cost.ms(1)).toBeLessThan(13);
    expect(cost.ms(9) / cost.ms(1)).toBeGreaterThan(2.3);
    expect(cost.ms(9) / cost.ms(1)).toBeLessThan(3.2);
    expect(cost.ms(8, 2) - cost.ms(8)).toBeGreaterThan(7);
  });

  it('knows the sum while all steps look alike, and how it divides after a few others', () => {
    const cost = new StepCost();
    expect(cost.known).toBe(false);
    for (let i = 0; i < 50; i++) cost.observe(32, 74);
    expect(cost.known).toBe(true);
    expect(cost.ms(32)).toBeCloseTo(74);
    // rows that cost nothing, as on a machine with units to spare
    for (let i = 0; i < 5; i++) cost.observe(40, 74.4);
    expect(cost.ms(40) - cost.ms(32)).toBeLessThan(2);
  });

  it('keeps what it found for a while of equal steps, and does not hold on to it for ever', () => {
    const cost = new StepCost();
    for (let i = 0; i < 60; i++) cost.observe(1 + (i % 5), 10 + 8 * (i % 5));
    const row = () => cost.ms(2) - cost.ms(1);
    const before = row();
    expect(before).toBeGreaterThan(6);
    for (let i = 0; i < 20; i++) cost.observe(1, 10);
    expect(row()).toBeGreaterThan(0.8 * before);
    for (let i = 0; i < 2000; i++) cost.observe(1, 10);
    expect(row()).toBeLessThan(0.5 * before);
    expect(cost.ms(1)).toBeCloseTo(10);
  });

  it('is not led astray by one step that something else held up', () => {
    const cost = new StepCost();
    for (let i = 0; i < 30; i++) cost.observe(1 + (i % 3), 10 + 2 * (i % 3));
    cost.observe(1, 5000);
    expect(cost.ms(1)).toBeLessThan(15);
  });

  it('never takes a row or a pass for a gain', () => {
    const cost = new StepCost();
    for (let i = 0; i < 40; i++) cost.observe(1 + (i % 4), 20 - 4 * (i % 4));
    expect(cost.ms(5)).toBeGreaterThanOrEqual(cost.ms(1));
    const other = new StepCost();
    for (let i = 0; i < 40; i++) other.observe(1 + (i % 4), 1 + 6 * (i % 4));
    expect(other.ms(1, 2)).toBeGreaterThanOrEqual(other.ms(1));
    expect(other.ms(1)).toBeGreaterThan(0);
  });
});
