// Prompts that each carry a marker of their own, what a model answers to them when it is alone, and whether an answer
// given under load is that answer.
import assert from 'node:assert/strict';
import type { Random } from '../../src/lib/random.ts';
import type {
  GeneratedToken,
  GenerateEvent,
  GenerateRequest,
  StopReason,
  TextModel,
} from '../../src/lib/text-model.ts';

/** Where the two likeliest tokens are nearer than this, in logits, rounding may choose the other one. */
const undecidedGap = 0.15;

export interface Reference {
  request: GenerateRequest;
  answer: Answer;
}

export interface Answer {
  text: string;
  /** Where the request asked for log probabilities. */
  tokens: GeneratedToken[];
  inputTokens: number;
  outputTokens: number;
  cachedTokens: number;
  reason: StopReason;
}

const syllables = [...'bdfgklmnprst'].flatMap((consonant) => [...'aeiou'].map((vowel) => consonant + vowel));
const word = (random: Random) => {
  const syllable = () => syllables[Math.floor(random.next() * syllables.length)];
  return `${syllable()}${syllable()}`;
};

/** A greedy request of 1 to `mostWords` words whose text no other index gives. */
export function markedRequest(index: number, random: Random, mostWords: number, mostTokens: number): GenerateRequest {
  const words = Array.from({ length: 1 + Math.floor(random.next() ** 2 * mostWords) }, () => word(random));
  const text = `marker ${index}: ${words.join(' ')}`;
  return {
    messages: [{ role: 'user', content: [{ type: 'text', text }] }],
    maxTokens: 4 + Math.floor(random.next() * (mostTokens - 4)),
    sampling: { temperature: 0 },
    ignoreEnd: true,
    tenant: `tenant ${index % 5}`,
    traceId: `marker ${index}`,
  };
}

/** @throws whatever the generation throws; AssertionError when its events are out of order */
export async function answerOf(events: AsyncIterable<GenerateEvent>): Promise<Answer> {
  const answer: Answer = { text: '', tokens: [], inputTokens: 0, outputTokens: 0, cachedTokens: 0, reason: 'end-turn' };
  const order: string[] = [];
  for await (const event of events) {
    if (order.at(-1) !== event.type) order.push(event.type);
    if (event.type === 'text-delta') {
      answer.text += event.text;
      answer.tokens.push(...(event.logprobs ?? []));
    } else if (event.type === 'usage') {
      answer.inputTokens = event.inputTokens;
      answer.outputTokens = event.outputTokens;
    } else if (event.type === 'start') answer.cachedTokens = event.cachedTokens;
    else if (event.type === 'stop') answer.reason = event.reason;
  }
  assert.match(order.join(' '), /^start( text-delta)? usage stop$/, 'events come in their order');
  return answer;
}

/** Asks one request after another, each alone. */
export async function loneAnswers(model: TextModel, requests: readonly GenerateRequest[]): Promise<Reference[]> {
  const references: Reference[] = [];
  for (const request of requests) {
    const sampling = { ...request.sampling, logprobs: 2 };
    const answer = await answerOf(model.generate({ ...request, sampling }));
    assert.equal(answer.tokens.length, answer.outputTokens, 'a lone run reports every token');
    references.push({ request, answer });
  }
  return references;
}

/** same: token for token; undecided: another way from a place where the lone run's best two were near. */
export type Verdict = 'same' | 'undecided';

/**
 * @param model asked once more where an answer is another marker's and may be this one's too
 * @throws AssertionError when the answer is not what a lone run may give
 */
export async function compare(
  model: TextModel,
  reference: Reference,
  answer: Answer,
  others: readonly Reference[],
): Promise<Verdict> {
  const { request, answer: lone } = reference;
  const name = request.traceId;
  assert.equal(answer.inputTokens, lone.inputTokens, `${name}: the prompt has as many tokens as alone`);
  assert.equal(answer.outputTokens, lone.outputTokens, `${name}: the answer has as many tokens as alone`);
  if (answer.text === lone.text) return 'same';
  const stranger = others.find((other) => other.request !== request && other.answer.text === answer.text);
  const isOwn = !stranger || (await givesItToo(model, reference, answer));
  assert(isOwn, `${name}: got the answer of ${stranger?.request.traceId}`);
  const gaps = gapsOf(lone);
  const at = answer.tokens.findIndex(({ token }, i) => token !== lone.tokens[i]?.token);
  // without tokens the place is known only roughly: text may agree for a while after tokens differ
  const gap = at >= 0 ? (gaps[at] as number) : Math.min(...gaps);
  const shown = `${JSON.stringify(answer.text)}, alone ${JSON.stringify(lone.text)}`;
  assert(gap < undecidedGap, `${name}: differs from a lone run where the best two were ${gap} apart: ${shown}`);
  return 'undecided';
}

/** How far the two likeliest tokens are apart, token by token. */
function gapsOf({ tokens }: Answer): number[] {
  return tokens.map(({ top }) => (top[0]?.logprob ?? 0) - (top[1]?.logprob ?? Number.NEGATIVE_INFINITY));
}

/** Whether a marker's own prompt leads to an answer as soon as one of its ties is decided the other way. */
async function givesItToo(model: TextModel, { request, answer: lone }: Reference, answer: Answer): Promise<boolean> {
  for (const [at, gap] of gapsOf(lone).entries()) {
    if (gap >= undecidedGap) continue;
    const logitBias = { [(lone.tokens[at] as GeneratedToken).token]: -(gap + 0.01) };
    const other = await answerOf(model.generate({ ...request, sampling: { temperature: 0, logitBias } }));
    if (other.text === answer.text) return true;
  }
  return false;
}
