// Answers of `POST /v1/chat/completions`, whole and streamed. Pure: events in, JSON or text of the event stream out.
import type { FreeholdError } from '../../lib/errors.ts';
import type { GenerateEvent, StopReason, Usage } from '../../lib/text-model.ts';
import type { AnswerMeta, Completion, StreamEncoder } from '../completion.ts';
import { openaiErrorBody } from './errors.ts';

function finishReason(reason: StopReason): string {
  switch (reason) {
    case 'end-turn':
    case 'stop-sequence':
      return 'stop';
    case 'max-tokens':
    case 'context-full':
      return 'length';
    case 'tool-use':
      return 'tool_calls';
    case 'refusal':
      return 'content_filter';
    default:
      return reason satisfies never;
  }
}

function usageOf({ inputTokens, cachedTokens, outputTokens }: Usage) {
  return {
    prompt_tokens: inputTokens,
    completion_tokens: outputTokens,
    total_tokens: inputTokens + outputTokens,
    prompt_tokens_details: { cached_tokens: cachedTokens },
  };
}

/** A whole answer. */
export function chatBody(completion: Completion, meta: AnswerMeta): unknown {
  const textOf = (type: 'text' | 'thinking') =>
    completion.blocks.flatMap((block) => (block.type === type ? [block.text] : [])).join('');
  const thinking = textOf('thinking');
  const toolCalls = completion.blocks.flatMap((block) =>
    block.type === 'tool-use'
      ? [{ id: block.id, type: 'function', function: { name: block.name, arguments: JSON.stringify(block.input) } }]
      : [],
  );
  const text = textOf('text');
  return {
    id: meta.id,
    object: 'chat.completion',
    created: meta.createdSeconds,
    model: meta.model,
    choices: [
      {
        index: 0,
        message: {
          role: 'assistant',
          content: text === '' && toolCalls.length > 0 ? null : text,
          refusal: null,
          ...(thinking === '' ? {} : { reasoning_content: thinking }),
          ...(toolCalls.length === 0 ? {} : { tool_calls: toolCalls }),
        },
        logprobs: null,
        finish_reason: finishReason(completion.stopReason),
      },
    ],
    usage: usageOf(completion.usage),
    freehold: { model: meta.model, ...meta.timing(completion.usage.outputTokens) },
  };
}

/**
 * Encodes one generation as chunks: the role first, then deltas, the reason it ended, `[DONE]`.
 * @param includeUsage whether one more chunk, with empty choices, tells the usage
 */
export function chatStream(meta: AnswerMeta, includeUsage: boolean): StreamEncoder {
  const head = { id: meta.id, object: 'chat.completion.chunk', created: meta.createdSeconds, model: meta.model };
  let toolIndex = -1;
  let usage: Usage = { inputTokens: 0, cachedTokens: 0, outputTokens: 0 };

  const line = (data: unknown) => `data: ${JSON.stringify(data)}\n\n`;
  const chunk = (delta: object, finish: string | null = null, more: object = {}) =>
    line({
      ...head,
      choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }],
      ...(includeUsage ? { usage: null } : {}),
      ...more,
    });

  return {
    encode(event: GenerateEvent): string {
      switch (event.type) {
        case 'start':
          usage = { ...usage, inputTokens: event.inputTokens, cachedTokens: event.cachedTokens };
          return chunk({ role: 'assistant', content: '', refusal: null });
        case 'text-delta':
          return chunk({ content: event.text });
        case 'thinking-delta':
          return chunk({ reasoning_content: event.text });
        case 'tool-use-start':
          toolIndex += 1;
          return chunk({
            tool_calls: [
              { index: toolIndex, id: event.id, type: 'function', function: { name: event.name, arguments: '' } },
            ],
          });
        case 'tool-use-delta':
          return chunk({ tool_calls: [{ index: toolIndex, function: { arguments: event.json } }] });
        case 'tool-use-stop':
          return '';
        case 'usage':
          usage = {
            inputTokens: event.inputTokens,
            cachedTokens: event.cachedTokens,
            outputTokens: event.outputTokens,
          };
          return '';
        case 'stop': {
          const freehold = { model: meta.model, ...meta.timing(usage.outputTokens) };
          return (
            chunk({}, finishReason(event.reason), { freehold }) +
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
