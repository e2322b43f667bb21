// What picking a token costs, without a model: made-up rows of logits as wide as real vocabularies, in which, as in real
// ones, the tokens with small ids are likelier.
import { createSampler } from '../src/infer/process/sampler.ts';
import { createRandom } from '../src/lib/random.ts';
import type { Sampling } from '../src/lib/text-model.ts';
import type { Figure } from './main.ts';

const rowsOfEach = 8;
const roundsToWarmUp = 60;
const measureMs = 500;

const whole: Sampling = { topK: 0, topP: 1, minP: 0, temperature: 1 };
const paths: { name: string; sampling: Sampling; vocabularySize: number; atMost?: number }[] = [
  { name: 'defaults', sampling: {}, vocabularySize: 49_152, atMost: 0.06 },
  { name: 'defaults', sampling: {}, vocabularySize: 128_256 },
  { name: 'defaults', sampling: {}, vocabularySize: 262_144 },
  { name: 'greedy', sampling: { temperature: 0 }, vocabularySize: 49_152 },
  { name: 'penalties', sampling: { repetitionPenalty: 1.1, dry: { multiplier: 0.8 } }, vocabularySize: 49_152 },
  { name: '20 logprobs', sampling: { logprobs: 20 }, vocabularySize: 49_152 },
  { name: 'top-k off', sampling: { topK: 0 }, vocabularySize: 49_152 },
  { name: 'no filter', sampling: whole, vocabularySize: 49_152 },
  { name: 'no filter', sampling: whole, vocabularySize: 262_144 },
];

/** @returns ms a token, the median of those drawn in half a second for each path */
export async function benchSampling(): Promise<Figure[]> {
  return paths.map(({ name, sampling, vocabularySize, atMost }) => ({
    name: `sampling: ${name}, ${Math.floor(vocabularySize / 1000)}k vocabulary`,
    value: msPerToken(sampling, vocabularySize),
    unit: 'ms',
    ...(atMost === undefined ? {} : { bar: { limit: atMost, side: 'at most' } }),
  }));
}

function msPerToken(sampling: Sampling, vocabularySize: number): number {
  const random = createRandom(1);
  const rows = Array.from({ length: rowsOfEach }, () => madeUpRow(vocabularySize, random.next));
  const prompt = Int32Array.from({ length: 2000 }, () => Math.floor(random.next() ** 4 * vocabularySize));
  const sampler = createSampler({ ...sampling, seed: 1 }, { vocabularySize, prompt });
  const drawEach = () => {
    for (const row of rows) sampler.accept(sampler.sample(row).token);
  };
  for (let i = 0; i < roundsToWarmUp; i++) drawEach();
  const times: number[] = [];
  for (const until = performance.now() + measureMs; performance.now() < until; ) {
    const startedAt = performance.now();
    drawEach();
    times.push((performance.now() - startedAt) / rows.length);
  }
  return times.sort((a, b) => a - b)[times.length >> 1] as number;
}

/** Normal with a deviation of 2.5, around a mean that falls with the logarithm of the id. */
function madeUpRow(vocabularySize: number, uniform: () => number): Float32Array {
  return Float32Array.from({ length: vocabularySize }, (_, token) => {
    const normal = Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
    return 2.5 * normal - 0.6 * Math.log(token + 100);
  });
}
