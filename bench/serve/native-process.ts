// What of the bench itself needs native code, in a process that is gone before anything is timed.

import { type Limit, measureLimit } from './limit.ts';
import type { Load, Prompt } from './loads.ts';
import { makePrompts } from './prompts.ts';

export type Question = { type: 'prompts'; model: string; loads: readonly Load[] } | { type: 'limit'; model: string };
/** By the order of the loads, then by round. */
export type Answer = { prompts: Prompt[][][] } | { limit: Limit };

process.once('message', async (question: Question) => {
  const answer: Answer =
    question.type === 'prompts'
      ? { prompts: await makePrompts(question.model, question.loads) }
      : { limit: await measureLimit(question.model) };
  process.send?.(answer, () => process.exit(0));
});
