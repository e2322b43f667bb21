// With a model of real size: greedy answers among others are those of lone runs, but where the best two tokens are near.
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
    const verdicts = await Promise.all(
      references.map(async (reference) => {
        const sampling = { temperature: 0, logprobs: 0 };
        return compare(reference, await answerOf(model.generate({ ...reference.request, sampling })), references);
      }),
    );
    const same = verdicts.filter((verdict) => verdict === 'same').length;
    return { answers: prompts, same, undecided: prompts - same };
  } finally {
    await model.close();
  }
}
