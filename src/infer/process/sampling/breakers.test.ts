import { describe, expect, it } from 'vitest';
import { createFindBreakers } from './breakers.ts';

const texts = ['a', 'b\n', '\n\n', ' "', 'é', 'x:y', '', '*'];
const vocabulary = (asked: number[] = []) => ({
  size: texts.length,
  bytesOf(token: number) {
    asked.push(token);
    // the last token is half a character
    return token === texts.length - 1 ? Uint8Array.of(0xc3) : Buffer.from(texts[token]!, 'utf8');
  },
});

describe('findBreakers', () => {
  it('finds the tokens that hold a text, alone or among others', async () => {
    const find = createFindBreakers(vocabulary());
    expect([...(await find(['\n', ':', '"', '*']))]).toEqual([1, 2, 3, 5]);
    expect([...(await find(['é']))]).toEqual([4]);
    expect([...(await find(['\n\n', 'a']))]).toEqual([0, 2]);
    expect([...(await find(['ab', '', 'Ã']))]).toEqual([]);
    expect([...(await find([]))]).toEqual([]);
  });

  it('reads the vocabulary once, also when asked twice at the same time', async () => {
    const asked: number[] = [];
    const find = createFindBreakers(vocabulary(asked));
    const [first, second] = await Promise.all([find(['a']), find(['a', 'é'])]);
    expect([first.size, second.size]).toEqual([1, 2]);
    expect(await find(['a', 'é'])).toBe(second);
    expect(asked).toHaveLength(texts.length);
  });

  it('forgets old sets, and finds them again', async () => {
    const find = createFindBreakers(vocabulary());
    const first = await find(['a']);
    for (let i = 0; i < 40; i++) await find([`${i}`]);
    const again = await find(['a']);
    expect(again).not.toBe(first);
    expect(again).toEqual(first);
  });
});
