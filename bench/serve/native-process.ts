// What of the bench itself needs native code, in a process that is gone before anything is timed.

import { readGguf } from '../../src/formats/gguf/read.ts';
import { readTuning, tuningKey } from '../../src/infer/process/tuning-store.ts';
import { loadNative } from '../../src/native/ffi.ts';
import { type Limit, measureLimit } from './limit.ts';
import type { Load, Prompt } from './loads.ts';
import { makePrompts } from './prompts.ts';

export type Question =
  | { type: 'prompts'; model: string; loads: readonly Load[] }
  | { type: 'limit'; model: string }
  | { type: 'tuned'; model: string; home: string };
/** Prompts are by the order of the loads, then by round. */
export type Answer = { prompts: Prompt[][][] } | { limit: Limit } | { tuned: boolean };

async function answer(question: Question): Promise<Answer> {
  switch (question.type) {
    case 'prompts':
      return { prompts: await makePrompts(question.model, question.loads) };
    case 'limit':
      return { limit: await measureLimit(question.model) };
    case 'tuned': {
      const gguf = await readGguf(question.model, { maxArrayLength: 0 });
      const key = tuningKey(loadNative({ device: 'cpu' }), gguf, question.model, 0);
      return { tuned: readTuning(question.home, key) !== undefined };
    }
  }
}

process.once('message', async (question: Question) => {
  const found = await answer(question);
  process.send?.(found, () => process.exit(0));
});
