// Encodes much text on several threads. Large texts are cut where that changes no id (cut-text.ts); the parts of one text
// come together again in their order.
import { cancelled, invariant } from '../lib/errors.ts';
import { partsOf } from './cut-text.ts';
import { defaultThreads, startThreads } from './threads/pool.ts';
import type { Tokenizer } from './tokenizer.ts';

/** Ids as they lie in a pool on disk: two bytes each where the vocabulary allows. */
export type PackedIds = Uint16Array<ArrayBuffer> | Uint32Array<ArrayBuffer>;

/** Up to so many bytes, asking a thread takes longer than encoding. */
const shortText = 2048;

export interface ParallelEncoder {
  /**
   * Ids of plain text. Await `ready` before each call, or all texts wait in memory.
   * @param text bytes must stay as they are until it settles
   * @throws FreeholdError cancelled
   */
  encode(text: string | Uint8Array): Promise<PackedIds>;
  /** Settles when there is room for another text. */
  ready(): Promise<void>;
  close(): void;
}

/**
 * @param options.threads default: one a core, at most 16
 * @param options.signal aborting ends the threads; what is under way is rejected as cancelled
 */
export function createParallelEncoder(
  tokenizer: Pick<Tokenizer, 'vocab' | 'vocabulary' | 'encode'>,
  options: { threads?: number; signal?: AbortSignal } = {},
): ParallelEncoder {
  const pool = startThreads(options.threads ?? defaultThreads(), options.signal);
  const Ids = tokenizer.vocab <= 1 << 16 ? Uint16Array : Uint32Array;
  const begun = pool.askAll({ kind: 'use', vocabulary: tokenizer.vocabulary });
  // whoever encodes hears of it
  begun.catch(() => undefined);

  return {
    async encode(text) {
      await begun;
      if (options.signal?.aborted) throw cancelled();
      const bytes = typeof text === 'string' ? Buffer.from(text, 'utf8') : text;
      if (bytes.length <= shortText) return new Ids(tokenizer.encode(bytes));
      const parts = [...partsOf(bytes)].map(async (part) => {
        const answer = await pool.ask({ kind: 'encode', bytes: part });
        invariant(answer.kind === 'ids', 'a thread that encodes answers with ids');
        return answer.ids;
      });
      const ids = await Promise.all(parts);
      const all = new Ids(ids.reduce((sum, { length }) => sum + length, 0));
      let at = 0;
      for (const some of ids) {
        all.set(some, at);
        at += some.length;
      }
      return all;
    },
    async ready() {
      await begun;
      await pool.whenReady();
    },
    close: () => pool.close(),
  };
}
