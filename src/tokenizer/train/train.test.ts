import { describe, expect, it } from 'vitest';
import { madeUpProse } from '../../../test/support/random-text.ts';
import { createRandom } from '../../lib/random.ts';
import { spell } from '../byte-letters.ts';
import { preTokenizer } from '../pre-tokenizers.ts';
import { tokenizerToJson } from '../tokenizer-file.ts';
import { type TrainBpeProgress, trainBpe } from './train.ts';

const prose = madeUpProse(1, 10_000);

/** The definition: count all pairs, merge the most frequent, begin again. Smaller ids win ties. */
function learnedSlowly(text: string, tokens: number): string[] {
  const bytes = Buffer.from(text);
  const words = new Map<string, { ids: number[]; count: number }>();
  for (let at = 0; at < bytes.length; ) {
    const end = preTokenizer('qwen2').scan(bytes, at, bytes.length);
    const word = words.get(bytes.toString('latin1', at, end)) ?? { ids: [...bytes.subarray(at, end)], count: 0 };
    word.count += 1;
    words.set(bytes.toString('latin1', at, end), word);
    at = end;
  }
  const spellings = Array.from({ length: 256 }, (_, byte) => spell(Uint8Array.of(byte)));
  while (spellings.length < 256 + tokens) {
    const counts = new Map<number, number>();
    for (const { ids, count } of words.values()) {
      for (let at = 1; at < ids.length; at++) {
        const pair = (ids[at - 1] as number) * 2 ** 20 + (ids[at] as number);
        counts.set(pair, (counts.get(pair) ?? 0) + count);
      }
    }
    const best = [...counts].sort(([a, x], [b, y]) => y - x || a - b)[0];
    if (!best || best[1] < 2) break;
    const left = Math.floor(best[0] / 2 ** 20);
    const right = best[0] % 2 ** 20;
    const spelling = `${spellings[left]}${spellings[right]}`;
    let merged = spellings.indexOf(spelling);
    if (merged < 0) merged = spellings.push(spelling) - 1;
    for (const word of words.values()) {
      const ids: number[] = [];
      for (let at = 0; at < word.ids.length; at++) {
        if (word.ids[at] === left && word.ids[at + 1] === right) {
          ids.push(merged);
          at += 1;
        } else ids.push(word.ids[at] as number);
      }
      word.ids = ids;
    }
  }
  return spellings.slice(256);
}

describe('training', () => {
  it('learns what the definition of BPE learns, in that order', async () => {
    const { next } = createRandom(5);
    // few letters, so that tokens repeat within a word and are spelled in two ways
    const babble = Array.from({ length: 600 }, () =>
      Array.from({ length: 1 + Math.floor(next() * 9) }, () => 'aab'[Math.floor(next() * 3)]).join(''),
    ).join(' ');
    for (const text of [prose.slice(0, 8000), babble]) {
      const trained = await trainBpe([text], { vocab: 257 + 120 });
      expect(trained.vocabulary.tokens.slice(256, -1)).toEqual(learnedSlowly(text, 120));
    }
  });

  it('makes the same tokenizer of the same text on any number of threads, whole or in parts, in any order', async () => {
    const large = Array.from({ length: Math.ceil((3 << 20) / prose.length) }, () => prose);
    const json = async (texts: string[], threads: number) =>
      tokenizerToJson(await trainBpe(texts, { vocab: 1000, threads }));
    const alone = await json(large, 1);
    expect(await json(large, 2)).toBe(alone);
    expect(await json([large.join('')], 2)).toBe(await json([large.join('')], 1));
    const halves = [prose, 'other words, in another order'];
    expect(await json([...halves].reverse(), 1)).toBe(await json(halves, 1));
  });

  it('reads texts as they come, and says how far it is', async () => {
    const seen: TrainBpeProgress[] = [];
    async function* texts() {
      yield prose.slice(0, 1000);
      yield Buffer.from(prose.slice(1000));
    }
    await trainBpe(texts(), { vocab: 400, onProgress: (progress) => seen.push(progress) });
    expect(seen.filter(({ phase }) => phase === 'count').at(-1)?.done).toBe(Buffer.byteLength(prose));
    expect(seen.at(-1)).toEqual({ phase: 'merge', done: 143, total: 143 });
  });

  it('splits digits, or does not, as the pre-tokenizer says', async () => {
    const text = ' x2024 abcd'.repeat(20);
    const tokensOf = async (name: 'qwen2' | 'gpt-2') =>
      (await trainBpe([text], { vocab: 260, preTokenizer: name })).encode('2024').length;
    expect(await tokensOf('qwen2')).toBe(4);
    expect(await tokensOf('gpt-2')).toBeLessThan(4);
  });

  it('of a vocabulary larger than the text supports is an error that names the largest', async () => {
    const failure = await trainBpe(['to be or not to be'], { vocab: 5000 }).catch((error) => error);
    expect(failure).toMatchObject({ code: 'data_invalid', field: 'vocab' });
    const most = Number(/at most (\d+) tokens/.exec(failure.message)?.[1]);
    expect((await trainBpe(['to be or not to be'], { vocab: most })).vocab).toBe(most);
    await expect(trainBpe(['to be or not to be'], { vocab: most + 1 })).rejects.toMatchObject({ code: 'data_invalid' });
  });

  it('of nothing, or for a vocabulary without room for the bytes, is an error', async () => {
    await expect(trainBpe([], { vocab: 300 })).rejects.toMatchObject({ code: 'data_invalid' });
    await expect(trainBpe([''], { vocab: 300 })).rejects.toMatchObject({ code: 'data_invalid' });
    for (const vocab of [256, 0, -1, 300.5, Number.NaN]) {
      await expect(trainBpe([prose], { vocab })).rejects.toMatchObject({ code: 'invalid_request', field: 'vocab' });
    }
  });

  it('on a megabyte of one letter ends', async () => {
    const trained = await trainBpe(['a'.repeat(1 << 20)], { vocab: 257 + 15 });
    expect(trained.encode('a'.repeat(1 << 15))).toHaveLength(1);
  });

  it('stops when it is told to, while it counts and while it learns', async () => {
    for (const phase of ['count', 'merge'] as const) {
      const abort = new AbortController();
      const { next } = createRandom(9);
      const words = Array.from({ length: 60_000 }, () =>
        Math.floor(next() * 2 ** 40)
          .toString(36)
          .replace(/\d/g, ''),
      );
      const onProgress = (progress: TrainBpeProgress) => {
        if (progress.phase === phase) abort.abort();
      };
      const options = { vocab: 20_000, threads: 1, onProgress, signal: abort.signal };
      await expect(trainBpe([words.join(' '), 'end'], options)).rejects.toMatchObject({ code: 'cancelled' });
    }
  });
});
