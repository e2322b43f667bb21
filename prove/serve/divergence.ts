// With a model of real size: greedy answers among others are those of lone runs, but where the best two tokens are near.
import assert from 'node:assert/strict';
import { createRandom } from '../../src/lib/random.ts';
import { answerOf, compare, loneAnswers, markedRequest } from './references.ts';
import { openModel } from './soak.ts';

const concurrent = 32;
const prompts = 64;

export interface DivergenceFigures {
  answers: number;
  same: number;
  undecided: number;
}

export async function divergence(file: string): Promise<DivergenceFigures> {
  const model = await openModel(file, { contextTokens: 512, maxSequences: concurrent, queueLimit: prompts });
  try {
    const random = createRandom(64);
    const asked = Array.from({ length: prompts }, (_, index) => markedRequest(index, random, 60, 48));
    const references = await loneAnswers(model, asked);
    const broken: string[] = [];
    const verdicts = await Promise.all(
      references.map(async (reference) => {
        const sampling = { temperature: 0, logprobs: 0 };
        const answer = await answerOf(model.generate({ ...reference.request, sampling }));
        try {
          return await compare(model, reference, answer, references);
        } catch (error) {
          broken.push((error as Error).message);
          return 'broken';
        }
      }),
    );
    const count = (wanted: string) => verdicts.filter((verdict) => verdict === wanted).length;
    assert(broken.length === 0, `of ${prompts} answers ${count('same')} are as alone; ${broken.join('\n')}`);
    return { answers: prompts, same: count('same'), undecided: count('undecided') };
  } finally {
    await model.close();
  }
}
