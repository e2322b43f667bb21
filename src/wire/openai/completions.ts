// `POST /v1/completions`, the older API: text that goes on from a prompt as it stands, without a chat template. What a
// request may hold, how it becomes canonical, its answers whole and streamed. Pure.
import { z } from 'zod';
import type { FreeholdError } from '../../lib/errors.ts';
import type { GeneratedToken, GenerateEvent, GenerateRequest, Usage } from '../../lib/text-model.ts';
import {
  type AnswerMeta,
  type Completion,
  type ParsedRequest,
  type RequestContext,
  type StreamEncoder,
  totalUsage,
} from '../completion.ts';
import { largestCount, samplingFields, samplingOf } from '../sampling.ts';
import { fieldError, validate } from '../validate.ts';
import { finishReason, tokenLogprobs, usageOf } from './answer.ts';
import { openaiErrorBody } from './errors.ts';
import { isSet, mostAnswers, parseStop, refuseByName, stopStrings } from './limits.ts';

/** Most prompts of one request, and most answers to all of them together. */
const mostPrompts = 128;

/** What the vendor writes where nothing else is asked for. */
const defaultMaxTokens = 16;

const prompt = z.string().min(1);

export const completionsSchema = z.looseObject({
  model: z.string().min(1).max(500),
  prompt: z.union([
    prompt,
    z
      .array(z.union([prompt, z.int(), z.array(z.int())]))
      .min(1)
      .max(1 << 16),
  ]),
  max_tokens: z.int().min(1).nullish(),
  n: z.int().min(1).max(mostAnswers).nullish(),
  best_of: z.int().min(0).max(mostAnswers).nullish(),
  echo: z.boolean().nullish(),
  suffix: z.string().nullish(),
  logprobs: z.int().min(0).max(20).nullish(),
  stop: stopStrings,
  stream: z.boolean().nullish(),
  stream_options: z.looseObject({ include_usage: z.boolean().nullish() }).nullish(),
  temperature: z.number().min(0).max(2).nullish(),
  ...samplingFields,
});

type Given = z.output<typeof completionsSchema>;

export interface ParsedCompletions extends ParsedRequest {
  /** Each answer's prompt, where it stands before the answer. */
  echoes: readonly string[] | undefined;
  includeUsage: boolean;
}

/**
 * @param body the parsed JSON of the request
 * @throws FreeholdError invalid_request or unsupported, naming the field
 */
export function parseCompletions(body: unknown, { tenant, traceId }: RequestContext): ParsedCompletions {
  const given = validate(completionsSchema, body, 'brackets');
  refuseByName({ ...given, best_of: given.best_of === given.n ? null : given.best_of }, [
    ['suffix', isSet(given.suffix) && given.suffix !== '', 'Text is not filled in before a suffix'],
    ['logprobs', given.echo === true && isSet(given.logprobs), 'The tokens of an echoed prompt have none here'],
    ['response_format', isSet(given.response_format), 'Structured output is done by /v1/chat/completions'],
    ['tools', isSet(given.tools), 'Tools are called by /v1/chat/completions'],
  ]);
  const prompts = promptsOf(given.prompt);
  const answersEach = given.n ?? 1;
  const answers = prompts.length * answersEach;
  if (answers > mostPrompts) {
    const message = `At most ${mostPrompts} answers to one request are given, and ${answers} were asked for.`;
    throw fieldError('invalid_request', ['prompt'], message, 'brackets', 'Send fewer prompts at once.');
  }
  const request = { ...settingsOf(given), messages: [], tenant, traceId };
  const requests = prompts.flatMap((text) =>
    Array.from({ length: answersEach }, (_, answer) => withSeed({ ...request, prompt: text }, answer)),
  );
  return {
    model: given.model,
    stream: given.stream ?? false,
    request: requests[0] as GenerateRequest,
    requests,
    answers,
    prompts: prompts.length,
    promptField: 'prompt',
    includeUsage: given.stream_options?.include_usage ?? false,
    echoes: given.echo ? requests.map((each) => each.prompt ?? '') : undefined,
  };
}

function promptsOf(given: Given['prompt']): string[] {
  const all = typeof given === 'string' ? [given] : given;
  return all.map((each, index) => {
    if (typeof each === 'string') return each;
    throw fieldError('unsupported', ['prompt', index], 'Tokens are not read.', 'brackets', 'Send the text itself.');
  });
}

function settingsOf(given: Given): Pick<GenerateRequest, 'maxTokens' | 'sampling' | 'stop' | 'ignoreEnd'> {
  const stop = parseStop(given.stop);
  const logprobs = given.logprobs ?? undefined;
  return {
    maxTokens: Math.min(given.max_tokens ?? defaultMaxTokens, largestCount),
    sampling: { ...samplingOf(given, 'brackets'), ...(logprobs === undefined ? {} : { logprobs }) },
    ...(stop.length > 0 && { stop }),
    ...(given.ignore_eos && { ignoreEnd: true }),
  };
}

/** Answers to one prompt differ; the same answer to each of several does not. */
function withSeed(request: GenerateRequest, answer: number): GenerateRequest {
  const seed = request.sampling?.seed;
  if (seed === undefined) return request;
  return { ...request, sampling: { ...request.sampling, seed: (seed + answer) >>> 0 } };
}

type Answering = Pick<ParsedCompletions, 'echoes' | 'answers' | 'prompts' | 'includeUsage'>;

/** A whole answer: for each prompt its choices, in order. */
export function completionsBody(completions: readonly Completion[], meta: AnswerMeta, answering: Answering): unknown {
  const usage = usageOfPrompts(
    completions.map((each) => each.usage),
    answering,
  );
  return {
    id: meta.id,
    object: 'text_completion',
    created: meta.createdSeconds,
    model: meta.model,
    choices: completions.map(({ blocks, logprobs, stopReason }, index) => ({
      index,
      text: (answering.echoes?.[index] ?? '') + blocks.map((block) => ('text' in block ? block.text : '')).join(''),
      logprobs: logprobs ? olderLogprobs(logprobs, 0).logprobs : null,
      finish_reason: finishReason(stopReason),
    })),
    usage: usageOf(usage),
    freehold: { model: meta.model, ...meta.timing(usage.outputTokens) },
  };
}

/** Each prompt counts once, however many answers it has. */
function usageOfPrompts(usages: readonly Usage[], { prompts = 1 }: Answering): Usage {
  const each = usages.length / prompts;
  const totals = Array.from({ length: prompts }, (_, prompt) =>
    totalUsage(usages.slice(prompt * each, (prompt + 1) * each)),
  );
  const sum = (field: 'inputTokens' | 'cachedTokens' | 'outputTokens') =>
    totals.reduce((total, usage) => total + usage[field], 0);
  return { inputTokens: sum('inputTokens'), cachedTokens: sum('cachedTokens'), outputTokens: sum('outputTokens') };
}

/**
 * Log probabilities in the older shape: parallel lists, and where in the text each token begins.
 * @param from offset of the first token
 * @returns also the offset after the last
 */
function olderLogprobs(tokens: readonly GeneratedToken[], from: number) {
  const entries = tokenLogprobs(tokens);
  let offset = from;
  const textOffset = entries.map(({ token }) => {
    const at = offset;
    offset += token.length;
    return at;
  });
  return {
    offset,
    logprobs: {
      tokens: entries.map(({ token }) => token),
      token_logprobs: entries.map(({ logprob }) => logprob),
      // the likeliest first, and so it stays where two tokens read the same
      top_logprobs: entries.map(({ top_logprobs: top }) =>
        Object.fromEntries(top.toReversed().map(({ token, logprob }) => [token, logprob])),
      ),
      text_offset: textOffset,
    },
  };
}

/** Encodes answers as chunks of text, each with its choice's index; after all of them `[DONE]`. */
export function completionsStream(meta: AnswerMeta, answering: Answering): StreamEncoder {
  const { answers = 1, echoes, includeUsage } = answering;
  const head = { id: meta.id, object: 'text_completion', created: meta.createdSeconds, model: meta.model };
  const usages = Array.from({ length: answers }, (): Usage => ({ inputTokens: 0, cachedTokens: 0, outputTokens: 0 }));
  const offsets = usages.map(() => 0);
  let ended = 0;
  const line = (data: unknown) => `data: ${JSON.stringify(data)}\n\n`;
  const chunk = (index: number, text: string, more: { logprobs?: unknown; finish?: string; beside?: object } = {}) =>
    line({
      ...head,
      choices: [{ index, text, logprobs: more.logprobs ?? null, finish_reason: more.finish ?? null }],
      ...(includeUsage ? { usage: null } : {}),
      ...more.beside,
    });

  return {
    encode(event: GenerateEvent, answer = 0): string {
      switch (event.type) {
        case 'start':
          Object.assign(usages[answer] as Usage, { inputTokens: event.inputTokens, cachedTokens: event.cachedTokens });
          return echoes ? chunk(answer, echoes[answer] as string) : '';
        case 'text-delta': {
          if (!event.logprobs) return chunk(answer, event.text);
          const { offset, logprobs } = olderLogprobs(event.logprobs, offsets[answer] as number);
          offsets[answer] = offset;
          return chunk(answer, event.text, { logprobs });
        }
        // where the prompt is raw, whatever the model writes is text
        case 'thinking-delta':
          return chunk(answer, event.text);
        case 'tool-use-start':
        case 'tool-use-delta':
        case 'tool-use-stop':
          return '';
        case 'usage': {
          const { type: _, ...usage } = event;
          usages[answer] = usage;
          return '';
        }
        case 'stop': {
          ended += 1;
          const finish = finishReason(event.reason);
          if (ended < answers) return chunk(answer, '', { finish });
          const usage = usageOfPrompts(usages, answering);
          const freehold = { model: meta.model, ...meta.timing(usage.outputTokens) };
          return (
            chunk(answer, '', { finish, beside: { freehold } }) +
            (includeUsage ? line({ ...head, choices: [], usage: usageOf(usage) }) : '') +
            'data: [DONE]\n\n'
          );
        }
        default:
          return event satisfies never;
      }
    },
    fail: (error: FreeholdError) => line(openaiErrorBody(error)),
    keepAlive: () => ': keep-alive\n\n',
  };
}
