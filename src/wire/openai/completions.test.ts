import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FreeholdError } from '../../lib/errors.ts';
import type { GenerateEvent } from '../../lib/text-model.ts';
import { type AnswerMeta, startGathering } from '../completion.ts';
import { completionsBody, completionsStream, parseCompletions } from './completions.ts';

const context = { tenant: 't', traceId: 'trace' };
const parse = (changes: object) => parseCompletions({ model: 'm', prompt: 'Once', ...changes }, context);

describe('a request', () => {
  it('is a raw prompt, with 16 tokens for its answer', () => {
    expect(parse({})).toEqual({
      model: 'm',
      stream: false,
      includeUsage: false,
      answers: 1,
      prompts: 1,
      promptField: 'prompt',
      echoes: undefined,
      request: { prompt: 'Once', messages: [], maxTokens: 16, sampling: {}, ...context },
      requests: [{ prompt: 'Once', messages: [], maxTokens: 16, sampling: {}, ...context }],
    });
  });

  it('may hold several prompts and ask for several answers to each', () => {
    const { requests, answers, prompts, echoes } = parse({ prompt: ['a', 'b'], n: 2, seed: 7, echo: true, best_of: 2 });
    expect([answers, prompts, echoes]).toEqual([4, 2, ['a', 'a', 'b', 'b']]);
    expect(requests?.map((each) => [each.prompt, each.sampling?.seed])).toEqual([
      ['a', 7],
      ['a', 8],
      ['b', 7],
      ['b', 8],
    ]);
  });

  it.each<[string, object, string, string]>([
    ['tokens', { prompt: [1, 2] }, 'unsupported', 'prompt[0]'],
    ['lists of tokens', { prompt: ['a', [1, 2]] }, 'unsupported', 'prompt[1]'],
    ['a suffix', { suffix: 'end' }, 'unsupported', 'suffix'],
    ['the best of several', { best_of: 3 }, 'unsupported', 'best_of'],
    ['log probabilities of an echo', { echo: true, logprobs: 1 }, 'unsupported', 'logprobs'],
    ['a format', { response_format: { type: 'json_object' } }, 'unsupported', 'response_format'],
    ['no prompt', { prompt: undefined }, 'invalid_request', 'prompt'],
    ['an empty prompt', { prompt: '' }, 'invalid_request', 'prompt'],
    ['no prompts', { prompt: [] }, 'invalid_request', 'prompt'],
    ['no tokens', { max_tokens: 0 }, 'invalid_request', 'max_tokens'],
    ['too many answers', { prompt: Array(65).fill('a'), n: 2 }, 'invalid_request', 'prompt'],
    ['too many log probabilities', { logprobs: 21 }, 'invalid_request', 'logprobs'],
  ])('refused: %s', (_, changes, code, field) => {
    expect(() => parse(changes)).toThrow(expect.objectContaining({ code, status: 400, field }));
  });

  it('never fails in any other way', () => {
    const json = fc.jsonValue();
    fc.assert(
      fc.property(
        fc.record({ prompt: json, n: json, stop: json, echo: json, logprobs: json }, { requiredKeys: [] }),
        (body) => {
          try {
            parse(body);
          } catch (error) {
            expect(error).toBeInstanceOf(FreeholdError);
          }
        },
      ),
    );
  });
});

const meta: AnswerMeta = {
  id: 'cmpl_1',
  model: 'm',
  createdSeconds: 1,
  timing: () => ({ timeToFirstTokenMs: 5, tokensPerSecond: 7 }),
};
const events = (text: string, inputTokens: number, outputTokens: number): GenerateEvent[] => [
  { type: 'start', inputTokens, cachedTokens: 1 },
  { type: 'text-delta', text },
  { type: 'usage', inputTokens, cachedTokens: 1, outputTokens },
  { type: 'stop', reason: 'max-tokens' },
];
const whole = (all: readonly GenerateEvent[][], answering: Parameters<typeof completionsBody>[2]) =>
  completionsBody(
    all.map((each) => {
      const gathering = startGathering();
      for (const event of each) gathering.add(event);
      return gathering.end();
    }),
    meta,
    answering,
  );
const chunksOf = (all: readonly GenerateEvent[][], answering: Parameters<typeof completionsStream>[1]) => {
  const encoder = completionsStream(meta, answering);
  const text = all.flatMap((each, answer) => each.map((event) => encoder.encode(event, answer))).join('');
  expect(text.endsWith('data: [DONE]\n\n')).toBe(true);
  return text
    .split('\n\n')
    .filter((line) => line.startsWith('data: {'))
    .map((line) => JSON.parse(line.slice(6)));
};

describe('an answer', () => {
  const all = [events(' upon', 3, 2), events(' more', 3, 4), events(' x', 5, 1), events(' y', 5, 1)];
  const answering = parse({ prompt: ['a', 'b'], n: 2, echo: true, stream_options: { include_usage: true } });
  const usage = {
    prompt_tokens: 8,
    completion_tokens: 8,
    total_tokens: 16,
    prompt_tokens_details: { cached_tokens: 2 },
  };

  it('has a choice for each prompt and answer; each prompt counts once', () => {
    expect(whole(all, answering)).toMatchObject({
      id: 'cmpl_1',
      object: 'text_completion',
      created: 1,
      model: 'm',
      choices: [
        { index: 0, text: 'a upon', logprobs: null, finish_reason: 'length' },
        { index: 1, text: 'a more' },
        { index: 2, text: 'b x' },
        { index: 3, text: 'b y' },
      ],
      usage,
    });
  });

  it('streams to the same', () => {
    const chunks = chunksOf(all, answering);
    const texts = [0, 1, 2, 3].map((index) =>
      chunks.map(({ choices }) => (choices[0]?.index === index ? choices[0].text : '')).join(''),
    );
    expect(texts).toEqual(['a upon', 'a more', 'b x', 'b y']);
    expect(chunks.filter(({ choices }) => choices[0]?.finish_reason === 'length')).toHaveLength(4);
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage });
  });

  it('tells log probabilities in the older shape', () => {
    const token = (text: string, logprob: number) => ({ token: 1, logprob, bytes: [...Buffer.from(text)] });
    const logged: GenerateEvent[] = [
      { type: 'start', inputTokens: 1, cachedTokens: 0 },
      {
        type: 'text-delta',
        text: ' upon',
        logprobs: [{ ...token(' upon', -0.5), top: [token(' upon', -0.5), token(' in', -1)] }],
      },
      { type: 'text-delta', text: ' a', logprobs: [{ ...token(' a', -0.25), top: [] }] },
      { type: 'usage', inputTokens: 1, cachedTokens: 0, outputTokens: 2 },
      { type: 'stop', reason: 'end-turn' },
    ];
    const expected = {
      tokens: [' upon', ' a'],
      token_logprobs: [-0.5, -0.25],
      top_logprobs: [{ ' upon': -0.5, ' in': -1 }, {}],
      text_offset: [0, 5],
    };
    const asked = parse({ logprobs: 2 });
    expect(whole([logged], asked)).toMatchObject({ choices: [{ logprobs: expected, finish_reason: 'stop' }] });
    const streamed = chunksOf([logged], asked).flatMap(({ choices }) => choices[0]?.logprobs ?? []);
    expect(streamed.flatMap(({ text_offset }) => text_offset)).toEqual(expected.text_offset);
    expect(streamed.flatMap(({ tokens }) => tokens)).toEqual(expected.tokens);
  });
});
