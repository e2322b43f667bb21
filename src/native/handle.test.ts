import { describe, expect, it } from 'vitest';
import { attachHandle, Handle, pointerOf } from './handle.ts';

describe('Handle', () => {
  it('gives its pointer until it is disposed, then an error', () => {
    const freed: unknown[] = [];
    const handle = new Handle('thing', 7, (pointer) => freed.push(pointer));
    expect(handle.pointer).toBe(7);
    handle.dispose();
    handle.dispose();
    expect(freed).toEqual([7]);
    expect(() => handle.pointer).toThrow(
      expect.objectContaining({ code: 'native_disposed', message: expect.stringContaining('thing') }),
    );
  });

  it('disposes children first', () => {
    const freed: unknown[] = [];
    const release = (pointer: unknown) => void freed.push(pointer);
    const parent = new Handle('parent', 'parent', release);
    const child = new Handle('child', 'child', release, parent);
    const gone = new Handle('gone', 'gone', release, parent);
    gone.dispose();
    parent.dispose();
    expect(freed).toEqual(['gone', 'child', 'parent']);
    expect(child.disposed).toBe(true);
  });

  it('is not disposed while a call runs on it or on a child', async () => {
    const parent = new Handle('parent', 1, () => {});
    const child = new Handle('child', 2, () => {}, parent);
    let finish = () => {};
    const running = child.whileBusy(() => new Promise<void>((resolve) => (finish = resolve)));
    expect(() => parent.dispose()).toThrow(/native call/);
    finish();
    await running;
    parent.dispose();
    expect(child.disposed).toBe(true);
  });

  it('is had alone once its children are idle, and they wait until it is given back', async () => {
    const parent = new Handle('parent', 1, () => {});
    const child = new Handle('child', 2, () => {}, parent);
    const order: string[] = [];
    const finish: (() => void)[] = [];
    const work = (name: string) => async () => {
      order.push(`${name} begins`);
      await new Promise<void>((resolve) => finish.push(resolve));
      order.push(`${name} ends`);
    };
    const settle = () => new Promise(setImmediate);
    const all = [
      child.whileBusy(work('decode')),
      parent.whileAlone(work('load')),
      child.whileBusy(work('next decode')),
    ];
    for (let step = 0; step < 3; step++) {
      await settle();
      expect(() => parent.dispose()).toThrow(/native call/);
      finish.shift()?.();
    }
    await Promise.all(all);
    const inTurn = ['decode', 'load', 'next decode'].flatMap((name) => [`${name} begins`, `${name} ends`]);
    expect(order).toEqual(inTurn);
    await expect(parent.whileAlone(() => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(await child.whileBusy(async (pointer) => pointer)).toBe(2);
  });

  it('is reached through its owner', () => {
    const owner = {};
    attachHandle(owner, new Handle('thing', 9, () => {}));
    expect(pointerOf(owner)).toBe(9);
    expect(() => pointerOf({})).toThrow(/owns a native handle/);
  });
});
