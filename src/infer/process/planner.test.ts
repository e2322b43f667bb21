import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hasRoom, nextToAdmit, PromptPlanner } from './planner.ts';

describe('PromptPlanner', () => {
  const prompts = fc.array(
    fc.record({ tenant: fc.constantFrom('a', 'b', 'c'), left: fc.integer({ min: 1, max: 5000 }) }),
    { minLength: 1, maxLength: 64 },
  );

  it('fills the pass as far as there are tokens, and gives no prompt more than it needs', () => {
    fc.assert(
      fc.property(
        fc.array(prompts, { minLength: 1, maxLength: 5 }),
        fc.integer({ min: 1, max: 2048 }),
        (turns, capacity) => {
          const planner = new PromptPlanner();
          for (const list of turns) {
            const counts = planner.plan(list, capacity);
            const needed = list.reduce((sum, { left }) => sum + left, 0);
            expect(counts).toHaveLength(list.length);
            expect(counts.reduce((sum, count) => sum + count, 0)).toBe(Math.min(capacity, needed));
            for (const [i, { left }] of list.entries()) expect(counts[i]).toBeLessThanOrEqual(left);
          }
        },
      ),
    );
  });

  /** Passes until the prompt at `index` is computed, all others staying as they are. */
  function passesUntil(list: { tenant: string; left: number }[], index: number, capacity: number): number {
    const planner = new PromptPlanner();
    const left = list.map((prompt) => ({ ...prompt }));
    for (let pass = 1; ; pass++) {
      planner.plan(left, capacity).forEach((count, i) => {
        const prompt = left[i] as { left: number };
        prompt.left -= count;
        // as if another like it came at once
        if (prompt.left === 0 && i !== index) prompt.left = (list[i] as { left: number }).left;
      });
      if (left[index]?.left === 0) return pass;
    }
  }

  it('lets a short prompt past a long one', () => {
    expect(
      passesUntil(
        [
          { tenant: 'a', left: 4096 },
          { tenant: 'a', left: 32 },
        ],
        1,
        32,
      ),
    ).toBeLessThanOrEqual(2);
  });

  it('gives a long prompt half of the passes beside short ones that never end', () => {
    const short = Array.from({ length: 8 }, () => ({ tenant: 'a', left: 32 }));
    expect(passesUntil([{ tenant: 'a', left: 320 }, ...short], 0, 32)).toBeLessThanOrEqual(21);
  });

  it('gives every tenant as much, however many prompts it has', () => {
    const many = Array.from({ length: 16 }, () => ({ tenant: 'a', left: 64 }));
    expect(passesUntil([...many, { tenant: 'b', left: 320 }], 16, 64)).toBeLessThanOrEqual(11);
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

  it('passes over what may not begin yet', () => {
    const waiting = of('a', 'a', 'b');
    expect(nextToAdmit(waiting, [], (candidate) => candidate !== waiting[0])).toBe(1);
    expect(nextToAdmit(waiting, [], () => false)).toBe(-1);
  });
});

describe('hasRoom', () => {
  it('keeps the last eighth for tenants of whom next to none waits', () => {
    expect(hasRoom(447, 447, 512)).toBe(true);
    expect(hasRoom(448, 448, 512)).toBe(false);
    expect(hasRoom(448, 0, 512)).toBe(true);
    expect(hasRoom(511, 7, 512)).toBe(true);
    expect(hasRoom(512, 0, 512)).toBe(false);
  });

  it('keeps nothing of a short queue', () => {
    expect(hasRoom(14, 14, 15)).toBe(true);
    expect(hasRoom(15, 0, 15)).toBe(false);
  });
});

describe('PromptPlanner, asked for one prompt at a time', () => {
  it('gives tenants turns by what was computed for them, and forgets those who left', () => {
    const planner = new PromptPlanner();
    const prompts = [
      { tenant: 'a', left: 5000 },
      { tenant: 'b', left: 100 },
    ];
    planner.meet(prompts);
    expect(planner.choose(prompts)).toBe(0);
    planner.count('a', 256);
    expect(planner.choose(prompts)).toBe(1);
    planner.count('b', 512);
    expect(planner.choose(prompts)).toBe(0);
    // asked about some of them only, it still knows what the others had
    planner.plan([prompts[1] as (typeof prompts)[number]], 64);
    expect(planner.choose(prompts)).toBe(0);
    planner.meet([{ tenant: 'b' }]);
    planner.meet(prompts);
    expect(planner.choose([])).toBe(-1);
  });

  it('lets a tenant who comes new not make up for the time it was away', () => {
    const planner = new PromptPlanner();
    planner.meet([{ tenant: 'a' }]);
    planner.count('a', 10_000);
    planner.meet([{ tenant: 'a' }, { tenant: 'b' }]);
    const prompts = [
      { tenant: 'a', left: 500 },
      { tenant: 'b', left: 500 },
    ];
    planner.count('b', 64);
    expect(planner.choose(prompts)).toBe(0);
  });
});
