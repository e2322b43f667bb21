// Answers of `POST /v1/messages`, whole and streamed. Pure: events in, JSON or text of the event stream out.
import type { FreeholdError } from '../../lib/errors.ts';
import type { Block, GenerateEvent, StopReason, Usage } from '../../lib/text-model.ts';
import type { AnswerMeta, Completion, StreamEncoder } from '../completion.ts';
import { anthropicErrorBody } from './errors.ts';

function stopReason(reason: StopReason): string {
  switch (reason) {
    case 'end-turn':
      return 'end_turn';
    case 'max-tokens':
      return 'max_tokens';
    case 'stop-sequence':
      return 'stop_sequence';
    case 'tool-use':
      return 'tool_use';
    case 'context-full':
      return 'model_context_window_exceeded';
    case 'refusal':
      return 'refusal';
    default:
      return reason satisfies never;
  }
}

/** The vendor counts tokens read from the cache apart from the others. */
function usageOf({ inputTokens, cachedTokens, outputTokens }: Usage) {
  return {
    input_tokens: inputTokens - cachedTokens,
    cache_creation_input_tokens: 0,
    cache_read_input_tokens: cachedTokens,
    output_tokens: outputTokens,
  };
}

function blockOf(block: Block): unknown {
  switch (block.type) {
    case 'text':
      return { type: 'text', text: block.text };
    case 'thinking':
      return { type: 'thinking', thinking: block.text, signature: block.signature ?? '' };
    case 'tool-use':
      return { type: 'tool_use', id: block.id, name: block.name, input: block.input };
    default:
      return { type: 'text', text: '' };
  }
}

/** A whole answer. */
export function messageBody(completion: Completion, meta: AnswerMeta): unknown {
  return {
    id: meta.id,
    type: 'message',
    role: 'assistant',
    model: meta.model,
    content: completion.blocks.map(blockOf),
    stop_reason: stopReason(completion.stopReason),
    stop_sequence: completion.stopSequence ?? null,
    usage: usageOf(completion.usage),
    freehold: { model: meta.model, ...meta.timing(completion.usage.outputTokens) },
  };
}

/** One server-sent event; the vendor's SDK reads the `event:` line, so it is always there. */
function sse(type: string, data: object): string {
  return `event: ${type}\ndata: ${JSON.stringify({ type, ...data })}\n\n`;
}

type BlockKind = 'text' | 'thinking' | 'tool_use';

/** Encodes one generation as message_start, content blocks, message_delta, message_stop. */
export function messageStream(meta: AnswerMeta): StreamEncoder {
  let index = -1;
  let open: BlockKind | undefined;
  let pinged = false;
  let usage: Usage = { inputTokens: 0, cachedTokens: 0, outputTokens: 0 };

  const close = () => {
    if (!open) return '';
    // a signature belongs just before its thinking block stops; ours is empty, since thoughts are not sent back in
    const signature =
      open === 'thinking'
        ? sse('content_block_delta', { index, delta: { type: 'signature_delta', signature: '' } })
        : '';
    open = undefined;
    return signature + sse('content_block_stop', { index });
  };
  const start = (kind: BlockKind, contentBlock: object) => {
    const before = close();
    open = kind;
    index += 1;
    const ping = pinged ? '' : sse('ping', {});
    pinged = true;
    return before + sse('content_block_start', { index, content_block: contentBlock }) + ping;
  };
  /** What comes for every token: only the text differs. */
  const delta = (kind: 'text' | 'thinking', text: string) =>
    `event: content_block_delta\ndata: {"type":"content_block_delta","index":${index},"delta":{"type":"${kind}_delta","${kind}":${JSON.stringify(text)}}}\n\n`;

  return {
    encode(event: GenerateEvent): string {
      switch (event.type) {
        case 'start':
          usage = { ...usage, inputTokens: event.inputTokens, cachedTokens: event.cachedTokens };
          return sse('message_start', {
            message: {
              id: meta.id,
              type: 'message',
              role: 'assistant',
              model: meta.model,
              content: [],
              stop_reason: null,
              stop_sequence: null,
              usage: usageOf(usage),
            },
          });
        case 'text-delta': {
          const before = open === 'text' ? '' : start('text', { type: 'text', text: '' });
          return before + delta('text', event.text);
        }
        case 'thinking-delta': {
          const before =
            open === 'thinking' ? '' : start('thinking', { type: 'thinking', thinking: '', signature: '' });
          return before + delta('thinking', event.text);
        }
        case 'tool-use-start':
          return start('tool_use', { type: 'tool_use', id: event.id, name: event.name, input: {} });
        case 'tool-use-delta':
          return sse('content_block_delta', { index, delta: { type: 'input_json_delta', partial_json: event.json } });
        case 'tool-use-stop':
          return close();
        case 'usage':
          usage = {
            inputTokens: event.inputTokens,
            cachedTokens: event.cachedTokens,
            outputTokens: event.outputTokens,
          };
          return '';
        case 'stop':
          return (
            close() +
            sse('message_delta', {
              delta: { stop_reason: stopReason(event.reason), stop_sequence: event.stopSequence ?? null },
              usage: usageOf(usage),
              freehold: { model: meta.model, ...meta.timing(usage.outputTokens) },
            }) +
            sse('message_stop', {})
          );
        default:
          return event satisfies never;
      }
    },
    fail(error: FreeholdError, requestId: string): string {
      return `event: error\ndata: ${JSON.stringify(anthropicErrorBody(error, requestId))}\n\n`;
    },
    keepAlive: () => sse('ping', {}),
  };
}
