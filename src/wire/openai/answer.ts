// Answers of `POST /v1/chat/completions`, whole and streamed. Pure: events in, JSON or text of the event stream out.
import type { FreeholdError } from '../../lib/errors.ts';
import type {
  GeneratedToken,
  GenerateEvent,
  StopReason,
  TokenLogprob,
  ToolUseBlock,
  Usage,
} from '../../lib/text-model.ts';
import { type AnswerMeta, type Completion, type StreamEncoder, totalUsage } from '../completion.ts';
import { openaiErrorBody } from './errors.ts';

/** @param functionCall whether calls are told in the older way */
export function finishReason(reason: StopReason, functionCall = false): string {
  switch (reason) {
    case 'end-turn':
    case 'stop-sequence':
      return 'stop';
    case 'max-tokens':
    case 'context-full':
      return 'length';
    case 'tool-use':
      return functionCall ? 'function_call' : 'tool_calls';
    case 'refusal':
      return 'content_filter';
    default:
      return reason satisfies never;
  }
}

export function usageOf({ inputTokens, cachedTokens, outputTokens, thinkingTokens = 0 }: Usage) {
  return {
    prompt_tokens: inputTokens,
    completion_tokens: outputTokens,
    total_tokens: inputTokens + outputTokens,
    prompt_tokens_details: { cached_tokens: cachedTokens },
    completion_tokens_details: { reasoning_tokens: thinkingTokens },
  };
}

/** What the vendor says for a token that could not come at all: JSON has no infinity. */
const impossible = -9999;

/** Tokens with their log probabilities; a token that is a part of a character shows as U+FFFD, its bytes tell which. */
export function tokenLogprobs(tokens: readonly GeneratedToken[]) {
  const entry = ({ bytes, logprob }: TokenLogprob & { bytes: number[] }) => ({
    token: new TextDecoder().decode(Uint8Array.from(bytes)),
    logprob: Number.isFinite(logprob) ? logprob : impossible,
    bytes,
  });
  return tokens.map((token) => ({ ...entry(token), top_logprobs: token.top.map(entry) }));
}

function logprobsOf(tokens: readonly GeneratedToken[] | undefined) {
  return tokens ? { content: tokenLogprobs(tokens), refusal: null } : null;
}

/** A whole answer, with as many choices as there are completions. */
export function chatBody(
  completions: readonly Completion[],
  meta: AnswerMeta,
  { functionCall = false }: Pick<ChatStreamOptions, 'functionCall'> = {},
): unknown {
  const usage = totalUsage(completions.map((completion) => completion.usage));
  return {
    id: meta.id,
    object: 'chat.completion',
    created: meta.createdSeconds,
    model: meta.model,
    choices: completions.map((completion, index) => choiceOf(completion, index, functionCall)),
    usage: usageOf(usage),
    freehold: { model: meta.model, ...meta.timing(usage.outputTokens) },
  };
}

function choiceOf(completion: Completion, index: number, functionCall: boolean) {
  const textOf = (type: 'text' | 'thinking') =>
    completion.blocks.flatMap((block) => (block.type === type ? [block.text] : [])).join('');
  const thinking = textOf('thinking');
  const calls = completion.blocks.flatMap((block) =>
    block.type === 'tool-use'
      ? [{ id: block.id, function: { name: block.name, arguments: callArguments(completion, block) } }]
      : [],
  );
  const text = textOf('text');
  return {
    index,
    message: {
      role: 'assistant',
      content: text === '' && calls.length > 0 ? null : text,
      refusal: null,
      ...(thinking === '' ? {} : { reasoning_content: thinking }),
      ...(calls[0] && functionCall ? { function_call: calls[0].function } : {}),
      ...(calls[0] && !functionCall
        ? { tool_calls: calls.map(({ id, function: called }) => ({ id, type: 'function', function: called })) }
        : {}),
    },
    logprobs: logprobsOf(completion.logprobs),
    finish_reason: finishReason(completion.stopReason, functionCall),
  };
}

/** The arguments of a call as the model wrote them: numbers keep their digits, and an answer that was cut off its end. */
export function callArguments({ toolJson }: Completion, { id, input }: ToolUseBlock): string {
  return toolJson?.[id] || JSON.stringify(input);
}

export interface ChatStreamOptions {
  /** Whether one more chunk, with empty choices, tells the usage. Default false. */
  includeUsage?: boolean;
  /** How many answers there are. Default 1. */
  answers?: number;
  /** Whether calls are told in the older way, as `function_call`. Default false. */
  functionCall?: boolean;
}

/** Encodes answers as chunks: of each the role first, then deltas, then the reason it ended; after all of them `[DONE]`. */
export function chatStream(meta: AnswerMeta, options: ChatStreamOptions = {}): StreamEncoder {
  const { includeUsage = false, answers = 1, functionCall = false } = options;
  const head = { id: meta.id, object: 'chat.completion.chunk', created: meta.createdSeconds, model: meta.model };
  const usages = Array.from({ length: answers }, (): Usage => ({ inputTokens: 0, cachedTokens: 0, outputTokens: 0 }));
  const toolIndexes = usages.map(() => -1);
  let ended = 0;

  const line = (data: unknown) => `data: ${JSON.stringify(data)}\n\n`;
  const chunk = (index: number, delta: object, more: { logprobs?: unknown; finish?: string; beside?: object } = {}) =>
    line({
      ...head,
      choices: [{ index, delta, logprobs: more.logprobs ?? null, finish_reason: more.finish ?? null }],
      ...(includeUsage ? { usage: null } : {}),
      ...more.beside,
    });

  // of the chunks that come for every token only the text differs
  const before = `data: ${JSON.stringify(head).slice(0, -1)},"choices":[{"index":`;
  const after = `},"logprobs":null,"finish_reason":null}]${includeUsage ? ',"usage":null' : ''}}\n\n`;
  const piece = (index: number, key: 'content' | 'reasoning_content', text: string) =>
    `${before}${index},"delta":{"${key}":${JSON.stringify(text)}${after}`;

  return {
    encode(event: GenerateEvent, answer = 0): string {
      switch (event.type) {
        case 'start':
          Object.assign(usages[answer] as Usage, {
            inputTokens: event.inputTokens,
            cachedTokens: event.cachedTokens,
          });
          return chunk(answer, { role: 'assistant', content: '', refusal: null });
        case 'text-delta':
          return event.logprobs
            ? chunk(answer, { content: event.text }, { logprobs: logprobsOf(event.logprobs) })
            : piece(answer, 'content', event.text);
        case 'thinking-delta':
          return piece(answer, 'reasoning_content', event.text);
        case 'tool-use-start': {
          const index = (toolIndexes[answer] as number) + 1;
          toolIndexes[answer] = index;
          const called = { name: event.name, arguments: '' };
          if (functionCall) return chunk(answer, { function_call: called });
          return chunk(answer, { tool_calls: [{ index, id: event.id, type: 'function', function: called }] });
        }
        case 'tool-use-delta':
          if (functionCall) return chunk(answer, { function_call: { arguments: event.json } });
          return chunk(answer, { tool_calls: [{ index: toolIndexes[answer], function: { arguments: event.json } }] });
        case 'tool-use-stop':
          return '';
        case 'usage': {
          const { type: _, ...usage } = event;
          usages[answer] = usage;
          return '';
        }
        case 'stop': {
          ended += 1;
          const finish = finishReason(event.reason, functionCall);
          if (ended < answers) return chunk(answer, {}, { finish });
          const usage = totalUsage(usages);
          const freehold = { model: meta.model, ...meta.timing(usage.outputTokens) };
          return (
            chunk(answer, {}, { finish, beside: { freehold } }) +
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
