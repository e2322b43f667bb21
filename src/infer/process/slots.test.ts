// Places in real contexts: whatever is copied, moved or kept, a sequence goes on as one that was computed on its own.
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { fixturePath } from '../../../scripts/make-fixture.ts';
import { loadNative, type Native } from '../../native/ffi.ts';
import { Batch, Context, Model } from '../../native/llama.ts';
import { commonPrefix, type Slot, Slots } from './slots.ts';

/** Two ways to compute the same tokens differ by less, two sequences by far more. */
const rounding = 0.1;
let native: Native;
let model: Model;
let batch: Batch;
let four: Context;
let alone: Context;

const create = (sequences: number, contextTokens = 256) =>
  Context.create(native, model, { contextTokens, sequences, threads: 1 });

beforeAll(async () => {
  native = loadNative({ device: 'cpu' });
  model = await Model.load(native, { file: fixturePath });
  batch = new Batch(native, 512);
  [four, alone] = [await create(4), await create(1)];
});

afterAll(() => {
  batch.dispose();
  model.dispose();
});

beforeEach(() => {
  for (let sequence = 0; sequence < 4; sequence++) four.removeSequence(sequence);
});

/** Tokens without meaning; those of different seeds have next to nothing in common. */
const text = (seed: number, length: number) =>
  Int32Array.from({ length }, (_, i) => 10 + ((i * i * 31 + 17 * i * seed + 101 * seed) % 380));

const joined = (...parts: Int32Array[]) => Int32Array.from(parts.flatMap((part) => [...part]));

/** Computes in a sequence what follows `from`. @returns logits of the last token */
function decode(context: Context, sequence: number, tokens: ArrayLike<number>, from: number): Float32Array {
  batch.clear();
  for (let i = from; i < tokens.length; i++) batch.add(tokens[i] as number, i, sequence, i === tokens.length - 1);
  context.decodeNow(batch);
  return context.logits(0).slice();
}

function compute(slot: Slot, prompt: Int32Array, context = four): Float32Array {
  const logits = decode(context, slot.sequence, prompt, slot.tokens.length);
  slot.tokens.push(...prompt.subarray(slot.tokens.length));
  return logits;
}

/** A place that holds the prompt. */
function filled(slots: Slots, scope: string, prompt: Int32Array, context = four): Slot {
  const slot = slots.acquire(scope, prompt);
  compute(slot, prompt, context);
  return slot;
}

/** A free place that holds the prompt. */
function left(slots: Slots, scope: string, prompt: Int32Array): Slot {
  const slot = filled(slots, scope, prompt);
  slots.release(slot);
  return slot;
}

/** What a place holds is what its tokens are, by how it goes on. */
function expectGoesOn({ sequence, tokens }: Slot, context = four): void {
  const next = 55;
  alone.removeSequence(0);
  const wanted = decode(alone, 0, [...tokens, next], 0);
  const logits = decode(context, sequence, [...tokens, next], tokens.length);
  context.removeSequence(sequence, tokens.length);
  const apart = Math.max(...logits.map((value, i) => Math.abs(value - (wanted[i] as number))));
  expect(apart).toBeLessThan(rounding);
}

const sequencesOf = (...slots: Slot[]) => slots.map(({ sequence }) => sequence);

describe('a place for a prompt', () => {
  it('is the free one that holds its beginning, without what it held behind that', () => {
    const slots = new Slots(four, 0);
    left(slots, 'a', text(1, 40));
    const kept = left(slots, 'a', text(2, 60));
    const prompt = joined(text(2, 45), text(3, 20));
    const slot = slots.acquire('a', prompt);
    expect(slot).toBe(kept);
    expect(slot.tokens).toEqual([...prompt.subarray(0, 45)]);
    expectGoesOn(slot);
  });

  it('leaves the last token to compute', () => {
    const slots = new Slots(four, 1 << 20);
    left(slots, 'a', text(1, 100));
    const slot = slots.acquire('a', text(1, 100));
    expect(slot.tokens).toHaveLength(99);
    expect(slots.acquire('a', text(1, 80)).tokens).toHaveLength(79);
    expect(slots.acquire('a', text(1, 1)).tokens).toHaveLength(0);
  });

  it('begins as a copy of a running one, which goes on as before', () => {
    const slots = new Slots(four, 0);
    const running = filled(slots, 'a', text(1, 80));
    const slot = slots.acquire('a', joined(text(1, 60), text(2, 5)));
    expect(slot).not.toBe(running);
    expect(slot.tokens).toEqual([...text(1, 60)]);
    expectGoesOn(slot);
    expectGoesOn(running);
  });

  it('is not a copy of a few tokens', () => {
    const slots = new Slots(four, 0);
    filled(slots, 'a', text(1, 80));
    expect(slots.acquire('a', joined(text(1, 20), text(2, 25))).tokens).toHaveLength(0);
  });

  it('leaves a long prompt of which little is wanted to others', () => {
    const slots = new Slots(four, 0);
    const long = left(slots, 'a', text(1, 200));
    const slot = slots.acquire('a', joined(text(1, 50), text(2, 20)));
    expect(slot.tokens).toHaveLength(50);
    expectGoesOn(slot);
    expect(slots.acquire('a', joined(text(1, 200), text(3, 5)))).toBe(long);
    expect(long.tokens).toHaveLength(200);
    expectGoesOn(long);
  });

  it('is an empty one rather than one that holds something, and of those the one that was free longest', () => {
    const slots = new Slots(four, 0);
    const first = [1, 2, 3].map((seed) => filled(slots, 'a', text(seed, 40)));
    for (const at of [1, 2, 0]) slots.release(first[at] as Slot);
    const empty = slots.acquire('a', text(4, 40));
    expect(first).not.toContain(empty);
    slots.release(empty);
    compute(empty, text(4, 40));
    expect(slots.acquire('a', text(5, 40))).toBe(first[1]);
  });
});

describe('what a place held before', () => {
  const overwrite = (slots: Slots) => {
    const taken = [11, 12, 13, 14].map((seed) => filled(slots, 'b', text(seed, 100)));
    for (const slot of taken) slots.release(slot);
  };

  it('comes back from host memory', () => {
    const slots = new Slots(four, 1 << 20);
    left(slots, 'a', text(1, 120));
    overwrite(slots);
    const slot = slots.acquire('a', joined(text(1, 90), text(2, 40)));
    expect(slot.tokens).toEqual([...text(1, 90)]);
    expectGoesOn(slot);
    expect(slots.prefixCacheBytes).toBeGreaterThan(0);
    // pieces of two prompts with a common beginning
    slots.release(slot);
    compute(slot, joined(text(1, 90), text(2, 40)));
    overwrite(slots);
    const again = slots.acquire('a', joined(text(1, 90), text(2, 40), text(3, 4)));
    expect(again.tokens).toHaveLength(130);
    expectGoesOn(again);
  });

  it('is kept, too, where the place goes on from a part of it', () => {
    const slots = new Slots(four, 1 << 20);
    left(slots, 'a', text(1, 120));
    left(slots, 'a', joined(text(1, 80), text(2, 40)));
    overwrite(slots);
    const slot = slots.acquire('a', joined(text(1, 120), text(3, 5)));
    expect(slot.tokens).toHaveLength(120);
    expectGoesOn(slot);
  });

  it('is gone without host memory, or where that is small', () => {
    for (const bytes of [0, 1000]) {
      const slots = new Slots(four, bytes);
      left(slots, 'a', text(1, 120));
      overwrite(slots);
      expect(slots.acquire('a', text(1, 120)).tokens).toHaveLength(0);
      expect(slots.prefixCacheBytes).toBeLessThanOrEqual(bytes);
      slots.clear();
    }
  });

  it('is of no use to anyone else', () => {
    const slots = new Slots(four, 1 << 20);
    const prompt = text(1, 120);
    const running = filled(slots, 'a', prompt);
    for (const scope of ['c', 'd']) {
      const other = slots.acquire(scope, prompt);
      expect(other.tokens).toHaveLength(0);
      slots.release(other);
      if (scope === 'c') slots.release(running);
    }
    overwrite(slots);
    expect(slots.acquire('c', prompt).tokens).toHaveLength(0);
    expect(slots.acquire('a', prompt).tokens).toHaveLength(119);
  });
});

describe('busy places', () => {
  it('come side by side, and go on as before', () => {
    const slots = new Slots(four, 0);
    const all = [1, 2, 3, 4].map((seed) => filled(slots, 'a', text(seed, 30 + seed)));
    const [first, second, third, last] = all as [Slot, Slot, Slot, Slot];
    slots.release(second);
    slots.release(third);
    slots.compact();
    expect(Math.abs(first.sequence - last.sequence)).toBe(1);
    expect(sequencesOf(...all).sort()).toEqual([0, 1, 2, 3]);
    expectGoesOn(first);
    expectGoesOn(last);
    expect([first.tokens, last.tokens]).toEqual([[...text(1, 31)], [...text(4, 34)]]);
    // what stood in the way is kept where there is host memory only, and never given out as something else
    for (const seed of [2, 3]) {
      const slot = slots.acquire('a', text(seed, 100));
      expectGoesOn(slot);
      expect(commonPrefix(slot.tokens, text(seed, 100))).toBe(slot.tokens.length);
    }
  });

  it('that hold nothing yet move too', () => {
    const slots = new Slots(four, 0);
    const [first, second, third] = [1, 2, 3].map((seed) => slots.acquire('a', text(seed, 40))) as [Slot, Slot, Slot];
    compute(second, text(2, 40));
    compute(third, text(3, 40));
    slots.release(second);
    slots.compact();
    expect(Math.abs(first.sequence - third.sequence)).toBe(1);
    compute(first, text(1, 40));
    expectGoesOn(first);
    expectGoesOn(third);
  });

  it('leave in host memory what stood in their way', () => {
    const slots = new Slots(four, 1 << 20);
    const all = [1, 2, 3].map((seed) => filled(slots, 'a', text(seed, 100)));
    slots.release(all[1] as Slot);
    slots.compact();
    const slot = slots.acquire('a', joined(text(2, 100), text(9, 3)));
    expect(slot.tokens).toHaveLength(100);
    expectGoesOn(slot);
  });
});

describe('places that move to a larger context', () => {
  it('keep what they hold, busy or free', async () => {
    const one = await create(1);
    const three = await create(3);
    const slots = new Slots(one, 1 << 20);
    const slot = filled(slots, 'a', text(1, 90), one);
    expect([slots.count, slots.free]).toEqual([1, 0]);
    expect(slots.moveTo(three)).toEqual([]);
    one.dispose();
    expect([slots.count, slots.free]).toEqual([3, 2]);
    expectGoesOn(slot, three);
    const other = filled(slots, 'a', text(2, 90), three);
    slots.release(slot);
    const twelve = await create(12);
    expect(slots.moveTo(twelve)).toEqual([]);
    three.dispose();
    expectGoesOn(other, twelve);
    const again = slots.acquire('a', joined(text(1, 90), text(3, 5)));
    expect([again, again.tokens.length]).toEqual([slot, 90]);
    expectGoesOn(again, twelve);
    twelve.dispose();
  });

  it('tell which of them lost what they held', async () => {
    const [one, smaller] = [await create(1, 512), await create(2, 256)];
    const slots = new Slots(one, 0);
    const slot = filled(slots, 'a', text(1, 300), one);
    expect(slots.moveTo(smaller)).toEqual([slot]);
    expect(slot.tokens).toEqual([]);
    compute(slot, text(1, 50), smaller);
    expectGoesOn(slot, smaller);
    one.dispose();
    smaller.dispose();
  });
});

describe('a prompt that goes on in another context', () => {
  it('takes what its place holds along, and comes back', async () => {
    const lane = await create(1);
    const slots = new Slots(four, 0);
    const all = [1, 2, 3, 4].map((seed) => filled(slots, 'a', text(seed, 40 + seed)));
    // something else was in it before
    decode(lane, 0, text(20, 70), 0);
    for (const [i, slot] of all.entries()) {
      expect(slots.copyTo(lane, slot)).toBe(true);
      const prompt = joined(text(i + 1, 41 + i), text(8, 60));
      const wanted = decode(lane, 0, prompt, slot.tokens.length);
      const back = all[(i + 1) % 4] as Slot;
      expect(slots.copyFrom(lane, back, [...prompt])).toBe(true);
      expect(back.tokens).toEqual([...prompt]);
      expectGoesOn(back);
      // the very values, not others near them
      const next = (context: Context, sequence: number) => {
        const logits = decode(context, sequence, [...prompt, 55], prompt.length);
        context.removeSequence(sequence, prompt.length);
        return logits;
      };
      expect(next(four, back.sequence)).toEqual(next(lane, 0));
      expect(wanted).toHaveLength(model.vocabulary.size);
      four.removeSequence(back.sequence, 0);
      compute(Object.assign(back, { tokens: [] }), text(((i + 1) % 4) + 1, 41 + ((i + 1) % 4)));
    }
    lane.dispose();
  });

  it('begins there with nothing where its place holds nothing', async () => {
    const lane = await create(1);
    decode(lane, 0, text(20, 70), 0);
    const slots = new Slots(four, 0);
    expect(slots.copyTo(lane, slots.acquire('a', text(1, 50)))).toBe(true);
    expectGoesOn({ sequence: 0, tokens: [] } as unknown as Slot, lane);
    lane.dispose();
  });

  it('is told when it does not fit, and the place is empty', async () => {
    const [small, large] = [await create(2, 256), await create(1, 512)];
    const slots = new Slots(small, 0);
    const slot = filled(slots, 'a', text(1, 60), small);
    decode(large, 0, text(1, 300), 0);
    expect(slots.copyFrom(large, slot, [...text(1, 300)])).toBe(false);
    expect(slot.tokens).toEqual([]);
    expectGoesOn(slot, small);
    const others = new Slots(large, 0);
    expect(others.copyTo(small, filled(others, 'a', text(1, 300), large))).toBe(false);
    small.dispose();
    large.dispose();
  });
});

describe('places in use', () => {
  it('after a failure hold nothing', () => {
    const slots = new Slots(four, 0);
    const slot = filled(slots, 'a', text(1, 60));
    left(slots, 'a', text(2, 60));
    expect(slots.heldTokens).toBe(120);
    slots.clear();
    expect(slots.heldTokens).toBe(0);
    compute(slot, text(3, 40));
    expectGoesOn(slot);
  });

  it('hold what they say whatever happens, and give nobody what he did not compute', () => {
    const prompt = fc.record({
      scope: fc.constantFrom('a', 'b'),
      parts: fc.array(fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 70 })), {
        minLength: 1,
        maxLength: 3,
      }),
    });
    const action = fc.oneof(
      { weight: 3, arbitrary: prompt },
      { weight: 2, arbitrary: fc.nat({ max: 3 }) },
      { weight: 2, arbitrary: fc.constant('compact' as const) },
    );
    fc.assert(
      fc.property(fc.array(action, { maxLength: 30 }), fc.constantFrom(0, 40_000, 1 << 20), (actions, bytes) => {
        for (let sequence = 0; sequence < 4; sequence++) four.removeSequence(sequence);
        const slots = new Slots(four, bytes);
        const computed: { scope: string; tokens: Int32Array }[] = [];
        let busy: Slot[] = [];
        for (const one of actions) {
          if (one === 'compact') {
            slots.compact();
            const sequences = sequencesOf(...busy).sort((a, b) => a - b);
            if (busy.length > 0) expect((sequences.at(-1) as number) - (sequences[0] as number)).toBe(busy.length - 1);
          } else if (typeof one === 'number') {
            const slot = busy[one % Math.max(1, busy.length)];
            if (slot) slots.release(slot);
            busy = busy.filter((other) => other !== slot);
          } else if (slots.free > 0) {
            const tokens = joined(...one.parts.map(([seed, length]) => text(seed, length))).subarray(0, 200);
            const slot = slots.acquire(one.scope, tokens);
            const known = computed.filter(({ scope }) => scope === one.scope);
            expect(slot.tokens).toEqual([...tokens.subarray(0, slot.tokens.length)]);
            expect(slot.tokens.length).toBeLessThanOrEqual(
              Math.max(0, ...known.map((other) => commonPrefix(other.tokens, tokens))),
            );
            expect(slot.tokens.length).toBeLessThan(tokens.length);
            compute(slot, tokens);
            computed.push({ scope: one.scope, tokens });
            busy.push(slot);
          }
          expect(new Set(sequencesOf(...busy)).size).toBe(busy.length);
          expect(slots.free).toBe(4 - busy.length);
          expect(slots.prefixCacheBytes).toBeLessThanOrEqual(bytes);
          for (const slot of busy) expectGoesOn(slot);
        }
      }),
      { numRuns: 25 },
    );
  });
});
